"""Where the pages of a run go: into the tables, or into the counts of a dry run."""

from __future__ import annotations
