"""The openly licensed photographs among Debian's wallpapers, fetched with apt-get.

Most wallpapers are drawings. `debian-photos.tsv` lists those that are photographs, with the
licence and author that the package's copyright file and the photo's own metadata name. Two more
packages were looked through and hold none: gnome-backgrounds and ukui-wallpapers.
"""

from __future__ import annotations

import csv
import hashlib
import subprocess
import tempfile
import warnings
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from training.config import TrainingError

ALLOWED = Path(__file__).with_name("debian-photos.tsv")

_TIER = "permissive"
_LONG_SIDE = 1500
_QUALITY = 95
_COLUMNS = ("file", "source", "licence", "size", "text")


class Entry(NamedTuple):
    """One line of the list: where a photograph lies, and whose it is."""

    package: str
    path: str
    licence: str
    author: str


def read_list(path: Path = ALLOWED) -> list[Entry]:
    """The photographs to take, sorted by package."""
    with path.open(newline="") as lines:
        return sorted(Entry(**row) for row in csv.DictReader(lines, delimiter="\t"))


def debian_photos(out: Path) -> None:
    """Fetch, reduce and write the photos and their `manifest.tsv` into `out`."""
    (out / _TIER).mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    missing = 0
    with tempfile.TemporaryDirectory(prefix="ldrps-debian-") as scratch:
        for package, entries in groupby(read_list(), key=lambda entry: entry.package):
            root = fetch(package, Path(scratch))
            for entry in entries:
                if not (root / entry.path).is_file():
                    missing += 1
                    continue
                rows.append(_take(root / entry.path, entry, out))
    if missing:
        warnings.warn(f"{missing} listed photos are not in this release's packages", stacklevel=2)
    if not rows:
        raise TrainingError("none of the listed photos is in this release's packages")
    _write_manifest(out / "manifest.tsv", rows)
    print(f"{len(rows)} photos in {out}")


def fetch(package: str, scratch: Path) -> Path:
    """Download and unpack one package below `scratch`; returns the folder it was unpacked to."""
    _run(["apt-get", "download", package], scratch, f"the package {package} cannot be had")
    archive = next(scratch.glob(f"{package}_*.deb"), None)
    if archive is None:
        raise TrainingError(f"apt-get said nothing against {package}, but it brought no file")
    root = scratch / package
    root.mkdir()
    _run(["dpkg", "-x", str(archive), str(root)], scratch, f"{archive.name} cannot be unpacked")
    archive.unlink()
    return root


def _run(command: list[str], folder: Path, failure: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise TrainingError(
            f"{command[0]} is missing: this step needs Debian or one of its relatives"
        ) from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise TrainingError(f"{failure}: {reason.removeprefix('E: ')}")


def _take(path: Path, entry: Entry, out: Path) -> dict[str, str]:
    """Reduce one photo, write it, and give its line of the manifest."""
    digest = hashlib.sha256(f"{entry.package}/{entry.path}".encode()).hexdigest()
    name = f"{_TIER}/{digest[:12]}.jpg"
    with Image.open(path) as image:
        photo = image.convert("RGB")
    photo.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.LANCZOS)
    photo.save(out / name, quality=_QUALITY, subsampling=0)
    size = f"{photo.width}x{photo.height}"
    return dict(zip(_COLUMNS, (name, "debian", entry.licence, size, ""), strict=True))


def _write_manifest(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as sink:
        writer = csv.DictWriter(sink, _COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
