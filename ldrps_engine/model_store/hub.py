"""Downloads of models from the Hugging Face hub, by huggingface_hub. No torch.

That library's settings apply: HF_TOKEN or a stored login, HF_ENDPOINT, HF_HUB_OFFLINE, and the
environment's proxies. Interrupted downloads resume; a model is installed once every checksum
matches.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol, Self

from filelock import BaseFileLock, FileLock, Timeout

from ldrps_engine.errors import LdrpsError, ModelError, UnavailableError
from ldrps_engine.model_store.atomic import into_place, sync
from ldrps_engine.model_store.catalogue import BUNDLED, Entry, catalogue
from ldrps_engine.model_store.store import (
    Manifest,
    file_sha256,
    folder_of,
    models_folder,
    read_manifest,
    write_manifest,
)

# Room that is left on the disk, so that it is not filled to the last byte.
_SPARE = 500_000_000
_LIBRARY = "ldrps"
_LOCKS = ".locks"
_LOOK_SECONDS = 0.5
_SAFE = (".safetensors", ".json", ".txt", ".jinja", ".model", ".md")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class OnProgress(Protocol):
    """Called with the file, the bytes done and the bytes of all files."""

    def __call__(self, file: str, done: int, total: int, /) -> None:
        """Take note, or raise an LdrpsError to stop."""
        ...


@dataclass(frozen=True)
class _Remote:
    path: str
    size: int
    blob: str
    """Git's sum of small files; of large ones it belongs to a pointer."""
    sha256: str
    """Checksum of a large file; the hub knows none of small ones."""


def pull(name: str, on_progress: OnProgress = lambda *_: None, revision: str = "") -> Manifest:
    """Fetch a model of the catalogue, or what is missing of it, at that `revision` if one is given.

    One process at a time does so; another one waits, and finds what it wanted.

    ModelError or UnavailableError says in one sentence what is in the way: an unknown name, the
    hub away or refusing, a disk too small, a file that is not what it should be.
    """
    entry = catalogue().get(name)
    if entry is None or name == BUNDLED:
        known = ", ".join(key for key in catalogue() if key != BUNDLED)
        raise ModelError(f"model '{name}' cannot be pulled; these can: {known}")
    if found := read_manifest(name):
        return found
    if revision:
        entry = replace(entry, revision=revision)
    with _translated(entry), _alone(entry, on_progress):
        if found := read_manifest(name):
            return found
        revision, files = _listed(entry)
        _check_space(entry, files)
        return _fetch(entry, revision, files, on_progress)


@contextlib.contextmanager
def _alone(entry: Entry, on_progress: OnProgress) -> Iterator[None]:
    """Keep other processes, on this machine or another one, from fetching it at the same time."""
    folder = models_folder() / _LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{entry.name}.lock")
    # A folder without locks is one that no other process is expected to write to.
    with contextlib.suppress(NotImplementedError):
        while not _is_mine(lock):
            on_progress("fetched by another process, which is waited for", 0, 0)
    try:
        yield
    finally:
        lock.release()


def _is_mine(lock: BaseFileLock) -> bool:
    try:
        lock.acquire(timeout=_LOOK_SECONDS)
    except Timeout:
        return False
    return True


def _listed(entry: Entry) -> tuple[str, list[_Remote]]:
    """The commit to fetch and the files of it that are wanted."""
    api = _api()
    revision = entry.revision
    if revision == "main":
        revision = str(api.repo_info(entry.repository, revision=revision).sha)
    tree = api.list_repo_tree(entry.repository, recursive=True, revision=revision)
    files = [
        _Remote(item.path, int(item.size), item.blob_id, item.lfs.sha256 if item.lfs else "")
        for item in tree
        if getattr(item, "size", None) is not None
    ]
    wanted = [file for file in files if any(fnmatch(file.path, p) for p in entry.files)]
    _check_files(entry, wanted)
    return revision, wanted


def _check_files(entry: Entry, files: list[_Remote]) -> None:
    if not any(file.path.endswith(".safetensors") for file in files):
        raise ModelError(
            f"model '{entry.name}': {entry.repository} has no .safetensors weights; formats that "
            "can run code are not fetched"
        )
    for file in files:
        parts = Path(file.path).parts
        if Path(file.path).is_absolute() or ".." in parts or not file.path.endswith(_SAFE):
            raise ModelError(
                f"model '{entry.name}': {entry.repository} offers {file.path!r}, which is no "
                "file of a model; nothing was fetched"
            )


def _check_space(entry: Entry, files: list[_Remote]) -> None:
    folder = folder_of(entry.name)
    folder.mkdir(parents=True, exist_ok=True)
    missing = sum(f.size - _held(folder / f.path, f) for f in files)
    free = shutil.disk_usage(folder).free
    if missing + _SPARE > free:
        raise ModelError(
            f"model '{entry.name}' needs {missing / 1e9:.1f} GB more in {folder.parent}, where "
            f"{free / 1e9:.1f} GB are free; free some space, or set LDRPS_MODELS to another folder"
        )


