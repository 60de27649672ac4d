"""A real GIMP in a chroot, driven from tests. Needs root rights and Debian's archive."""

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from scripts.gimp_root import find_root

ROOT = Path(__file__).parents[2]
PLUG_IN = ROOT / "plugin_gimp" / "ldrps"
VERSIONS = {"trixie": "3.0", "forky": "3.2"}
START_SECONDS = 300
DISPLAY = 20 + os.getpid() % 1000
"""Display of this test run alone: the roots are shared."""
_AGENT = "exec(open('/mnt/tests/gimp/agent.py').read())"
_DISPLAY = """\
rm -f /tmp/.X{display}-lock /tmp/.X11-unix/X{display}
(Xvfb :{display} -screen 0 1400x900x24 -nolisten tcp >/dev/null 2>&1 &)
for _ in $(seq 100); do xdotool getdisplaygeometry >/dev/null 2>&1 && break; sleep 0.1; done
(openbox >/dev/null 2>&1 &)
for _ in $(seq 100); do xdotool get_desktop >/dev/null 2>&1 && break; sleep 0.1; done"""
# A key for what a user would look for in the menu.
_KEYS = '(file-version 1)\n(action "ldrps-restore" "F9")\n'
RELEASES = {"trixie": "3.0.4", "forky": "3.2.6"}
_QUIET = '(config-version "{release}")\n(show-welcome-dialog no)\n(check-updates no)\n'


class GimpError(AssertionError):
    """Error that code raised inside GIMP."""


class GimpApp:
    """One GIMP. `shared` is a folder that is /mnt/shared inside."""

    def __init__(
        self, suite="trixie", *, window=False, plug_in=PLUG_IN, env=(), keys=_KEYS, gimprc=""
    ):
        self.root = find_root(suite, window=window)
        self.shared = Path(tempfile.mkdtemp(prefix="ldrps-"))
        self.window = window
        self._plug_in = plug_in
        settings = self.shared / "home" / ".config" / "GIMP" / VERSIONS[suite]
        self._target = settings / "plug-ins" / "ldrps"
        for folder in (self._target, self.root / "mnt/shared", self.root / "mnt/tests"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.shared / "run").mkdir(mode=0o700)
        (settings / "gimprc").write_text(_QUIET.format(release=RELEASES[suite]) + gimprc)
        (settings / "shortcutsrc").write_text(keys)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.shared / "agent"))
        self._listener.listen(1)
        self._listener.settimeout(1)
        self._log = self.shared / "gimp.log"
        self._out = self._log.open("wb")
        self._process = subprocess.Popen(
            self.enter("", self._start_script(env)),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._sock = self._accept()
        self._asked = 0
        self._received = bytearray()

    def _accept(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                return self._listener.accept()[0]
            except TimeoutError:
                continue
        said = self.log()
        self.close()
        raise AssertionError(f"GIMP did not start: {said}")

    def enter(self, folder, script):
        """A command that runs a shell script inside, in a folder of the shared one."""
        inside = self.shared / f"run-{secrets.token_hex(4)}.sh"
        inside.write_text(f"cd /mnt/shared/{folder}\n{script}\n")
        binds = [(self._plug_in, self._target), (self.shared, self.root / "mnt/shared")]
        binds.append((ROOT / "tests", self.root / "mnt/tests"))
        lines = [f"mount --rbind '{source}' '{target}'" for source, target in binds]
        lines += [f"mount -t proc proc '{self.root}/proc'", f"mount --bind /dev '{self.root}/dev'"]
        chroot = (
            f"exec chroot '{self.root}' env -i DISPLAY=:{DISPLAY} "
            "PATH=/mnt/shared/bin:/usr/bin:/bin HOME=/mnt/shared/home LC_ALL=C.UTF-8 "
            "PYTHONPYCACHEPREFIX=/mnt/shared/compiled "
            f"XDG_RUNTIME_DIR=/mnt/shared/run bash /mnt/shared/{inside.name}"
        )
        outside = "; ".join([*lines, chroot])
        return ["unshare", "--mount", "--propagation", "private", "bash", "-ec", outside]

    def _start_script(self, env):
        gimp = "gimp -s -c" if self.window else "gimp-console -i"
        exports = [f"export {name}='{value}'" for name, value in dict(env).items()]
        start = f'{gimp} -d --batch-interpreter=python-fu-eval -b "{_AGENT}" --quit'
        display = [_DISPLAY.format(display=DISPLAY)] if self.window else []
        run = "exec dbus-run-session -- " if self.window else "exec "
        return "\n".join([*exports, *display, run + start])

    def log(self):
        """Return what GIMP and its plug-ins said."""
        return self._log.read_text(errors="replace")

    def send(self, source):
        """Have code executed inside, without waiting for it."""
        self._asked += 1
        self._sock.sendall((json.dumps([self._asked, source]) + "\n").encode())

    def receive(self, seconds=300):
        """The answer to what was sent last; those that nobody waited for are dropped."""
        deadline = time.monotonic() + seconds
        number = 0
        while number != self._asked:
            number, reported = json.loads(self._line(deadline))
        if "error" in reported:
            raise GimpError(reported["error"])
        return reported["answer"]

    def has_answered(self):
        """Tell whether `receive` has something to read."""
        return b"\n" in self._received or bool(select.select([self._sock], [], [], 0)[0])

    def _line(self, deadline):
        while (end := self._received.find(b"\n")) < 0:
            self._sock.settimeout(max(deadline - time.monotonic(), 0.01))
            more = self._sock.recv(1 << 16)
            if not more:
                reported = [
                    line for line in self.log().splitlines() if line and "WARNING" not in line
                ]
                raise GimpError("GIMP has gone: " + "\n".join(reported[-40:]))
            self._received += more
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def do(self, source):
        """Have code executed inside; returns what it put into `answer`."""
        self.send(source)
        return self.receive()

    def run(self, script, seconds=60):
        """Run a shell script inside, and return what it said."""
        done = subprocess.run(
            self.enter("", script), capture_output=True, text=True, timeout=seconds
        )
        return done.stdout + done.stderr

    def processes(self, word):
        """Process ids of this GIMP whose command line holds a word."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                ours = os.getsid(int(folder.name)) == self._process.pid or self._is_inside(folder)
            except (OSError, ValueError):
                continue
            if word in line and ours:
                found.append(int(folder.name))
        return found

    def _is_inside(self, folder):
        return f"{self.shared}" in (folder / "mountinfo").read_text() and os.path.samefile(
            folder / "root", self.root
        )

    def close(self):
        """End it, and everything it started."""
        if hasattr(self, "_sock"):
            self._sock.close()
        self._listener.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=20)
        for pid in self.processes(""):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(timeout=20)
        self._out.close()
        time.sleep(0.1)
        shutil.rmtree(self.shared, ignore_errors=True)
