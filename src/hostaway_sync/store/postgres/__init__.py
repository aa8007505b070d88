"""The way to PostgreSQL: connections, transactions, and what the driver's errors mean."""

from __future__ import annotations
