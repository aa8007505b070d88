"""Commands about the database as a whole: its tables, roles, and what is kept in it."""

from __future__ import annotations
