"""The whole daemon where there are no unix sockets that tell who is there, over loopback TCP.

Python on Linux looks there as it does on Windows, or macOS, in every process (support/elsewhere);
on those systems themselves the same tests run as they are.
"""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from support import elsewhere

SIDE = 20
PIXELS = np.arange(SIDE * SIDE * 3, dtype=np.int64).reshape(SIDE, SIDE, 3).astype(np.uint8)
ON_LINUX = sys.platform == "linux"
# Generous, because the tests share their machine with other work.
START_SECONDS = 90
SERVES = re.compile(r"ldrps: serving on (127\.0\.0\.1:\d+)")
CLIENT = """
import json, sys
import numpy as np
from support import plugin; plugin.load()
from ldrps_client import Client
from ldrps_engine.photo import Photo
said = {}
def photo():
    side = 20
    return Photo.from_samples(np.arange(side * side * 3).reshape(side, side, 3).astype(np.uint8))
"""


class There:
    """A daemon on another system, with the test's engine."""

    def __init__(self, system, home, *options):
        self.system, self.home = system, home
        self.options, self.log = options, []
        self.start()

    def start(self):
        """Start it, or once more where it was; as `ldrps serve` does, by its own address."""
        command = [sys.executable, "-m", "ldrps_client.cli", "serve"]
        command += ["--engine=support.noop_engine"]
        self.process = subprocess.Popen(
            [*command, f"--spool={self.home / 'spool'}", *self.options],
            env=elsewhere.environment(self.system, self.home),
            stderr=subprocess.PIPE,
            text=True,
        )
        served = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(self.process, served), daemon=True)
        self.reader.start()
        assert served.wait(START_SECONDS), self.log
        found = [match[1] for line in self.log if (match := SERVES.match(line))]
        assert found, self.log
        self.address = found[-1]

    def _read(self, process, served):
        with process.stderr as lines:
            for line in lines:
                self.log.append(line)
                if SERVES.match(line):
                    served.set()
        served.set()

    def run(self, code, *arguments, **variables):
        """Run a client there; returns what it said."""
        done = elsewhere.run(self.system, self.home, CLIENT + code, *arguments, **variables)
        assert done.returncode == 0, (done.stderr, self.log)
        return json.loads(done.stdout.splitlines()[-1])

    def kill(self):
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def own(self, name):
        """Find a file that it keeps for its user's clients."""
        (found,) = (path for path in self.home.rglob(name) if path.parent.name == "run")
        return found


@pytest.fixture(scope="module", params=elsewhere.SYSTEMS)
def there(request, tmp_path_factory):
    home = tmp_path_factory.mktemp(request.param)
    made = There(request.param, home, "--checkpoint-seconds=0", "--reconnect-seconds=60")
    yield made
    made.kill()


