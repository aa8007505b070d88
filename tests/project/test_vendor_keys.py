"""What the source calls its fields is written in the modules about the source, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import pytest
from tests.support.project.pages import PACKAGE

from hostaway_sync.platforms.hostaway.parsing.resources import SPECS
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The demo shows questions in SQL about the payloads of its stand-in for the source.
ABOUT_THE_SOURCE = {"platforms", "sandbox", "cli/operations/demo.py"}


def words_in(value: object) -> Iterator[str]:
    """Yield every word in data, however deep it lies; of what is a pattern, its words too."""
    if isinstance(value, str):
        yield from re.findall(r"\w+", value)
    elif isinstance(value, dict):
        yield from words_in([*value, *value.values()])
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from words_in(one)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from words_in([getattr(value, one.name) for one in fields(value)])


def keys_of_the_source() -> set[str]:
    """Return its keys and statuses that no ordinary word looks like: those with a capital letter within."""
    read = [(spec.keys, spec.activity, spec.params, spec.volatile, spec.signed, spec.silent) for spec in SPECS.values()]
    return {word for word in words_in([read, VOCABULARY]) if re.fullmatch(r"[a-z]+(?:[A-Z][a-z]+)+", word)}


def leaks(package: Path) -> list[str]:
    """Return where a module that is not about the source names one of its keys, in small letters as well."""
    keys, found = keys_of_the_source(), []
    keys |= {key.lower() for key in keys}
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        if not {place.parts[0], place.as_posix()} & ABOUT_THE_SOURCE:
            named = keys & set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
            found += [f"{place.as_posix()}: {key}" for key in sorted(named)]
    return found


def test_keys_of_the_source_stay_in_its_modules() -> None:
    """Others are handed a vocabulary, so that another source brings its own."""
    assert len(keys_of_the_source()) > 60
    assert leaks(PACKAGE) == []


@pytest.mark.parametrize("key", ["guestEmail", "listingMapId", "inquiryDenied", "conversationMessages", "wifiusername"])
def test_a_key_in_a_module_of_ours_is_found(tmp_path: Path, key: str) -> None:
    """Outside the folders of the platform, also inside a longer text."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "guests.py").write_text(f"PATH = '$.{key}'\n")
    assert leaks(tmp_path) == [f"store/guests.py: {key}"]
