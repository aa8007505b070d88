"""Automations: who is told, what waits to be told, and the rows that are told of."""

from __future__ import annotations