@pytest.mark.parametrize("system", elsewhere.SYSTEMS if ON_LINUX else [])
def test_every_module_imports_there(system, tmp_path):
    rooms = dict.fromkeys(("ldrps_client", "ldrps_wire"), elsewhere.ROOT / "daemon")
    rooms |= {"ldrps_daemon": elsewhere.ROOT / "daemon", "ldrps_engine": elsewhere.ROOT}
    names = [
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for room, root in rooms.items()
        for path in sorted((root / room).rglob("*.py"))
        if path.stem != "__main__"
    ]
    assert len(names) > 340
    plugin = (elsewhere.ROOT / "plugin_gimp" / "ldrps" / "ldrps_gimp").glob("*.py")
    names += [f"ldrps_gimp.{path.stem}" for path in sorted(plugin) if path.stem != "__init__"]
    code = f"""
import importlib, traceback
from support import plugin; plugin.load()
imported = 0
for name in {names!r}:
    try: importlib.import_module(name); imported += 1
    # GIMP alone brings it.
    except ModuleNotFoundError as error: assert error.name == "gi", (name, error)
    except Exception: print(name, traceback.format_exc())
assert imported > 360, imported
from ldrps_engine.priors.model_cache import ModelCache
assert ModelCache("cpu").budget > 1 << 30
"""
    done = elsewhere.run(system, tmp_path, code)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_client_and_the_plug_in_restore_there(there):
    """Both find the daemon by themselves, and its pixels are the engine's."""
    reported = there.run("""
from ldrps_client._channel import credentials, open_channel
from ldrps.v1 import restoration_pb2 as pb, restoration_pb2_grpc as pb_grpc
from ldrps_wire.address import default_address, run_folder
from ldrps_gimp import endpoint
from ldrps_gimp.daemon import Daemon
from PIL import Image
import io
assert endpoint.default_endpoint().address == default_address()
assert endpoint.run_folder() == run_folder()
with Client(autostart=False) as client:
    said["client"] = client.restore(photo()).layers[0].photo.to_samples().tolist()
    said["remarks"] = client.status().remarks
daemon = Daemon(endpoint.default_endpoint())
raster = {"width": 20, "height": 20, "channels": 3, "sample_type": 1}
header = {"settings": {}, "raster": raster}
job = daemon.submit(header, lambda: [photo().to_samples().tobytes()])
sent = b"".join(e["layer_chunk"]["data"] for e in daemon.watch(job) if "layer_chunk" in e)
said["plugin"] = np.frombuffer(sent, np.uint8).reshape(20, 20, 3).tolist()
daemon.close()
# As a file, in and out: what Linux decodes in a sandbox.
file = io.BytesIO()
Image.fromarray(photo().to_samples()).save(file, "PNG")
stub = pb_grpc.RestorationStub(open_channel(default_address()))
shown = credentials(default_address())
def requests(data):
    file = pb.EncodedFile(size=len(data))
    kind = pb.FileFormat.Value("FILE_FORMAT_PNG")
    yield pb.SubmitRequest(header=pb.SubmitHeader(file=file, result_format=kind))
    yield pb.SubmitRequest(chunk=data)
def result(data):
    job = stub.Submit(requests(data), metadata=shown).job_id
    return list(stub.Watch(pb.WatchRequest(job_id=job), metadata=shown))
made = b"".join(e.layer_chunk.data for e in result(file.getvalue()))
said["file"] = np.asarray(Image.open(io.BytesIO(made))).tolist()
said["broken"] = result(file.getvalue()[:60])[-1].failed.message
print(json.dumps(said))
""")
    inverted = (255 - PIXELS).tolist()
    assert reported["client"] == reported["plugin"] == reported["file"] == inverted
    remarks = reported["remarks"]
    assert [words for words in remarks if "no sandbox" in words] == remarks != []
    assert reported["broken"].startswith("the file: it is damaged")
    assert str(there.home) not in reported["broken"]


def test_that_there_is_no_sandbox_is_reported_once(there):
    warnings = [line for line in there.log if " WARNING " in line or " ERROR " in line]
    starts = sum(bool(SERVES.match(line)) for line in there.log)
    assert len(warnings) == starts, "".join(there.log)
    assert all("no sandbox" in line for line in warnings)


def test_who_has_no_token_or_another_certificate_is_refused_there(there, tmp_path):
    """A client that shows nothing, and one that meets somebody else on the port."""
    reported = there.run("""
import grpc, os, pathlib, shutil, socket
from ldrps_client._channel import open_channel
from ldrps.v1 import restoration_pb2 as pb, restoration_pb2_grpc as pb_grpc
from ldrps_engine.errors import LdrpsError
from ldrps_wire.address import certificate_file, default_address, default_token_file
def refused(shown):
    stub = pb_grpc.RestorationStub(open_channel(default_address()))
    try: stub.Status(pb.StatusRequest(), metadata=shown, timeout=30)
    except grpc.RpcError as error: return error.code().name
said["without"] = refused(())
said["wrong"] = refused((("authorization", "Bearer " + "0" * 64),))
own = pathlib.Path(sys.argv[1]); own.mkdir(0o700)
from ldrps_daemon.transport.certificate import own_pair
own_pair(own / "token")
shutil.copy(default_token_file(), own / "token")
os.environ["LDRPS_TOKEN_FILE"] = str(own / "token")
try: Client(default_address(), autostart=False).status()
except LdrpsError as error: said["other"] = str(error)
print(json.dumps(said))
""", there.home / "other")  # fmt: skip
    assert reported["without"] == reported["wrong"] == "UNAUTHENTICATED"
    assert "does not prove to be your daemon" in reported["other"]
    if os.name == "posix":
        for name in ("token", "token.key"):
            assert there.own(name).stat().st_mode & 0o077 == 0
    context = ssl.create_default_context()
    host, _, port = there.address.rpartition(":")
    with pytest.raises(ssl.SSLError), socket.create_connection((host, int(port))) as plain:
        context.wrap_socket(plain, server_hostname=host)


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc to find the port")
def test_grpcs_own_port_takes_nobody_but_the_daemon_itself(there):
    """A process that finds it behind the proxy gets no further than the handshake."""
    ports = listening(there.process.pid) - {int(there.address.rpartition(":")[2])}
    assert ports
    trusting = ssl.create_default_context(cafile=there.own("token.pem"))
    trusting.set_alpn_protocols(["h2"])
    for port in ports:
        assert answer(port, trusting) == b""
    # With the key it is HTTP/2 that answers, and so the above is no closed door.
    trusting.load_cert_chain(there.own("token.key"))
    assert any(answer(port, trusting) for port in ports)


