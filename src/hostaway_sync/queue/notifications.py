"""What the worker makes of NOTIFY: a hint that there may be a job, and nothing else.

PostgreSQL lets every role that may log in notify every channel with any text. So no text is read: it could name a job
to abort, or be no JSON at all. Which jobs there are, the worker asks the database.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final

from procrastinate import PsycopgConnector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procrastinate.connector import Notify

# However many notifications arrive, the worker looks for jobs this often at most: a flood costs 20 statements a second.
PAUSE_S: Final = 0.05
# What the engine itself takes for "there is a job".
_THERE_IS_A_JOB: Final = '{"type": "job_inserted", "job_id": 0}'
# What the engine's own triggers write, and no more of it than can be told without parsing.
_OF_A_TRIGGER: Final = re.compile(r'\{"type" ?: ?"(job_inserted|abort_job_requested)", ?"job_id" ?: ?\d{1,19}\}')

log = logging.getLogger(__name__)


class LenientConnector(PsycopgConnector):
    """The engine's way to the database, which believes no notification."""

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Listen until cancelled; see `Notifications`."""
        await super().listen_notify(on_notification=Notifications(on_notification), channels=channels)


class Notifications:
    """Passes on that there may be a job, at most once in `PAUSE_S`; none that comes meanwhile is forgotten.

    Args:
        wake: has the engine look for jobs.
    """

    def __init__(self, wake: Notify) -> None:
        self._wake = wake
        self._is_due = False
        self._passing: asyncio.Task[Any] | None = None
        self._has_warned = False

    async def __call__(self, channel: str, payload: str) -> None:
        """Take a notification."""
        if not self._has_warned and not _OF_A_TRIGGER.fullmatch(payload):
            self._has_warned = True
            log.warning(
                "a session of the database sends notifications that are none of ours on %s: they change nothing",
                channel,
            )
        self._is_due = True
        if self._passing is None or self._passing.done():
            self._passing = asyncio.create_task(self._pass_on(channel))

    async def _pass_on(self, channel: str) -> None:
        while self._is_due:
            self._is_due = False
            await self._wake(channel=channel, payload=_THERE_IS_A_JOB)
            await asyncio.sleep(PAUSE_S)
