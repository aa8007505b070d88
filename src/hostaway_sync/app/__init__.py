"""The library: what the command line and other programs call; it opens everything from the settings."""

from __future__ import annotations
