from __future__ import annotations

import re
from itertools import pairwise

import pytest
from tests.support.project.commands import refused, unknown_settings
from tests.support.project.pages import ROOT, blocks

EXAMPLE = (ROOT / "crontab.example").read_text(encoding="utf-8")
JOB = re.compile(r"((?:[\d*/,-]+\s+){4}[\d*/,-]+)\s+(\S.*)")
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
JOBS = [
    match.groups()
    for text in [EXAMPLE, *(block.text for block in blocks("crontab"))]
    for line in text.splitlines()
    if (match := JOB.fullmatch(line))
]


def test_every_line_is_one_that_cron_reads() -> None:
    """A line of the example is empty, a comment, a variable, or five fields and a command."""
    for line in EXAMPLE.splitlines():
        assert not line or line.startswith("#") or re.match(r"[A-Z_]+=\S", line) or JOB.fullmatch(line), line


def test_crontab_names_who_gets_the_mail() -> None:
    """Mail is how cron reports what went wrong."""
    assert re.search(r"^MAILTO=\S+$", EXAMPLE, re.MULTILINE)


def test_no_secret_stands_in_the_crontab() -> None:
    """The example names files alone, since cron writes each variable of a crontab into the head of each mail."""
    named = re.findall(r"(HOSTAWAY_SYNC_[A-Z_]*(?:URL|KEY|SECRET)[A-Z_]*)=", EXAMPLE)
    assert named
    assert all(name.endswith("_FILE") for name in named)


@pytest.mark.parametrize(("when", "command"), JOBS)
def test_times_are_times_and_off_the_full_hour(when: str, command: str) -> None:
    """Each field is in its range, and no job starts when everybody's do."""
    assert command
    fields = when.split()
    for field, (least, most) in zip(fields, RANGES, strict=True):
        assert all(least <= int(number) <= most for number in re.findall(r"(?<!/)\b\d+", field))
    assert all(int(minute) % 15 for minute in fields[0].split(","))


def test_jobs_are_commands_that_cron_can_run() -> None:
    """Each command is one that the program takes as it is written, in cron's bare environment; none needs a lock."""
    assert refused({command for _, command in JOBS}) == {}


def test_jobs_start_apart_from_each_other() -> None:
    """No two jobs of the example start in the same minute."""
    minutes = sorted({when.split()[0] for when, _ in JOBS})
    assert all(one != other for one, other in pairwise(minutes))
    assert len(minutes) == len({command for _, command in JOBS})


def test_variables_of_the_example_exist() -> None:
    """Each setting that the example offers, commented out or not, is one the program knows."""
    assert unknown_settings(EXAMPLE) == set()
