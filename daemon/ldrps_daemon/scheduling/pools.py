"""Choice of the pool that the config names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ldrps_daemon.config import LOCAL, ServeConfig
from ldrps_daemon.scheduling.worker_specs import LocalPool, Pool
from ldrps_daemon.transport.admission import memory_limit


@asynccontextmanager
async def pool_of(config: ServeConfig, spool: Path) -> AsyncIterator[Pool]:
    """Open a pool for as long as the block runs; LdrpsError says why there is none."""
    if config.pool == LOCAL:
        yield LocalPool(config.resolved_devices(), memory_limit(config))
        return
    from ldrps_daemon.cluster.pool import RayPool

    pool = await asyncio.to_thread(RayPool, config, spool)
    try:
        yield pool
    finally:
        await pool.leave()
