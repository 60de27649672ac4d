"""Write the guide that the plug-in's button opens: `python plugin_gimp/guide.py [FILE]`.

It is docs/guide/gimp.md without its pictures, which the repository shows.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "plugin_gimp" / "ldrps" / "help" / "guide.html"
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Restoring photos in GIMP</title>
<style>
body {{ max-width: 44em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif; }}
table {{ border-collapse: collapse; }}
td, th {{ border: 1px solid #999; padding: 0.2em 0.6em; text-align: left; vertical-align: top; }}
pre {{ overflow-x: auto; background: #eee; padding: 0.6em; }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def guide() -> str:
    """Return the page as HTML."""
    text = (ROOT / "docs" / "guide" / "gimp.md").read_text(encoding="utf-8")
    text = re.sub(r"^ *!\[.*\n\n?", "", text, flags=re.MULTILINE)
    # Other pages are not next to it.
    text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", text)
    return _PAGE.format(body=MarkdownIt("commonmark").enable("table").render(text))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    target.parent.mkdir(exist_ok=True)
    target.write_text(guide(), encoding="utf-8")
