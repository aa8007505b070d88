"""The changes of records, as a feed and as the life of a reservation. Pure: no I/O, no clock."""

from __future__ import annotations
