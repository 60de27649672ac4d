"""A GIMP with a window on a virtual screen, driven by keys as by a user."""

import os
import shutil
import time

import numpy as np
from PIL import Image

from gimp.gimp_app import GimpApp
from support.daemon import wait_until

SECONDS = 120
AGAIN_SECONDS = 20
OPEN = """
image, layer = new_image(400, 300)
image.undo_disable()
image.undo_enable()  # nothing to undo
image.clean_all()
keep["image"], keep["display"] = image, Gimp.Display.new(image)
answer = state(image)
"""
STATE = "answer = state(keep['image'])"
NAMES = "answer = [layer.get_name() for layer in keep['image'].get_layers()]"
DIALOG = "Restore .LD-RPS"
BATCH = "Restore all open images"
MENU = "Restore (LD-RPS"
SEARCH = "^Search Actions$"


class Window:
    """A GIMP on a virtual screen, with a photo open in it."""

    def __init__(self, suite, **more):
        self.app = GimpApp(suite, window=True, **more)
        # GIMP 3.2 passes over keys of actions that it does not know yet when it reads them.
        self.shortcut = "F9" if suite == "trixie" and more.get("keys") != "" else None
        self.before = None

    def do(self, source):
        return self.app.do(source)

    def open(self, source=OPEN):
        self.before = self.do(source)
        assert wait_until(lambda: self.titles("GIMP$"), SECONDS), self.app.log()

    def titles(self, pattern):
        return self.app.run(f"xdotool search --onlyvisible --name '{pattern}' || true").split()

    def key(self, *keys, to="GIMP$", until=None):
        """Press keys in a window; again if what they should bring about does not come.

        A window that is only just there, on a busy machine, may miss the first ones.
        """
        for _ in range(6):
            # A window that has gone meanwhile has had its keys.
            if wait_until(lambda: self.titles(to), SECONDS if until is None else AGAIN_SECONDS):
                self._press(self.titles(to), " ".join(keys))
            if until is None or wait_until(until, AGAIN_SECONDS):
                return
        self.shot("nothing-happened")
        raise AssertionError(f"{keys} did not do what they should")

    def _press(self, windows, keys):
        for window in windows[:1]:
            active = f"xdotool windowactivate --sync {window}; sleep 0.2"
            self.app.run(f"{active}; xdotool key --delay 60 {keys}")

    def choose(self):
        """Run ours by the key that was given to it, by Re-Show, or as GIMP's search finds it."""
        if self.shortcut:
            self.key(self.shortcut, until=self.has_dialog)
            return
        # Closes the search that found nothing, too.
        self.key("Escape", "slash", until=self._search)
        self.shortcut = "ctrl+shift+f"

    def _search(self):
        if not wait_until(lambda: self.titles(SEARCH), AGAIN_SECONDS):
            return False
        time.sleep(1)
        self.app.run(f"xdotool type --delay 30 '{MENU}'; sleep 1")
        self.app.run("xdotool key Down; sleep 0.3; xdotool key Return")
        # Searched for again too soon, another dialog of ours would open over a slow one.
        wait_until(lambda: self.has_dialog() or self.titles(BATCH), SECONDS)
        if self.titles(BATCH):
            # Whichever was used last is the first that is found.
            self.key("Escape", to=BATCH, until=lambda: not self.titles(BATCH))
        return self.has_dialog()

    def has_dialog(self):
        return bool(self.titles(DIALOG))

    def press(self, *keys, until=None):
        self.key(*keys, to=DIALOG, until=until)

    def point(self, x, y, *then):
        """Move the pointer to a place of the dialog, and do something there; what that says."""
        move = f"xdotool mousemove --sync --window {self.titles(DIALOG)[0]} {x} {y}"
        return self.app.run("; ".join([move, "sleep 0.3", *then]))

    def resize(self, width, height):
        """Give the dialog another size, at the screen's corner."""
        (dialog, *_) = self.titles(DIALOG)
        self.app.run(
            f"xdotool windowmove {dialog} 2 20 windowsize --sync {dialog} {width} {height}"
        )

    def picture(self):
        """The dialog as it is seen, (height, width, 3) of 8 bits."""
        (dialog, *_) = self.titles(DIALOG)
        self.app.run(f"import -window {dialog} -depth 8 /mnt/shared/seen.png")
        return np.asarray(Image.open(self.app.shared / "seen.png").convert("RGB"))

    def write(self, text):
        """Type into the field that has the keyboard."""
        self.app.run(f"xdotool type --delay 60 '{text}'")

    def state(self):
        """Only while no preview may go away: GIMP ends who reads pixels of a removed layer."""
        return self.do(STATE)

    def layers(self):
        return self.do(NAMES)

    def is_as_before(self):
        names = [layer[1] for layer in self.before[0]]
        return wait_until(lambda: self.layers() == names, SECONDS) and wait_until(
            lambda: self.state() == self.before, SECONDS
        )

    def processes(self):
        """The one that waits, then the one with the dialog."""
        return sorted(self.app.processes("plug-ins/ldrps/ldrps.py"))

    def shot(self, name, folder=None, options=""):
        """A picture of the screen; without a folder, into the one that the user asked for."""
        if folder := folder or os.environ.get("LDRPS_SHOTS"):
            self.app.run(f"import -window root {options} /mnt/shared/shot.png")
            os.makedirs(folder, exist_ok=True)
            shutil.move(self.app.shared / "shot.png", os.path.join(folder, f"{name}.png"))
