"""Hostaway's API for messages to guests."""

from __future__ import annotations
