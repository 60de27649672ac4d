"""`ldrps diagnose`: measured here, from the pixels alone; needs no daemon."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ldrps_client._text import named, shown
from ldrps_client.cli._batch import run_batch
from ldrps_client.cli._output import warn
from ldrps_client.files import decode
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.inset import diagnose_photo


def diagnose(options: Namespace) -> int:
    """Diagnose every photo; the exit code is that of the first that failed."""
    photos = [(Path(name), bool(options.json)) for name in options.photos]
    return run_batch(photos, _record, as_json=options.json)


def _record(photo: Path, silent: bool) -> dict[str, Any]:
    loaded = decode(photo)
    found = diagnose_photo(loaded.photo)
    if not silent:
        warn(loaded.warnings)
        print(f"{shown(photo)}: {found.words()}\n  {_figures(found)}")
    return {**named("photo", photo), "diagnosis": {**asdict(found), "words": found.words()}}


def _figures(found: Diagnosis) -> str:
    box = found.inner
    inside = f"  picture {box.width}x{box.height} at {box.left}, {box.top}" if box else ""
    odds = "  ".join(f"{name} {share:.0%}" for name, share in found.probabilities.items())
    return (
        f"noise {found.noise_sigma:.1f}  haze {found.haze:.2f}  darkness {found.darkness:.2f}  "
        f"cast {found.cast:.2f}  grey {'yes' if found.grey else 'no'}  "
        f"blocks {found.blocks:.1f}  hot pixels {found.hot_pixels}  "
        f"damage {found.damage:.2%}{inside}\n"
        f"  looked for: {odds}"
    )
