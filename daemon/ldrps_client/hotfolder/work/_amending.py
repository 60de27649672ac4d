"""Sidecars that come after their photo: their contents are merged into the finished result."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from ldrps_client.files._formats import HEAD_BYTES, recognise
from ldrps_client.files._read import MOST_BYTES, check_size, without_waiting
from ldrps_client.files._write import write_bytes
from ldrps_client.files.metadata._amend import with_xmp
from ldrps_client.files.metadata._embedded import embedded_xmp, xmp_beside
from ldrps_client.files.metadata._packet import Packet
from ldrps_client.hotfolder.config import FolderConfig
from ldrps_client.hotfolder.detect._mounts import Presence
from ldrps_client.hotfolder.store._entry import Entry
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import results_lock
from ldrps_client.hotfolder.work._place import staged_path, sweep
from ldrps_client.hotfolder.work._retry import is_common
from ldrps_client.hotfolder.work._review import result_path
from ldrps_client.hotfolder.work._sidecars import carried, merged, sidecars_of
from ldrps_client.hotfolder.work._worker import Notify, writing_to
from ldrps_client.provenance import mark_in, sidecar_for
from ldrps_engine.errors import InputError, OutputError
from ldrps_engine.model_store.atomic import into_place


class Amender:
    """Merges late sidecars into results of one folder."""

    def __init__(
        self, config: FolderConfig, ledger: Ledger, presence: Presence, notify: Notify
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._presence = presence
        self._notify = notify

    def take(self, sidecar: Path) -> bool:
        """Handle a sidecar that has settled; returns whether nothing is left to be done for it.

        The rest is done when its photo's turn comes, or at the next scan.
        """
        if self._presence.missing():
            # Nothing is concluded from a result that is not there.
            return False
        folder = sidecar.parent
        inside = os.path.relpath(folder, self._config.root)
        stem = sidecar.name[: -len(".xmp")]
        listed = self._ledger.named_from(
            b"" if inside == "." else os.fsencode(inside), os.fsencode(stem)
        )
        photos = [(folder / os.fsdecode(name), key) for name, key in listed]
        # In this order, and all of them: two photos may share a sidecar.
        ended = [
            self._amend(photo, entry, sidecar) if (entry := self._ledger.find(key)) else False
            for photo, key in photos
            if sidecar in sidecars_of(photo)
        ]
        return all(ended)

    def _amend(self, photo: Path, entry: Entry, sidecar: Path) -> bool:
        first = self._config.root / os.fsdecode(entry.source)
        if first != photo and os.path.lexists(first):
            # A twin, whose photo has the sidecars of its own name.
            return True
        if entry.state in ("queued", "working", "placing"):
            # The worker reads it when it writes the result.
            return False
        if entry.state != "done" or not entry.output:
            return True
        with results_lock(self._ledger.path):
            # Asked again: it may have been moved away meanwhile.
            return self._amend_result(photo, self._ledger.entry(entry.key), sidecar)

    def _amend_result(self, photo: Path, entry: Entry, sidecar: Path) -> bool:
        relative = os.path.relpath(photo, self._config.root)
        output = result_path(entry)
        try:
            if self._bring(photo, entry, output):
                message = f"{sidecar.name} came after the result, which says now what it says"
                self._notify("amended", relative, output=str(output), message=message)
        except (OutputError, InputError) as error:
            is_away = isinstance(error, OutputError) or is_common(error)
            self._notify("waiting" if is_away else "warning", relative, message=str(error))
            return not is_away
        except _LeftError as why:
            message = f"{sidecar} came after the result, {why}"
            self._notify("warning", relative, message=message)
        return True

    def _bring(self, photo: Path, entry: Entry, output: Path) -> bool:
        """Write the sidecars' contents into a result; returns whether anything was new."""
        with writing_to(output.parent):
            if not os.path.isfile(output):
                raise _LeftError(f"and {output} is not there any more; nothing was changed")
            own, is_beside = _own_xmp(output)
        packet, odd = merged(own, photo, self._config.keyword)
        for sentence in odd:
            self._notify("warning", os.path.relpath(photo, self._config.root), message=sentence)
        before = Packet(own)
        if all(before.value(name) == packet.value(name) for name in carried(photo)):
            self._finish(entry)
            return False
        if is_beside:
            write_bytes(sidecar_for(output), packet.to_bytes(), force=True)
        else:
            self._rewrite(entry, output, packet.to_bytes())
        return True

    def _rewrite(self, entry: Entry, output: Path, xmp: bytes) -> None:
        with writing_to(output.parent), open(output, "rb", opener=without_waiting) as file:
            check_size(output, os.fstat(file.fileno()).st_size)
            data = file.read(MOST_BYTES)
        fact = f"amending {entry.key}"
        content = hashlib.sha256(data).hexdigest()
        if content not in (entry.output_content, self._ledger.fact(fact)):
            raise _LeftError(f"and {output} has been changed since; it was left as it is")
        kind = recognise(str(output), data[:HEAD_BYTES], output.suffix)
        amended = with_xmp(data, kind, xmp)
        if amended is None:
            # As results have it from the start whose kind of file cannot hold their XMP.
            beside = sidecar_for(output)
            if os.path.lexists(beside):
                raise _LeftError(f"and {beside} is there already; nothing was changed")
            return write_bytes(beside, xmp)
        # Written down first: after a crash either content is known for ours.
        new = hashlib.sha256(amended).hexdigest()
        self._ledger.remember(fact, new)
        self._replace(entry, output, amended)
        self._finish(entry)

    def _finish(self, entry: Entry) -> None:
        """Record that the result has been replaced, now or before a crash."""
        fact = f"amending {entry.key}"
        if new := self._ledger.fact(fact):
            self._ledger.change(entry.key, output_content=new)
            self._ledger.forget(fact)

    def _replace(self, entry: Entry, output: Path, data: bytes) -> None:
        staged = staged_path(output.parent, entry.key, output.suffix)
        try:
            with writing_to(output.parent):
                write_bytes(staged, data, force=True)
                with suppress(OSError):
                    staged.chmod(output.stat().st_mode & 0o777)
                into_place(staged, output, force=True)
        finally:
            sweep(output.parent, entry.key)


class _LeftError(Exception):
    """Reason why a result is left as it is, in words that continue a sentence."""


def _own_xmp(output: Path) -> tuple[bytes, bool]:
    """Return the packet of a result, and True if it stands in a sidecar of its own."""
    if mark_in(data := xmp_beside(output)) is not None:
        return data, True
    xmp = embedded_xmp(output)
    if mark_in(xmp) is None:
        raise _LeftError(f"and {output} no longer says that it is one; it was left as it is")
    return xmp, False
