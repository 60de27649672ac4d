"""All jobs the daemon knows, and the choice of ended ones to forget."""

from __future__ import annotations

from itertools import islice

from ldrps_daemon import clock
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.storage.jobs import Job
from ldrps_engine.errors import NotFoundError


class JobIndex:
    """Jobs by id and by idempotency key, oldest first."""

    def __init__(self, config: ServeConfig) -> None:
        self._config = config
        self._jobs: dict[str, Job] = {}
        self._by_key: dict[str, Job] = {}
        self._forgotten: list[str] = []
        self._ended: dict[str, Job] = {}
        self._counted: dict[str, int] = {}
        self._bytes = 0
        self._shares: dict[str, tuple[int, int]] = {}

    def add(self, job: Job) -> None:
        """Add a job."""
        self._jobs[job.id] = job
        if job.header.idempotency_key:
            self._by_key[job.header.idempotency_key] = job
        job.on_resize = self._count
        self._count(job)

    def get(self, job_id: str) -> Job:
        """Return a job by its id; NotFoundError if it never was or has been forgotten."""
        if job := self._jobs.get(job_id):
            return job
        raise NotFoundError(f"job '{job_id[:64]}' is not known; ended jobs are forgotten in time")

    def with_key(self, key: str) -> Job | None:
        """Return the job that came with an idempotency key."""
        return self._by_key.get(key) if key else None

    def share(self, client: str) -> tuple[int, int]:
        """Return the number of open jobs of a client, and the bytes of their photos."""
        return self._shares.get(client, (0, 0))

    def newest(self, limit: int) -> list[Job]:
        """List the jobs, newest first."""
        return list(islice(reversed(self._jobs.values()), limit))

    def ids(self) -> set[str]:
        """Return the ids of all jobs."""
        return set(self._jobs)

    def open(self) -> list[Job]:
        """List the jobs that have not ended."""
        return [job for job in self._all() if not job.ended]

    def stored_bytes(self) -> int:
        """Bytes of waiting photos, with the room for their results, and of kept results."""
        return self._bytes

    def watchers(self) -> int:
        """Number of watchers of all jobs together."""
        return sum(job.feed.watchers for job in self._all())

    def sweep(self, spare: int = 0) -> None:
        """Forget ended jobs, longest ended first, until all limits are kept.

        With `spare`, also until so many bytes would fit into the spool.
        """
        ended = sorted(self._ended.values(), key=lambda job: job.ended_tick)
        kept_bytes, kept = sum(job.spool_bytes for job in ended), len(ended)
        oldest = clock.now() - self._config.keep_seconds
        for job in ended:
            over = kept > self._config.max_kept_jobs or kept_bytes > self._config.max_kept_bytes
            # No client can have fetched the newest yet, whose photo was let in with it in mind.
            wanted = self._bytes + spare > self._config.spool_bytes and (spare or kept > 1)
            # Someone who is reading a result may finish.
            if job.feed.watchers or not (over or wanted or job.ended_tick < oldest):
                continue
            kept -= 1
            kept_bytes -= job.spool_bytes
            self._forget(job)

    def _all(self) -> list[Job]:
        # A copy: metrics are scraped in another thread, while jobs come and go in this one.
        return list(self._jobs.values())

    def forgotten(self) -> list[str]:
        """Return the ids swept since the last call, for the journal."""
        ids, self._forgotten = self._forgotten, []
        return ids

    def _forget(self, job: Job) -> None:
        del self._jobs[job.id], self._ended[job.id]
        self._by_key.pop(job.header.idempotency_key, None)
        self._forgotten.append(job.id)
        self._bytes -= self._counted.pop(job.id)
        job.on_resize = _uncounted
        job.folder.remove()

    def _count(self, job: Job) -> None:
        """Update the sums, which would take too long to recompute for each query."""
        known = job.id in self._counted
        self._bytes += job.spool_bytes - self._counted.get(job.id, 0)
        self._counted[job.id] = job.spool_bytes
        if job.ended and job.id not in self._ended:
            self._ended[job.id] = job
            if known:
                self._share(job, -1)
        elif not known:
            self._share(job, 1)
        elif self._bytes > self._config.spool_bytes:
            # A file's photo has turned out larger than was thought.
            self.sweep()

    def _share(self, job: Job, sign: int) -> None:
        jobs, size = self._shares.pop(job.client, (0, 0))
        if jobs + sign:
            self._shares[job.client] = jobs + sign, size + sign * job.payload_bytes


def _uncounted(_: Job) -> None:
    """Replaces the update of the sums in a job that is forgotten."""
