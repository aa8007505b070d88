"""Values, protocols and pure rules that several floors share; no I/O."""

from __future__ import annotations
