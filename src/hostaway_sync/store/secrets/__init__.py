"""Secrets of accounts: sealed, opened, placed, moved."""

from __future__ import annotations
