"""Deliveries: the inbox, credentials, audits and backlog."""

from __future__ import annotations
