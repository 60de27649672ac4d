"""Settings of a daemon: read once at the start, frozen. Clients cannot change any of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import MAX_PIXELS
from ldrps_wire.address import default_address, default_token_file, state_folder
from ldrps_wire.system import TELLS_UNIX_PEERS

AUTO = "auto"
LOCAL, RAY = "local", "ray"
CARRIED, SHARED = "carried", "shared"
LOG_FORMATS = ("text", "json")


def default_spool() -> Path:
    """Choose a spool on disk rather than in the run folder, which is often memory."""
    if not TELLS_UNIX_PEERS and not os.environ.get("XDG_CACHE_HOME"):
        # Where the system keeps what must not be cleared away.
        return state_folder() / "spool"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ldrps" / "spool"


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Options of the daemon, fixed at its start."""

    address: str = field(default_factory=default_address)
    """`unix:PATH`, `HOST:PORT` on the loopback interface, or `tls:HOST:PORT`."""
    devices: tuple[str, ...] = (AUTO,)
    """One worker each: `cpu`, `cuda:0` ...; `auto`: every NVIDIA device, else the CPU."""

    pool: str = LOCAL
    """Place of the workers: `local` processes, or the nodes of a Ray cluster: `ray` for the one
    that this machine is a node of, or `ray://HEAD:PORT`."""
    gpus: str = AUTO
    """Number of GPUs of a cluster to use, one worker each; `auto`: all of them; `MIN..MAX`: Ray's
    autoscaler is asked for as many as the queue wants."""
    job_store: str = CARRIED
    """Way of photos and results to and from nodes: `carried`, or `shared`, where the spool is a
    folder that all of them see at the same path."""

    queue_limit: int = 64
    """Most jobs that may wait, those being handed in included."""
    jobs_per_client: int = 48
    """Most jobs of one client, running ones included."""
    max_pixels: int = MAX_PIXELS
    """Largest photo accepted, in pixels."""
    max_bytes: int = 16 * MAX_PIXELS
    """Largest payload accepted, raw or encoded, in bytes."""
    bytes_per_client: int = 16 << 30
    """Most bytes of payloads that one client may have waiting or running."""
    spool_bytes: int = 32 << 30
    """Most bytes of payloads and results on disk, all together."""
    spare_bytes: int = 1 << 30
    """Bytes of the disk that are left to others."""
    memory_bytes: int = 0
    """Memory of one worker on the CPU, in bytes; 0: most of the machine's, shared equally."""
    max_connections: int = 256
    """Most connections at once, in all."""
    connections_per_client: int = 128
    """Most connections of one client: a process on the unix socket, a user or an address on TCP."""

    rest_seconds: float = 120.0
    """Seconds without work after which a worker gives its device's memory back and stays."""
    idle_seconds: float = 600.0
    """Seconds without work after which a worker exits."""
    checkpoint_seconds: float = 2.0
    """Seconds of work, in addition to the step under way, that a worker's or the daemon's death may
    cost."""
    batch_wait_seconds: float = 900.0
    """Seconds of waiting after which a batch job is no longer overtaken or interrupted."""
    max_crashes: int = 2
    """Deaths of workers in a row, without progress between them, after which a job has failed."""
    grace_seconds: float = 5.0
    """Seconds without a watcher after which an attached job is cancelled."""
    reconnect_seconds: float = 30.0
    """The same after a restart, since clients need a moment to find the daemon again."""
    stall_seconds: float = 30.0
    """Seconds of silence after which a Submit is refused; it holds a place in the queue."""
    min_bytes_per_second: int = 32768
    """Lowest average rate of a Submit after that time; a slower one is refused too."""
    cancel_seconds: float = 10.0
    """Seconds after which a worker that ignores an order to stop is killed."""
    hang_seconds: float = 1800.0
    """Seconds of silence after which a working worker is killed."""
    start_seconds: float = 120.0
    """Seconds a worker may take to start, twice as long after each start that hung."""
    stop_seconds: float = 5.0
    """Seconds that a stop of the daemon waits for running jobs to reach a checkpoint."""

    keep_seconds: float = 3600.0
    """Seconds for which ended jobs and their results are kept."""
    max_kept_jobs: int = 100
    """Most ended jobs kept."""
    max_kept_bytes: int = 4 << 30
    """Most bytes of results kept."""

    spool: Path = field(default_factory=default_spool)
    """Folder of this daemon's own for the journal, photos and results."""
    token_file: Path = field(default_factory=default_token_file)
    """Token that clients of a TCP address must show."""
    tls_cert: Path | None = None
    """Certificate chain of a `tls:` address (PEM),"""
    tls_key: Path | None = None
    """Private key of that certificate (PEM)."""
    tls_client_ca: Path | None = None
    """Authority (PEM) that must have signed clients' certificates; None: the token is enough."""
    metrics_port: int = 0
    """Port of the loopback interface for Prometheus metrics; 0: none."""
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
        """Return the devices with `auto` resolved, without loading torch."""
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
    """List every NVIDIA device this process may use, else the CPU."""
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
