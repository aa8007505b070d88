"""Bytes from Hostaway → records. Pure."""

from __future__ import annotations
