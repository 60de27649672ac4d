"""Sentences of the daemon, which are made for a terminal, in the user's language."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ldrps_gimp.i18n import _


def as_sentence(text: str) -> str:
    """Capitalise and end a sentence of the daemon."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def matched(text: str, known: Mapping[str, str]) -> tuple[str, dict[str, str]] | None:
    """Return the translation of what matches a pattern, and the words to be put into it."""
    for pattern, translation in known.items():
        if found := re.fullmatch(pattern, text):
            return translation, found.groupdict()
    return None


def refusal_text(details: str) -> str:
    """Translate why a photo is refused; what is not known comes back as a sentence."""
    if found := matched(details, _refusals()):
        translation, words = found
        return translation.format(**words)
    return as_sentence(details)


def _refusals() -> dict[str, str]:
    """Return translations of what a user may bring about, by their patterns."""
    return _of_photos() | _of_daemons()


def _of_photos() -> dict[str, str]:
    return {
        r"the photo is (?P<size>\d+x\d+), for which a worker needs about (?P<needed>\d+) MiB of "
        r"memory; it may use (?P<most>\d+) MiB here, .+": _(
            "A photo of {size} pixels needs about {needed} MB of memory, of which the daemon may "
            "use {most}; select a smaller part."
        ),
        r"the photo is (?P<size>\d+x\d+); this daemon takes at most (?P<most>\d+) pixels": _(
            "The photo is {size}; the daemon takes at most {most} pixels."
        ),
        r"the photo is (?P<size>\d+x\d+); both sides need (?P<least>\d+) pixels or more": _(
            "The photo is {size}; both sides need {least} pixels or more."
        ),
        r"the photo is (?P<size>\d+x\d+); at most (?P<most>\d+) megapixels and (?P<side>\d+) "
        r"pixels a side can be restored": _(
            "The photo is {size}; at most {most} megapixels and {side} pixels a side can be "
            "restored."
        ),
        r"the photo is (?P<size>\d+x\d+); sides may differ (?P<most>\d+)-fold": _(
            "The photo is {size}; one side may be at most {most} times the other."
        ),
        r"the photo has \d+ bytes; this daemon takes at most (?P<most>\d+)": _(
            "The photo has more than the {most} bytes that the daemon takes; select a smaller part."
        ),
        r"pixels hold NaN or infinity; .+": _(
            "Some pixels are no numbers (NaN or infinity); replace them before restoring."
        ),
    }


def _of_daemons() -> dict[str, str]:
    full = _("The disk on which the daemon keeps photos is full; make room on it and try again.")
    return {
        r"the photo and what is made of it take up to \d+ bytes; the spool takes \d+.*": _(
            "The photo and its result are more than the daemon keeps; select a smaller part, or "
            "ask for fewer layers."
        ),
        r"the disk of the spool is nearly full; try again in \d+ seconds": full,
        r"the daemon's disk is full; .+": full,
        r"(\d+ jobs are waiting already|this client.+|waiting photos .+)"
        r"; try again in (?P<seconds>\d+) seconds": _(
            "The daemon has too many photos already; try again in {seconds} seconds."
        ),
        r"the daemon is stopping; .+": _("The daemon is stopping; try again when it is back."),
        r"a worker died .+ at this job, so it will not be tried again; see the log": _(
            "The daemon's worker died of this photo each time; its log may say why."
        ),
        r"the daemon failed at this call; its log says where": _(
            "The daemon failed; its log says where."
        ),
    }
