"""The real program in processes of its own, which tests kill; forked from one that has imported everything already."""

from __future__ import annotations

import multiprocessing
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hostaway_sync.errors import SourceError
from hostaway_sync.mirror import Mirror
from hostaway_sync.records import Resource
from hostaway_sync.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.process import BaseProcess

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["hostaway_sync.cli.program", "hostaway_sync.source.client"])


def start_program(environment: Mapping[str, str], *arguments: str) -> BaseProcess:
    """Start `hostaway-sync` with these arguments."""
    return _started(_program, dict(environment), arguments)


def start_refresh(environment: Mapping[str, str], account_id: int, resource: Resource, record_id: int) -> BaseProcess:
    """Start a process that reads one object again."""
    return _started(_refresh, dict(environment), (str(account_id), resource.value, str(record_id)))


def printed(environment: Mapping[str, str]) -> str:
    """Give all that the processes of an environment have printed."""
    paper = _paper(environment)
    return paper.read_text(encoding="utf-8") if paper.exists() else ""


def _started(target: object, environment: dict[str, str], arguments: tuple[str, ...]) -> BaseProcess:
    process = _CONTEXT.Process(target=target, args=(environment, arguments), daemon=True)  # type: ignore[arg-type]  # a function
    process.start()
    return process


def _program(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    from hostaway_sync.__main__ import main

    _live_in(environment)
    sys.argv = ["hostaway-sync", *arguments]
    main()


def _refresh(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    _live_in(environment)
    account_id, resource, record_id = arguments
    with Mirror(load_settings()) as mirror, suppress(SourceError):
        mirror.refresh(int(account_id), Resource(resource), int(record_id))


def _live_in(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    paper = os.open(_paper(environment), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(paper, stream)


def _paper(environment: Mapping[str, str]) -> Path:
    return Path(environment["HOSTAWAY_SYNC_DATA_DIR"], "printed")
