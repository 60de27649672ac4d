"""Number of GPUs that a cluster is asked for, by what waits, within the limits given.

Ray's autoscaler adds nodes for what is asked for, and takes those that have been idle for a while;
a cluster without one takes no notice.
"""

from __future__ import annotations

import logging
from types import ModuleType

from ldrps_daemon.scheduling.worker_specs import Load

log = logging.getLogger("ldrps.cluster")
BATCH_PER_GPU = 8
"""Batch jobs that wait for a GPU together; an urgent job gets one at once."""


def wanted(load: Load, least: int, most: int) -> int:
    """Number of GPUs for a load."""
    shared = -(-load.later // BATCH_PER_GPU)
    return min(max(load.running + load.urgent + shared, least), most)


class Autoscaling:
    """Asks a cluster for GPUs, each time that their number changes."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self._target = least
        self._asked = -1

    def want(self, load: Load) -> None:
        """Note what there is to do."""
        self._target = wanted(load, self._least, self._most)

    def ask(self, ray: ModuleType) -> None:
        """Tell the cluster, if that is new. Takes a moment."""
        target = self._target
        if target == self._asked:
            return
        ray.autoscaler.sdk.request_resources(bundles=[{"GPU": 1}] * target)
        self._asked = target
        log.info("the cluster is asked for GPUs", extra={"gpus": target})

    def forget(self) -> None:
        """Ask again: the cluster may be another one."""
        self._asked = -1
