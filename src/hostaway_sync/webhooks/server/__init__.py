"""The HTTP receiver of deliveries."""

from __future__ import annotations
