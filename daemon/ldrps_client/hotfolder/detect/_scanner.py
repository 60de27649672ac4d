"""Scans, so that nothing is missed: every folder is read, compared with the ledger, and watched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ldrps_client.hotfolder.config import FolderConfig
from ldrps_client.hotfolder.detect._rules import settings_for
from ldrps_client.hotfolder.store._entry import Identity, Known, settings_digest
from ldrps_client.hotfolder.store._ledger import OURS, SIDECAR, Ledger


@dataclass
class Scanned:
    """Numbers of what a scan went through."""

    files: int = 0
    """Photos that the rules accept."""
    changed: int = 0
    """Photos among them that are new or different from the ledger."""
    unreadable: int = 0
    """Folders that could not be looked into."""


class Scanner:
    """Compares a tree with the ledger. Memory is that of its largest folder."""

    def __init__(self, config: FolderConfig, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger

    def scan(
        self,
        top: Path,
        on_change: Callable[[Path], None],
        on_folder: Callable[[Path], None],
        on_unreadable: Callable[[Path, OSError], None],
    ) -> Scanned:
        """Go through a folder of the tree and all below it.

        `on_folder` comes before the folder is read, so that what appears in between is not missed.
        OSError if `top` itself cannot be read.
        """
        found = Scanned()
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            on_folder(folder)
            try:
                with os.scandir(folder) as entries:
                    listed = list(entries)
            except FileNotFoundError:
                if folder == self._config.root:
                    raise
                continue
            except OSError as error:
                if folder == self._config.root:
                    raise
                found.unreadable += 1
                on_unreadable(folder, error)
                continue
            waiting += self._subfolders(listed)
            for path in self._changed(folder, listed, found):
                on_change(path)
        return found

    def relative(self, path: Path) -> str:
        """Return a path within the watched folder; empty for the folder itself."""
        inside = os.path.relpath(path, self._config.root)
        return "" if inside == "." else inside

    def takes(self, path: Path) -> bool:
        """Tell whether a file that an event named is one for us."""
        relative = self.relative(path)
        parents = [parent for parent in Path(relative).parents if parent != Path()]
        if not self._config.recursive and parents:
            return False
        if any(not self._enters(self._config.root / p, str(p)) for p in parents):
            return False
        rules = self._config.rules
        return rules.takes_file(relative) or rules.takes_sidecar(relative)

    def enters(self, path: Path) -> bool:
        """Tell whether a folder that an event named is one to look into."""
        if not self._config.recursive:
            return False
        relative = Path(self.relative(path))
        parents = [relative, *relative.parents][:-1]
        return all(self._enters(self._config.root / p, str(p)) for p in parents)

    def _enters(self, path: Path, relative: str) -> bool:
        return path != self._config.out and self._config.rules.enters(relative)

    def _subfolders(self, entries: list[os.DirEntry[str]]) -> Iterator[Path]:
        if not self._config.recursive:
            return
        for entry in entries:
            # Links to folders are not followed: they lead in circles, or out of the archive.
            if entry.is_dir(follow_symlinks=False):
                path = Path(entry.path)
                if self._enters(path, self.relative(path)):
                    yield path

    def _changed(
        self, folder: Path, entries: list[os.DirEntry[str]], found: Scanned
    ) -> Iterator[Path]:
        inside = self.relative(folder)
        key = os.fsencode(inside)
        known = self._ledger.known(key)
        digest = self.digest_at(folder / "any")
        for entry in entries:
            relative = os.path.join(inside, entry.name) if inside else entry.name
            is_photo = self._config.rules.takes_file(relative)
            if not is_photo and not self._config.rules.takes_sidecar(relative):
                continue
            found.files += is_photo
            old = known.pop(os.fsencode(entry.name), None)
            if old is None or not _same(entry, old, digest):
                found.changed += is_photo
                yield Path(entry.path)
        if known:
            self._ledger.forget_files(key, known)

    def digest_at(self, path: Path) -> str:
        """Return the digest of the settings that hold where a file lies."""
        settings = self._config.settings
        if self._config.recipe_by_folder:
            settings = settings_for(self.relative(path), settings)
        return settings_digest(settings)


def _same(entry: os.DirEntry[str], known: Known, digest: str) -> bool:
    try:
        status = entry.stat()
    except OSError:
        # A link to nowhere, or gone: a closer look will show.
        return False
    identity = Identity(status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return identity == known.identity and known.digest in (digest, OURS, SIDECAR)
