"""The only door: `nox` alone runs every check that a change must pass; `nox -l` lists the rest.

All sessions share one virtual environment, installed once from the hashed lock and again only when the lock changes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import nox

if TYPE_CHECKING:
    from collections.abc import Mapping

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".nox"
RUNTIME_LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
NOX_LOCK = ROOT / "requirements-nox.lock"
BROWSER_LOCK = ROOT / "requirements-browser.lock"
# What Python 3.11.0 brings, the oldest we support.
OLDEST_PIP = "22.3"
# What the classifiers name, and the newest one that `requires-python` lets in.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Forks from one process that has imported everything, and names every Python that we support among its own.
MUTATION_TOOL = "mutmut==3.8.1"
# Sessions of their own run these.
ELSEWHERE = ("--ignore=tests/project", "--ignore=tests/migrations", "--ignore=tests/system", "--ignore=tests/browser")
DEBIAN_POSTGRESQL = Path("/usr/lib/postgresql/15/bin")

# Compiled once, and not by each of hundreds of processes anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style, format and spelling."""
    tools = installed(session)
    session.run(tools / "ruff", "check", ".", external=True)
    session.run(tools / "ruff", "format", "--check", ".", external=True)
    session.run(tools / "codespell", ".", external=True)


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check the types of everything, strictly."""
    session.run(installed(session) / "mypy", external=True)


@nox.session(venv_backend="none")
def imports(session: nox.Session) -> None:
    """Check that imports only go down."""
    session.run(installed(session) / "lint-imports", "--no-logo", external=True)


@nox.session(venv_backend="none")
def wheel(session: nox.Session) -> None:
    """Build the wheel, and use it where there is no checkout."""
    tools = installed(session)
    python = environment(session, "wheel", RUNTIME_LOCK) / "python"
    with tempfile.TemporaryDirectory(prefix="hostaway-sync-wheel-") as name:
        elsewhere = Path(name)
        elsewhere.chmod(0o711)  # root's embedded server runs as another user
        pip = (tools / "python", "-m", "pip")
        build = ("wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", name)
        session.run(*pip, *build, external=True)
        (built,) = elsewhere.glob("*.whl")
        install = ("install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(built))
        session.run(python, "-m", "pip", *install, external=True)
        session.run(python, "-m", "pip", "check", external=True)
        clean = {name: None for name in os.environ if name.startswith(("HOSTAWAY_SYNC_", "PYTHON"))}
        own = {**clean, "HOSTAWAY_SYNC_DATA_DIR": str(elsewhere / "data")}
        with session.chdir(elsewhere):
            ask = ("sql", "SELECT count(*) FROM core.reservations")
            for words in (("--version",), ("migrate",), ("migrate", "--check"), ("account", "list", "--json"), ask):
                session.run(python.with_name("hostaway-sync"), *words, env=own, external=True)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Build the site, hold README, docs, examples and layout against the program, look for secrets in every file."""
    tools = installed(session)
    session.run(tools / "zensical", "build", "--strict", external=True)
    session.run(tools / "pytest", "tests/project", "-n", "2", external=True)


