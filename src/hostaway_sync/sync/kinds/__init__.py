"""Mirror the other kinds of objects: each list once in its period, behind everything else."""

from __future__ import annotations
