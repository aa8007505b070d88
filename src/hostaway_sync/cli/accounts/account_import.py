"""`hostaway-sync account import`: many accounts from a file of secrets, each checked, none printed."""

from __future__ import annotations

import csv
import io
import json as jsons
import sys
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.process.private_files import read_private
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json
from hostaway_sync.errors import AccountError, LeaseHeld, RunIncomplete, SourceError, UsageError
from hostaway_sync.model.ids import read_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hostaway_sync.app.mirror import Mirror

LARGEST_FILE = 4 * 1024 * 1024
MOST_ACCOUNTS = 10_000
_LONGEST_NAME = 200
_AT_ONCE = 4
_REQUIRED = ("account_id", "client_secret")
_OPTIONAL = ("name", "customer_id")
_HEADER = "account_id,client_secret[,name][,customer_id]"


class _Wrong(Exception):
    """A line is wrong; the message repeats nothing of the line, which may be a secret."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the file; `wrong` is why it cannot be read."""

    number: int
    account_id: int | None = None
    client_secret: str = field(default="", repr=False)
    fields: dict[str, str | UUID | None] = field(default_factory=dict)
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class _Imported:
    """The result of a line; `outcome` is `added`, `updated`, `unchanged` or `failed`."""

    line: int
    account_id: int | None
    outcome: str
    changed: tuple[str, ...] = ()
    error: str | None = None

    def document(self) -> dict[str, Any]:
        return {
            "line": self.line,
            "account_id": self.account_id,
            "outcome": self.outcome,
            "changed": list(self.changed),
            "error": self.error,
        }

    def sentence(self) -> str:
        what = self.error or ", ".join(self.changed).replace("_", " ")
        return f"line {self.line}: account {self.account_id or '?'} {self.outcome}{f': {what}' if what else ''}"


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="CSV with a header, or a JSON object a line; - is stdin.")
    ],
    *,
    json: Json = False,
) -> None:
    """Add or update many accounts: id, client secret, name and customer id.

    The file must be readable only by you. Each account is checked with Hostaway before it is stored; a line that fails
    stops no other. An empty field keeps what is stored; `none` removes a customer id. It is safe to run again. Nothing
    is synced. Exit 1 when any line failed.
    """
    lines = read(_bytes_of(file))
    with open_mirror() as mirror:
        imported = []
        for one in _import_all(mirror, lines):
            imported.append(one)
            if not json:
                terminal.echo(one.sentence())
    counts = Counter(one.outcome for one in imported)
    if json:
        document = {outcome: counts[outcome] for outcome in ("added", "updated", "unchanged", "failed")}
        terminal.print_json(document | {"accounts": [one.document() for one in imported]})
    if counts["failed"]:
        raise RunIncomplete(f"{counts['failed']} of {len(imported)} lines failed: correct them and import again")


def read(content: bytes) -> list[_Line]:
    """Return the lines of an import, wrong ones included.

    Raises:
        UsageError: the file cannot be an import; the message repeats nothing of it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("the file is not UTF-8 text") from None
    rows = _json_lines(text) if text.lstrip()[:1] == "{" else _csv_rows(text)
    lines: list[_Line] = []
    seen: set[int | None] = set()
    for number, row in rows:
        if len(lines) >= MOST_ACCOUNTS:
            raise UsageError(f"the file has more than {MOST_ACCOUNTS} accounts: import it in parts")
        try:
            line = _line(number, row, seen)
        except _Wrong as wrong:
            line = _Line(number, wrong=str(wrong))
        seen.add(line.account_id)
        lines.append(line)
    if not lines:
        raise UsageError(f"the file has no account: its first line must be {_HEADER}")
    return lines


def _bytes_of(file: str) -> bytes:
    content = sys.stdin.buffer.read(LARGEST_FILE + 1) if file == "-" else read_private(file, LARGEST_FILE)
    if len(content) > LARGEST_FILE:
        raise UsageError(f"the file is larger than {LARGEST_FILE // 1024**2} MB: import it in parts")
    return content


def _json_lines(text: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip():
            try:
                row = jsons.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield number, row if isinstance(row, dict) else None


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        if not {*_REQUIRED} <= {*header} <= {*_REQUIRED, *_OPTIONAL} or len({*header}) < len(header):
            raise UsageError(f"the first line must be {_HEADER}")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, dict(zip(header, cells, strict=True)) if len(cells) == len(header) else None
    except csv.Error:
        raise UsageError(f"line {reader.line_num} is not CSV: is a quote missing?") from None


def _line(number: int, row: dict[str, Any] | None, seen: Collection[int | None]) -> _Line:
    if row is None:
        raise _Wrong("it has other fields than the header, or is not a JSON object")
    if not {*_REQUIRED} <= row.keys() <= {*_REQUIRED, *_OPTIONAL}:
        raise _Wrong("its fields are not account_id, client_secret, name and customer_id")
    secret = _text(row["client_secret"], "the client secret")
    if not secret:
        raise _Wrong("the client secret is empty")
    fields: dict[str, str | UUID | None] = {}
    if name := _text(row.get("name"), "the name"):
        if len(name) > _LONGEST_NAME:
            raise _Wrong(f"the name is longer than {_LONGEST_NAME} letters")
        fields["name"] = name
    if customer := _text(row.get("customer_id"), "the customer id"):
        try:
            fields["customer_id"] = None if customer.lower() == "none" else UUID(customer)
        except ValueError:
            raise _Wrong("the customer id is not a UUID") from None
    account_id = _account_id(row["account_id"])
    if account_id in seen:
        raise _Wrong(f"account {account_id} is already in an earlier line")
    return _Line(number, account_id, secret, fields)


def _account_id(value: object) -> int:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    account_id = read_id(text)
    if account_id is None:
        raise _Wrong("the account id is not a number such as 70001")
    return account_id


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
        raise _Wrong(f"{what} is not plain text")
    return value.strip()


def _import_all(mirror: Mirror, lines: Iterable[_Line]) -> Iterator[_Imported]:
    """Yield the result of each line, in order; several are worked at once, because each waits for Hostaway."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="import") as pool:
        try:
            yield from pool.map(lambda line: _imported(mirror, line), lines)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _imported(mirror: Mirror, line: _Line) -> _Imported:
    from pydantic import SecretStr

    if line.account_id is None:
        return _Imported(line.number, None, "failed", error=line.wrong)
    try:
        outcome, changed = mirror.accounts.add_or_update(line.account_id, SecretStr(line.client_secret), line.fields)
    except (AccountError, LeaseHeld, SourceError) as error:
        return _Imported(line.number, line.account_id, "failed", error=str(error))
    return _Imported(line.number, line.account_id, outcome.value, changed)
