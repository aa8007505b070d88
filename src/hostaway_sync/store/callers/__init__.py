"""Callers of the API: their keys, and transactions in which each sees its own accounts alone."""

from __future__ import annotations
