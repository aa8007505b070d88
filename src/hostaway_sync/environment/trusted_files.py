"""Opens files and directories, and refuses those that another user of this machine could have created or changed.

In a directory where others may write, a name may lead elsewhere a moment after a check. So a file is opened first,
without following a link, and then checked through its descriptor.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from hostaway_sync.errors import UntrustedFile

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_ROOT = 0
# Linux stores an access list in this attribute; the group bits of such a file limit the rights of its named users.
_ACCESS_LIST = "system.posix_acl_access"
_ONLY_LOOK = getattr(os, "O_PATH", 0)
# So often is a file opened that others rename or delete at the same moment.
_TRIES = 100


def open_trusted(
    path: Path,
    flags: int = os.O_RDONLY,
    *,
    owners: Collection[int] = (),
    shown: Path | None = None,
    advice: str = "",
) -> int:
    """Open a file, or with `O_DIRECTORY` a directory, that only root and this user could have written.

    Args:
        path: its name; a link is not followed.
        flags: the flags of `os.open`. With `O_CREAT`, a missing file is created for its owner alone.
        owners: further users to whom it may belong.
        shown: its name in error messages, if `path` is relative.
        advice: another remedy for a link or a foreign owner, as the end of an error message.

    Returns:
        A descriptor, which no child inherits.

    Raises:
        UntrustedFile: it is a link, belongs to another user, or others may write to it.
        OSError: it cannot be opened.
    """
    name = shown or path
    try:
        descriptor = open_plain(path, flags, shown=name)
    except UntrustedFile as error:
        raise UntrustedFile(f"{error}{advice}") from None
    except PermissionError:
        # A file without access belongs to another user, as a rule: the error about its owner helps more.
        _require_owner(name, path.lstat(), owners, advice)
        raise
    try:
        found = os.fstat(descriptor)
        _require_owner(name, found, owners, advice)
        _require_no_other_writer(name, found, has_access_list=_has_access_list(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_plain(path: Path, flags: int = os.O_RDONLY, *, follow: bool = False, shown: Path | None = None) -> int:
    """Open a regular file, or with `O_DIRECTORY` a directory, of any owner; a link only with `follow`.

    Raises:
        UntrustedFile: it is a link, a device, a pipe or a socket.
        OSError: it cannot be opened.
    """
    # O_NONBLOCK, because opening a pipe would otherwise wait until another process writes to it.
    name = shown or path
    how = flags | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = _opened(path, how)
    except OSError:
        with suppress(OSError):
            found = path.lstat()
            if not follow and stat.S_ISLNK(found.st_mode):
                raise UntrustedFile(
                    f"{name} is a link, made by {_user(found.st_uid)}, and links are not followed here: "
                    f"put the file itself in its place and `chmod 600 {_quoted(name)}`"
                ) from None
        raise
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode) and not flags & os.O_DIRECTORY:
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(name))
    # With O_DIRECTORY, anything else does not open at all.
    if not flags & os.O_DIRECTORY and not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise UntrustedFile(
            f"{name} of {_user(found.st_uid)} is not a regular file: remove it, or put a file in its place and "
            f"`chmod go-w {_quoted(name)}`"
        )
    return descriptor


def owner_name(uid: int) -> str:
    """Return the name of a user, or the number if the system knows no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _opened(path: Path, flags: int) -> int:
    if not flags & os.O_CREAT:
        try:
            return os.open(path, flags)
        except PermissionError:
            if not flags & os.O_DIRECTORY or not _ONLY_LOOK:
                raise
            # O_PATH can examine a directory that this user may enter, but not list.
            return os.open(path, flags | _ONLY_LOOK)
    # Two steps, because a kernel with `protected_regular` refuses O_CREAT on a file of another user.
    for _ in range(_TRIES):
        with suppress(FileExistsError):
            return os.open(path, flags | os.O_EXCL, 0o600)
        # Between the two steps another process may have renamed or deleted the file.
        with suppress(FileNotFoundError):
            return os.open(path, flags & ~os.O_CREAT)
    return os.open(path, flags & ~os.O_CREAT)


def _require_owner(path: Path, found: os.stat_result, owners: Collection[int], advice: str) -> None:
    us = os.geteuid()
    if found.st_uid in {_ROOT, us, *owners}:
        return
    mine, name = owner_name(us), _quoted(path)
    raise UntrustedFile(
        f"{path} belongs to {_user(found.st_uid)}, and this program runs as {_user(us)}: if you trust what is in it, "
        f"`chown {mine} {name} && chmod go-w {name}`; otherwise remove it{advice}"
    )


def _require_no_other_writer(path: Path, found: os.stat_result, *, has_access_list: bool) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IWOTH:
        writers = "every user"
    elif mode & stat.S_IWGRP and (found.st_gid != _own_group(found.st_uid) or has_access_list):
        writers = "users of its access list" if has_access_list else f"group {found.st_gid}"
    else:
        return
    raise UntrustedFile(
        f"{path} of {_user(found.st_uid)} may be written by {writers} (mode {mode:04o}): look at what is in it, then "
        f"`chmod go-w {_quoted(path)}`"
    )


def _own_group(uid: int) -> int | None:
    """Return a user's primary group, which may write with a umask of 002; None if it is unknown."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        # The user of a container may be unknown to the system; the group of this process is known nevertheless.
        return os.getgid() if uid == os.geteuid() else None


def _has_access_list(descriptor: int) -> bool:
    if not hasattr(os, "getxattr"):
        return False
    try:
        return bool(os.getxattr(descriptor, _ACCESS_LIST))
    except OSError:
        return False


def _user(uid: int) -> str:
    name = owner_name(uid)
    return f"user {name}" if name == str(uid) else f"user {name} ({uid})"


def _quoted(path: Path) -> str:
    """Return a name quoted for a shell, with invisible characters as escapes."""
    name = str(path)
    if name.isprintable():
        return shlex.quote(name)
    return "$'" + "".join(map(_escaped, name)) + "'"


def _escaped(sign: str) -> str:
    if sign.isprintable():
        return f"\\{sign}" if sign in "'\\" else sign
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(sign))
