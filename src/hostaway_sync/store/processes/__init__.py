"""Processes that share a database: their names, and the rights that one process holds at a time."""

from __future__ import annotations
