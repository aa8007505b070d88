"""Telling the platform where deliveries go, and checking that they arrive."""

from __future__ import annotations
