"""Every system that can be mirrored, one directory each."""

from __future__ import annotations
