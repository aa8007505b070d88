"""Which names of hosts can be asked for at all."""

from __future__ import annotations


def is_host_name(name: str) -> bool:
    """Whether the system can be asked for the address of a host: Python writes each name by the rules of IDNA first.

    A name with an empty label, as in `db..example`, or one of more than 63 letters ends there, with an error that no
    library expects.
    """
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
