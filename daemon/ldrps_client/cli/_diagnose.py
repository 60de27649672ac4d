"""`ldrps diagnose`: measured here, from the pixels alone; needs no daemon."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ldrps_client.cli._output import error_record, print_json, say, warn
from ldrps_client.files import decode, to_srgb
from ldrps_engine.diagnosis import Diagnosis
from ldrps_engine.diagnosis import diagnose as measure
from ldrps_engine.errors import LdrpsError


def diagnose(options: Namespace) -> int:
    """Diagnose every photo; the exit code is that of the first that could not be."""
    records = [_record(Path(name), silent=options.json) for name in options.photos]
    if options.json:
        print_json({"results": records})
    return next((r["error"]["exit_code"] for r in records if "error" in r), 0)


def _record(photo: Path, *, silent: bool) -> dict[str, Any]:
    try:
        loaded = decode(photo)
        found = measure(to_srgb(loaded.photo))
    except LdrpsError as error:
        say(error)
        return {"photo": str(photo), "error": error_record(error)}
    if not silent:
        warn(loaded.warnings)
        print(f"{photo}: {found.words()}\n  {_figures(found)}")
    return {"photo": str(photo), "diagnosis": {**asdict(found), "words": found.words()}}


def _figures(found: Diagnosis) -> str:
    return (
        f"noise {found.noise_sigma:.1f}  veil {found.veil:.2f}  darkness {found.darkness:.2f}  "
        f"cast {found.cast:.2f}  grey {'yes' if found.grey else 'no'}  "
        f"blocks {found.blocks:.1f}  hot pixels {found.hot_pixels}"
    )
