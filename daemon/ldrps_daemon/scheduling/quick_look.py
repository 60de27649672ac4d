"""Looks that need neither prior nor device, so that a process of their own answers at once."""

from __future__ import annotations

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.model_store.catalogue import catalogue
from ldrps_engine.model_store.store import is_installed

ENGINE = "ldrps_engine.restore"
LOOK_ENGINE = "ldrps_engine.look"
"""Replacement for the default engine; engines of tests look for themselves."""

_BLIND = ("", "auto", "fast")
_AUTO, _TAGGER = ("", "auto"), "tagger"
# Settings that the restoration would comment on.
_REMARKED = ("steps", "recurrences", "solver", "amounts")


def is_quick_look(header: pb.SubmitHeader) -> bool:
    """Tell whether a job only looks, and asks nothing that only the whole engine can answer."""
    settings = header.settings
    if not header.diagnose_only or settings.recipe not in _BLIND:
        return False
    asks = any(settings.HasField(name) for name in _REMARKED)
    asks = asks or (settings.HasField("strength") and settings.strength == 0)
    # Where there is known to be no noise, measuring it is spared.
    asks = (
        asks
        or settings.noise_sigma != 0
        or settings.allow_colour
        or settings.seed != 0
        or "pilot" in settings.layers
    )
    if asks or settings.model not in ("", "bundled"):
        return False
    return settings.describer == _TAGGER or (
        settings.describer in _AUTO and (settings.HasField("description") or not _has_describer())
    )


def look_engine(engine: str) -> str:
    """Name the module that looks, where `engine` restores."""
    return LOOK_ENGINE if engine == ENGINE else engine


def _has_describer() -> bool:
    found = (entry.name for entry in catalogue().values() if entry.kind == "describer")
    return any(is_installed(name) for name in found)
