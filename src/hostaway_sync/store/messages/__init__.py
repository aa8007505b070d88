"""Messages to guests: the intent ledger, the outbox, recipients."""

from __future__ import annotations
