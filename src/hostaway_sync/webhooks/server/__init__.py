"""The HTTP receiver of deliveries."""

from __future__ import annotations

from typing import Final

# The name of this part of the program, with which its log lines begin.
PART: Final = "receiver"
