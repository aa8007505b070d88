"""What an environment file says: pure, text in, variables with our prefix out.

A line that looks as if it should set something of ours is never passed over: its setting would be missing, and a
default would count in its place. So such a line is either understood, or an error.
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

# How our names begin, of which nothing but the letters is looked at: `hostaway-sync.` is meant so as well.
_LETTERS: Final = "HOSTAWAY_SYNC".replace("_", "")
_COMMENT: Final = re.compile(r"(?:^|\s)#.*")
# After these another statement may begin; some of them cannot be seen.
_SEPARATOR: Final = re.compile(r"[\s;\u200b-\u200f\u2060-\u2064\ufeff]|&&")


def parse_environment_file(text: str, path: Path, prefix: str) -> dict[str, str]:
    """Return the variables with a prefix, by their names as written. `$` has no meaning: a password may hold one.

    Raises:
        ConfigurationError: a line of ours cannot be understood, or stands inside another variable's quotes.
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
            found.update([_valued(binding, f"settings: {path} line {line}")])
    return found


def _valued(binding: Binding, where: str) -> tuple[str, str]:
    key = binding.key or ""
    if binding.value is None:
        raise ConfigurationError(f"{where}: {key} has no value, not even an empty one")
    return key, binding.value


def _may_set_ours(line: str) -> bool:
    """Whether our prefix stands where a line names what it sets, in whatever disguise: before the first `=`."""
    return _names_ours(line.partition("=")[0]) or _sets_another(line)


def _sets_another(line: str) -> bool:
    """Whether another statement of ours follows in a line; behind a value in quotes, only a comment can."""
    name, _, value = line.partition("=")
    if _COMMENT.search(name) or value.lstrip().startswith(("'", '"')):
        return False
    *named, _ = _COMMENT.sub("", value).split("=")
    return any(_names_ours("".join(_SEPARATOR.split(part, maxsplit=1)[1:])) for part in named)


def _names_ours(text: str) -> bool:
    """Whether a text has our prefix before its comment, whatever signs stand before, in between and around it."""
    plain = unicodedata.normalize("NFKC", _COMMENT.sub("", text))
    return _LETTERS in "".join(sign for sign in plain if sign.isalnum()).upper()
