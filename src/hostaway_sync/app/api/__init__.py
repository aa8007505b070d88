"""What a process that serves the API needs beside the subjects: limits of its callers, how it does."""

from __future__ import annotations
