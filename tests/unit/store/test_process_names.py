from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.store.processes.names import has_died, is_dead, name_this_process

HERE = "near/boot/pid:[1]"
WORDS = st.text("abc:[]-.0123456789", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("owner", "started", "dead"),
    [
        (f"{HERE}/77/123", "123", False),  # alive, however slow it is, or paused
        (f"{HERE}/77/123#again", "123", False),  # under another name of its own
        (f"{HERE}/77/123", None, True),  # its process is gone
        (f"{HERE}/77/123", "456", True),  # another process has its number
        ("far/boot/pid:[1]/77/123", None, False),  # another host
        ("near/rebooted/pid:[1]/77/123", None, False),  # a host with that name, booted at another time
        ("near/boot/pid:[2]/77/123", None, False),  # another container of this host
        ("near", None, False),  # not one of our names
        ("", None, False),
    ],
)
def test_only_gone_processes_of_this_host_are_dead(owner: str, started: str | None, *, dead: bool) -> None:
    """Only names with this host and this process numbering, and without such a process."""
    assert is_dead(owner, host=HERE, started=started) is dead


@given(host=WORDS, process=st.integers(1, 2**22), started=WORDS, found=st.none() | WORDS)
def test_no_process_of_another_host_is_ever_judged(host: str, process: int, started: str, found: str | None) -> None:
    """Whatever process has that number here."""
    assert not is_dead(f"{host}/{process}/{started}", host=HERE, started=found)


def test_process_finds_itself_alive() -> None:
    """With each of its names."""
    assert not has_died(name_this_process())
