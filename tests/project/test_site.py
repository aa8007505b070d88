from __future__ import annotations

import re
import tomllib
from typing import Any

from tests.support.project.commands import refused
from tests.support.project.pages import DOCS, PAGES, ROOT, blocks

DOCUMENTS = ROOT / "docs"


def _entries(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [entry for one in (nav.values() if isinstance(nav, dict) else nav) for entry in _entries(one)]


def test_every_page_has_its_place_in_the_site() -> None:
    """The site's table of contents has each page once, and no other."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert sorted(_entries(nav)) == sorted(page.relative_to(DOCUMENTS).as_posix() for page in DOCS)


def test_pages_of_the_site_link_to_nothing_beside_it() -> None:
    """No page of the documents links to a file that the site does not have."""
    for page in DOCS:
        for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert "://" in link or (page.parent / link).resolve().is_relative_to(DOCUMENTS), f"{page.name}: {link}"


def test_every_how_to_is_found_from_the_first_page() -> None:
    """The page of how-tos leads to each of them."""
    links = re.findall(r"\]\((how-to/[\w-]+\.md)", (DOCUMENTS / "how-to.md").read_text(encoding="utf-8"))
    assert sorted(links) == sorted(page.relative_to(DOCUMENTS).as_posix() for page in (DOCUMENTS / "how-to").iterdir())


def test_files_that_pages_name_exist() -> None:
    """Each file of `deploy/` that a page names, in a sentence or a command, is there."""
    made_by_the_reader = ("deploy/secrets", "deploy/hostaway-sync-worker")
    for page in PAGES:
        for name in re.findall(r"\bdeploy/[\w./-]*\w", page.read_text(encoding="utf-8")):
            assert name.startswith(made_by_the_reader) or list(ROOT.glob(f"{name}*")), f"{page.name}: {name}"


def test_commands_in_containers_are_known() -> None:
    """What a page has docker or kubectl run is a command that the program takes as it is written."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    by_hand = re.findall(r"run --rm by-hand ([^`\n]+)", text)
    in_pods = re.findall(r"kubectl exec .* -- hostaway-sync (.+)", text)
    assert by_hand
    assert in_pods
    assert refused(f"hostaway-sync {words}" for words in by_hand + in_pods) == {}


def test_crontab_on_the_page_is_the_example_s() -> None:
    """The page about cron shows nothing that `crontab.example` has not."""
    example = [line.lstrip("#").split() for line in (ROOT / "crontab.example").read_text(encoding="utf-8").splitlines()]
    shown = [block.text for block in blocks("crontab") if block.page.name == "cron.md"]
    assert all(line.split() in example for text in shown for line in text.splitlines())
