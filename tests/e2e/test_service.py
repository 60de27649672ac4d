"""The daemon as the system around it sees it: systemd, Prometheus, logs, traces."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client
from support.daemon import NOOP, ROOT, command, environment, free_port, kinds, wait_until
from support.systemd import complaints

pytestmark = pytest.mark.e2e


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return answer.read().decode()


def test_metrics_count_what_happened(start_daemon):
    port = free_port()
    daemon = start_daemon(metrics_port=port)
    assert daemon.restores()
    refused = daemon.submit(settings={"description": "refuse"}).job_id
    assert kinds(daemon.watch(refused))[-1] == "failed"
    text = scrape(port)
    for line in (
        'ldrps_jobs_ended_total{how="done"} 1.0',
        'ldrps_jobs_ended_total{how="failed"} 1.0',
        "ldrps_jobs_running 0.0",
        'ldrps_worker_state{device="cpu",is="idle"} 1.0',
        'ldrps_job_seconds_count{how="done"} 1.0',
    ):
        assert line in text, line
    assert "refuse" not in text


def test_every_metric_is_documented(start_daemon):
    port = free_port()
    start_daemon(metrics_port=port)
    names = set(re.findall(r"^# TYPE (ldrps_\w+?)(?:_created|_total)? ", scrape(port), re.M))
    documented = (ROOT / "docs" / "operations" / "reliability.md").read_text()
    assert names
    for name in names:
        assert f"`{name}" in documented, name


def listeners(port):
    """Addresses that the kernel takes connections to a port on, as it writes them."""
    text = "".join(Path(f"/proc/net/{kind}").read_text() for kind in ("tcp", "tcp6"))
    lines = [line.split() for line in text.splitlines()]
    places = [line[1].split(":") for line in lines if line[3] == "0A"]
    return [host for host, number in places if int(number, 16) == port]


def test_metrics_are_for_this_machine_only(start_daemon):
    port = free_port()
    start_daemon(metrics_port=port)
    assert listeners(port) == ["0100007F"]


def test_a_metrics_port_in_use_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = {"address": f"unix:{tmp_path}/s", "spool": tmp_path / "spool"}
        run = subprocess.run(
            command(metrics_port=port, **options), capture_output=True, text=True, timeout=60,
            env=environment(),
        )  # fmt: skip
    assert run.returncode == 7
    assert f"metrics_port {port} cannot be used" in run.stderr
    assert "Traceback" not in run.stderr


def test_json_logs_are_one_object_a_line_and_say_nothing_of_the_photo(start_daemon):
    daemon = start_daemon(log_format="json")
    settings = {"description": "my secret garden"}
    done = daemon.submit(settings=settings).job_id
    assert kinds(daemon.watch(done))[-1] == "done"
    raised = daemon.submit(settings={"description": "raise"}).job_id
    assert kinds(daemon.watch(raised))[-1] == "failed"
    daemon.stop()
    lines = [json.loads(line) for line in daemon.log if not line.startswith("ldrps: ")]
    reported = [line["message"] for line in lines if line.get("job") == done]
    assert reported == ["job accepted", "job ended"]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert any("RuntimeError" in line.get("exception", "") for line in lines)
    assert "secret" not in "".join(daemon.log)


def activated(folder, socket_path, notify=None):
    """Start a daemon the way systemd does: with a listening socket as descriptor 3."""
    code = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_FDS'] = '1'\n"
        "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.executable, sys.argv[2:])"
    )
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path))
    listener.listen()
    options = {"address": f"unix:{socket_path}", "spool": folder / "spool", "engine": NOOP}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(listener.fileno()), *command(**options)],
        pass_fds=[listener.fileno()],
        env=environment() | ({"NOTIFY_SOCKET": str(notify)} if notify else {}),
        stderr=subprocess.DEVNULL,
    )
    return process, listener


def test_a_socket_of_systemd_is_served_and_left_for_the_next_one(tmp_path):
    path, notify = tmp_path / "s", tmp_path / "n"
    tmp_path.chmod(0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reported:
        reported.bind(str(notify))
        reported.settimeout(60)
        process, listener = activated(tmp_path, path, notify)
        try:
            # Clients may connect before the daemon is up: systemd holds the socket.
            with Client(f"unix:{path}", autostart=False) as client:
                assert reported.recv(99) == b"READY=1"
                assert client.status().pid == process.pid
            # Also where the process has restarted itself meanwhile.
            with grpc.insecure_channel(f"unix:{path}~") as channel, pytest.raises(grpc.RpcError):
                channel.unary_unary(b"/\xe2")(b"", timeout=60)
            assert reported.recv(99) == b"READY=1"
            with Client(f"unix:{path}", autostart=False) as client:
                assert client.status().pid == process.pid
            process.terminate()
            assert reported.recv(99) == b"STOPPING=1"
            assert process.wait(30) == 0
            assert path.exists()
        finally:
            process.kill()
            process.wait()
            listener.close()


def test_the_units_are_hardened_and_name_the_clients_socket():
    folder = ROOT / "packaging" / "systemd"
    service, unit = ((folder / f"ldrps.{kind}").read_text() for kind in ("service", "socket"))
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "Type=notify", "UMask=0077"):
        assert line in service
    # Older systemd protects files of ordinary users' services only then, and starts them only if
    # they ask for nothing that needs root.
    assert "PrivateUsers=yes" in service
    for word in ("CapabilityBoundingSet=", "\nProtectKernel", "\nProtectControlGroups"):
        assert word not in service
    assert "ListenStream=%t/ldrps/ldrps.sock" in unit
    assert "SocketMode=0600" in unit
    assert "DirectoryMode=0700" in unit
    # The options exist.
    (start,) = re.findall(r"^ExecStart=\S+ serve (.*)$", service, re.M)
    from ldrps_daemon.__main__ import config_of

    assert config_of(start.split()).address == "unix:%t/ldrps/ldrps.sock"


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    for kind in ("service", "socket"):
        text = (ROOT / "packaging" / "systemd" / f"ldrps.{kind}").read_text()
        # `ldrps` is not installed there on every machine that runs this.
        (tmp_path / f"ldrps.{kind}").write_text(re.sub("%h/.local/bin/ldrps", "/bin/true", text))
    assert complaints(tmp_path, tmp_path / "ldrps.socket", tmp_path / "ldrps.service") == ""


def test_systemd_would_say_so(tmp_path):
    unit = tmp_path / "ldrps.service"
    unit.write_text("[Service]\nExecStart=/bin/true\nNoNewPrivilege=yes\n")
    assert "NoNewPrivilege" in complaints(tmp_path, unit)


def test_traces_hold_times_and_no_content(tmp_path):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from ldrps_daemon.observability.tracing import Traces
    from ldrps_daemon.storage.jobs import Job
    from ldrps_engine.settings import Settings

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings = pb.Settings(description="my secret garden")
    raster = pb.Raster(width=20, height=16, channels=3, sample_type=1)
    made = Job(pb.SubmitHeader(settings=settings, raster=raster), Settings(), tmp_path)
    made.folder.path.mkdir()
    made.start()
    made.end(pb.Event(done=pb.Done()))
    traces = Traces(provider)
    traces(made)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"job", "wait", "work"}
    assert spans["work"].parent.span_id == spans["job"].context.span_id
    assert spans["job"].attributes["ldrps.job"] == made.id
    assert spans["job"].start_time <= spans["work"].start_time <= spans["work"].end_time
    assert "secret" not in str([span.to_json() for span in spans.values()])
    traces.close()


def test_traces_without_their_library_are_one_warning(start_daemon, tmp_path, monkeypatch):
    # A module of that name that cannot be imported stands in front of the real one.
    (tmp_path / "opentelemetry.py").write_text("raise ImportError(name='opentelemetry')")
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    daemon = start_daemon()
    assert daemon.restores()
    assert wait_until(lambda: any("ldrps[traces]" in line for line in daemon.log))
