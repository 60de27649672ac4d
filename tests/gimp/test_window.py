"""In a real GIMP with a real window: the dialog, the preview, one step of undo, every way out."""

import os
import signal
import time

import pytest

from gimp.conftest import VARIABLE
from gimp.gimp_app import GimpApp, GimpError
from gimp.test_endings import newest, running_job
from scripts.gimp_root import find_root
from support.daemon import wait_until

SECONDS = 60
PREVIEW = "Preview of what is coming"
OPEN = """
image, layer = new_image(400, 300)
image.undo_disable()
image.undo_enable()  # nothing to undo
image.clean_all()
keep["image"], keep["display"] = image, Gimp.Display.new(image)
answer = state(image)
"""
STATE = "answer = state(keep['image'])"
CLOSE = "keep['display'].delete()"
DIALOG = "Restore .LD-RPS"
MENU = "Restore (LD-RPS"


class Window:
    """A GIMP on a virtual screen, with a photo open in it."""

    def __init__(self, suite):
        self.app = GimpApp(suite, window=True)
        # GIMP 3.2 passes over keys of actions that it does not know yet when it reads them.
        self.keys = ("F9",) if suite == "trixie" else ("ctrl+shift+f",)
        self.before = None

    def do(self, source):
        return self.app.do(source)

    def open(self):
        self.before = self.do(OPEN)
        assert wait_until(lambda: self.titles("GIMP$")), self.app.log()

    def titles(self, pattern):
        return self.app.run(f"xdotool search --onlyvisible --name '{pattern}' || true").split()

    def key(self, *keys, window=None):
        assert window or wait_until(lambda: self.titles("GIMP$"), SECONDS)
        target = window or self.titles("GIMP$")[0]
        script = f"xdotool windowactivate --sync {target}; sleep 0.2; xdotool key --delay 60 "
        self.app.run(script + " ".join(keys))

    def choose(self):
        """Run ours by the key that was given to it, by Re-Show, or as GIMP's search finds it."""
        for key in self.keys:
            self.key(key)
            if wait_until(lambda: self.titles(DIALOG), seconds=10):
                break
        else:
            self.key("slash")
            time.sleep(1)
            self.app.run(f"xdotool type --delay 30 '{MENU}'")
            time.sleep(1)
            self.app.run("xdotool key Down; sleep 0.3; xdotool key Return")

    def dialog(self):
        if not wait_until(lambda: self.titles(DIALOG), SECONDS):
            self.shot("no-dialog")
            raise AssertionError("the dialog did not open")
        return self.titles(DIALOG)[0]

    def press(self, *keys):
        self.key(*keys, window=self.dialog())

    def state(self):
        try:
            return self.do(STATE)
        except GimpError:
            # A preview went away while it was looked at.
            return self.do(STATE)

    def layers(self):
        return [layer[1] for layer in self.state()[0]]

    def processes(self):
        """The one that waits, then the one with the dialog."""
        return sorted(self.app.processes("plug-ins/ldrps/ldrps.py"))

    def shot(self, name):
        folder = os.environ.get("LDRPS_SHOTS")
        if folder:
            self.app.run(f"import -window root /mnt/shared/{name}.png")
            os.makedirs(folder, exist_ok=True)
            os.replace(self.app.shared / f"{name}.png", os.path.join(folder, f"{name}.png"))


@pytest.fixture(scope="module")
def window(suite):
    if VARIABLE not in os.environ or not find_root(suite, window=True):
        pytest.skip("'make test-gimp' tests in a real window, as root")
    made = Window(suite)
    yield made
    made.app.close()


@pytest.fixture
def daemon(window, make_daemon, request):
    """Its engine is slow where a test asks for that."""
    engine = getattr(request, "param", "support.noop_engine")
    made = make_daemon(window.app, engine=engine)
    yield made
    made.stop()


slowly = pytest.mark.parametrize("daemon", ["gimp.slow_engine"], indirect=True)


@pytest.fixture
def opened(window, daemon):
    """A photo in GIMP, the dialog over it, and the daemon asked already."""
    window.open()
    window.choose()
    window.dialog()
    assert wait_until(lambda: newest(daemon).state == 3), "the photo was not looked at"
    time.sleep(0.5)
    yield window
    for pid in window.processes():
        os.kill(pid, signal.SIGKILL)
    window.key("Escape")
    window.do(CLOSE)


def begin(opened, daemon):
    """Start, and wait for the preview on the canvas."""
    opened.press("Return")
    running_job(daemon)
    assert wait_until(lambda: PREVIEW in opened.layers(), SECONDS), "no preview came"


def is_as_before(opened):
    return wait_until(lambda: opened.state() == opened.before)


def test_from_the_menu_to_the_result_and_one_step_back(opened, daemon):
    opened.shot("dialog")
    opened.press("Return")
    assert wait_until(lambda: not opened.titles(DIALOG))
    assert opened.layers() == ["photo (restored)", "photo"]
    opened.shot("result")
    opened.key("ctrl+z")
    assert wait_until(lambda: opened.layers() == ["photo"])
    assert opened.state()[0] == opened.before[0]
    opened.key("ctrl+y")
    assert wait_until(lambda: len(opened.layers()) == 2)


@slowly
def test_cancel_leaves_nothing_and_the_dialog_open(opened, daemon):
    begin(opened, daemon)
    opened.shot("running")
    assert opened.state()[4] == opened.before[4], "the preview made the image unsaved"
    for visible in (False, True):
        opened.press("alt+b")
        assert wait_until(lambda v=visible: opened.state()[0][0][4] is v), "before and after"
    started = time.monotonic()
    opened.press("alt+c")
    assert wait_until(lambda: newest(daemon).state == 5)
    assert time.monotonic() - started < 5
    assert is_as_before(opened), (opened.before, opened.state())
    assert opened.titles(DIALOG), "the dialog stays for another try"
    opened.press("Escape")
    assert wait_until(lambda: not opened.titles(DIALOG))
    assert is_as_before(opened)
    opened.key("ctrl+z")
    assert is_as_before(opened), "there was something to undo"


@slowly
@pytest.mark.parametrize("which", [0, 1], ids=["waiting", "working"])
def test_a_process_that_is_killed_leaves_no_preview(opened, daemon, which):
    begin(opened, daemon)
    os.kill(opened.processes()[which], signal.SIGKILL)
    if which == 0:
        # The dialog goes on by itself; the user ends it.
        opened.press("Escape")
    assert wait_until(lambda: not opened.titles(DIALOG))
    assert is_as_before(opened), (opened.before, opened.state())


@slowly
def test_a_daemon_that_is_killed_is_told_in_the_dialog(opened, daemon):
    begin(opened, daemon)
    daemon.stop(signal.SIGKILL)
    assert is_as_before(opened), (opened.before, opened.state())
    assert opened.titles(DIALOG)
    time.sleep(0.5)
    opened.shot("error")
    opened.press("Escape")
    assert wait_until(lambda: not opened.titles(DIALOG))


@slowly
def test_what_the_user_does_meanwhile_can_be_undone(opened, daemon):
    begin(opened, daemon)
    opened.do("add_layer(keep['image'], 50, 50, name='meanwhile')")
    opened.press("Escape")
    assert wait_until(lambda: opened.layers() == ["meanwhile", "photo"])
    opened.key("ctrl+z")
    assert wait_until(lambda: opened.layers() == ["photo"])


def test_repeat_uses_the_last_settings(opened, daemon):
    opened.press("Return")
    assert wait_until(lambda: len(opened.layers()) == 2)
    opened.key("ctrl+f")
    assert wait_until(lambda: len(opened.layers()) == 3)
