"""Hostaway's API for writing calendars."""

from __future__ import annotations
