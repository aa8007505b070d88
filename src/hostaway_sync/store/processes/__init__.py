"""The processes that share a database: their names, and rights that one process has at a time."""

from __future__ import annotations
