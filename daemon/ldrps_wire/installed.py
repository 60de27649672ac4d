"""Optional parts of this distribution that are missing, found without importing any of them."""

from __future__ import annotations

import re
from importlib import metadata
from importlib.util import find_spec

from ldrps_engine.errors import UnavailableError

DISTRIBUTION = "ldrps"
_REQUIREMENT = re.compile(r"""([\w.-]+)[^;]*;.*extra\s*==\s*["']([\w-]+)["']""")


def missing(extra: str) -> list[str]:
    """Requirements of an extra, such as `daemon`, that this interpreter lacks."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []  # run from a source tree, which says nothing of extras
    found = (match.groups() for line in lines if (match := _REQUIREMENT.match(line)))
    return [name for name, of in found if of == extra and not _is_there(name)]


def require_daemon() -> None:
    """Raise UnavailableError if no daemon can be run from this installation."""
    if lacking := missing("daemon"):
        raise UnavailableError(
            f"the daemon is not installed ({', '.join(lacking)} missing); "
            f"run pip install '{DISTRIBUTION}[daemon]'"
        )


def _is_there(requirement: str) -> bool:
    return find_spec(requirement.replace("-", "_")) is not None
