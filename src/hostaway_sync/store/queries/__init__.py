"""Queries that a person wrote: one statement, which can only read, answered in a stream of any length."""

from __future__ import annotations
