"""The HTTP server that parts of the program share: listening, limits, request ids, readiness, metrics."""

from __future__ import annotations
