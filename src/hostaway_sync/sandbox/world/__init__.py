"""The rows of an account of the sandbox, and the changes that can happen to them."""

from __future__ import annotations
