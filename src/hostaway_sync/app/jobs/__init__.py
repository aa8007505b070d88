"""Queued work: syncs that wait, messages, refreshes, what automations are told, and the worker that does it."""

from __future__ import annotations
