"""PostgreSQL and only PostgreSQL: every statement of the program is in this package."""
