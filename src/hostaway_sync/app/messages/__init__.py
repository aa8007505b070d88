"""Messages to guests: composed, sent one or many at a time, settled, listed."""

from __future__ import annotations
