"""Photos on the page: the facts about each, and its files in a folder of their own."""

from __future__ import annotations

import secrets
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ldrps_engine.errors import LimitError, NotFoundError

MOST_PHOTOS = 500

State = Literal["reading", "refused", "ready", "waiting", "running", "done"]
"""State of a photo. `refused`: it is no photo that we take. `done`: there is a result."""


@dataclass(kw_only=True, eq=False)
class Upload:
    """One photo on the page. Changed through `Gallery.change` alone."""

    id: str
    name: str
    """Name of the file, as the user has it; never used as a path."""
    folder: Path
    state: State = "reading"
    trouble: str = ""
    """Last error as one sentence; empty if there was none."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Size, diagnosis and findings for the page; empty until it is read."""
    progress: dict[str, Any] = field(default_factory=dict)
    """Progress of the current restoration; empty if there is none."""
    previews: int = 0
    """Number of pictures of the estimate that came so far."""
    result: dict[str, Any] = field(default_factory=dict)
    """Facts about the result for the page; empty if there is none."""
    results: Path | None = None
    """Folder of the result's files."""
    job: str = ""
    """Id of the daemon's job; empty if there is none."""
    stopped: bool = False
    """True if the user wants the current restoration to end."""
    removed: bool = False

    @property
    def original(self) -> Path:
        """Path of the photo as it was sent."""
        return self.folder / "original"

    @property
    def busy(self) -> bool:
        """True while its files are in use."""
        return self.state in ("reading", "waiting", "running")

    def files(self) -> list[Path]:
        """Files of the result: the photo, and a sidecar if it needs one."""
        return sorted(self.results.iterdir(), key=_photo_first) if self.results else []

    def as_json(self) -> dict[str, Any]:
        """Return the photo's record for the page."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "trouble": self.trouble,
            "progress": self.progress,
            "previews": self.previews,
            "stopping": self.stopped and self.busy,
            "result": self.result,
            **self.facts,
        }


def _photo_first(path: Path) -> bool:
    return path.suffix == ".xmp"


class Gallery:
    """All photos of the page, in the order in which they came. Used from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._uploads: dict[str, Upload] = {}
        self.version = 1
        """Number that rises with every change."""

    def add(self, name: str) -> Upload:
        """Add a photo with an empty folder; LimitError if there are too many."""
        with self._lock:
            if len(self._uploads) >= MOST_PHOTOS:
                raise LimitError(
                    f"{name}: there are {MOST_PHOTOS} photos on the page, which is the most; "
                    "remove some first, or use 'ldrps restore' for whole folders"
                )
            key = secrets.token_urlsafe(9)
            # The key and not the name: names may be alike, and hold anything.
            upload = Upload(id=key, name=name, folder=self._folder / key)
            upload.folder.mkdir(mode=0o700)
            self._uploads[key] = upload
            self.version += 1
            return upload

    def get(self, key: str) -> Upload:
        """Return one photo; NotFoundError if it was removed."""
        with self._lock:
            if key not in self._uploads:
                raise NotFoundError("this photo is no longer on the page; add it again")
            return self._uploads[key]

    def all(self) -> list[Upload]:
        """Return every photo."""
        with self._lock:
            return list(self._uploads.values())

    def change(self, upload: Upload, **values: Any) -> None:
        """Set attributes of a photo, for the page to see at once."""
        with self._lock:
            for name, value in values.items():
                setattr(upload, name, value)
            self.version += 1
        if upload.removed and not upload.busy:
            # Only once its files are not open any more.
            shutil.rmtree(upload.folder, ignore_errors=True)

    def begin(self, upload: Upload) -> bool:
        """Mark as waiting unless it is worked on already."""
        with self._lock:
            if upload.busy or upload.removed:
                return False
            self.change(upload, state="waiting", stopped=False, trouble="", previews=0)
            return True

    def remove(self, upload: Upload) -> None:
        """Remove a photo from the page; its files go once they are not in use."""
        with self._lock:
            self._uploads.pop(upload.id, None)
            self.change(upload, removed=True, stopped=True)

    def picture(self) -> dict[str, Any]:
        """Return all that the page shows, as it is now."""
        with self._lock:
            photos = [upload.as_json() for upload in self._uploads.values()]
            return {"version": self.version, "photos": photos}
