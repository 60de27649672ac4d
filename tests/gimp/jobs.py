"""Jobs of a daemon that a GIMP has asked, for tests."""

from ldrps.v1 import restoration_pb2 as pb
from support.daemon import wait_until

PATIENCE = 120
QUEUED = pb.JOB_STATE_QUEUED
RUNNING, DONE, CANCELLED = pb.JOB_STATE_RUNNING, pb.JOB_STATE_DONE, pb.JOB_STATE_CANCELLED


def running_job(daemon, but=None):
    """The process id of the worker that is at the newest job, once a step was reached.

    `but` is one that is known to be dead.
    """

    found = []

    def look():
        at_work = [w.pid for w in daemon.status().workers if w.state == pb.WORKER_STATE_BUSY]
        found[:] = [pid for pid in at_work if pid != but and newest(daemon).step > 0]
        return found

    assert wait_until(look, PATIENCE), "no worker is at work"
    return found[0]


def jobs(daemon):
    return list(daemon.stub.ListJobs(pb.ListJobsRequest()).jobs)


def newest(daemon):
    return next(iter(jobs(daemon)), pb.Job())
