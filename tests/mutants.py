"""Try one-line mutants of the pure modules against the unit tests; fail for each that survives and is not listed.

Run by `nox -s mutation`: it needs mutmut, and the checkout installed. Words are the files to change.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTED = Path(__file__).with_name("survivors.toml")
COPIED = ("src", "tests", "migrations", "pyproject.toml")
LONGEST = float(os.environ.get("MUTATION_MINUTES", "90")) * 60
SETTINGS = """\
[mutmut]
source_paths=src
only_mutate=
  {modules}
also_copy=
  migrations
pytest_add_cli_args_test_selection=
  tests/unit
"""


@dataclass(frozen=True, order=True)
class Survivor:
    """A change that no unit test noticed, told by what stands in the code: names of modules may change."""

    function: str
    was: str
    becomes: str

    def __str__(self) -> str:
        """Return the function and its line before and after."""
        return f"{self.function}: {self.was} -> {self.becomes}"


def main(modules: list[str]) -> int:
    """Return 0 when each mutant was tried and each survivor is listed."""
    with tempfile.TemporaryDirectory(prefix="hostaway-sync-mutants-") as name:
        room = Path(name)
        for one in COPIED:
            if (ROOT / one).is_dir():
                shutil.copytree(ROOT / one, room / one)
            else:
                shutil.copy(ROOT / one, room / one)
        (room / "setup.cfg").write_text(SETTINGS.format(modules="\n  ".join(modules)))
        is_whole = _try_all(room)
        states = _states(room)
        found = {_survivor(room, mutant) for mutant, state in states.items() if state in {"survived", "no tests"}}
    listed = {
        Survivor(entry["function"], entry["was"], entry["becomes"]): entry["reason"]
        for entry in tomllib.loads(LISTED.read_text(encoding="utf-8")).get("survivor", [])
    }
    for known in sorted(found & listed.keys()):
        print(f"listed: {known}: {listed[known]}")  # noqa: T201  (a program's report)
    unlisted = sorted(found - listed.keys())
    for survivor in unlisted:
        print(f"survives: {survivor}")  # noqa: T201  (as above)
    untried = sum(state == "not checked" for state in states.values())
    print(f"{len(states)} mutants, {len(found)} survive, {len(unlisted)} not listed, {untried} not tried")  # noqa: T201
    return 0 if is_whole and states and not unlisted and not untried else 1


def _try_all(room: Path) -> bool:
    """Run mutmut for so long at most; return whether it came to its end."""
    # The same examples every time: whether a mutant dies must not be jitter.
    environment = os.environ | {"CI": "1"}
    command = [sys.executable, "-m", "mutmut", "run"]
    process = subprocess.Popen(command, cwd=room, env=environment, start_new_session=True)
    try:
        return process.wait(LONGEST) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _states(room: Path) -> dict[str, str]:
    """Return what became of each mutant."""
    lines = _mutmut(room, "results", "--all", "true").splitlines()
    parted = (line.strip().partition(": ") for line in lines if "__mutmut_" in line)
    return {mutant: state for mutant, _, state in parted}


def _survivor(room: Path, mutant: str) -> Survivor:
    """Return the lines that a mutant changes."""
    body = [line for line in _mutmut(room, "show", mutant).splitlines() if not line.startswith(("---", "+++"))]
    was, becomes = (" ".join(line[1:].strip() for line in body if line.startswith(sign)) for sign in "-+")
    return Survivor(mutant.rpartition(".")[2].partition("__mutmut_")[0], was, becomes)


def _mutmut(room: Path, *words: str) -> str:
    command = [sys.executable, "-m", "mutmut", *words]
    return subprocess.run(command, cwd=room, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
