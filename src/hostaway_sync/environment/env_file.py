"""Parses an environment file into the variables that have our prefix. Pure: no I/O.

A line that seems to set one of our variables is either parsed or an error, because the default would silently replace
an ignored setting.
"""

from __future__ import annotations

import io
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from dotenv.parser import parse_stream

from hostaway_sync.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from dotenv.parser import Binding

# The letters of our prefix; other signs are ignored, so that `hostaway-sync.` counts as our prefix, too.
_LETTERS: Final = "HOSTAWAY_SYNC".replace("_", "")
_COMMENT: Final = re.compile(r"(?:^|\s)#.*")
# Another statement may begin after these characters; some are invisible.
_SEPARATOR: Final = re.compile(r"[\s;\u200b-\u200f\u2060-\u2064\ufeff]|&&")


def parse_environment_file(text: str, path: Path, prefix: str) -> dict[str, str]:
    """Return the variables with a prefix, by their names as written. `$` is not expanded: a password may hold one.

    Raises:
        ConfigurationError: a line with our prefix cannot be parsed, or is inside the quotes of another variable.
    """
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"))):
        statement = binding.original.string.lstrip()
        line = binding.original.line + binding.original.string.removesuffix(statement).count("\n")
        own, *swallowed = statement.split("\n")
        if any(map(_may_set_ours, swallowed)) or (binding.error and _names_ours(own)):
            raise ConfigurationError(
                f"settings: {path} cannot be understood from line {line} on: is a quote missing? "
                "A value with spaces, quotes or # stands in single quotes"
            )
        is_ours = binding.key is not None and binding.key.upper().startswith(prefix)
        if _sets_another(own) or (_may_set_ours(own) and not is_ours):
            raise ConfigurationError(
                f"settings: {path} cannot be understood in line {line}: write {prefix}… at its beginning, one variable "
                "in each line, and what is no setting as a comment, after #"
            )
        if is_ours:
            found.update([_require_value(binding, f"settings: {path} line {line}")])
    return found


def _require_value(binding: Binding, where: str) -> tuple[str, str]:
    key = binding.key or ""
    if binding.value is None:
        raise ConfigurationError(f"{where}: {key} has no value, not even an empty one")
    return key, binding.value


def _may_set_ours(line: str) -> bool:
    """Whether a line sets one of our variables, in any disguise: our prefix stands before the first `=`."""
    return _names_ours(line.partition("=")[0]) or _sets_another(line)


def _sets_another(line: str) -> bool:
    """Whether a second statement of a line sets one of our variables; only a comment can follow a quoted value."""
    name, _, value = line.partition("=")
    if _COMMENT.search(name) or value.lstrip().startswith(("'", '"')):
        return False
    *named, _ = _COMMENT.sub("", value).split("=")
    return any(_names_ours("".join(_SEPARATOR.split(part, maxsplit=1)[1:])) for part in named)


def _names_ours(text: str) -> bool:
    """Whether a text has the letters of our prefix before its comment, with any signs between and around them."""
    plain = unicodedata.normalize("NFKC", _COMMENT.sub("", text))
    return _LETTERS in "".join(sign for sign in plain if sign.isalnum()).upper()
