"""What is in a dump, read without a database: of which server and revision it is, and whose rights its tables had."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import StoreError
from hostaway_sync.store.dumps.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hostaway_sync.store.dumps.programs import PostgresProgram

_SERVER: Final = re.compile(r"^;\s+Dumped from database version: (\d+)", re.MULTILINE)
_ENTRY: Final = re.compile(r"\d+; \d+ \d+ (?P<kind>[A-Z][A-Z ]*[A-Z]) (?P<schema>\S+) (?P<name>.+)")
_REVISION: Final = re.compile(r"^COPY [^\n]*\n([^\n]+)\n\\\.$", re.MULTILINE)
_GROUP: Final = re.compile(r"^CREATE POLICY writers ON \S+ TO (\S+?)_writer\b", re.MULTILINE)
_POLICY: Final = "POLICY"
_MAKES_SCHEMA: Final = re.compile(r"\d+; \d+ \d+ SCHEMA - ")
_ENVIRONMENT: Final = {"LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Archive:
    """A dump of a mirror.

    Attributes:
        file: where it is.
        program: the pg_restore that can read it.
        server_major: major version of the server it was made of.
        revision: of its tables, or the mark of a move.
        entries: the lines of its list that are to be restored: everything but row policies, which name roles.
        group_prefix: how the names of the groups of roles begin that its policies name; None: there were none.
    """

    file: Path
    program: PostgresProgram
    server_major: int
    revision: str
    entries: tuple[str, ...]
    group_prefix: str | None

    @contextmanager
    def list_file(self, *, with_schema: bool) -> Iterator[str]:
        """Yield the name of a file that lists what is to be restored, with or without the schema itself."""
        entries = [line for line in self.entries if with_schema or not _MAKES_SCHEMA.match(line)]
        with _listed(entries) as name:
            yield name


def read_archive(file: Path, schema: str) -> Archive:
    """Read what is in a dump.

    Raises:
        StoreError: it is no dump of a mirror.
        OSError: it cannot be read.
    """
    with file.open("rb"):  # for the sentence of the system
        pass
    program = find_program("pg_restore")
    listed = program.run(["--list", str(file)], _ENVIRONMENT).decode("utf-8", "replace")
    server = _SERVER.search(listed)
    found = [(line, entry) for line in listed.splitlines() if (entry := _ENTRY.fullmatch(line))]
    ours = [(line, entry["kind"]) for line, entry in found if _is_ours(entry, schema)]
    of_revision = ["--data-only", f"--schema={schema}", "--table=alembic_version"]
    revision = _REVISION.search(_script(program, file, of_revision))
    if server is None or revision is None:
        raise StoreError(f"{file} is no dump of a mirror: there is no revision of its tables in the schema {schema}")
    policies = [line for line, kind in ours if kind == _POLICY]
    return Archive(
        file=file,
        program=program,
        server_major=int(server[1]),
        revision=revision[1],
        entries=tuple(line for line, kind in ours if kind != _POLICY),
        group_prefix=_read_prefix(program, file, policies),
    )


def _is_ours(entry: re.Match[str], schema: str) -> bool:
    """Whether an entry of a list is of the mirror's schema, or the schema itself."""
    if entry["schema"] != "-":
        return entry["schema"] == schema
    return re.match(rf"(SCHEMA )?{re.escape(schema)} ", entry["name"]) is not None


def _read_prefix(program: PostgresProgram, file: Path, policies: Sequence[str]) -> str | None:
    if not policies:
        return None
    with _listed(policies) as name:
        found = _GROUP.search(_script(program, file, [f"--use-list={name}"]))
    return found[1] if found else None


def _script(program: PostgresProgram, file: Path, words: Sequence[str]) -> str:
    return program.run([*words, "--file=-", str(file)], _ENVIRONMENT).decode("utf-8", "replace")


@contextmanager
def _listed(entries: Sequence[str]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".list") as file:
        file.write("\n".join(entries) + "\n")
        file.flush()
        yield file.name
