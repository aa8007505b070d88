"""What the operating system knows of a connection."""

from __future__ import annotations

import select
from typing import Any


def is_closed_by_peer(stream: Any) -> bool:  # noqa: ANN401  (httpcore's network stream)
    """Whether the other side ended a connection over which nothing was sent yet.

    That the socket can be read proves nothing: TLS sends tickets unasked.
    """
    hang_up = getattr(select, "POLLRDHUP", 0)  # Linux has it; elsewhere only a reset is seen
    poll = select.poll()
    poll.register(stream.get_extra_info("socket"), hang_up)
    return any(events & (hang_up | select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
