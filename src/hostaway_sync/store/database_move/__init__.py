"""Moving a whole mirror to another database."""

from __future__ import annotations
