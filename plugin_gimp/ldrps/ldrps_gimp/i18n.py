"""Translation into the user's language. `_` translates, or gives the English text back."""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "ldrps"
LOCALE_FOLDER = Path(__file__).resolve().parents[1] / "locale"

_translations = gettext.translation(DOMAIN, LOCALE_FOLDER, fallback=True)
_ = _translations.gettext
