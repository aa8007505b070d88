"""What a person sees: tables, progress, prompts, options, `--explain`."""

from __future__ import annotations
