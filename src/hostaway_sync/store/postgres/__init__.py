"""PostgreSQL: connections, transactions, and the meaning of the driver's errors."""

from __future__ import annotations
