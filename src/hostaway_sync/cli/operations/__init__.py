"""Commands that look after an installation: doctor, worker, dead letters, keys, demo."""

from __future__ import annotations
