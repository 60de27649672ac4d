"""Prometheus metrics on a port of the loopback interface, if one is asked for.

docs/operations/reliability.md lists them; a test holds the list against this file. No metric names
a photo, a description, a path or a user.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.dispatch import Dispatcher
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.transport.peer_proxy import PeerProxy
from ldrps_engine.errors import UnavailableError
from ldrps_engine.model_store.store import LOCAL

log = logging.getLogger("ldrps.metrics")
LOOPBACK = "127.0.0.1"
_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)


class Collector:
    """Answers scrapes from the daemon's state: nothing is counted twice, and nothing waits."""

    def __init__(
        self, config: ServeConfig, dispatcher: Dispatcher, proxy: PeerProxy | None
    ) -> None:
        self._config = config
        self._dispatcher = dispatcher
        self._proxy = proxy

    def collect(self) -> Iterator[Metric]:
        """Return every metric with its current values."""
        yield from self._counters()
        yield from self._gauges()
        yield from self._workers()
        yield from self._nodes()

    def _counters(self) -> Iterator[Metric]:
        counts = self._dispatcher.repository.counts
        ended = CounterMetricFamily("ldrps_jobs_ended", "Jobs that have ended.", labels=["how"])
        for how in ("done", "failed", "cancelled"):
            ended.add_metric([how], getattr(counts, how))
        yield ended
        for name, value, words in (
            ("crashes", counts.crashes, "Workers that died at a job."),
            ("preemptions", counts.preemptions, "Times a batch job yielded."),
            ("recovered", counts.recovered, "Jobs taken up from a daemon before this one."),
        ):
            yield CounterMetricFamily(f"ldrps_{name}", words, value=value)

    def _gauges(self) -> Iterator[Metric]:
        dispatcher = self._dispatcher
        for name, value, words in (
            ("jobs_waiting", len(dispatcher.queue) + len(dispatcher.looks), "Jobs in the queue."),
            ("jobs_running", dispatcher.running(), "Jobs that a worker has."),
            ("queue_limit", self._config.queue_limit, "Jobs that may wait."),
            ("watchers", dispatcher.index.watchers(), "Open Watch calls."),
            ("connections", self._proxy.connections if self._proxy else 0, "Open now."),
            ("spool_bytes", dispatcher.admission.used_bytes(), "Photos and results on disk."),
            ("spool_limit_bytes", self._config.spool_bytes, "So many there may be."),
        ):
            yield GaugeMetricFamily(f"ldrps_{name}", words, value=value)

    def _workers(self) -> Iterator[Metric]:
        labels = ["device"]
        memory = GaugeMetricFamily("ldrps_worker_memory_bytes", "Resident set.", labels=labels)
        state = GaugeMetricFamily("ldrps_worker_state", "1 for its state.", labels=["device", "is"])
        models = GaugeMetricFamily(
            "ldrps_worker_models", "1 for each in memory.", labels=["device", "model"]
        )
        counted: Counter[tuple[str, str]] = Counter()
        for slot in self._dispatcher.slots:
            memory.add_metric([slot.name], slot.memory_bytes())
            word = pb.WorkerState.Name(slot.state).removeprefix("WORKER_STATE_").lower()
            state.add_metric([slot.name, word], 1)
            counted[slot.name.partition("@")[2], word] += 1
            for model in sorted({_shown(name) for name in slot.models}):
                models.add_metric([slot.name, model], 1)
        workers = GaugeMetricFamily("ldrps_workers", "Number of them.", labels=["node", "is"])
        for (node, word), count in counted.items():
            workers.add_metric([node, word], count)
        yield from (memory, state, models, workers)

    def _nodes(self) -> Iterator[Metric]:
        models = GaugeMetricFamily(
            "ldrps_node_models", "1 for each on its disk.", labels=["node", "model"]
        )
        trouble = GaugeMetricFamily(
            "ldrps_node_trouble", "1 while a model is fetched or lacking.", labels=["node"]
        )
        for node in self._dispatcher.pool.nodes:
            trouble.add_metric([node.name], bool(node.trouble))
            for model in node.models:
                models.add_metric([node.name, model], 1)
        yield from (models, trouble)


def _shown(model: str) -> str:
    """Name a model, but for one of the user's own: that is named by a file of theirs."""
    return "local" if model.startswith(LOCAL) else model


def registry_of(config: ServeConfig, dispatcher: Dispatcher, proxy: PeerProxy | None) -> Any:
    """Collect all metrics of one daemon, those of its front process included."""
    registry = CollectorRegistry()
    for make in (ProcessCollector, PlatformCollector, GCCollector):
        make(registry=registry)
    registry.register(Collector(config, dispatcher, proxy))  # type: ignore[arg-type]
    worked = Histogram(
        "ldrps_job_seconds",
        "From the start of a job's work to its end.",
        ["how"],
        buckets=_SECONDS,
        registry=registry,
    )
    waited = Histogram(
        "ldrps_wait_seconds",
        "Time in the queue.",
        buckets=_SECONDS,
        registry=registry,
    )

    def on_end(job: Job) -> None:
        waited.observe(job.waited())
        if job.started_at:
            how = pb.JobState.Name(job.state).removeprefix("JOB_STATE_").lower()
            worked.labels(how).observe(max(0.0, job.ended_at - job.started_at))

    dispatcher.repository.on_end.append(on_end)
    return registry


@contextmanager
def exposed(config: ServeConfig, dispatcher: Dispatcher, proxy: PeerProxy | None) -> Iterator[None]:
    """Answer scrapes while the block runs, if the config names a port."""
    if not config.metrics_port:
        yield
        return
    registry = registry_of(config, dispatcher, proxy)
    try:
        server, thread = start_http_server(config.metrics_port, LOOPBACK, registry)
    except OSError as error:
        raise UnavailableError(
            f"metrics_port {config.metrics_port} cannot be used ({error.strerror}); "
            "give another one, or 0 for none"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
