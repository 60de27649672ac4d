"""Models on this machine: installed by name, or linked from a folder of one's own.

No torch, and nothing here reaches the network. A model counts as installed when its manifest is
there, which is written last, so that a pull that broke off is not taken for one that ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ldrps_engine.errors import ModelError
from ldrps_engine.model_store.atomic import write_atomically
from ldrps_engine.model_store.catalogue import BUNDLED, Kind, catalogue

FOLDER_VARIABLE = "LDRPS_MODELS"
MANIFEST = "ldrps.json"
INDEX = "model_index.json"
"""Index of a model in diffusers' format."""
LOCAL = "local-"
_LINKS = "linked"
_BLOCK = 1 << 22
_PACKAGED = Path(__file__).resolve().parents[1] / "models"


@dataclass(frozen=True)
class Manifest:
    """Record of what was fetched: written when everything was there and had the right sums."""

    repository: str
    revision: str
    """The commit, also where the catalogue says `main`."""
    files: dict[str, tuple[int, str]]
    """Bytes and sha256 of each."""


def models_folder() -> Path:
    """`$LDRPS_MODELS`, or `ldrps/models` in the user's data folder."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "ldrps" / "models"


def folder_of(name: str) -> Path:
    """Folder where a model of the catalogue lies, or would lie."""
    return _PACKAGED / BUNDLED if name == BUNDLED else models_folder() / name


def is_installed(name: str) -> bool:
    """Tell whether a model of the catalogue is there whole."""
    return name == BUNDLED or (folder_of(name) / MANIFEST).is_file()


def is_describer(name: str) -> bool:
    """Tell whether a name is a describer's; of paths, whether there is a model without parts."""
    entry = catalogue().get(name)
    if entry is not None:
        return entry.kind == "describer"
    path = resolve(name)
    return (path / "config.json").is_file() and not (path / INDEX).is_file()


def is_path(name: str) -> bool:
    """Tell whether a model was named by a path: names have no separators and no ending."""
    return os.sep in name or name.startswith(("~", ".")) or name.endswith(".safetensors")


def resolve(name: str, kind: Kind | None = None) -> Path:
    """The folder or .safetensors file of a model named or pathed; ModelError if not there.

    The error for an unknown name lists those of the `kind` that was looked for, or all.
    """
    if is_path(name):
        path = Path(name).expanduser().resolve()
        if not path.exists():
            raise ModelError(f"model {path} does not exist; check the path")
        return path
    if name.startswith(LOCAL):
        return _linked(name)
    if name not in catalogue():
        known = ", ".join(
            sorted(n for n, entry in catalogue().items() if kind in (None, entry.kind))
        )
        raise ModelError(f"model '{name}' is not known; known are {known}, or a path")
    if kind not in (None, catalogue()[name].kind):
        raise ModelError(f"model '{name}' is no {kind}; 'ldrps models list' says what is one")
    if not is_installed(name):
        raise ModelError(f"model '{name}' is not installed; run 'ldrps models pull {name}'")
    return folder_of(name)


def link(path: Path) -> str:
    """A name for a model in a folder or file of one's own, which stays where it is.

    Names can travel to the daemon where paths may not; the same path always gets the same name.
    """
    real = path.expanduser().resolve()
    if not real.is_dir() and real.suffix != ".safetensors":
        raise ModelError(f"model {path} is neither a folder nor a .safetensors file; check it")
    # The digest tells apart folders of one name at several places.
    name = f"{LOCAL}{real.stem}-{hashlib.sha256(str(real).encode()).hexdigest()[:8]}"
    _write_json(models_folder() / _LINKS / f"{name}.json", {"path": str(real)})
    return name


def links() -> dict[str, Path]:
    """Linked models by name, those among them that have gone away."""
    found = sorted((models_folder() / _LINKS).glob(f"{LOCAL}*.json"))
    return {path.stem: target for path in found if (target := _target(path.stem))}


def read_manifest(name: str) -> Manifest | None:
    """Read a model's manifest; None if it is not installed or did not come from the hub."""
    path = folder_of(name) / MANIFEST
    try:
        found = json.loads(path.read_text())
        files = {key: (int(size), str(sum_)) for key, (size, sum_) in found["files"].items()}
        return Manifest(str(found["repository"]), str(found["revision"]), files)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"model '{name}': {path} cannot be read; {renewal(name)}") from error


