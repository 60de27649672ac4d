"""A real darktable with a library of its own on a virtual screen, driven from tests."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.darktable_root import find_root
from support.daemon import environment, wait_until

START_SECONDS = 150
"""Far more than a start takes on a busy machine; now and then darktable hangs in it for good."""
_STARTS = 2
ANSWER_SECONDS = 120
HERE = Path(__file__).parent
DISPLAY = 1100 + os.getpid() % 1000
"""Display of this test run alone."""
_KEYS = "F9=lua/restore selected photos (LD-RPS)\n"
_SCRIPT = """\
rm -f /tmp/.X{display}-lock /tmp/.X11-unix/X{display}
(Xvfb :{display} -screen 0 1500x1000x24 -nolisten tcp >/dev/null 2>&1 &)
export DISPLAY=:{display} HOME='{home}' LC_ALL=C.UTF-8 XDG_RUNTIME_DIR='{folder}/run'
export LDRPS_TEST_FOLDER='{folder}' OMP_NUM_THREADS=1 GDK_BACKEND=x11
for _ in $(seq 100); do xdotool getdisplaygeometry >/dev/null 2>&1 && break; sleep 0.1; done
(openbox >/dev/null 2>&1 &)
# The module export takes the photo under the pointer before those that are selected.
xdotool mousemove 0 0
exec dbus-run-session -- darktable --library '{folder}/library.db' --configdir '{config}' \
  --conf plugins/lighttable/export/storage_name=ldrps \
  --conf plugins/lighttable/export/format_name=tiff \
  --cachedir '{folder}/cache' --tmpdir '{folder}/tmp' --disable-opencl -d lua
"""


def is_installed():
    """Tell whether this machine has a darktable of its own, and the tools to test it."""
    return all(map(shutil.which, ("darktable", "Xvfb", "xdotool", "dbus-run-session")))


class Darktable:
    """One darktable; `suite` is `system`, or that of a root by scripts/darktable_root.py."""

    def __init__(self, suite, address):
        self.root = None if suite == "system" else find_root(suite)
        self.folder = Path(tempfile.mkdtemp(prefix="ldrps-dt-"))
        self.config = self.folder / "home" / ".config" / "darktable"
        for name in ("run", "cache", "tmp", "photos"):
            (self.folder / name).mkdir(mode=0o700)
        self.config.mkdir(parents=True)
        (self.config / "shortcutsrc").write_text(_KEYS)
        self._asked = 0
        self._address = address
        self._log = self.folder / "darktable.log"
        self.install()

    def install(self):
        """Install as users do; then the driver, and a command that has this source tree."""
        words = ["darktable", "install", "--folder", str(self.config)]
        run = [sys.executable, "-m", "ldrps_client.cli", *words]
        subprocess.run(run, check=True, env=environment(), capture_output=True)
        with (self.config / "luarc").open("a") as file:
            file.write(f'dofile("{self.folder}/driver.lua")\n')
        shutil.copy(HERE / "driver.lua", self.folder)
        self._write_command(self._address)
        (self.config / "lua/ldrps/command.txt").write_text(f"{self.folder}/ldrps\n")

    def _write_command(self, address):
        command = self.folder / "ldrps"
        out = "" if self.root is None else "chroot /mnt/host "
        variables = f"PYTHONPATH='{environment()['PYTHONPATH']}' LDRPS_ADDRESS='{address}' "
        run = f'exec {out}env {variables}{sys.executable} -m ldrps_client.cli "$@"'
        command.write_text(f"#!/bin/sh\n{run}\n")
        command.chmod(0o755)

    @contextlib.contextmanager
    def served_by(self, address):
        """Let another daemon restore until the block ends."""
        self._write_command(address)
        try:
            yield
        finally:
            self._write_command(self._address)

    def start(self):
        """Start it and wait until its Lua answers."""
        script = self.folder / "start.sh"
        script.write_text(
            _SCRIPT.format(
                display=DISPLAY,
                folder=self.folder,
                home=self.folder / "home",
                config=self.config,
            )
        )
        for left in reversed(range(_STARTS)):
            with self._log.open("ab") as out:
                self._process = subprocess.Popen(
                    self._enter(f"exec bash {script}"),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                assert self.do("return 'there'", START_SECONDS) == "there"
            except AssertionError:
                self._kill()
                if not left:
                    raise
            else:
                break
        return self

    def _enter(self, line):
        if self.root is None:
            return ["bash", "-ec", line]
        binds = [(self.folder, f"{self.root}{self.folder}"), ("/", f"{self.root}/mnt/host")]
        lines = [f"mkdir -p '{to}'; mount --rbind '{source}' '{to}'" for source, to in binds]
        lines += [f"mount -t proc proc '{self.root}/proc'", f"mount --bind /dev '{self.root}/dev'"]
        inside = f"exec chroot '{self.root}' bash -ec '{line}'"
        outside = "; ".join([*lines, inside])
        return ["unshare", "--mount", "--propagation", "private", "bash", "-ec", outside]

    def log(self):
        """Return what it and Lua said."""
        return self._log.read_text(errors="replace")

    def send(self, source):
        """Have Lua executed inside without waiting."""
        self._asked += 1
        part = self.folder / "ask.part"
        part.write_text(source)
        part.rename(self.folder / f"ask-{self._asked}")

    def receive(self, seconds=ANSWER_SECONDS):
        """The answer to what was sent last."""
        answer = self.folder / f"answer-{self._asked}"
        ended = lambda: answer.exists() or self._process.poll() is not None  # noqa: E731
        if not wait_until(ended, seconds) or not answer.exists():
            raise AssertionError(f"darktable does not answer:\n{self.log()[-4000:]}")
        word, _, rest = answer.read_text().partition(" ")
        assert word == "ok", rest
        return rest

    def do(self, source, seconds=ANSWER_SECONDS):
        """Have Lua executed inside; returns what it returned, as text."""
        self.send(source)
        return self.receive(seconds)

    def run(self, line):
        """Run a shell command on its screen."""
        command = self._enter(f"export DISPLAY=:{DISPLAY}; {line}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def rows(self, query, *values):
        """Rows of its library; a copy is read, so that nothing waits for a lock."""
        with tempfile.TemporaryDirectory() as copy:
            for path in (*self.folder.glob("library.db*"), *self.config.glob("data.db*")):
                shutil.copy(path, copy)
            base = sqlite3.connect(f"{copy}/library.db")
            base.execute("ATTACH ? AS data", [f"{copy}/data.db"])
            with contextlib.closing(base):
                return base.execute(query, values).fetchall()

    def shot(self, path):
        """A picture of the screen."""
        self.run(f"import -window root {self.folder}/shot.png")
        shutil.move(self.folder / "shot.png", path)

    def close(self):
        """End it and everything it started."""
        if hasattr(self, "_process"):
            self._kill()
        time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill(self):
        for pid in self._ours():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(timeout=20)

    def _ours(self):
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                if os.getsid(int(folder.name)) == self._process.pid:
                    yield int(folder.name)
