"""Hooks of the documentation site (mkdocs.yml): decisions in the menu, links into the repository.

The pages are read in two places. In a checkout, links to code and examples work as they are; on
the site there is no code, so they become plain text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """List every decision behind the section's index page, in the order of their numbers."""
    folder = Path(config["docs_dir"], "decisions")
    pages = [f"decisions/{path.name}" for path in sorted(folder.glob("[0-9]*.md"))]
    for entry in config["nav"]:
        if "Decisions" in entry:
            entry["Decisions"] = ["decisions/index.md", *pages]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace links that leave the documentation by their text; code blocks stay as they are."""
    parts = _FENCE.split(markdown)
    return "".join(
        part if part.startswith("```") else _inside(part, page.file.src_uri) for part in parts
    )


def _inside(text: str, source: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        words, target = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        full = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        leaves = full.startswith("..") or full.endswith(".json")
        return words if leaves else match[0]

    return _LINK.sub(replaced, text)
