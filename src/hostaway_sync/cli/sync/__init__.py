"""Commands that read from Hostaway: sync, sync-all, verify, plan."""

from __future__ import annotations
