"""Commands about what changed, and when."""

from __future__ import annotations
