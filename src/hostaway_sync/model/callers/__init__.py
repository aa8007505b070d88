"""Callers of the API: what each may do, of which accounts, and how it proves who it is. Pure: no I/O, no clock."""

from __future__ import annotations

from hostaway_sync.model.callers.caller import Access, Caller, Scope

__all__ = ["Access", "Caller", "Scope"]
