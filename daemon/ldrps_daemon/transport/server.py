"""Life of the daemon: bind, serve, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_daemon import systemd
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.event_loop import ending_by_signal
from ldrps_daemon.observability.metrics import exposed
from ldrps_daemon.observability.tracing import traced
from ldrps_daemon.scheduling.dispatch import Dispatcher
from ldrps_daemon.scheduling.pools import pool_of
from ldrps_daemon.self_restart import restarted_when_broken
from ldrps_daemon.storage.spool import spool_folder
from ldrps_daemon.systemd import Listener
from ldrps_daemon.transport.certificate import own_context
from ldrps_daemon.transport.connections import Connections, affordable
from ldrps_daemon.transport.inner import inner_at
from ldrps_daemon.transport.interceptors import CallInterceptor, MessageInterceptor
from ldrps_daemon.transport.models_service import ModelsServicer
from ldrps_daemon.transport.peer_proxy import PeerProxy
from ldrps_daemon.transport.security import (
    ListenAddress,
    check_address,
    listen,
    listen_on,
    own_folder,
    take_lock,
)
from ldrps_daemon.transport.servicer import Servicer
from ldrps_daemon.transport.tokens import TokenInterceptor, read_token, tls_context
from ldrps_wire.remarks import remarks

log = logging.getLogger("ldrps.server")
SERVICE = pb.DESCRIPTOR.services_by_name["Restoration"].full_name
MODELS = pb.DESCRIPTOR.services_by_name["Models"].full_name
# A header with the largest profile, a mask, and a little around them; a chunk is smaller. As much
# is what clients take of an answer unless they are configured otherwise.
MAX_MESSAGE = 4 << 20
_STOP_GRACE = 1.0
_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_concurrent_streams", 128),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


@asynccontextmanager
async def running(
    config: ServeConfig, listener: Listener | None = None, *, alone: bool = False
) -> AsyncIterator[Dispatcher]:
    """Run a daemon for as long as the block runs, in this event loop.

    `listener` is bound to the config's address already. If the daemon is `alone` in its process,
    that may restart itself, see `self_restart.py`.
    """
    address = check_address(config.address)
    own_folder(address.lock.parent)
    tls = _tls(config, address)
    async with contextlib.AsyncExitStack() as opened:
        opened.enter_context(take_lock(address))
        inner = inner_at(address.inner, config.token_file)
        spool = spool_folder(config.spool, address.target)
        pool = await opened.enter_async_context(pool_of(config, spool))
        dispatcher = Dispatcher(config, spool, pool)
        listener = _listener(address, listener)
        sockets = [listener.socket] if listener else listen_on(address.target)
        for each in sockets:
            opened.callback(each.close)
        proxy = PeerProxy(sockets, inner, _connections(config), tls)
        options = [*_OPTIONS, *inner.options]
        server = grpc.aio.server(
            options=options, interceptors=_interceptors(config, address, proxy)
        )
        healthy = await _add_services(server, config, dispatcher, proxy)
        inner.bind(server)
        await dispatcher.start()
        await server.start()
        await proxy.open()
        guard = restarted_when_broken(listener) if alone else contextlib.nullcontext()
        try:
            with exposed(config, dispatcher, proxy), traced(dispatcher.repository), guard:
                yield dispatcher
        finally:
            # Health first, so that no client is sent here any more.
            await healthy.enter_graceful_shutdown()
            await dispatcher.stop()
            await server.stop(_STOP_GRACE)
            await proxy.close()
            inner.remove()
            _unlink(address, listener)


def _listener(address: ListenAddress, given: Listener | None) -> Listener | None:
    if not address.socket:
        return None
    return given or Listener(listen(address.socket), ours=True)


def _unlink(address: ListenAddress, listener: Listener | None) -> None:
    if address.socket and listener and listener.ours:
        address.socket.unlink(missing_ok=True)


def _tls(config: ServeConfig, address: ListenAddress) -> ssl.SSLContext | None:
    """Return the daemon's TLS context; none where the socket's folder is proof enough."""
    if address.socket:
        return None
    return tls_context(config) if address.certified else own_context(config.token_file)


def _connections(config: ServeConfig) -> Connections:
    limit = affordable(config.max_connections)
    return Connections(limit, min(limit, config.connections_per_client))


def _interceptors(config: ServeConfig, address: ListenAddress, proxy: PeerProxy) -> list[Any]:
    # The proxy asks the kernel who is at a unix socket; on TCP the token tells.
    guards = [] if address.socket else [TokenInterceptor(read_token(config.token_file))]
    return [*guards, CallInterceptor(proxy), MessageInterceptor()]


async def _add_services(
    server: Any, config: ServeConfig, dispatcher: Dispatcher, proxy: PeerProxy | None
) -> Any:
    servicer = Servicer(config, dispatcher, proxy)
    pb_grpc.add_RestorationServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    models = ModelsServicer(dispatcher.slots, dispatcher.pool)
    pb_grpc.add_ModelsServicer_to_server(models, server)  # type: ignore[no-untyped-call]
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
    listener = systemd.handed_over()
    closing = contextlib.closing(listener.socket) if listener else contextlib.nullcontext()
    with ending_by_signal(stopped.set), closing:
        async with running(config, listener, alone=True):
            for words in remarks():
                log.warning("%s", words)
            print(f"ldrps: serving on {config.address}", file=sys.stderr, flush=True)
            systemd.notify("READY=1")
            await stopped.wait()
            systemd.notify("STOPPING=1")
            log.info("stopping")
