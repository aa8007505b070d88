"""The database schema: revisions, roles, grants and the mark of a move."""

from __future__ import annotations
