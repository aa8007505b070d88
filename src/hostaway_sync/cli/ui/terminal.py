"""Printing on stdout: text as it was typed, JSON for scripts, and rich content as wide as the terminal is."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import typer

from hostaway_sync.safe_text import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType
    from rich.text import Text

_WIDE = 200


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def echo(text: str = "", *, err: bool = False) -> None:
    """Print lines on stdout, or stderr, without control characters that a terminal obeys."""
    typer.echo(strip_invisible(text), err=err)


def write(text: str) -> None:
    """Write a text whose cells were cleaned one by one, with its own ends of lines."""
    sys.stdout.write(text)


def write_pieces(pieces: Iterable[bytes]) -> None:
    """Write pieces of text in UTF-8, each of whole lines: as they are, but on a terminal without what it obeys."""
    if is_terminal():
        for piece in pieces:
            sys.stdout.write(strip_invisible(piece.decode("utf-8", "replace")))
        return
    sys.stdout.flush()
    for piece in pieces:
        sys.stdout.buffer.write(piece)


def print_json(document: object) -> None:
    """Print one JSON document on stdout, in ASCII, so that it is the same in every encoding."""
    echo(json.dumps(document, default=str))


def width() -> int:
    """Return how many columns wide the output is."""
    return shutil.get_terminal_size().columns if is_terminal() else _WIDE


def show(content: RenderableType) -> None:
    """Print a table or rich text on stdout, as wide as the output is."""
    from rich.console import Console

    Console(width=width(), highlight=False).print(content)


def show_lines(lines: Iterable[Text]) -> None:
    """Print lines of rich text as they are, however wide the output is."""
    from rich.console import Console

    console = Console(width=width(), highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)


def plain_text(text: str, style: str = "") -> Text:
    """Return a text in one line as it was typed: no markup, no emoji codes, no control characters."""
    from rich.text import Text

    return Text(strip_invisible(text).replace("\n", "").replace("\t", ""), style=style)
