"""The daemon's life: bind, serve, stop."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.dispatch import Dispatcher
from ldrps_daemon.models_service import ModelsServicer
from ldrps_daemon.security import (
    Place,
    TokenInterceptor,
    bind,
    check_address,
    own_folder,
    read_token,
    take_lock,
)
from ldrps_daemon.servicer import Servicer
from ldrps_daemon.spool import spool_folder

log = logging.getLogger("ldrps.server")
SERVICE = pb.DESCRIPTOR.services_by_name["Restoration"].full_name
MODELS = pb.DESCRIPTOR.services_by_name["Models"].full_name
# A chunk and a little around it; a header with its ICC profile is smaller.
MAX_MESSAGE = (1 << 20) + (1 << 18)
_STOP_GRACE = 1.0
_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


@asynccontextmanager
async def running(config: ServeConfig) -> AsyncIterator[Dispatcher]:
    """A daemon that serves for as long as the block runs, in this event loop."""
    place = check_address(config.address)
    own_folder(place.lock.parent)
    with take_lock(place):
        spool = spool_folder(config.spool, place.target)
        dispatcher = Dispatcher(config, spool)
        servicer = Servicer(config, dispatcher)
        server = grpc.aio.server(options=_OPTIONS, interceptors=_interceptors(config, place))
        pb_grpc.add_RestorationServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
        models = ModelsServicer(dispatcher.seats)
        pb_grpc.add_ModelsServicer_to_server(models, server)  # type: ignore[no-untyped-call]
        healthy = await _add_standard_services(server)
        bind(server, place)
        dispatcher.start()
        await server.start()
        try:
            yield dispatcher
        finally:
            # Health first, so that nobody is sent here any more.
            await healthy.enter_graceful_shutdown()
            servicer.stopping = True
            await dispatcher.stop()
            await server.stop(_STOP_GRACE)
            if place.socket:
                place.socket.unlink(missing_ok=True)
            shutil.rmtree(spool, ignore_errors=True)


def _interceptors(config: ServeConfig, place: Place) -> list[TokenInterceptor]:
    # The file system guards a socket; TCP has nothing but the token.
    return [] if place.socket else [TokenInterceptor(read_token(config.token_file))]


async def _add_standard_services(server: Any) -> Any:
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    for name in ("", SERVICE, MODELS):
        await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    names = (SERVICE, MODELS, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return healthy


async def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with running(config):
        print(f"ldrps: serving on {config.address}", file=sys.stderr, flush=True)
        await stopped.wait()
        log.info("stopping")
