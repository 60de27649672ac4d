"""`ldrps jobs` and `ldrps cancel`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from datetime import datetime

from ldrps_client._records import Job
from ldrps_client.cli._output import print_json
from ldrps_client.client import Client


def jobs(options: Namespace) -> int:
    """Print jobs, newest first."""
    with Client(options.address, autostart=False) as client:
        found = client.jobs(options.limit)
    if options.json:
        print_json({"jobs": [asdict(job) for job in found]})
        return 0
    for job in found:
        print(_line(job))
    if not found:
        print("no jobs")
    return 0


def _line(job: Job) -> str:
    when = datetime.fromtimestamp(job.submitted_at).strftime("%Y-%m-%d %H:%M:%S")
    return f"{job.id}  {when}  {_state(job):<16}  {job.width}x{job.height}  {job.settings.recipe}"


def _state(job: Job) -> str:
    if job.state == "running" and job.step_count:
        return f"running {job.step}/{job.step_count}"
    return f"failed: {job.reason}" if job.state == "failed" else job.state


def cancel(options: Namespace) -> int:
    """Cancel one job."""
    with Client(options.address, autostart=False) as client:
        job = client.cancel(options.id)
    if options.json:
        print_json(asdict(job))
    else:
        print(f"{job.id}  {job.state}")
    return 0
