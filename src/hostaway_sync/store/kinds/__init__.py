"""The other kinds of objects: their rows, what is gone of them, and how each list was read last."""

from __future__ import annotations
