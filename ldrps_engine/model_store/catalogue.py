"""The models that have a name: where they come from, under which terms, what they need. No torch.

The list itself is `catalogue.toml` next to this file, with comments on its fields.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

Kind = Literal["prior", "tiny", "describer"]

BUNDLED = "bundled"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One model of the catalogue. Neutral: a model without weights or conditions."""

    name: str
    kind: Kind
    family: str
    """Family of models, which names the code that loads it."""
    title: str
    repository: str
    """`owner/name` on the hub; empty for what comes with the package."""
    revision: str
    """A commit, or `main` where none was known."""
    files: tuple[str, ...]
    """Patterns of what is fetched."""
    bytes: int
    """Size of all files, rounded."""
    licence: str
    memory: int
    """Bytes on the device to plan with."""
    terms: str = ""
    """Remarks about the licence beyond its name."""
    accept: bool = False
    """True where the licence has to be accepted on the hub's page first."""
    view: int = 0
    """Long side in pixels at which a prior works; 0 for others."""
    sha256: dict[str, str] = field(default_factory=dict)
    """Checksum by file, where known beforehand."""

    @property
    def page(self) -> str:
        """Page where people read about it and accept its licence."""
        return f"https://huggingface.co/{self.repository}" if self.repository else ""


def tiny_of(family: str) -> Entry | None:
    """The tiny autoencoder that goes with a family of priors."""
    found = (e for e in catalogue().values() if e.kind == "tiny" and e.family == family)
    return next(found, None)


@cache
def catalogue() -> dict[str, Entry]:
    """Every entry by its name, the bundled model first."""
    read = tomllib.loads((Path(__file__).parent / "catalogue.toml").read_text())
    return {BUNDLED: _BUNDLED} | {name: _entry(name, found) for name, found in read.items()}


def _entry(name: str, found: dict[str, Any]) -> Entry:
    return Entry(name=name, **found | {"files": tuple(found["files"])})


_BUNDLED = Entry(
    name=BUNDLED,
    kind="prior",
    family="stable-diffusion",
    title="Small model that comes with LD-RPS Restore",
    repository="",
    revision="",
    files=(),
    bytes=0,
    licence="Apache-2.0",
    memory=200_000_000,
    view=512,
)
