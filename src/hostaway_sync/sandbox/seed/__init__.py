"""What a seeded account holds, as arithmetic: ids, stamps and the order of its lists."""

from __future__ import annotations
