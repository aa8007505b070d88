"""Mirrored rows: written, compared, missing, due to be read."""

from __future__ import annotations
