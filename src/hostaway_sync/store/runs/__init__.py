"""Runs: their history, leases, certificates, alarms and estimates."""

from __future__ import annotations
