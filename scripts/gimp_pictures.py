"""The pictures of docs/guide/gimp.md: `scripts/gimp_pictures.py trixie|forky FOLDER`.

Takes them in a real GIMP with a real window (`scripts/gimp_root.py SUITE --window`), with the real
engine at work: the menu, the dialog with what was found, a place that was clicked on with two
tries, a run half-way, a result with its mask, one as a group of stages, the map of what was
generated over it, and an error.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "examples" / "haze.jpg"
WIDTH, HEIGHT = 1390, 860
_WHOLE = "-resize 70% -depth 8"
_MENU = "-crop 900x620+0+0 +repage -resize 75% -depth 8"
_OPEN = """
from gi.repository import Gio
file = Gio.File.new_for_path("/mnt/shared/photo.jpg")
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
image.undo_enable()  # a script loads without
keep["image"], keep["display"] = image, Gimp.Display.new(image)
answer = state(image)
"""
_MASK = """
image = keep["image"]
image.select_ellipse(Gimp.ChannelOps.REPLACE, 330, 60, 240, 170)
Gimp.Selection.feather(image, 20)
restore(image.get_layers()[0])
Gimp.displays_flush()
"""
_STAGES = """
restore(keep["image"].get_layers()[0], output="stages", generated=True, noise_sigma=1.5)
Gimp.displays_flush()
"""
_MAP = """
for layer in keep["image"].get_layers():
    layer.set_visible(layer.get_visible() or "(generated)" in layer.get_name())
Gimp.displays_flush()
"""
_HALF_WAY = 0.4
# Within the photo in the dialog.
_CLICK = 330, 240
# Switch of the finding in the second row.
_SWITCH = 742, 112


class Pictures:
    """One GIMP, and the folder that its pictures go to."""

    _last = ""

    def __init__(self, suite: str, folder: Path) -> None:
        self.suite, self.folder = suite, folder
        self.gimp = import_module("gimp.window").Window(suite, keys="")
        shutil.copy(PHOTO, self.gimp.app.shared / "photo.jpg")

    def take(self, daemon: Any) -> None:
        """All of them. The daemon is killed for the last one."""
        newest = import_module("gimp.jobs").newest
        self.gimp.open(_OPEN)
        self._place("GIMP$", f"windowsize --sync {{}} {WIDTH} {HEIGHT} windowmove --sync {{}} 0 0")
        self.gimp.key("shift+ctrl+j")  # the photo fills the window
        self._menu()
        self._dialog(daemon, newest)
        self._place_restored(daemon, newest)
        self.gimp.press("Return", until=lambda: newest(daemon).job_id != self._last)
        wait_for(lambda: newest(daemon).step > _HALF_WAY * (newest(daemon).step_count or 1000))
        self._shot("running", 0.2)
        wait_for(lambda: not self.gimp.has_dialog())
        self.gimp.key("ctrl+z", until=lambda: len(self.gimp.layers()) == 1)
        self.gimp.do(_MASK)
        self._shot("mask", 3)
        self.gimp.key("ctrl+z", until=lambda: len(self.gimp.layers()) == 1)
        self.gimp.key("shift+ctrl+a")
        self.gimp.do(_STAGES)
        self._shot("stages", 3)
        self.gimp.do(_MAP)
        self._shot("generated", 3)
        # Whether a map is seen is a step by itself.
        self.gimp.key("ctrl+z", until=lambda: len(self.gimp.layers()) == 1)
        self._dialog(daemon, newest)
        self.gimp.press("Return")
        wait_for(lambda: newest(daemon).step > 0)
        daemon.stop(signal.SIGKILL)
        self._shot("error", 12)

    def _place_restored(self, daemon: Any, newest: Any) -> None:
        """Click on a place, which the real engine restores, and try it without a finding too."""
        self._restored_by(_CLICK, daemon, newest)
        self._restored_by(_SWITCH, daemon, newest)
        self.gimp.point(*_SWITCH, "xdotool click 1")
        self._shot("place", 3)

    def _restored_by(self, click: tuple[int, int], daemon: Any, newest: Any) -> None:
        looked = newest(daemon).job_id
        self.gimp.point(*click, "xdotool click 1")
        wait_for(lambda: newest(daemon).job_id != looked)
        wait_for(lambda: newest(daemon).state == 3)
        self._last = newest(daemon).job_id
        time.sleep(1)

    def _menu(self) -> None:
        self.gimp.key("alt+r")
        self._shot("menu", 2, _MENU)
        self.gimp.key("Escape", "Escape")

    def _dialog(self, daemon: Any, newest: Any) -> None:
        self.gimp.choose()
        self._place("Restore .LD-RPS", f"windowmove --sync {{}} {WIDTH - 1180} 110")
        wait_for(lambda: newest(daemon).state == 3)
        self._shot("dialog", 2)

    def _place(self, title: str, words: str) -> None:
        (window, *_) = self.gimp.titles(title)
        self.gimp.app.run(f"xdotool {words.format(window, window)}")
        time.sleep(1)

    def _shot(self, name: str, seconds: float, options: str = _WHOLE) -> None:
        time.sleep(seconds)
        self.gimp.shot(f"gimp-{name}", self.folder, options)


def wait_for(condition: Any) -> None:
    """The real engine takes its time."""
    assert import_module("support.daemon").wait_until(condition, 600)


def main() -> None:
    """Take the pictures of one GIMP."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} trixie|forky FOLDER")
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT), str(ROOT / "proto"), str(ROOT / "daemon")]
    pictures = Pictures(sys.argv[1], Path(sys.argv[2]))
    address = f"unix:{pictures.gimp.app.shared}/run/ldrps/ldrps.sock"
    with tempfile.TemporaryDirectory(prefix="ldrps-") as folder:
        start = import_module("support.daemon").Daemon
        daemon = start(Path(folder), address=address, engine="ldrps_engine.restore")
        try:
            pictures.take(daemon)
        finally:
            daemon.stop()
            pictures.gimp.app.close()


if __name__ == "__main__":
    main()
