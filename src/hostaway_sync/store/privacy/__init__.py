"""Personal data: guests who are forgotten, and fields of payloads that are hidden."""

from __future__ import annotations
