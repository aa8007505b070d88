"""The schema: its revisions, roles and grants."""

from __future__ import annotations
