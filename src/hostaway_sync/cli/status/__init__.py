"""`hostaway-sync status`."""

from __future__ import annotations
