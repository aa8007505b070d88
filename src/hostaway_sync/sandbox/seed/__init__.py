"""The rows of a seeded account as arithmetic: ids, stamps and the order of its lists."""

from __future__ import annotations
