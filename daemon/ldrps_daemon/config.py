"""How a daemon is set up: read once at the start, frozen. Clients cannot change any of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import MAX_PIXELS
from ldrps_wire.address import default_address, default_token_file

AUTO = "auto"
LOCAL, RAY = "local", "ray"
CARRIED, SHARED = "carried", "shared"
LOG_FORMATS = ("text", "json")


def default_spool() -> Path:
    """On disk rather than in the run folder, which is often memory."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ldrps" / "spool"


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Everything the daemon can be told at its start."""

    address: str = field(default_factory=default_address)
    """`unix:PATH`, `HOST:PORT` on the loopback interface, or `tls:HOST:PORT`."""
    devices: tuple[str, ...] = (AUTO,)
    """One worker each: `cpu`, `cuda:0` ...; `auto`: every NVIDIA device, else the CPU."""

    pool: str = LOCAL
    """Where workers run: `local` processes, or on the nodes of a Ray cluster, `ray` for the one
    that this machine is a node of, or `ray://HEAD:PORT`."""
    gpus: str = AUTO
    """How many GPUs of a cluster are used, one worker each; `auto`: all of them; `MIN..MAX`: Ray's
    autoscaler is asked for as many as the queue wants."""
    job_store: str = CARRIED
    """How nodes get at photos and results: `carried` to and from them, or `shared`, where the
    spool is a folder that all of them see at the same path."""

    queue_limit: int = 64
    """Jobs that may wait, those being handed in included,"""
    jobs_per_client: int = 48
    """and of one client, running ones included."""
    max_pixels: int = MAX_PIXELS
    """Largest photo taken."""
    max_bytes: int = 16 * MAX_PIXELS
    """Largest payload taken, raw or encoded."""
    bytes_per_client: int = 16 << 30
    """Payloads that one client may have waiting or running."""
    spool_bytes: int = 32 << 30
    """Payloads and results on disk, all together,"""
    spare_bytes: int = 1 << 30
    """and so much of the disk is left to others."""
    memory_bytes: int = 0
    """What one worker may use on the CPU; 0: most of what the machine has, shared equally."""
    max_connections: int = 256
    """At once, in all,"""
    connections_per_client: int = 128
    """and of one client: a process on the unix socket, a user or an address on TCP."""

    rest_seconds: float = 120.0
    """A worker without work for so long gives its device's memory back and stays,"""
    idle_seconds: float = 600.0
    """and after so long it exits."""
    checkpoint_seconds: float = 2.0
    """At most so much work is lost when a worker or the daemon dies, and the step under way."""
    batch_wait_seconds: float = 900.0
    """A batch job that has waited for so long is no longer overtaken or interrupted."""
    max_crashes: int = 2
    """A job at which so many workers died in a row, without getting further, has failed."""
    grace_seconds: float = 5.0
    """An attached job without a watcher for so long is cancelled."""
    reconnect_seconds: float = 30.0
    """The same after a restart, since clients need a moment to find the daemon again."""
    stall_seconds: float = 30.0
    """A Submit that sends nothing for so long is refused; it holds a place in the queue."""
    min_bytes_per_second: int = 32768
    """So is one that is slower than this on the whole, after so long."""
    cancel_seconds: float = 10.0
    """A worker that has not stopped so long after it was told to is killed."""
    hang_seconds: float = 1800.0
    """A worker that has said nothing for so long is killed,"""
    start_seconds: float = 120.0
    """and one that is not ready so long after its start; it may take twice as long each time."""
    stop_seconds: float = 5.0
    """How long a stop waits for running jobs to reach a checkpoint."""

    keep_seconds: float = 3600.0
    """Ended jobs and their results are kept for so long,"""
    max_kept_jobs: int = 100
    """so many at most,"""
    max_kept_bytes: int = 4 << 30
    """and no more than so many bytes of results."""

    spool: Path = field(default_factory=default_spool)
    """The journal, photos and results lie here, in a folder of this daemon's own."""
    token_file: Path = field(default_factory=default_token_file)
    """Token that clients of a TCP address must show."""
    tls_cert: Path | None = None
    """Certificate chain of a `tls:` address (PEM),"""
    tls_key: Path | None = None
    """its private key,"""
    tls_client_ca: Path | None = None
    """and who must have signed the clients' certificates; None: the token is enough."""
    metrics_port: int = 0
    """Prometheus metrics on this port of the loopback interface; 0: none."""
    log_format: str = "text"
    """`text` for people, `json` for programs: one object a line."""
    engine: str = "ldrps_engine.restore"
    """Module with `restore` and `ModelCache`. Never settable over the wire."""

    def __post_init__(self) -> None:
        if not self.devices:
            raise SettingsError("devices is empty; name a device such as 'cpu', or 'auto'")
        for device in self.devices:
            _check_device(device)
        _check_pool(self)
        for name, kind in self.__annotations__.items():
            if kind in ("int", "float"):
                _at_least(name, getattr(self, name), 1 if name in _COUNTS else 0)
        if self.metrics_port > 65535:
            raise SettingsError(f"metrics_port is {self.metrics_port}; use a port up to 65535")
        if self.log_format not in LOG_FORMATS:
            raise SettingsError(f"log_format '{self.log_format}' is not known; use text or json")

    def resolved_devices(self) -> tuple[str, ...]:
        """The devices with `auto` answered, without loading torch."""
        found = [d for name in self.devices for d in (detect() if name == AUTO else (name,))]
        return tuple(dict.fromkeys(found))


