"""Hostaway's lists beside the four that the mirror is built on, each as one row of data."""

from __future__ import annotations
