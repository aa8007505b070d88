"""Hostaway's webhooks: their registration, events and delivery log."""

from __future__ import annotations
