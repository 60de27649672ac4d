"""Keep the plug-in's translations: `python plugin_gimp/translations.py`.

Brings every `ldrps/locale/LANGUAGE/LC_MESSAGES/ldrps.po` up to date with the strings in the code,
and compiles it. What is not translated yet is counted.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

FOLDER = Path(__file__).resolve().parent / "ldrps"
LOCALES = FOLDER / "locale"


def template() -> Catalog:
    """Return every string of the code, without translations."""
    # No date of today in it: a file changes when its strings do.
    catalog = Catalog(project="LD-RPS Restore", creation_date=datetime(2026, 1, 1, tzinfo=UTC))
    mapping = [("ldrps_gimp/vendor/**", "ignore"), ("ldrps_gimp/**.py", "python")]
    for name, _line, message, comments, context in extract_from_dir(FOLDER, mapping):
        # Without line numbers: a file would change with every edit of the code.
        catalog.add(message, locations=[(name, None)], auto_comments=comments, context=context)
    return catalog


def updated(path: Path, strings: Catalog) -> Catalog:
    """Return a language's catalogue with the strings of today."""
    with path.open("rb") as file:
        catalog = read_po(file, locale=path.parts[-3])
    catalog.update(strings, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    for message in catalog:
        # A sentence with "50 %" is taken for an old format of Python's, and we have none.
        message.flags.discard("python-format")
    return catalog


def compiled(catalog: Catalog) -> bytes:
    """Return the catalogue in the form that GNU gettext reads."""
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def files() -> list[Path]:
    """List every language's catalogue."""
    return sorted(LOCALES.glob("*/LC_MESSAGES/ldrps.po"))


def main() -> None:
    """Bring all languages up to date."""
    strings = template()
    for path in files():
        catalog = updated(path, strings)
        with path.open("wb") as file:
            write_po(file, catalog, sort_output=True, width=100)
        path.with_suffix(".mo").write_bytes(compiled(catalog))
        missing = sum(not message.string for message in catalog if message.id)
        print(f"{path.parts[-3]}: {len(catalog)} strings, {missing} without translation")


if __name__ == "__main__":
    main()
