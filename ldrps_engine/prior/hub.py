"""Fetching models from the Hugging Face hub, by huggingface_hub. No torch.

Its settings count here too: HF_TOKEN or a stored login, HF_ENDPOINT, HF_HUB_OFFLINE, and the
proxies of the environment. What broke off is gone on with; nothing counts as installed before
every sum is right.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol, Self

from ldrps_engine.errors import LdrpsError, ModelError, UnavailableError
from ldrps_engine.prior.catalogue import BUNDLED, Entry, catalogue
from ldrps_engine.prior.store import (
    Manifest,
    file_sha256,
    folder_of,
    read_manifest,
    write_manifest,
)

# Room that is left on the disk, so that it is not filled to the last byte.
_SPARE = 500_000_000
_SAFE = (".safetensors", ".json", ".txt", ".jinja", ".model", ".md")


class OnProgress(Protocol):
    """Called with the file, the bytes done and the bytes of all files."""

    def __call__(self, file: str, done: int, total: int, /) -> None:
        """Take note, or raise an LdrpsError to stop."""
        ...


@dataclass(frozen=True)
class _Remote:
    path: str
    size: int
    sha256: str
    """Of large files; the hub knows none of small ones."""


def pull(name: str, on_progress: OnProgress = lambda *_: None) -> Manifest:
    """Fetch a model of the catalogue, or what is missing of it.

    ModelError or UnavailableError says in one sentence what is in the way: an unknown name, the
    hub away or refusing, a disk too small, a file that is not what it should be.
    """
    entry = catalogue().get(name)
    if entry is None or name == BUNDLED:
        known = ", ".join(key for key in catalogue() if key != BUNDLED)
        raise ModelError(f"model '{name}' cannot be pulled; these can: {known}")
    if found := read_manifest(name):
        return found
    with _told(entry):
        revision, files = _listed(entry)
        _check_space(entry, files)
        return _fetch(entry, revision, files, on_progress)


def _listed(entry: Entry) -> tuple[str, list[_Remote]]:
    """The commit to fetch and the files of it that are wanted."""
    api = _api()
    revision = entry.revision
    if revision == "main":
        revision = str(api.repo_info(entry.repository, revision=revision).sha)
    tree = api.list_repo_tree(entry.repository, recursive=True, revision=revision)
    files = [
        _Remote(item.path, int(item.size), str(item.lfs.sha256 if item.lfs else ""))
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
    missing = sum(f.size for f in files if not _is_there(folder / f.path, f.size))
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
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    manifest = Manifest(entry.repository, revision, sums)
    write_manifest(entry.name, manifest)
    return manifest


def _download(entry: Entry, revision: str, file: _Remote, on_bytes: Callable[[int], None]) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(
        entry.repository,
        file.path,
        revision=revision,
        local_dir=folder_of(entry.name),
        endpoint=_endpoint(),
        tqdm_class=_bar(on_bytes),
    )


def _checked(entry: Entry, path: Path, file: _Remote) -> str:
    """The file's sum; ModelError if it is not the one that was promised."""
    found = file_sha256(path)
    promised = {file.sha256, entry.sha256.get(file.path, "")} - {""}
    if promised - {found} or path.stat().st_size != file.size:
        path.unlink()
        raise ModelError(
            f"model '{entry.name}': {file.path} came corrupted and was thrown away; "
            f"run 'ldrps models pull {entry.name}' again"
        )
    return found


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


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

    return HfApi(endpoint=_endpoint(), library_name="ldrps")


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextlib.contextmanager
def _told(entry: Entry) -> Iterator[None]:
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
    if isinstance(error, OSError) and error.errno is not None and "Connect" not in title:
        return ModelError(f"{name} cannot be written: {error.strerror}; free some space")
    return UnavailableError(
        f"{name} cannot be pulled: the hub does not answer ({title}); check the network, and run "
        "the command again, which goes on where it stopped"
    )
