"""OpenTelemetry traces, an optional extra: one span a job, with one for each wait and each run.

On when `pip install ldrps[traces]` was done and `OTEL_EXPORTER_OTLP_ENDPOINT` is set, as for any
other program. Spans carry ids, sizes, recipe and model: no pixels, no descriptions, no paths.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.repository import JobRepository

log = logging.getLogger("ldrps.traces")
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NANO = 10**9


class Traces:
    """Turns jobs that have ended into spans."""

    def __init__(self, provider: Any) -> None:
        """Take an OpenTelemetry TracerProvider."""
        self._provider = provider
        self._tracer = provider.get_tracer("ldrps")

    def __call__(self, job: Job) -> None:
        """Export one job. Times come from the job itself, so nothing is held while it runs."""
        from opentelemetry import trace

        said = {
            "ldrps.job": job.id,
            "ldrps.end": job.reason or "done",
            "ldrps.recipe": job.settings.recipe,
            "ldrps.model": job.settings.model,
            "ldrps.pixels": job.pixels,
            "ldrps.crashes": job.crashes,
            "ldrps.preemptions": job.preemptions,
        }
        span = self._tracer.start_span("job", attributes=said, start_time=_nano(job.submitted_at))
        within = trace.set_span_in_context(span)
        began = job.started_at or job.ended_at
        for name, start, end in (
            ("wait", job.submitted_at, began),
            ("work", began, job.ended_at),
        ):
            part = self._tracer.start_span(name, within, start_time=_nano(start))
            part.end(_nano(end))
        span.end(_nano(job.ended_at))

    def close(self) -> None:
        """Send the remaining spans."""
        self._provider.shutdown()


@contextmanager
def traced(repository: JobRepository) -> Iterator[None]:
    """Trace jobs while the block runs, if tracing is set up."""
    traces = _set_up() if os.environ.get(ENDPOINT) else None
    if traces:
        repository.on_end.append(traces)
    try:
        yield
    finally:
        if traces:
            traces.close()


def _set_up() -> Traces | None:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning("%s is set but %s is missing; install ldrps[traces]", ENDPOINT, error.name)
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": "ldrps"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)


def _nano(seconds: float) -> int:
    return int(seconds * _NANO)
