"""Former names of options, keys and keywords, by which people know what is called otherwise now."""

from __future__ import annotations

FORMER_OPTIONS = {"--samples": "--variants", "--look-only": "the command 'ldrps diagnose'"}
"""Replacements of options of the command line; `watch` itself takes its --only-if."""
OTHER_WORDS = {
    "help": "the option --help",
    "version": "the option --version",
    "fetch": "pull",
    "download": "pull",
    "delete": "remove",
}
"""Words for commands that other programs have."""
FORMER_KEYS = {"only_if": "filters"}
"""Keys of a [[folder]] that have another name now."""
FORMER_FIGURES = {"veil": "haze"}
"""Figures of a diagnosis that have another name now."""
FORMER_KEYWORDS = {
    "samples": "the method Client.variants(photo, count)",
    "variants": "the method Client.variants(photo, count)",
    "look_only": "the command 'ldrps diagnose', or diagnose_only in a SubmitHeader",
}
"""Replacements of keywords of the library, and of what looks like one."""
