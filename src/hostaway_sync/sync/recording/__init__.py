"""Where the pages of a run go: into the tables, or, in a dry run, into a count."""

from __future__ import annotations
