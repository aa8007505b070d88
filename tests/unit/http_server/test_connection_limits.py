from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.http_server.config import ServerConfig
from hostaway_sync.http_server.connection_limits import compute_connection_limit, compute_needed_files


@given(st.integers(1, 2**20), st.integers(1, 10_000))
def test_connections_fit_into_the_limit_of_open_files(open_files: int, wanted: int) -> None:
    """Three files each, and a hundred for everything else; one connection at least."""
    most = compute_connection_limit(open_files, wanted)
    assert 1 <= most <= wanted
    assert most == 1 or 3 * most + 100 <= open_files
    assert compute_connection_limit(compute_needed_files(wanted), wanted) == wanted


def test_usual_limit_of_files_allows_all_connections() -> None:
    """1,024 files are the limit of most systems."""
    usual = ServerConfig("receiver").most_connections
    assert compute_connection_limit(1024, usual) == usual == 256
