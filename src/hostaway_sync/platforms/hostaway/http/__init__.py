"""One request to Hostaway: its slot in the budget, the request itself, retries, the response."""

from __future__ import annotations
