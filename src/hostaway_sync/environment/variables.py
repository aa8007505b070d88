"""Finds the values of settings: in the environment, an environment file, files that variables name, and credentials.

    variable  →  file that <variable>_FILE names  →  the same two of .env  →  systemd credential

The first one with a value counts; an empty variable has none. Only names are checked here: an unknown name is mostly a
misspelt one, whose value would otherwise be missing.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from hostaway_sync.environment.bounded_files import open_named_file, read_to_end
from hostaway_sync.environment.env_file import parse_environment_file
from hostaway_sync.environment.trusted_files import open_trusted
from hostaway_sync.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PREFIX: Final = "HOSTAWAY_SYNC_"
ENV_FILE: Final = f"{PREFIX}ENV_FILE"
_WORDS: Final = PREFIX.rstrip("_").split("_")
_DOTENV: Final = Path(".env")
_LONGEST_DOTENV: Final = 1024 * 1024
# Kubernetes sets variables for every service in every container: those of a service `hostaway-sync` have our prefix.
_OF_KUBERNETES: Final = re.compile(
    "_?".join(_WORDS) + r"(_\w+)?_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)", re.ASCII | re.IGNORECASE
)
# Our prefix with any signs, or none, in place of `_`.
_LETTERS_OF_PREFIX: Final = re.compile(r"[\W_]*" + r"[\W_]*".join(_WORDS) + "(?=.)", re.IGNORECASE)
# How similar a name must be to a setting if its prefix is not exactly ours.
_ALIKE: Final = 0.8
_SIGNS: Final = re.compile(r"[\W_]+")
# Editors on Windows put this byte order mark before the first line.
_MARK: Final = "\ufeff"
_OF_TESTS: Final = f"{PREFIX}TEST_"
_ELSEWHERE: Final = f"; or name another file in {ENV_FILE}"


class UnknownName(NamedTuple):
    """A name with our prefix that is no setting."""

    name: str
    where: str
    nearest: str | None

    def __str__(self) -> str:
        """Return the error message, with the most similar setting."""
        guess = f"did you mean {self.nearest}?" if self.nearest else "remove it, or see docs/reference/settings.md"
        return f"{self.name} ({self.where}) is no setting of this program: {guess}"


class NamedFile(NamedTuple):
    """A file with settings or a secret that was read.

    Attributes:
        path: its path.
        mode: the permissions of the file that the path leads to.
    """

    path: Path
    mode: int


@dataclass(frozen=True, slots=True)
class Environment:
    """The values of the settings as text, and where they were found.

    Attributes:
        values: values by the setting's name, in small letters and without the prefix.
        files: the files that values were read from, by the same names.
        read_files: all files that were read.
        unknown: names with our prefix that are no settings.
    """

    values: Mapping[str, str]
    files: Mapping[str, Path]
    read_files: tuple[NamedFile, ...]
    unknown: tuple[UnknownName, ...]


def read_environment(variables: Mapping[str, str], settings: Collection[str], in_files: Collection[str]) -> Environment:
    """Read the values of all settings from all places.

    Args:
        variables: the variables of the process.
        settings: the names of all settings, in small letters and without the prefix.
        in_files: the names of the settings that a file or a credential may hold.

    Raises:
        ConfigurationError: a file cannot be read, or must not be trusted.
    """
    reading = _Reading(settings, in_files)
    own = _ours(variables)
    dotenv, dotenv_path = reading.dotenv(own.get(ENV_FILE))
    credentials = _credentials(variables.get("CREDENTIALS_DIRECTORY"))
    reading.take(own)
    reading.take(dotenv)
    reading.take_credentials(credentials)
    names = reading.names()
    unknown = (
        *_unknown(own, {*names, ENV_FILE}, "the environment"),
        *_disguised(variables, {*names, ENV_FILE}),
        *_unknown(dotenv, names, str(dotenv_path)),
        *_unknown_credentials(credentials, in_files),
    )
    return Environment(reading.values, reading.files, tuple(reading.read), unknown)


def list_variable_names(settings: Collection[str], in_files: Collection[str]) -> frozenset[str]:
    """Return the names of all variables of the settings."""
    return frozenset(_Reading(settings, in_files).names() | {ENV_FILE})


class _Reading:
    """The values found so far; the first value of a setting counts."""

    def __init__(self, settings: Collection[str], in_files: Collection[str]) -> None:
        self._settings = settings
        self._in_files = in_files
        self.values: dict[str, str] = {}
        self.files: dict[str, Path] = {}
        self.read: list[NamedFile] = []

    def names(self) -> set[str]:
        files = {f"{PREFIX}{name.upper()}_FILE" for name in self._in_files}
        return {f"{PREFIX}{name.upper()}" for name in self._settings} | files

    def dotenv(self, named: str | None) -> tuple[dict[str, str], Path]:
        """Read the environment file: the named one, or else `.env` of the current directory, if there is one."""
        path = Path(named) if named else _whole(_DOTENV)
        text = self._content(path, ENV_FILE) if named else self._own_dotenv(path)
        return ({} if text is None else _ours(parse_environment_file(text, path, PREFIX))), path

    def take(self, variables: Mapping[str, str]) -> None:
        """Take missing values from variables, and from the files that they name."""
        for name in self._settings:
            if name not in self.values and (value := variables.get(f"{PREFIX}{name.upper()}")):
                self.values[name] = value
        for name in self._in_files:
            variable = f"{PREFIX}{name.upper()}_FILE"
            if name not in self.values and (path := variables.get(variable)):
                self._take_file(name, Path(path), variable)

    def take_credentials(self, files: Mapping[str, Path]) -> None:
        """Take missing values from credentials."""
        for name in self._in_files:
            if name not in self.values and (path := files.get(f"{PREFIX}{name}".lower())):
                self._take_file(name, path, "systemd credential")

    def _take_file(self, name: str, path: Path, named_by: str) -> None:
        self.values[name] = self._content(path, named_by).strip()
        self.files[name] = path

    def _content(self, path: Path, named_by: str) -> str:
        """Return the text of a file that the operator named; follows links, because mounts of Kubernetes are links."""
        try:
            with open_named_file(path) as file:
                self._note(path, file)
                return read_to_end(file).decode().removeprefix(_MARK)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"settings: {named_by} {path} cannot be read: {_reason(error)}") from None

    def _note(self, path: Path, file: BinaryIO) -> None:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode):
            self.read.append(NamedFile(path, stat.S_IMODE(mode)))

    def _own_dotenv(self, path: Path) -> str | None:
        """Return the text of `.env`, or None if there is none. The operator did not name it, so it must be trusted."""
        # By its relative name, because the directories above may be closed to this user.
        try:
            with os.fdopen(open_trusted(_DOTENV, shown=path, advice=_ELSEWHERE), "rb") as file:
                self._note(path, file)
                content = file.read(_LONGEST_DOTENV + 1)
        except (FileNotFoundError, IsADirectoryError):  # `.env` may be a virtual environment
            return None
        except OSError as error:
            if _is_hidden(_DOTENV):
                return None
            raise ConfigurationError(f"settings: {path} cannot be read: {_reason(error)}{_ELSEWHERE}") from None
        if len(content) > _LONGEST_DOTENV:
            raise ConfigurationError(f"settings: {path} is larger than a file of settings: remove it{_ELSEWHERE}")
        try:
            return content.decode().removeprefix(_MARK)
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"settings: {_DOTENV} cannot be read: {_reason(error)}") from None


def _ours(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with our prefix in any case; a name in capital letters takes precedence."""
    ours = sorted((name for name in variables if name.upper().startswith(PREFIX)), key=str.isupper)
    return {name.upper(): variables[name] for name in ours if variables[name]}


