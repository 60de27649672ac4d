"""A real GIMP in a chroot, driven from tests. Needs root rights and Debian's archive."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from scripts.gimp_root import gimp_root

ROOT = Path(__file__).parents[2]
PLUG_IN = ROOT / "plugin_gimp" / "ldrps"
VERSIONS = {"trixie": "3.0", "forky": "3.2"}
START_SECONDS = 90
_AGENT = "exec(open('/mnt/tests/gimp/agent.py').read())"
_DISPLAY = """\
(Xvfb :7 -screen 0 1400x900x24 -nolisten tcp >/dev/null 2>&1 &)
for _ in $(seq 100); do [ -S /tmp/.X11-unix/X7 ] && break; sleep 0.1; done
(openbox >/dev/null 2>&1 &)"""
RELEASES = {"trixie": "3.0.4", "forky": "3.2.6"}
_QUIET = '(config-version "{release}")\n(show-welcome-dialog no)\n(check-updates no)\n'


class GimpError(AssertionError):
    """What was sent raised inside GIMP."""


class GimpApp:
    """One GIMP. `shared` is a folder that is /mnt/shared inside."""

    def __init__(
        self, suite="trixie", *, window=False, language="C.UTF-8", plug_in=PLUG_IN, env=()
    ):
        self.root = gimp_root(suite, window=window)
        self.shared = Path(tempfile.mkdtemp(prefix="ldrps-"))
        self.window = window
        self._log = self.shared / "gimp.log"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.shared / "agent"))
        self._listener.listen(1)
        self._listener.settimeout(1)
        home = self.shared / "home"
        settings = home / ".config" / "GIMP" / VERSIONS[suite]
        target = settings / "plug-ins" / "ldrps"
        target.mkdir(parents=True)
        (settings / "gimprc").write_text(_QUIET.format(release=RELEASES[suite]))
        self._out = self._log.open("wb")
        self._process = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "bash",
                "-ec",
                self._script(language, env),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={
                "PATH": os.environ["PATH"],
                "R": str(self.root),
                "PLUG_IN": str(plug_in),
                "TARGET": str(target),
                "SHARED": str(self.shared),
                "TESTS": str(ROOT / "tests"),
            },
        )
        self._sock = self._accept()
        self._answers = self._sock.makefile("r")

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

    def _script(self, language, env):
        """Writes what runs inside; returns what binds the folders and enters."""
        gimp = "gimp -s" if self.window else "gimp-console -i"
        lines = [
            "#!/bin/bash",
            *(f"export {name}='{value}'" for name, value in dict(env).items()),
            f'exec {gimp} -d --batch-interpreter=python-fu-eval -b "{_AGENT}" --quit',
        ]
        if self.window:
            lines[-1:] = [_DISPLAY, lines[-1].replace("exec", "exec dbus-run-session --", 1)]
        inside = self.shared / "start.sh"
        inside.write_text("\n".join(lines) + "\n")
        return (
            'mount --bind "$PLUG_IN" "$TARGET"; mkdir -p "$SHARED/run" "$R/mnt/shared" '
            '"$R/mnt/tests"; chmod 700 "$SHARED/run"; '
            'mount --rbind "$SHARED" "$R/mnt/shared"; mount --bind "$TESTS" "$R/mnt/tests"; '
            'mount -t proc proc "$R/proc"; mount --bind /dev "$R/dev"; '
            'exec chroot "$R" env -i PATH=/usr/bin:/bin HOME=/mnt/shared/home DISPLAY=:7 '
            f"LC_ALL={language} PYTHONDONTWRITEBYTECODE=1 XDG_RUNTIME_DIR=/mnt/shared/run "
            "bash /mnt/shared/start.sh"
        )

    def log(self):
        """What GIMP and its plug-ins said."""
        return self._log.read_text(errors="replace")

    def send(self, source):
        """Have code executed inside, without waiting for it."""
        self._sock.sendall((json.dumps(source) + "\n").encode())

    def receive(self, seconds=120):
        """The answer to what was sent."""
        self._sock.settimeout(seconds)
        line = self._answers.readline()
        if not line:
            raise GimpError(f"GIMP has gone: {self.log()[-2000:]}")
        told = json.loads(line)
        if "error" in told:
            raise GimpError(told["error"])
        return told["answer"]

    def do(self, source):
        """Have code executed inside; returns what it put into `answer`."""
        self.send(source)
        return self.receive()

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
            self._answers.close()
            self._sock.close()
        self._listener.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            pass
        for pid in self.processes(""):
            _kill(pid)
        self._process.wait(timeout=20)
        self._out.close()
        time.sleep(0.1)
        shutil.rmtree(self.shared, ignore_errors=True)


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
