"""What changed in a mirror, and when: for the command line and other programs."""

from __future__ import annotations
