"""Commands about messages to guests."""

from __future__ import annotations
