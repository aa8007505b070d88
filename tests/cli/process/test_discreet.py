"""Errors of a source may quote guests: tests look for guest data in all that the program prints, logs or stores."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK, deliver
from tests.support.messages import SEND, THREAD, message_case
from tests.support.programs.program_log import ProgramLog
from tests.support.programs.secret_witness import error_text
from tests.support.servers.otlp_collector import OtlpCollector
from tests.support.servers.recording_server import RecordingServer, serving
from tests.support.store.database_dump import dump_columns, find_texts

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.messages import MessageCase
    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

NAME, LAST, MAIL, PHONE, DOOR = (
    "Ydalinn Bergströmsen",
    "Bergströmsen",
    "yd.berg@x-guests.example",
    "22 33 44 77",
    "4817#",
)
CANARIES = (NAME, LAST, NAME.lower(), LAST.lower(), MAIL, f"+47 {PHONE}", PHONE, "22334477", DOOR, "lamplight-7")
GUEST: dict[str, Any] = {
    "guestName": NAME,
    "guestLastName": LAST,
    "guestEmail": MAIL,
    "phone": f"+47 {PHONE}",
    "doorCode": DOOR,
    "wifiPassword": "lamplight-7",
    "count": 22334477,
}
WRITTEN = json.dumps(GUEST, ensure_ascii=False)
PROSE = f"The guest {NAME} ({MAIL}, +47 {PHONE}) has no door code {DOOR} and no 'lamplight-7'"
HTML = f"<html><title>{NAME}</title><body>{PROSE}</body></html>".encode()


def fail(**members: Any) -> bytes:
    """Return an envelope that reports a failure."""
    return json.dumps({"status": "fail", **members}, ensure_ascii=False).encode()


def success(result: Any, **members: Any) -> bytes:
    """Return an envelope that reports a success."""
    return json.dumps({"status": "success", "result": result, **members}, ensure_ascii=False).encode()


BODIES: dict[str, bytes] = {
    "an object in result": fail(result=GUEST),
    "a list in result": fail(result=[NAME, [GUEST, {"deep": [PROSE]}]]),
    "a string in result": fail(result=PROSE),
    "an object in message": fail(message=GUEST),
    "a list in message": fail(message=[PROSE, GUEST]),
    "JSON in message": fail(message=f"cannot store {WRITTEN}"),
    "JSON in JSON in message": fail(message=json.dumps(WRITTEN)),
    "prose in message": fail(message=PROSE),
    "prose in error_description": fail(error_description=PROSE, error=PROSE),
    "a name first": fail(message=f"{LAST} is unknown. {NAME} has no phone"),
    "a name in small letters": fail(message=f"unknown guest: {NAME.lower()}", result=f"{LAST.lower()} is invalid"),
    "other languages": fail(message=f"Gast {LAST} hat Türcode {DOOR}. 客人 {NAME}. Гость {NAME} {MAIL}"),
    "escapes in message": fail(message=f"no \\u0022{NAME}\\u0022 \x1b[31m{LAST}\u202e{MAIL}\u200b{DOOR}"),
    "a link in message": fail(message=f"see https://portal.example/{MAIL}?name={LAST}&door={DOOR}"),
    "an object in error": fail(error=GUEST, errors=[GUEST], detail=PROSE),
    "an object by itself": WRITTEN.encode(),
    "a list by itself": json.dumps([GUEST, PROSE], ensure_ascii=False).encode(),
    "a string by itself": json.dumps(PROSE, ensure_ascii=False).encode(),
    "HTML": HTML,
    "text": PROSE.encode(),
    "torn JSON": fail(result=GUEST)[:-9],
    "other bytes": b"\xff\xfe\x00" + WRITTEN.encode("utf-16"),
    "very long": fail(message="x " * 40_000 + PROSE, result=[PROSE] * 5_000),
    "deep": b'{"status":"fail","message":' + b"[" * 5_000 + WRITTEN.encode() + b"]" * 5_000 + b"}",
    "a success of another kind": success(PROSE),
    "a success with a failure": success(None, message=PROSE, errors=[GUEST]),
}
ACTS = ("sync", "sync-all", "verify", "send", "work")
STATUSES = (200, 203, 206, 302, 400, 401, 403, 404, 409, 422, 500, 503, 599)


def answers(shift: int) -> list[tuple[int, bytes]]:
    """Return each body with one status; each status comes with several bodies."""
    return [(STATUSES[(place + shift) % len(STATUSES)], body) for place, body in enumerate(BODIES.values())]


@pytest.fixture
def written() -> Iterator[ProgramLog]:
    """Return every line that is logged during the test, as the program logs it; libraries stay at warnings."""
    ours, root, handler = logging.getLogger("hostaway_sync"), logging.getLogger(), ProgramLog()
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    ours.setLevel(level)


def act(case: MessageCase, mirror: Mirror, said: dict[str, str], names: Sequence[str] = ACTS) -> None:
    """Do what these acts ask of the source, and keep results and errors."""
    env = case.env
    doings: dict[str, Callable[[], object]] = {
        "sync": lambda: mirror.sync.run(env.account_id, full=True),
        "sync-all": mirror.sync.run_all,
        "verify": lambda: mirror.sync.verify(env.account_id),
        "send": lambda: case.send(f"hello {len(said)}"),
        "work": lambda: work_off(case, mirror),
    }
    for name in names:
        try:
            said[name] = said.get(name, "") + repr(doings[name]())
        except HostawaySyncError as error:
            said[name] = said.get(name, "") + error_text(error)


def work_off(case: MessageCase, mirror: Mirror) -> None:
    """Do the jobs of a delivery."""
    deliver(case.env.database, case.env.account_id, object_id=case.reservation_id)
    with mirror.jobs.start_worker(drain=True, policy=ONE_RETRY, timings=QUICK) as working:
        working.wait()


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(
    ("shift", "each"), [(0, 2), *(pytest.param(shift, len(ACTS), marks=pytest.mark.soak) for shift in (0, 6))]
)
def test_failing_answers_reveal_no_guest(
    sync_env: Build, written: ProgramLog, shift: int, half: int, each: int
) -> None:
    """For each body and status: no error, report, log line or row names the guest, whatever was done."""
    case = message_case(sync_env)
    said: dict[str, str] = {}
    mirror = case.env.mirror(retry_attempts=1)
    acts = itertools.cycle(ACTS)
    for status, body in answers(shift)[half::2]:
        case.env.sandbox.faults.clear()
        case.env.sandbox.faults.add(faults.status(status, body), times=None)
        act(case, mirror, said, list(itertools.islice(acts, each)))
    assert said.keys() == set(ACTS)
    said["log"] = json.dumps(written.lines, ensure_ascii=False)
    rows = dump_columns(case.env.database)
    for column in ("sync_runs.error", "job_attempts.traceback", "dead_letters.error"):
        assert rows[f"hostaway.{column}"]
    assert find_texts(said | rows, CANARIES) == []


def test_unusable_page_reveals_no_guest(sync_env: Build, written: ProgramLog) -> None:
    """A row that is no object stays in quarantine, and nothing else quotes it."""
    case = message_case(sync_env)
    said: dict[str, str] = {}
    odd = [GUEST, PROSE, [GUEST], {"id": PROSE, "updatedOn": PROSE, **GUEST}, {"id": -1, "status": GUEST, **GUEST}]
    case.env.sandbox.faults.add(faults.change_rows(lambda rows: rows + odd), method="GET", times=None)
    act(case, case.env.mirror(retry_attempts=1), said)
    said["log"] = json.dumps(written.lines, ensure_ascii=False)
    rows = dump_columns(case.env.database)
    kept = ("quarantined_records.exact", "raw_payload")
    assert find_texts(rows, [LAST])
    assert find_texts(said | {place: text for place, text in rows.items() if not place.endswith(kept)}, CANARIES) == []


@pytest.mark.parametrize("name", ["a list in result", "prose in message", "HTML"])
def test_no_output_names_the_guest(sync_env: Build, program: Program, tmp_path: Path, name: str) -> None:
    """At the loudest level: stdout, stderr, pings, spans, metrics and rows."""
    case = message_case(sync_env)
    env = case.env
    for status, route in ((500, "GET /reservations"), (400, "GET /conversations"), (409, THREAD), (422, SEND)):
        env.sandbox.faults.add(faults.status(status, BODIES[name]), route=route, times=None)
    env.sandbox.faults.add(faults.status(400, BODIES[name]), route="GET /reservations/{id}", times=None)
    deliver(env.database, env.account_id, object_id=case.reservation_id)
    sql.execute(env.database, "UPDATE conversations SET raw_payload = raw_payload || '{\"x\": 1}'")
    sql.execute(env.database, "UPDATE listings SET raw_payload = '{}'")
    said: dict[str, str] = {}
    with serving(RecordingServer()) as monitor, serving(OtlpCollector()) as collector:
        loud = {"LOG_LEVEL": "DEBUG", "PING_URL": monitor.url, "METRICS_TEXTFILE_DIR": str(tmp_path)}
        env.surroundings["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        account = str(env.account_id)
        for words, code in (
            (("sync", account, "--full"), 1),
            (("sync-all", "--json"), 1),
            (("verify", account, "--json"), 1),
            (("send-message", str(case.reservation_id), "hello", "--yes"), 1),
            (("worker", "--drain"), 0),
            (("dead-letters", "list"), 0),
            (("messages", "list"), 0),
            (("status", account), None),
        ):
            done = program(env, *words, **loud)
            said[" ".join(words)] = done.stdout + done.stderr
            assert code in (done.returncode, None), (words, done.stdout, done.stderr)
        said["pings"] = "\n".join(heard.body.decode() for heard in monitor.heard)
        said["spans"] = b"".join(post.body for post in collector.posts).decode("utf-8", "replace")
    said["metrics"] = "\n".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.is_file())
    assert "hostaway_sync" in said["metrics"]
    assert "Hostaway answered GET /reservations with 500" in said["pings"]
    assert said["spans"].count("Hostaway answered GET /reservations with 500")
    assert find_texts(said | dump_columns(env.database), CANARIES) == []


_OPENED = """\
import sys
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.app.mirror import Mirror
from hostaway_sync.settings import load_settings
with Mirror(load_settings(database_url=sys.argv[1], data_dir=sys.argv[2])):
    print(HostawaySyncError("doorCode: lamplight, wifi_username: harbour"))
"""


def test_open_mirror_redacts_logs_with_its_sources_keys(database_url: str, tmp_path: Path) -> None:
    """The log filter is set when a mirror opens, in a process that did nothing else."""
    command = [sys.executable, "-c", _OPENED, database_url, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "doorCode: [hidden], wifi_username: [hidden]\n"