def write_manifest(name: str, manifest: Manifest) -> None:
    """Mark a model as installed."""
    _write_json(folder_of(name) / MANIFEST, asdict(manifest))


def verify(name: str, on_bytes: Callable[[int], None] = lambda _: None) -> int:
    """Read every file of an installed model again; ModelError names the first that is wrong.

    `on_bytes` is called with every piece read. Returns how many bytes were right.
    """
    if name != BUNDLED and name not in catalogue():
        raise ModelError(f"model '{name}' is not known; see 'ldrps models list'")
    done = 0
    for file, (size, wanted) in _sums(name).items():
        path = folder_of(name) / file
        if not path.is_file():
            raise ModelError(f"model '{name}': {file} is missing; {renewal(name)}")
        # Before its bytes are read, which takes long; the bundled model's list has no sizes.
        if size and path.stat().st_size != size:
            raise ModelError(f"model '{name}': {file} has another size; {renewal(name)}")
        if file_sha256(path, on_bytes) != wanted:
            raise ModelError(f"model '{name}': {file} is corrupted; {renewal(name)}")
        done += path.stat().st_size
    return done


def renewal(name: str) -> str:
    """Tell how to replace a damaged model; pulling alone keeps what counts as installed."""
    if name == BUNDLED:
        return "install ldrps again"
    if name in catalogue():
        return f"run 'ldrps models remove {name}' and 'ldrps models pull {name}'"
    return "get it again from where it came"


def weights_hash(name: str) -> str:
    """One sha256 over the sums of all of a model's files; ModelError if it is not there.

    The files themselves are read only where they have no list of sums: in a folder of one's own,
    once for each state of it.
    """
    if name == BUNDLED or name in catalogue():
        sums = {file: wanted for file, (_, wanted) in _sums(name).items()}
    else:
        path = _linked(name) if name.startswith(LOCAL) else Path(name).expanduser()
        files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
        # The time of change is part of the cache's key.
        sums = {file.name: _sum_of(file, file.stat().st_mtime_ns) for file in files}
    words = "".join(f"{wanted}  {file}\n" for file, wanted in sorted(sums.items()))
    return hashlib.sha256(words.encode()).hexdigest()


@lru_cache(maxsize=64)
def _sum_of(path: Path, _changed: int) -> str:
    return file_sha256(path)


def total_bytes(name: str) -> int:
    """Bytes that an installed model takes on disk."""
    return sum(path.stat().st_size for path in folder_of(name).rglob("*") if path.is_file())


def remove(name: str) -> int:
    """Delete an installed model, or forget a linked one; returns the bytes that were freed."""
    if name == BUNDLED:
        raise ModelError("model 'bundled' is part of the program and is not removed")
    if name.startswith(LOCAL):
        _linked(name)
        (models_folder() / _LINKS / f"{name}.json").unlink()
        return 0
    if name not in catalogue() or not folder_of(name).exists():
        raise ModelError(f"model '{name}' is not installed; see 'ldrps models list'")
    freed = total_bytes(name)
    # First of all it must not count as installed any more.
    (folder_of(name) / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder_of(name))
    return freed


def file_sha256(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
            on_bytes(len(block))
    return found.hexdigest()


def _sums(name: str) -> dict[str, tuple[int, str]]:
    if name == BUNDLED:
        listed = json.loads((folder_of(name) / "weights.json").read_text())["sha256"]
        return {file: (0, wanted) for file, wanted in listed.items()}
    manifest = read_manifest(name)
    if manifest is None:
        raise ModelError(f"model '{name}' is not installed; run 'ldrps models pull {name}'")
    return manifest.files


def _linked(name: str) -> Path:
    path = _target(name)
    if path is None:
        raise ModelError(f"model '{name}' is not known here; name its folder again")
    if not path.exists():
        raise ModelError(f"model '{name}' was at {path}, which is gone; name its folder again")
    return path


def _target(name: str) -> Path | None:
    try:
        return Path(json.loads((models_folder() / _LINKS / f"{name}.json").read_text())["path"])
    except (OSError, ValueError, KeyError):
        return None


def _write_json(path: Path, value: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(value, indent=1).encode())
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}; free some space") from error
