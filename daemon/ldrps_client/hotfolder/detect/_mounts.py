"""File systems of folders: their mounts, their presence, and their support of inotify."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ldrps_client._text import cause, plain
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import StateFolder
from ldrps_engine.errors import OutputError, SettingsError

_TABLE = Path("/proc/self/mountinfo")
# Changes made by other machines, or below FUSE, are not visible to inotify here.
_NO_EVENTS = re.compile(
    r"(nfs\d?|cifs|smb\d?|smbfs|fuse(\..*)?|fuseblk|9p|virtiofs|vboxsf|vmhgfs|prl_fs|afs|ceph"
    r"|gfs2|ocfs2|glusterfs|lustre|beegfs|davfs|autofs|coda|ncpfs|drvfs)"
)


@dataclass(frozen=True)
class Mount:
    """One mounted file system, or a part of one."""

    point: str
    kind: str
    device: str = ""
    top: str = "/"
    """Path within its file system of the mounted part."""

    @property
    def reports_changes(self) -> bool:
        """Tell whether inotify reports every change."""
        return not _NO_EVENTS.fullmatch(self.kind)

    def shows(self, other: Mount) -> bool:
        """Tell whether another mount, at a place within this one, shows the same files as this one.

        systemd mounts folders onto themselves to make some of them writable.
        """
        inside = os.path.relpath(other.point, self.point)
        same = other.top == os.path.normpath(os.path.join(self.top, inside))
        return bool(self.device) and other.device == self.device and same


def mount_of(path: Path, table: Path = _TABLE) -> Mount:
    """Find the mount that a path, which need not exist, lies on."""
    where = os.path.realpath(path)
    best = Mount("/", "unknown")
    try:
        lines = table.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return best
    found = [mount for mount in map(_mount, lines) if _is_within(where, mount.point)]
    # The sort is stable: a later mount at the same place covers the earlier one.
    for mount in sorted(found, key=lambda mount: len(mount.point)):
        if not best.shows(mount):
            best = mount
    return best


def _mount(line: str) -> Mount:
    """Parse a line of the table, see proc_pid_mountinfo(5)."""
    fields = line.split(" ")
    kind = fields[fields.index("-") + 1]
    return Mount(_unescaped(fields[4]), kind, fields[2], _unescaped(fields[3]))


def _is_within(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    """Decode the octal numbers that stand for blanks and the like (proc_pid_mountinfo(5))."""
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)


def is_there(folder: Path, point: str) -> bool:
    """Tell whether a folder is there, on the mount where it was first seen.

    The empty folder that a vanished mount leaves behind is not it. Any failure means no.
    """
    try:
        with os.scandir(folder):
            pass
    except OSError:
        return False
    return plain(mount_of(folder).point) == plain(point)


class Presence:
    """Presence of the watched folder and of that of the results, on the mounts they were on.

    The mounts are remembered beyond a restart: after a reboot without the disk, an empty mount
    point must neither be taken for an empty archive nor be filled with results.
    """

    def __init__(
        self, root: Path, out: Path | None, ledger: Ledger, *, rebind: bool = False
    ) -> None:
        """Take the folders; `rebind`: they have moved to other mounts for good."""
        self._folders = {"in": root} if out is None else {"in": root, "out": out}
        self._points: dict[str, str] = {}
        for name, folder in self._folders.items():
            fact = f"mount:{name}:{folder}"
            known = "" if rebind else ledger.fact(fact)
            if not known:
                _make_sure(name, folder)
                known = mount_of(folder).point
                ledger.remember(fact, known)
            self._points[name] = known

    def missing(self) -> str:
        """Describe the missing mounts; empty if there are none."""
        for name, folder in self._folders.items():
            if not is_there(folder, self._points[name]):
                return self._words(folder, self._points[name])
        return ""

    def check(self) -> None:
        """Raise OutputError if something is missing."""
        if missing := self.missing():
            raise OutputError(missing) from OSError(errno.ENODEV, missing)

    @staticmethod
    def _words(folder: Path, point: str) -> str:
        if plain(mount_of(folder).point) != plain(point):
            return (
                f"{folder} is away, because nothing is mounted at {point}; mount it again, or use "
                "--rebind if the folder has moved for good"
            )
        return f"{folder} is not there or may not be read; bring it back"


def prepare(state: StateFolder, root: Path, out: Path | None) -> None:
    """Make a watched folder's state; SettingsError, and no state, if it cannot be used.

    A mistyped folder would else be remembered for ever.
    """
    if not state.ledger.is_file():
        _make_sure("in", root)
        if out:
            _make_sure("out", out)
    state.make()


def _make_sure(name: str, folder: Path) -> None:
    """Make the folder of results when it is first used; the watched one must be there."""
    try:
        if name == "out":
            folder.mkdir(parents=True, exist_ok=True)
        with os.scandir(folder):
            pass
    except OSError as error:
        why = cause(error)
        raise SettingsError(
            f"{folder} cannot be used: {why}; give a folder that is there"
        ) from None
