"""The pull pipeline with another end: what the source holds is compared with what is stored."""

from __future__ import annotations
