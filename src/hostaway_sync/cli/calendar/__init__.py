"""Commands about the calendars of listings."""

from __future__ import annotations
