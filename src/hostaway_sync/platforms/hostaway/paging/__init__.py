"""In which order the pages of a list are asked for, and when the list is complete. Decisions are pure."""

from __future__ import annotations
