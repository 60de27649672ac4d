"""Reports of a worker about the job that it has."""

from __future__ import annotations

import time

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling.estimates import Course, Estimator, kind_of
from ldrps_daemon.scheduling.worker_slot import WorkerSlot
from ldrps_daemon.storage.attempts import Attempt
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.workers.pipe import Saved, Sized


class JobReports:
    """Sorts what a worker says about one job, and tells the worker whether any client watches."""

    def __init__(
        self,
        slot: WorkerSlot,
        job: Job,
        attempt: Attempt,
        estimator: Estimator,
        expected: float,
    ) -> None:
        """Take the parts; `expected`: seconds that the job is likely to take."""
        self.slot = slot
        self.attempt = attempt
        self.headers: list[pb.LayerHeader] = []
        self.whole = not job.step.index
        """True where all of the work is done here, so that its time is worth remembering."""
        self.course = Course()
        self._job = job
        self._estimator = estimator
        self._kind = kind_of(job.header.settings, slot.device)
        self._began = time.monotonic()
        self._end = self._began + expected
        self._previews = False

    def __call__(self, report: pb.Event | Saved | Sized) -> None:
        """Pass on one report."""
        if isinstance(report, Saved):
            if not self._job.ending and self.attempt.keep_checkpoint():
                self._job.saved_step = report.step
                self._job.weigh_checkpoint()
            return
        if isinstance(report, Sized):
            return self._job.decoded(report.bytes)
        if report.HasField("layer_header"):
            self.headers.append(report.layer_header)
            return
        if report.HasField("step"):
            report.step.seconds_left = self._after(report.step)
        self._job.publish(report)
        wanted = self._job.feed.preview_watchers > 0
        if wanted != self._previews:
            self._previews = wanted
            self.slot.want_previews(self._job.id, wanted)

    def elapsed(self) -> float:
        """Return the seconds since the worker was asked."""
        return time.monotonic() - self._began

    def seconds_left(self) -> float:
        """Estimate the seconds until the worker is free again; 0 if not known."""
        return max(0.0, self._end - time.monotonic())

    def _after(self, step: pb.Step) -> float:
        """Estimate the seconds that are left after a step."""
        elapsed, pixels = self.elapsed(), self._job.pixels
        share = self.course.step(step, elapsed)
        if self._job.header.HasField("crop"):
            # Jobs that restore a whole photo do not predict a crop of a remembered one.
            return 0.0
        kind = self.course.work(self._kind)
        if self.whole:
            left = self._estimator.left(kind, pixels, elapsed, share, self.course.begun)
        else:
            left = self._estimator.rest(kind, pixels, share)
        self._end = self._began + elapsed + left
        return left
