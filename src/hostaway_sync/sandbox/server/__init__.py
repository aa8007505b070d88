"""The sandbox over HTTP: routes, tokens, limits and faults."""

from __future__ import annotations
