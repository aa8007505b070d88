"""The history of records as it is read: the feed of changes, and the life of a reservation."""

from __future__ import annotations
