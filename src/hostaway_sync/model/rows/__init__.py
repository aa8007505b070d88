"""Rows of the mirror as the API gives them: its lists, ids and cursors. Pure: no I/O, no clock."""

from __future__ import annotations
