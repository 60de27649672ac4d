"""Amounts of findings as people type them: NAME=X, once for each."""

from __future__ import annotations

from collections.abc import Iterable

from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import AMOUNTS, Settings

AMOUNT_HELP = f"of what is done about {', '.join(AMOUNTS)}, 0 to 2; may be repeated"
"""Help of the option in every command that has it."""


def amounts_of(texts: Iterable[str]) -> dict[str, float]:
    """Read texts such as `noise=0.5`; SettingsError names the first bad one."""
    found: dict[str, float] = {}
    for text in texts:
        name, equals, number = (part.strip() for part in text.partition("="))
        if not equals:
            raise SettingsError(f"amount '{text}' is not understood; write it as noise=0.5")
        if name in found:
            raise SettingsError(f"amount {name} is given twice; give it once")
        try:
            found[name] = float(number)
        except ValueError:
            raise SettingsError(
                f"amount {name} is '{number}'; use a number from 0 to 2, as in noise=0.5"
            ) from None
        Settings(amounts=found)
    return found
