"""Checks whether a host name can be resolved at all."""

from __future__ import annotations


def is_host_name(name: str) -> bool:
    """Whether Python can resolve a host name: it encodes every name with IDNA first.

    A name with an empty label, as in `db..example`, or with a label of more than 63 letters raises UnicodeError there,
    which no library expects.
    """
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
