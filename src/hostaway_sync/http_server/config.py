"""What differs between the parts of the program that serve HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How one part of the program serves HTTP.

    Attributes:
        part: its name, with which log lines begin, such as `receiver`.
        most_connections: how many connections may be open, where the process may open enough files.
    """

    part: str
    most_connections: int = 256
