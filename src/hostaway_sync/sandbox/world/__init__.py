"""What an account of the sandbox holds now, and what can happen to it."""

from __future__ import annotations
