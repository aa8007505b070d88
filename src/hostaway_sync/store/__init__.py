"""PostgreSQL: every SQL statement of the program is in this package."""
