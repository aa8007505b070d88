"""Templates to HTML: every value is text, and what a terminal or a reader's eye could obey is taken out of it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from hostaway_sync.model.health import format_ago
from hostaway_sync.safe_text import join_lines, strip_invisible
from hostaway_sync.version import __version__

if TYPE_CHECKING:
    from datetime import datetime

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_COMMAND: Final = re.compile(r"`([^`]+)`")


def render(template: str, status: int = 200, **values: Any) -> Response:  # noqa: ANN401  (whatever a template shows)
    """Return a page."""
    return HTMLResponse(_environment().get_template(template).render(values), status, HEADERS)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hostaway_sync.api.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "sentence": _sentence,
        "line": lambda text: join_lines(strip_invisible(str(text))),
        "stamp": lambda moment: f"{moment:%Y-%m-%d %H:%M}" if moment else "",
        "number": lambda number: f"{number:,}",
    }
    environment.globals |= {"ago": _ago, "version": __version__}
    return environment


def _clean(value: object) -> object:
    """Return what a template prints: text without invisible letters; what a filter wrote as HTML stays."""
    if value is None:
        return ""
    return strip_invisible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _sentence(text: str) -> Markup:
    """Return a sentence that begins with a capital, with the commands in it as such."""
    words = join_lines(strip_invisible(text))
    pieces = _COMMAND.split(f"{words[:1].upper()}{words[1:]}")
    shown = (
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )
    return Markup("").join(shown)


def _ago(moment: datetime | None, now: datetime) -> Markup:
    """Return how long ago something was, with the moment itself behind it."""
    if moment is None:
        return Markup("never")
    text = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(), text, format_ago(moment, now))
