"""The picture of docs/guide/web.md: `python scripts/web_picture.py FILE`.

Starts `ldrps web`, restores an example in a real Chromium, and takes the picture.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = [ROOT / "examples" / f"{name}.jpg" for name in ("haze", "low-light", "noise", "grey")]
PATIENCE = 600_000
"""Milliseconds: it is restored by the real engine, on whatever there is."""


def main(target: Path) -> None:
    """Take the picture."""
    command = [sys.executable, "-m", "ldrps_client.cli", "web", "--json", "--no-browser"]
    page = subprocess.Popen([*command, *sys.argv[2:]], stdout=subprocess.PIPE, text=True)
    try:
        assert page.stdout
        take(json.loads(page.stdout.readline())["url"], target)
    finally:
        page.terminate()
        page.wait()


def take(url: str, target: Path) -> None:
    """Restore the first example and take the picture."""
    expect.set_options(timeout=PATIENCE)
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=as_root)
        page = browser.new_page(viewport={"width": 1120, "height": 700})
        page.goto(url)
        for number, example in enumerate(EXAMPLES, 1):
            page.set_input_files("#files", str(example))
            expect(page.locator("nav li")).to_have_count(number)
        expect(page.locator("nav small", has_text="being read")).to_have_count(0)
        page.get_by_role("button", name="Restore", exact=True).click()
        expect(page.locator("#outcome")).to_be_visible()
        page.wait_for_timeout(1000)
        page.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