_COUNTS = (
    *("queue_limit", "jobs_per_client", "max_pixels", "max_bytes", "bytes_per_client"),
    *("spool_bytes", "max_connections", "connections_per_client", "max_crashes", "max_kept_jobs"),
)


def _at_least(name: str, value: float, low: float) -> None:
    # Written so that NaN fails too.
    if not value >= low:
        raise SettingsError(f"{name} is {value}; use {low} or more")


def _check_pool(config: ServeConfig) -> None:
    kind, _, head = config.pool.partition("://")
    host, _, port = head.rpartition(":")
    if config.pool not in (LOCAL, RAY) and not (kind == RAY and host and port.isdecimal()):
        raise SettingsError(f"pool '{config.pool}' is not known; use local, ray or ray://HEAD:PORT")
    if config.gpus != AUTO and not _is_gpu_count(config.gpus):
        raise SettingsError(
            f"gpus is '{config.gpus}'; use auto, a number of 1 or more, or limits such as 0..8"
        )
    if ".." in config.gpus and config.devices == ("cpu",):
        raise SettingsError(f"gpus is '{config.gpus}', but with --device cpu nothing uses GPUs")
    if config.job_store not in (CARRIED, SHARED):
        raise SettingsError(f"job_store '{config.job_store}' is not known; use carried or shared")
    if config.pool == LOCAL:
        if config.gpus != AUTO or config.job_store != CARRIED:
            option = "gpus" if config.gpus != AUTO else "job_store"
            raise SettingsError(f"{option} says something about a Ray cluster; give --pool ray too")
    elif config.devices not in ((AUTO,), ("cpu",)):
        raise SettingsError(
            f"devices is {' '.join(config.devices)}, but a Ray cluster chooses them; "
            "give --gpus N, or --device cpu for one worker on each node"
        )


def _is_gpu_count(text: str) -> bool:
    least, dots, most = text.partition("..")
    if not dots:
        return text.isdecimal() and int(text) > 0
    return least.isdecimal() and most.isdecimal() and int(least) <= int(most) and int(most) > 0


def _check_device(device: str) -> None:
    kind, _, index = device.partition(":")
    if device in (AUTO, "cpu") or (kind == "cuda" and index.isdecimal()):
        return
    raise SettingsError(f"device '{device}' is not known; use auto, cpu or cuda:0, cuda:1 ...")


def detect(dev: Path = Path("/dev")) -> tuple[str, ...]:
    """Every NVIDIA device this process may use, else the CPU."""
    count = 0 if _torch_is_cpu_only() else _visible(len(list(dev.glob("nvidia[0-9]*"))))
    return tuple(f"cuda:{index}" for index in range(count)) or ("cpu",)


def _visible(present: int) -> int:
    # CUDA renumbers the devices that this variable leaves visible.
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return present
    return min(present, len([c for c in chosen.split(",") if c.strip() not in ("", "-1")]))


def _torch_is_cpu_only() -> bool:
    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return True
