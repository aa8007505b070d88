from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.http_server.connection_limits import MOST_CONNECTIONS, compute_connection_limit


@given(st.integers(1, 2**20))
def test_connections_fit_into_the_limit_of_open_files(open_files: int) -> None:
    """Three files each, and a hundred for everything else; one connection at least."""
    most = compute_connection_limit(open_files)
    assert 1 <= most <= MOST_CONNECTIONS
    assert most == 1 or 3 * most + 100 <= open_files


def test_usual_limit_of_files_allows_all_connections() -> None:
    """1,024 files are the limit of most systems."""
    assert compute_connection_limit(1024) == MOST_CONNECTIONS
