"""What people take out of the database and put back: answers of queries, exports, dumps."""

from __future__ import annotations
