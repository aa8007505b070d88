"""Mail addresses as people write them, normalized: case, Unicode form and surrounding punctuation do not count."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from hostaway_sync.safe_text import strip_invisible

_ADDRESS: Final = re.compile(r"[^\s<>()\[\],;:\"'|\\]+@[^\s<>()\[\],;:\"'|\\@]+")
_AROUND: Final = ".!?*_"


def addresses_in(text: str) -> frozenset[str]:
    """Return the mail addresses in a text, normalized."""
    plain = unicodedata.normalize("NFKC", strip_invisible(unicodedata.normalize("NFKC", text))).casefold()
    return frozenset(found for one in _ADDRESS.findall(plain) if "@" in (found := _bare(one)).strip("@"))


def list_spellings(address: str) -> frozenset[str]:
    """Return the texts that the source may hold for a normalized address; of some fields only a hash is stored."""
    return frozenset({address, f"{address}.", f"mailto:{address}", f"<{address}>"})


def _bare(address: str) -> str:
    name, _, host = address.rpartition("@")
    return f"{name.lstrip(_AROUND.replace('_', ''))}@{host.strip(_AROUND)}"
