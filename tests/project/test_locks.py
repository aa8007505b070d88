from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.support.project.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PROJECT["dependency-groups"]
BROWSER = "requirements-browser.lock"  # holds what is installed for `nox -s browser` alone
LOCKS = sorted(path.name for path in ROOT.glob("*.lock"))


def _pins(lock: str) -> list[Requirement]:
    """Return what a lock file pins: name, extras, version and marker."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return [Requirement(line.rstrip(" \\")) for line in re.findall(r"^\w[^=\n]*==.+$", text, re.MULTILINE)]


def _versions(lock: str) -> dict[str, str]:
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in _pins(lock)}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        (
            "requirements-dev.lock",
            PROJECT["project"]["dependencies"] + [line for line in GROUPS["dev"] if isinstance(line, str)],
        ),
        ("requirements-nox.lock", GROUPS["nox"]),
    ],
)
def test_lock_fits_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    """Each dependency is pinned, within the range that pyproject.toml asks for: else `nox -s lock` is due."""
    pins = _versions(lock)
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_trusts_nothing_but_hashes(lock: str) -> None:
    """Every pin of the lock files has hashes, and none says where it comes from."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    pins = re.split(r"\n(?=\S)", text.strip())
    assert len(pins) == len(_pins(lock))
    for pin in pins:
        assert "--hash=sha256:" in pin, pin


@pytest.mark.parametrize("lock", [name for name in LOCKS if name != BROWSER])
def test_lock_pins_every_extra_that_a_package_asks_for(lock: str) -> None:
    """What a pinned package asks for is pinned with the same extras: an older pip would else look for the newest."""
    pinned = {canonicalize_name(pin.name): pin for pin in _pins(lock)}
    missing = []
    for name, pin in pinned.items():
        if pin.marker and not pin.marker.evaluate():
            continue  # not installed on this platform, so that nothing says what it asks for
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:
            pytest.fail(f"{name} of {lock} is not installed")
        for asked in map(Requirement, lines):
            extras = ("", *pin.extras)
            if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in extras):
                found = pinned.get(canonicalize_name(asked.name))
                if found is None or not asked.extras <= found.extras:
                    missing.append(f"{name} asks for {asked}")
    assert missing == []


@pytest.mark.parametrize("lock", [name for name in LOCKS if name != "requirements-dev.lock"])
def test_lock_is_part_of_the_one_that_tests_run_with(lock: str) -> None:
    """What the README's commands install is what the tests ran with."""
    everything, mine = _versions("requirements-dev.lock"), _versions(lock)
    if lock == BROWSER:
        assert everything.items() <= mine.items()
    else:
        assert mine.items() <= everything.items()


def test_building_needs_exactly_what_is_locked() -> None:
    """The build's own packages, and what they need, are pinned to the versions of the lock."""
    required = {canonicalize_name(line.name): line for line in map(Requirement, PROJECT["build-system"]["requires"])}
    locked = _versions("requirements-dev.lock")
    assert {name: str(line.specifier) for name, line in required.items()} == {
        name: f"=={locked[name]}" for name in required
    }
    for name in required:
        for asked in map(Requirement, distribution(name).requires or []):
            if asked.marker is None or asked.marker.evaluate():
                assert canonicalize_name(asked.name) in required, f"{name} asks for {asked}"


def test_commands_of_the_pages_install_what_is_locked() -> None:
    """No page and no script that people type installs a package from an index without a lock."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "getting-started.md", ROOT / ".ci" / "run"]
    installs = [
        arguments.strip()
        for page in pages
        for arguments in re.findall(r"bin/pip install ([^&\n]+)", page.read_text(encoding="utf-8"))
    ]
    assert installs
    for arguments in installs:
        assert re.fullmatch(r"-r requirements(-nox)?\.lock|--no-deps \.", arguments), arguments
