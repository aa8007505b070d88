from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from tests.support.programs.program import COVERAGE

# A program that gets a signal at a place of the test's choice; it ends after a time should the signal be lost.
HEAD = """
import os, signal, sys, time
from hostaway_sync.cli.process.process import run

def strike(number):
    os.kill(os.getpid(), number)
    for _ in range(1000):
        pass

def wait():
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pass
"""

IN_A_FINALIZER = """
class Grave:
    def __del__(self):
        strike(signal.SIGTERM)

def program():
    try:
        Grave()
        wait()
    finally:
        print("unwound")
"""

SWALLOWED_WHOLE = """
def program():
    try:
        strike(signal.SIGTERM)
        wait()
    except BaseException:
        print("unwound")
"""

IN_A_PIPE_THAT_BROKE = """
def program():
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(reading)
    sys.stdout.write("never read")
    strike(signal.SIGTERM)
"""

TWICE = """
def program():
    try:
        strike(signal.SIGINT)
    finally:
        strike(signal.SIGINT)
        wait()
"""

HANGING_UP = """
def program():
    strike(signal.SIGHUP)
    print("went on")
"""

# The interrupt comes with the first import of the command line itself.
DURING_IMPORTS = """
class Finder:
    def find_spec(self, name, *rest):
        if name == "typer":
            strike(signal.SIGINT)

sys.meta_path.insert(0, Finder())
from hostaway_sync.__main__ import _program as program
"""


def ended(body: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, started by `before`, and return how it ended."""
    code = textwrap.dedent(HEAD) + body + "\nrun(program)"
    return subprocess.run(
        [*before, sys.executable, "-c", code], env=COVERAGE, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("place", [IN_A_FINALIZER, SWALLOWED_WHOLE], ids=["finalizer", "except"])
def test_signal_is_never_lost(place: str) -> None:
    """Python or a library drops the exception: the program still unwinds, and its exit code names the signal."""
    done = ended(place)
    assert (done.returncode, done.stdout, done.stderr) == (143, "unwound\n", "")


def test_signal_ends_a_program_with_a_broken_pipe() -> None:
    """Output that is still buffered for the pipe changes nothing."""
    done = ended(IN_A_PIPE_THAT_BROKE)
    assert (done.returncode, done.stderr) == (143, "")


def test_second_signal_ends_the_process_at_once() -> None:
    """An impatient user need not wait for the unwinding."""
    assert ended(TWICE).returncode == -2


def test_sighup_stops_a_program_unless_it_is_ignored() -> None:
    """A closed terminal is like SIGTERM; under nohup the signal is ignored."""
    done = ended(HANGING_UP)
    assert (done.returncode, done.stdout, done.stderr) == (129, "", "")
    done = ended(HANGING_UP, "/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_interrupt_during_startup_prints_no_traceback() -> None:
    """Signals are handled before anything heavy is imported."""
    done = ended(DURING_IMPORTS)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