def answer(port, context):
    """Return what comes back from a port on a client's first words in HTTP/2."""
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4)) + bytes(5))
                return secure.recv(100)
        except (ssl.SSLError, ConnectionError):
            return b""


def listening(pid):
    """Find the TCP ports that a process listens on."""
    inodes = {
        os.readlink(link).removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if os.path.islink(link) and os.readlink(link).startswith("socket:[")
    }
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return {
        int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes
    }


def test_an_accepted_job_outlives_its_daemon_there(there):
    """Killed without a word, as `ldrps stop` does on Windows; its worker goes with it."""
    job = there.run("""
from ldrps_client.events import Step
with Client(autostart=False) as client:
    said["job"] = client.submit(photo(), description="linger", steps=4, detached=True)
    for event in client.watch(said["job"]):
        if isinstance(event, Step) and event.stage == "wait": break
    said["worker"] = client.status().workers[0].pid
print(json.dumps(said))
""")
    there.kill()
    assert ends(job["worker"]), "the worker outlives its front"
    there.start()
    reported = there.run("""
with Client(autostart=False) as client:
    said["made"] = client.result(sys.argv[1]).layers[0].photo.to_samples().tolist()
print(json.dumps(said))
""", job["job"])  # fmt: skip
    assert reported["made"] == (255 - PIXELS).tolist()


def ends(pid, seconds=30):
    """Wait for the end of a process; on Windows that is asked of nobody."""
    end = time.monotonic() + seconds
    while os.name == "posix" and time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return os.name != "posix"


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc to find the port")
def test_where_grpc_gives_up_the_daemon_ends_and_says_so_there(there):
    """Past the peer proxy, with the daemon's own key. It restarts itself on Linux."""
    before = len(there.log)
    key, certificate = there.own("token.key").read_bytes(), there.own("token.pem").read_bytes()
    proved = grpc.ssl_channel_credentials(certificate, key, certificate)
    (port,) = listening(there.process.pid) - {int(there.address.rpartition(":")[2])}
    with grpc.secure_channel(f"127.0.0.1:{port}", proved) as channel:
        call = channel.unary_unary(b"/ldrps.v1.Restoration/\xe2istJobs")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=60)
    assert there.process.wait(30) == 11
    there.reader.join(10)
    said = [line for line in there.log[before:] if " ERROR " in line]
    assert len(said) == 1
    assert "gRPC gave up at a call (UnicodeDecodeError); start the daemon again" in said[0]
    there.start()


def test_its_commands_tell_of_the_sandbox_and_stop_it_there(there):
    """At the end, as none of the others can be asked of a daemon that is stopped."""
    code = """
import sys
from ldrps_client.cli import main
sys.exit(main(["status"]) or main(["doctor", "--json"]) or main(["stop", "--json"]))
"""
    done = elsewhere.run(there.system, there.home, code)
    assert done.returncode == 0, done.stderr
    *status, found, stopped = done.stdout.splitlines()
    assert "no sandbox" in " ".join(status)
    assert sum("no sandbox" in words for words in json.loads(found)["problems"]) == 1
    assert json.loads(found)["daemon"]["answers"] is True
    assert json.loads(stopped)["stopped"] is True
    assert there.process.wait(30) == (0 if os.name == "posix" else 15)
