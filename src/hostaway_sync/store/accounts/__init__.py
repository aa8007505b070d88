"""Accounts: reading and changing them, and who may write the rows of one."""

from __future__ import annotations