@nox.session(venv_backend="none")
def migrations(session: nox.Session) -> None:
    """Hold the migrations against the tables."""
    session.run(installed(session) / "pytest", "tests/migrations", external=True)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run all tests but the long ones. Words after -- go to pytest."""
    # Twice the processors: many a test waits for a process or a database.
    everything = ("-n", "4", "-m", "not soak", *ELSEWHERE)
    session.run(installed(session) / "pytest", *(session.posargs or everything), external=True)


@nox.session(venv_backend="none", default=False)
def pythons(session: nox.Session) -> None:
    """Run all tests but the long ones on every supported Python that is found. Words after -- go to pytest."""
    found = {version: python for version in PYTHONS if (python := interpreter(version))}
    missing = [version for version in PYTHONS if version not in found]
    if missing:
        session.warn(f"not found, and not tried: Python {', '.join(missing)}")
    if not set(found) - {"{}.{}".format(*sys.version_info)}:
        session.log("no other Python was found: `nox -s tests` runs the tests on this one")
        return
    everything = ("-n", "4", "-m", "not soak", *ELSEWHERE)
    for version, python in found.items():
        session.log("Python %s: %s", version, python)
        tools = installed(session, f"python{version}", python)
        session.run(tools / "pytest", *(session.posargs or everything), external=True)


@nox.session(venv_backend="none", default=False)
def coverage(session: nox.Session) -> None:
    """Run them measured, for half as long again; fail under 95 % of branches, and under 100 % in the pure modules."""
    tools = installed(session)
    measure = ("--cov=hostaway_sync", "--cov-report=term", "--cov-fail-under=95")
    session.run(tools / "pytest", "-n", "4", "-m", "not soak", *ELSEWHERE, *measure, external=True)
    pure = ",".join(f"src/{module.replace('.', '/')}.py" for module in pure_modules())
    # Silent unless it fails, so that the last words are pytest's own.
    session.run(tools / "coverage", "report", f"--include={pure}", "--fail-under=100", external=True, silent=True)


@nox.session(venv_backend="none", default=False)
def postgres(session: nox.Session) -> None:
    """Run the database tests on the oldest PostgreSQL we support, and on the embedded one."""
    tools = installed(session)
    oldest = Path(os.environ.get("HOSTAWAY_SYNC_TEST_PG_BIN", DEBIAN_POSTGRESQL))
    if not (oldest / "postgres").exists():
        session.error(
            f"there is no PostgreSQL in {oldest}: install Debian's `postgresql-15`, "
            "or name another directory in HOSTAWAY_SYNC_TEST_PG_BIN"
        )
    if shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is None:
        session.warn("there is no PgBouncer, and its tests are skipped: install Debian's `pgbouncer`")
    database_tests = [
        f"tests/{room}" for room in ("store", "migrations", "integration") if (ROOT / "tests" / room).is_dir()
    ]
    for binaries in (str(oldest), None):
        version = ("the embedded one",) if binaries is None else (binaries,)
        session.log("PostgreSQL: %s", *version)
        chosen: Mapping[str, str | None] = {"HOSTAWAY_SYNC_TEST_PG_BIN": binaries}
        run = ("-n", "2", "-m", "not soak", *database_tests)
        session.run(tools / "pytest", *run, env=chosen, external=True)


@nox.session(venv_backend="none", default=False)
def host(session: nox.Session) -> None:
    """Run it under a real cron, and have systemd, Prometheus, nginx and Caddy read our files; what lacks is skipped.

    Six minutes, as root, with Debian's packages `cron`, `faketime`, `systemd`, `prometheus`, `nginx` and `caddy`.
    """
    patient = ("-o", "faulthandler_timeout=300")
    session.run(installed(session) / "pytest", "tests/system", "-rs", *patient, *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def browser(session: nox.Session) -> None:
    """Drive the page in a real Chromium, and leave pictures of it; words after -- go to pytest.

    With Debian's package `chromium`. HOSTAWAY_SYNC_TEST_PICTURES names where the pictures go.
    """
    tools = installed(session, "browser", locked=BROWSER_LOCK)
    session.run(tools / "pytest", "tests/browser", "-rs", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def soak(session: nox.Session) -> None:
    """Run the long tests, and those that draw examples with all of these."""
    tools = installed(session)
    session.run(tools / "pytest", "-m", "soak", *session.posargs, external=True)
    if not session.posargs:
        drawing = ("-n", "2", "-m", "hypothesis and not soak", *ELSEWHERE)
        session.run(tools / "pytest", *drawing, env={"HYPOTHESIS_PROFILE": "thorough"}, external=True)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Ask the network: are our dependencies known to be vulnerable, do the links of our pages lead anywhere?"""
    session.install("pip-audit")
    for lock in (RUNTIME_LOCK, DEV_LOCK, NOX_LOCK, BROWSER_LOCK):
        session.run("pip-audit", "--strict", "--require-hashes", "--disable-pip", "--requirement", str(lock))
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = {link for page in pages for link in re.findall(r"\]\((https?://[^)\s]+)\)", page.read_text())}
    dead = [f"{link}: {why}" for link in sorted(links) if (why := _fault(link))]
    if dead:
        session.error("dead links:\n" + "\n".join(dead))


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Change the pure modules bit by bit; fail where no unit test and no type notices. Words after -- are modules."""
    session.install("--require-hashes", "--requirement", str(DEV_LOCK))
    session.install("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    session.install(MUTATION_TOOL)
    chosen = session.posargs or pure_modules()
    session.run("python", "tests/mutants.py", *(f"src/{module.replace('.', '/')}.py" for module in chosen))


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write the lock files anew from pyproject.toml, for every supported Python and platform."""
    session.install("uv")
    # What runs is what was tested: extras and tools may hold a dependency back, and then it is held back for all.
    as_tested = ("--constraint", DEV_LOCK.name)
    locks = (
        (DEV_LOCK, ("pyproject.toml", "--group", "dev")),
        (RUNTIME_LOCK, ("pyproject.toml", *as_tested)),
        (NOX_LOCK, ("--group", "nox", *as_tested)),
        (BROWSER_LOCK, ("pyproject.toml", "--group", "browser", *as_tested)),
    )
    for path, wanted in locks:
        session.run(
            *("uv", "pip", "compile", *wanted, "--output-file", path.name, "--quiet", *session.posargs),
            *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"),
            "--no-strip-extras",  # an older pip takes a pin without its extras for another package
        )


