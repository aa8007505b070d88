"""Mail addresses as people write them, and which of these are one: whatever their letters, spaces and stops around."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from hostaway_sync.safe_text import strip_invisible

_ADDRESS: Final = re.compile(r"[^\s<>()\[\],;:\"'|\\]+@[^\s<>()\[\],;:\"'|\\@]+")
_AROUND: Final = ".!?*_"


def addresses_in(text: str) -> frozenset[str]:
    """Return the addresses in a text, each in its one form; of what is none, nothing."""
    plain = unicodedata.normalize("NFKC", strip_invisible(unicodedata.normalize("NFKC", text))).casefold()
    return frozenset(found for one in _ADDRESS.findall(plain) if "@" in (found := _bare(one)).strip("@"))


def list_spellings(address: str) -> frozenset[str]:
    """Return the texts that a source may have for an address in its one form, where only a hash of them is kept."""
    return frozenset({address, f"{address}.", f"mailto:{address}", f"<{address}>"})


def _bare(address: str) -> str:
    name, _, host = address.rpartition("@")
    return f"{name.lstrip(_AROUND.replace('_', ''))}@{host.strip(_AROUND)}"
