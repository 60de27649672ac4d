"""A Ray cluster of this machine alone: each node has a CPU, and a GPU that it pretends to have."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.daemon import environment, free_port

STORE_BYTES = 80_000_000
START_SECONDS = 120
_MARK = "LDRPS_TEST_CLUSTER"
"""Variable in the environment of every process of a cluster, by which they are found and ended."""


class Cluster:
    """A head and nodes that join it. Nothing outlives `stop`."""

    def __init__(self, *, gpus=1):
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        self.head = f"127.0.0.1:{free_port()}"
        self.token = secrets.token_hex(24)
        self._gpus = gpus
        try:
            self.start_node(head=True)
        except BaseException:
            self.stop()
            raise

    @property
    def pool(self):
        """Value for `--pool`."""
        return f"ray://{self.head}"

    def environment(self):
        """Return the environment of nodes, and of daemons that join."""
        return environment() | {
            _MARK: str(self.folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "OMP_NUM_THREADS": "1",
            # A test that wants a hub has one of its own.
            "HF_HUB_OFFLINE": "1",
            # Nobody waits half a minute for a node that was killed.
            "RAY_health_check_period_ms": "500",
            "RAY_health_check_timeout_ms": "3000",
            "RAY_health_check_failure_threshold": "4",
        }

    def start_node(self, *, head=False, variables=None):
        """Start a node and return the process id of its raylet; `variables` are its own."""
        before, held = set(self.raylets()), {os.getpid(), *self.processes()}
        port = self.head.partition(":")[2]
        first = [
            *("--head", f"--port={port}", f"--temp-dir={self.folder}"),
            *("--include-dashboard=false", f"--ray-client-server-port={free_port()}"),
        ]
        words = [
            *(first if head else [f"--address={self.head}"]),
            *("--node-ip-address=127.0.0.1", "--num-cpus=1", f"--num-gpus={self._gpus}"),
            *(f"--object-store-memory={STORE_BYTES}", "--disable-usage-stats"),
        ]
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start"]
        for _ in range(3):
            done = subprocess.run(
                [*command, *words],
                env=self.environment() | (variables or {}),
                capture_output=True,
                text=True,
                timeout=2 * START_SECONDS,
            )
            if done.returncode == 0:
                break
            # Ray gives its own parts seconds, which a machine with much to do does not have.
            for pid in set(self.processes()) - held:
                kill(pid)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        (raylet,) = set(self.raylets()) - before
        return raylet

    def drain(self, beginning):
        """Have a node go, which the beginning of its id names; Ray waits for what it does."""
        code = (
            "import sys, ray; from ray._raylet import GcsClient\n"
            "from ray.core.generated import autoscaler_pb2 as pb\n"
            "ray.init(address=sys.argv[1], log_to_driver=False)\n"
            "(node,) = [n['NodeID'] for n in ray.nodes() if n['NodeID'].startswith(sys.argv[2])]\n"
            "reason = pb.DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION\n"
            "done, why = GcsClient(address=sys.argv[1]).drain_node(node, reason, 'a test', 0)\n"
            "sys.exit(0 if done else why)\n"
        )
        words = [sys.executable, "-c", code, self.head, beginning]
        subprocess.run(words, env=self.environment(), check=True, timeout=START_SECONDS)

    def raylets(self):
        """Return the process ids of the nodes' own processes."""
        return [pid for pid in self.processes() if _program(pid) == "raylet"]

    def processes(self):
        """Return the process ids of all processes of this cluster that still run."""
        mark = f"{_MARK}={self.folder}".encode()
        return [pid for pid in _all() if mark in _read(pid, "environ").split(b"\0")]

    def stop(self):
        """End it all at once."""
        for _ in range(50):
            left = [pid for pid in self.processes() if pid != os.getpid()]
            if not left:
                break
            for pid in left:
                kill(pid)
            time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)


def kill(pid):
    """End a process as the kernel does when memory is short."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _all():
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _read(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _program(pid):
    return _read(pid, "cmdline").split(b"\0")[0].rpartition(b"/")[2].decode()