@nox.session(venv_backend="none", default=False)
def locks(session: nox.Session) -> None:
    """Check that the oldest pip of a supported Python, and the pip of this one, find all locked packages (network)."""
    for pip in (f"pip=={OLDEST_PIP}", None):
        with tempfile.TemporaryDirectory(prefix="hostaway-sync-locks-") as name:
            python = Path(name) / "bin" / "python"
            session.run(sys.executable, "-m", "venv", name, external=True)
            if pip:
                session.run(python, "-m", "pip", "install", "--quiet", pip, external=True)
            for path in (RUNTIME_LOCK, DEV_LOCK, NOX_LOCK, BROWSER_LOCK):
                resolve = ("install", "--quiet", "--dry-run", "--require-hashes", "--requirement", str(path))
                session.run(python, "-m", "pip", *resolve, external=True)


def pure_modules() -> list[str]:
    """Return the modules without I/O and clock, as the contract of imports names them: each branch is tested."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (modules,) = (contract["source_modules"] for contract in contracts if contract["name"].startswith("Pure modules"))
    return list(modules)


def interpreter(version: str) -> str | None:
    """Return the CPython of this version that the PATH leads to, and None where there is none that starts."""
    program = shutil.which(f"python{version}")
    if program is None:
        return None
    # A program of pyenv on the PATH starts nothing until a version is chosen; any other takes no notice.
    environment = {**os.environ, "PYENV_VERSION": version}
    question = "import sys; print(sys.implementation.name, sys.executable)"
    command = [program, "-c", question]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  (a Python)
    name, _, executable = answer.stdout.strip().partition(" ")
    return executable if name == "cpython" else None


def installed(
    session: nox.Session, name: str = "shared", python: str = sys.executable, locked: Path = DEV_LOCK
) -> Path:
    """Return the directory of the programs of an environment with the tools, and the checkout installed in it."""
    programs = environment(session, name, locked, python)
    stamp = programs.parent / "checkout"
    wanted = _digest(ROOT / "pyproject.toml") + str(ROOT)
    if not stamp.exists() or stamp.read_text() != wanted:
        editable = ("--no-deps", "--no-build-isolation", "--quiet", "--editable", str(ROOT))
        session.run(programs / "python", "-m", "pip", "install", *editable, external=True)
        stamp.write_text(wanted)
    return programs


def environment(session: nox.Session, name: str, locked: Path, python: str = sys.executable) -> Path:
    """Return the directory of the programs of a virtual environment that holds exactly what `locked` says."""
    directory = ENVIRONMENTS / name
    programs = directory / "bin"
    stamp = directory / "installed"
    wanted = f"{_digest(locked)} {_version(python)}"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        session.run(python, "-m", "venv", str(directory), external=True)
        _install(session, programs / "python", locked)
        stamp.write_text(wanted)
    return programs


def _install(session: nox.Session, python: Path, locked: Path) -> None:
    """Install what a lock file holds, each half by a pip of its own: one keeps a single processor busy."""
    whole = re.split(r"\n(?=\S)", locked.read_text(encoding="utf-8"))
    # No pip may be replaced while another runs from the same files: it comes last, and alone.
    pins, last = ([pin for pin in whole if pin.startswith("pip==") is is_pip] for is_pip in (False, True))
    # The lock names all that is needed. What is imported is compiled then: most of what is installed never is.
    packages = ("--require-hashes", "--no-deps", "--no-compile", "--quiet", "--requirement")
    with tempfile.TemporaryDirectory(prefix="hostaway-sync-locks-") as name:
        halves = [Path(name, f"{number}.lock") for number in (0, 1)]
        for number, half in enumerate(halves):
            half.write_text("\n".join(pins[number::2]), encoding="utf-8")
        command = [str(python), "-m", "pip", "install", *packages]
        running = [subprocess.Popen([*command, str(half)]) for half in halves]  # noqa: S603  (a Python)
        codes = [process.wait() for process in running]
        if last and not any(codes):
            halves[0].write_text("\n".join(last), encoding="utf-8")
            codes.append(subprocess.run([*command, str(halves[0])], check=False).returncode)  # noqa: S603  (a Python)
    if any(codes):
        session.error(f"pip did not install {locked.name}: it says above why")
    session.run(python, "-m", "pip", "check", external=True, silent=True)


def _version(python: str) -> str:
    if python == sys.executable:
        return sys.version
    question = [python, "-c", "import sys; print(sys.version)"]
    return subprocess.run(question, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  (a Python)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fault(link: str) -> str | None:
    request = urllib.request.Request(link, headers={"User-Agent": "Mozilla/5.0"})  # noqa: S310  (http or https by the pattern)
    try:
        with urllib.request.urlopen(request, timeout=20):  # noqa: S310  (as above)
            return None
    except (urllib.error.URLError, TimeoutError) as error:
        return str(error)
