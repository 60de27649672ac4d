"""Ownership of the folders on the way to a socket, token or spool: others could exchange theirs.

As sshd's StrictModes: every folder from the root on belongs to this user or to root, and no
other user may write in it. The GIMP plug-in has the same rules in its own `ownership.py`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ldrps_engine.errors import SettingsError
from ldrps_wire.system import HAS_OWNERS

_MOST_LINKS = 40
_UID_MAP, _OVERFLOW = Path("/proc/self/uid_map"), Path("/proc/sys/kernel/overflowuid")


def check_way(path: Path) -> None:
    """Refuse a path that another user could exchange; SettingsError names the folder and why.

    A folder such as /tmp, in which each may only remove what is theirs, is fine on the way but
    not as the last one. Nothing need exist yet.
    """
    _check_way(path.absolute(), path.absolute())


def _check_way(path: Path, named: Path) -> None:
    """Check a path that errors call `named`."""
    if not HAS_OWNERS:
        return
    # Not by Path.resolve, which raises where links lead in circles.
    last = (Path(os.path.realpath(path.parent)), Path(os.path.realpath(path)).parent)
    for at, status in _way(path):
        if status.st_uid not in _trusted():
            raise SettingsError(
                f"{_named(at, named)} belongs to another user ({status.st_uid}); "
                "use a folder of your own"
            )
        if _others_write(status) and not (status.st_mode & stat.S_ISVTX and at not in last):
            raise SettingsError(
                f"{_named(at, named)} can be written by others; take that from them with "
                f"'chmod go-w', or use a folder of your own"
            )


def own_folder(folder: Path) -> None:
    """Make a folder that only this user can enter, or refuse one that others can."""
    folder = folder.absolute()
    check_profile(folder)
    try:
        _check_way(folder / "x", folder)
        # Not by `parents`, which leaves their modes to the umask.
        for missing in reversed([each for each in folder.parents if not each.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise SettingsError(f"folder {folder} cannot be used ({error.strerror})") from None
    if HAS_OWNERS and (status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077):
        raise SettingsError(
            f"folder {folder} can be entered by others; use a folder of your own with mode 0700"
        )
    # Once more: another user may have been faster in a folder that is open to all.
    _check_way(folder / "x", folder)


def check_profile(path: Path) -> None:
    """Refuse a path outside the user's profile where that alone keeps others out: on Windows.

    Nothing where files have owners and modes, which say more.
    """
    if HAS_OWNERS:
        return
    home = Path.home()
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(home)):
        raise SettingsError(
            f"{path} is not in {home}, which alone is closed to other users of this system; "
            "give a place in there"
        )


def is_private(folder: Path) -> bool:
    """Tell whether a folder is there, ours, and closed to the hands of others."""
    try:
        status = folder.stat()
    except OSError:
        return False
    if not HAS_OWNERS:
        return stat.S_ISDIR(status.st_mode) and os.access(folder, os.W_OK)
    ours = status.st_uid == os.geteuid() and not _others_write(status)
    return ours and stat.S_ISDIR(status.st_mode) and os.access(folder, os.W_OK | os.X_OK)


def may_write(user: int, folder: Path) -> bool:
    """Tell whether a user may write in a folder, as its mode says; a group may be any user's."""
    status = folder.stat()
    return user in (0, status.st_uid) or _others_write(status)


def _named(at: Path, path: Path) -> str:
    kind = "folder" if at.is_dir() else "file"
    return f"{kind} {at}" if at == path else f"{kind} {at}, on the way to {path},"


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each folder and symbolic link from the root on, as far as there are any, and the last."""
    left, at, links = list(reversed(path.parts[1:])), Path(path.anchor), 0
    yield at, at.lstat()
    while left:
        part = left.pop()
        at = at.parent if part == ".." else at / part
        try:
            status = at.lstat()
            target = Path(os.readlink(at)) if stat.S_ISLNK(status.st_mode) else None
        except FileNotFoundError:
            return
        except OSError as error:
            raise SettingsError(f"{_named(at, path)} cannot be used ({error.strerror})") from None
        yield at, status
        if target:
            links += 1
            if links > _MOST_LINKS:
                raise SettingsError(f"{path} leads in circles; give a path without that link")
            left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            at = Path(target.anchor) if target.is_absolute() else at.parent


def _others_write(status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return False  # what the mode says of these lets no other user exchange them
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status.st_gid)


def _is_private_group(group: int) -> bool:
    """Root's, or the one that many systems make for each user alone."""
    if group == 0:
        return True
    # Not at the top: other systems have neither, and ask for no group.
    import grp
    import pwd

    try:
        user, entry = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return entry.gr_name == user and set(entry.gr_mem) <= {user}


@cache
def _trusted() -> frozenset[int]:
    """This user and root, who in a container of its own may appear as nobody."""
    trusted = {os.geteuid(), 0}
    try:
        if not any(line.split()[0] == "0" for line in _UID_MAP.read_text().splitlines()):
            trusted.add(int(_OVERFLOW.read_text()))
    except (OSError, ValueError, IndexError):
        pass
    return frozenset(trusted)
