"""Changes as they come: who waits for them, who is woken, and how they are sent."""

from __future__ import annotations