def _fetch(entry: Entry, revision: str, files: list[_Remote], on_progress: OnProgress) -> Manifest:
    folder, total, before = folder_of(entry.name), sum(file.size for file in files), 0
    sums: dict[str, tuple[int, str]] = {}
    for file in files:

        def on_bytes(count: int, path: str = file.path, start: int = before) -> None:
            on_progress(path, start + count, total)

        on_bytes(0)
        _download(entry, revision, file, on_bytes)
        sums[file.path] = (file.size, _checked(entry, folder / file.path, file))
        before += file.size
        on_bytes(file.size)
    manifest = Manifest(entry.repository, revision, sums)
    write_manifest(entry.name, manifest)
    return manifest


def _download(entry: Entry, revision: str, file: _Remote, on_bytes: Callable[[int], None]) -> None:
    """Fetch one file, or what is missing of it; whether it is right is checked afterwards.

    Over plain HTTP: huggingface_hub's own download starts every file over that was broken off.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    path = folder_of(entry.name) / file.path
    held = _held(path, file)
    if path.is_file() and held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path, file)
    with partial.open("ab" if held else "wb") as opened:
        http_get(
            hf_hub_url(entry.repository, file.path, revision=revision, endpoint=_endpoint()),
            opened,
            resume_size=held,
            headers=build_hf_headers(library_name=_LIBRARY),
            expected_size=file.size,
            tqdm_class=_bar(on_bytes),
        )
    sync(partial)
    into_place(partial, path, force=True)


def _held(path: Path, file: _Remote) -> int:
    """Bytes that need not be fetched again. Small files come again: no name tells them apart."""
    if not file.sha256:
        return 0
    if path.is_file() and path.stat().st_size == file.size:
        return file.size
    partial = _partial(path, file)
    held = partial.stat().st_size if partial.is_file() else 0
    return held if held <= file.size else 0


def _partial(path: Path, file: _Remote) -> Path:
    """Partial file, named by the sum, so that another revision starts over."""
    return path.with_name(f"{path.name}.{file.sha256[:12] or 'small'}.partial")


def _checked(entry: Entry, path: Path, file: _Remote) -> str:
    """The file's sum; ModelError if it is not the one that was promised."""
    found = file_sha256(path)
    promised = {file.sha256, entry.sha256.get(file.path, "")} - {""}
    is_right = file.sha256 or _git_sum(path) == file.blob
    if promised - {found} or not is_right or path.stat().st_size != file.size:
        path.unlink()
        raise ModelError(
            f"model '{entry.name}': {file.path} came corrupted and was thrown away; "
            f"run 'ldrps models pull {entry.name}' again"
        )
    return found


def _git_sum(path: Path) -> str:
    """Git's name for a file's contents: the only sum that the hub has of small files."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _bar(on_bytes: Callable[[int], None]) -> Any:
    """A class with tqdm's interface that passes on how many bytes have come."""

    class Bar:
        def __init__(self, *_: Any, initial: float = 0, **__: Any) -> None:
            self._done = int(initial or 0)

        def update(self, count: float | None = 1) -> None:
            self._done += int(count or 0)
            on_bytes(self._done)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __getattr__(self, _: str) -> Callable[..., None]:
            # Everything else is about how a bar looks.
            return lambda *_, **__: None

    return Bar


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=_endpoint(), library_name=_LIBRARY)


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextlib.contextmanager
def _translated(entry: Entry) -> Iterator[None]:
    """Turn what the library raises into one sentence that says what to do."""
    try:
        yield
    except LdrpsError:
        raise
    except Exception as error:
        raise _meaning(entry, error) from error


def _meaning(entry: Entry, error: Exception) -> LdrpsError:
    from huggingface_hub import errors

    name = f"model '{entry.name}'"
    kinds: list[tuple[Any, str]] = [
        (errors.OfflineModeIsEnabled, "cannot be pulled offline; unset HF_HUB_OFFLINE"),
        (
            errors.GatedRepoError,
            f"has a licence to accept first; do so on {entry.page}, then set HF_TOKEN",
        ),
        (
            errors.RevisionNotFoundError,
            f"is no longer there at revision {entry.revision}; update ldrps",
        ),
        (
            errors.RepositoryNotFoundError,
            f"is not given out by {entry.repository}; check HF_TOKEN, or see {entry.page}",
        ),
    ]
    for kind, words in kinds:
        if isinstance(error, kind):
            return ModelError(f"{name} {words}")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return ModelError(f"{name} was refused by the hub; HF_TOKEN is wrong or lacks the right")
    if status is not None:
        return UnavailableError(f"{name} cannot be pulled: the hub answered {status}; try later")
    return _of_the_way(name, error)


def _of_the_way(name: str, error: Exception) -> LdrpsError:
    title = type(error).__name__
    if "Proxy" in title:
        return UnavailableError(f"{name} cannot be pulled: the proxy does not answer; check it")
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL or number in _FORBIDDEN:
        advice = "free some space" if number in _FULL else "set LDRPS_MODELS to a folder of yours"
        return ModelError(f"{name} cannot be written: {os.strerror(number)}; {advice}")
    return UnavailableError(
        f"{name} cannot be pulled: the hub does not answer ({title}); check the network, and run "
        "the command again, which goes on where it stopped"
    )
