"""The kinds of objects beside listings, reservations, conversations, messages and calendars. Pure: no I/O, no clock."""

from __future__ import annotations
