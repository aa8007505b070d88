"""The systems that can be mirrored, a directory each."""

from __future__ import annotations