def _credentials(directory: str | None) -> dict[str, Path]:
    """Return the files with our prefix in systemd's directory of credentials."""
    if not directory:
        return {}
    try:
        files = sorted(Path(directory).iterdir())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(
            f"settings: CREDENTIALS_DIRECTORY {directory} cannot be read: {_reason(error)}"
        ) from None
    return {path.name: path for path in files if path.name.upper().startswith(PREFIX)}


def _unknown(variables: Mapping[str, str], known: Collection[str], where: str) -> Iterator[UnknownName]:
    for name in sorted(set(variables) - set(known)):
        if not name.startswith(_OF_TESTS) and not _OF_KUBERNETES.fullmatch(name):
            yield UnknownName(name, where, _nearest(name, known))


def _disguised(variables: Mapping[str, str], known: Collection[str]) -> Iterator[UnknownName]:
    """Yield the names that would be a setting, or a similar one, if the signs of our prefix were right."""
    for name in sorted(variables):
        letters = _LETTERS_OF_PREFIX.match(name)
        if letters is None or name.upper().startswith(PREFIX) or _OF_KUBERNETES.fullmatch(name):
            continue
        meant = f"{PREFIX}{_SIGNS.sub('_', name[letters.end() :]).strip('_').upper()}"
        if nearest := _nearest(meant, known, at_least=_ALIKE):
            yield UnknownName(name, "the environment", nearest)


def _unknown_credentials(files: Mapping[str, Path], in_files: Collection[str]) -> Iterator[UnknownName]:
    known = {f"{PREFIX}{name}".lower() for name in in_files}
    for name in sorted(set(files) - known):
        yield UnknownName(name, "systemd's credentials", _nearest(name.lower(), known))


def _nearest(name: str, known: Collection[str], *, at_least: float = 0.5) -> str | None:
    # Compared without the prefix, which all names have in common.
    ends = {one[len(PREFIX) :]: one for one in sorted(known)}
    found = difflib.get_close_matches(name[len(PREFIX) :], ends, n=1, cutoff=at_least)
    return ends[found[0]] if found else None


def _whole(path: Path) -> Path:
    try:
        return Path.cwd() / path
    except OSError:
        return path


def _is_hidden(path: Path) -> bool:
    """Whether the directory of a file is closed to this user, as after `sudo -u` in a private directory."""
    try:
        path.lstat()
    except OSError:
        return True
    return False


def _reason(error: OSError | UnicodeDecodeError) -> str | None:
    return error.strerror if isinstance(error, OSError) else "not UTF-8 text"
