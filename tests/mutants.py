"""Try small changes (mutants) of the pure modules; fail for each that no check notices and no list excuses.

Run by `nox -s mutation`: it needs mutmut, and the checkout installed. Words are the files to change.

A mutant is noticed when mypy finds fault with it (`nox -s types`), or else when a unit test fails with it. What is left
must be listed in `survivors.toml` with a reason. Two rules spare a long list. A change of nothing but the words of a
sentence is no fault, since no contract pins a sentence; a string without two words in a row is no sentence, and must be
tested. And a function without a body, as a Protocol declares it, does nothing that could be changed.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTED = Path(__file__).with_name("survivors.toml")
COPIED = ("src", "tests", "migrations", "pyproject.toml")
LONGEST = float(os.environ.get("MUTATION_MINUTES", "120")) * 60
SETTINGS = """\
[mutmut]
source_paths=src
only_mutate=
  {modules}
also_copy=
  migrations
pytest_add_cli_args_test_selection=
  tests/unit
timeout_multiplier=5
type_check_command=
  {python}
  {program}
  {types}
"""
# The word after which this program prints what is ill-typed, as mypy would: mutmut knows mypy's form by this name.
TYPES = "mypy"
UNNOTICED = {"survived", "no tests"}
ILL_TYPED = "caught by type check"
# The copies of one method in one class repeat its attributes; each would be told as a second definition.
MYPY = ("--no-warn-unused-ignores", "--disable-error-code=no-redef", "--output=json")
LITERAL = re.compile(r"""(?<![\w"'])[rfRF]?("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
SENTENCE = re.compile(r"[A-Za-z]{2,}[,;:.]? [A-Za-z]{2,}")


@dataclass(frozen=True, order=True)
class Survivor:
    """A change that no unit test noticed, told by what stands in the code: names of modules may change."""

    function: str
    was: str
    becomes: str

    def __str__(self) -> str:
        """Return the survivor in the form of `survivors.toml`."""
        return json.dumps([self.function, self.was, self.becomes], ensure_ascii=False)

    def changes_only_words(self) -> bool:
        """Whether one string changed and nothing else, and the string is a sentence or a part of one."""
        before, after = LITERAL.findall(self.was), LITERAL.findall(self.becomes)
        if len(before) != len(after) or LITERAL.sub("", self.was) != LITERAL.sub("", self.becomes):
            return False
        changed = [one for one, other in zip(before, after, strict=True) if one != other]
        return len(changed) == 1 and SENTENCE.search(changed[0]) is not None


class MutatedModule:
    """A module as mutmut wrote it: each function stands in it once as it was, and once for each mutant."""

    def __init__(self, mutants: Path, name: str) -> None:
        """Read the module `name` below the directory of mutants."""
        self.path = Path("src", *name.split(".")).with_suffix(".py")
        source = (mutants / self.path).read_text(encoding="utf-8")
        self._lines = source.splitlines()
        self._functions = {
            node.name: node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name
        }

    def survivor(self, mutant: str) -> Survivor:
        """Return the lines that a mutant changes."""
        function = mutant.partition("__mutmut_")[0]
        before, after = (self._source(name) for name in (f"{function}__mutmut_orig", mutant))
        changes = [line for line in difflib.unified_diff(before, after, n=0) if not re.match(r"---|\+\+\+|@@", line)]
        was, becomes = (" ".join(line[1:].strip() for line in changes if line.startswith(sign)) for sign in "-+")
        return Survivor(function, was, becomes)

    def is_declared_only(self, mutant: str) -> bool:
        """Whether the function of a mutant holds nothing but its docstring."""
        return all(
            isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in self._functions[mutant].body
        )

    def function_at(self, line: int) -> str | None:
        """Return the name of the copy of a function that a line belongs to."""
        return next(
            (name for name, node in self._functions.items() if node.lineno <= line <= (node.end_lineno or 0)), None
        )

    def _source(self, name: str) -> list[str]:
        node = self._functions[name]
        return [re.sub(r"__mutmut_(orig|\d+)\(", "(", one) for one in self._lines[node.lineno - 1 : node.end_lineno]]


def main(modules: list[str]) -> int:
    """Return 0 when each mutant was tried and each one that nothing notices is listed."""
    with tempfile.TemporaryDirectory(prefix="hostaway-sync-mutants-") as name:
        room = Path(name)
        for one in COPIED:
            if (ROOT / one).is_dir():
                shutil.copytree(ROOT / one, room / one)
            else:
                shutil.copy(ROOT / one, room / one)
        changed = "\n  ".join(modules)
        settings = SETTINGS.format(
            modules=changed, python=sys.executable, program=Path(__file__).resolve(), types=TYPES
        )
        (room / "setup.cfg").write_text(settings)
        is_whole = _try_all(room)
        return 0 if report(room) and is_whole else 1


def report(room: Path) -> bool:
    """Print what became of each mutant; return whether every one was tried and none lives unlisted."""
    states = _states(room)
    names = sorted({name.rpartition(".")[0] for name in states})
    parts = {module: MutatedModule(room / "mutants", module) for module in names}
    # Mutmut asks for types only where there is a test.
    ill_typed = {(part, mutant) for part, mutant, _ in _ill_typed(room / "mutants", parts)}
    listed = _listed()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    unlisted: list[tuple[str, Survivor]] = []
    for name, state in states.items():
        module, _, mutant = name.rpartition(".")
        verdict = {"not checked": "untried", ILL_TYPED: "ill-typed"}.get(state, "killed")
        if state in UNNOTICED:
            survivor = parts[module].survivor(mutant)
            verdict = (
                ("ill-typed" if (module, mutant) in ill_typed else "")
                or ("wording" if survivor.changes_only_words() else "")
                or ("declared only" if parts[module].is_declared_only(mutant) else "")
                or ("listed" if survivor in listed else "unlisted")
            )
            if verdict == "unlisted":
                unlisted.append((module, survivor))
        counts[module][verdict] += 1
        counts["all"][verdict] += 1
    for module, count in sorted(counts.items()):
        words = ", ".join(f"{number} {what}" for what, number in count.most_common())
        print(f"{module}: {count.total()} mutants: {words}")  # noqa: T201  (a program's report)
    for module, survivor in sorted(unlisted):
        print(f"survives: {module}: {survivor}")  # noqa: T201  (as above)
    return bool(states) and not unlisted and not counts["all"]["untried"]


def _listed() -> set[Survivor]:
    """Return the survivors that the list excuses."""
    groups = tomllib.loads(LISTED.read_text(encoding="utf-8")).get("group", [])
    return {Survivor(*mutant) for group in groups for mutant in group["mutants"]}


def _try_all(room: Path) -> bool:
    """Run mutmut for so long at most; return whether it came to its end."""
    # The same examples every time: whether a mutant dies must not be jitter.
    environment = os.environ | {"HYPOTHESIS_PROFILE": "first failure"}
    command = [sys.executable, "-m", "mutmut", "run"]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=room, env=environment, start_new_session=True)
    try:
        return process.wait(LONGEST) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        print(f"tried for {time.monotonic() - started:.0f} s")  # noqa: T201  (as above)


def _states(room: Path) -> dict[str, str]:
    """Return what became of each mutant."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    answer = subprocess.run(command, cwd=room, check=True, capture_output=True, text=True)
    parted = (line.strip().partition(": ") for line in answer.stdout.splitlines() if "__mutmut_" in line)
    return {mutant: state for mutant, _, state in parted}


def _ill_typed(mutants: Path, parts: dict[str, MutatedModule]) -> list[tuple[str, str, str]]:
    """Return module, mutant and remark for all that mypy says of a mutant, and not of the function as it was."""
    files = {str(part.path): module for module, part in parts.items()}
    command = [sys.executable, "-m", "mypy", *MYPY, *files]
    answer = subprocess.run(command, cwd=mutants, check=False, capture_output=True, text=True)
    said: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for line in answer.stdout.splitlines():
        remark = json.loads(line)
        module = files.get(remark["file"])
        function = parts[module].function_at(remark["line"]) if module and remark["severity"] == "error" else None
        if module and function:
            said[module, function][re.sub(r"__mutmut_(orig|\d+)", "", remark["message"])] = line
    return [
        (module, mutant, line)
        for (module, mutant), remarks in said.items()
        for message, line in remarks.items()
        if message not in said.get((module, f"{mutant.partition('__mutmut_')[0]}__mutmut_orig"), {})
    ]


def print_ill_typed(mutants: Path) -> None:
    """Print what mypy says of mutants alone: of any other line, mutmut could not tell whose it is."""
    changed = [path for path in (mutants / "src").rglob("*.py") if path.with_name(f"{path.name}.meta").exists()]
    names = (".".join(path.relative_to(mutants / "src").with_suffix("").parts) for path in sorted(changed))
    parts = {name: MutatedModule(mutants, name) for name in names}
    for *_, line in _ill_typed(mutants, parts):
        print(line)  # noqa: T201  (mutmut reads it)


if __name__ == "__main__":
    if sys.argv[1:] == [TYPES]:
        print_ill_typed(Path.cwd())
    else:
        raise SystemExit(main(sys.argv[1:]))
