"""What the operating system knows about a connection."""

from __future__ import annotations

import select
from typing import Any


def is_closed_by_peer(stream: Any) -> bool:  # noqa: ANN401  (httpcore's network stream)
    """Whether the server closed a connection over which no request was sent yet.

    A socket with something to read proves nothing: TLS servers send session tickets unasked.
    """
    hang_up = getattr(select, "POLLRDHUP", 0)  # on Linux; other systems show a reset only
    poll = select.poll()
    poll.register(stream.get_extra_info("socket"), hang_up)
    return any(events & (hang_up | select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
