"""NOTIFY as the worker reads it: a hint that there may be a job, and nothing else.

PostgreSQL lets every role that may log in notify every channel with any text. So the text is not used: it could name a
job to abort, or be no JSON at all. The worker asks the database which jobs there are.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final

from procrastinate import PsycopgConnector
from procrastinate.manager import get_channel_for_queues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procrastinate.connector import Notify

# The shortest time between two looks for jobs: a flood of notifications costs 20 statements a second.
PAUSE_S: Final = 0.05
# The text that Procrastinate reads as "there is a job".
_THERE_IS_A_JOB: Final = '{"type": "job_inserted", "job_id": 0}'
# The texts that Procrastinate's triggers write, as far as that can be told without parsing.
_OF_A_TRIGGER: Final = re.compile(r'\{"type" ?: ?"(job_inserted|abort_job_requested)", ?"job_id" ?: ?\d{1,19}\}')

log = logging.getLogger(__name__)


class LenientConnector(PsycopgConnector):
    """Procrastinate's connections: they trust the text of no notification, and one of them listens for all lanes.

    Args:
        queues: what lanes may listen for.
        options: as Procrastinate takes them.
    """

    def __init__(self, *, queues: Iterable[str], **options: Any) -> None:  # noqa: ANN401  (what Procrastinate takes)
        super().__init__(**options)
        self._channels = tuple(get_channel_for_queues(queues))
        self._lanes: dict[str, Notifications] = {}
        self._is_listening = False

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Listen until cancelled: the first lane for all of them, the others through its connection."""
        self._lanes.update(dict.fromkeys(channels, Notifications(on_notification)))
        if self._is_listening:
            await asyncio.Event().wait()
        self._is_listening = True
        try:
            await super().listen_notify(on_notification=self._hand_on, channels=self._channels)
        finally:
            self._is_listening = False

    async def _hand_on(self, channel: str, payload: str) -> None:
        lane = self._lanes.get(channel)
        if lane is not None:
            await lane(channel=channel, payload=payload)


class Notifications:
    """Wakes the worker at most once in `PAUSE_S`; a notification during the pause wakes it afterwards.

    Args:
        wake: makes Procrastinate look for jobs.
    """

    def __init__(self, wake: Notify) -> None:
        self._wake = wake
        self._is_due = False
        self._waking: asyncio.Task[Any] | None = None
        self._has_warned = False

    async def __call__(self, channel: str, payload: str) -> None:
        """Receive a notification; warn once of one that Procrastinate did not send."""
        if not self._has_warned and not _OF_A_TRIGGER.fullmatch(payload):
            self._has_warned = True
            log.warning(
                "another session of the database sends notifications on %s: they are ignored",
                channel,
            )
        self._is_due = True
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake_until_quiet(channel))

    async def _wake_until_quiet(self, channel: str) -> None:
        while self._is_due:
            self._is_due = False
            await self._wake(channel=channel, payload=_THERE_IS_A_JOB)
            await asyncio.sleep(PAUSE_S)
