"""A real grpcio server that does what transport tests need; also runs alone, to be killed.

Alone: `python grpc_server.py ADDRESS`. It says what stage it has reached on its output, a line
each, and waits there for ever where a method is called `...AndWait`.
"""

import hashlib
import json
import sys
import threading
from concurrent import futures
from typing import ClassVar

import grpc

PIECE = bytes(range(256)) * 4


def credentials(token_file):
    """Return the credentials of a daemon with that token file, for gRPC's own TLS."""
    from ldrps_daemon.transport.certificate import own_pair

    pair = own_pair(token_file).read_bytes()
    return grpc.ssl_server_credentials([(pair, pair[pair.find(b"-----BEGIN CERT") :])])


def pattern(size):
    """Deterministic bytes."""
    return (PIECE * (size // len(PIECE) + 1))[:size]


def digest(requests, context):
    count, total = 0, hashlib.sha256()
    for request in requests:
        count += 1
        total.update(request)
    return json.dumps({"count": count, "sha256": total.hexdigest()}).encode()


def slow_digest(requests, context):
    def slowly():
        for index, request in enumerate(requests):
            if index < 5:
                threading.Event().wait(0.1)
            yield request

    return digest(slowly(), context)


def pour(request, context):
    """`size` bytes in messages of `chunk`."""
    wish = json.loads(request)
    for start in range(0, wish["size"], wish["chunk"]):
        yield pattern(min(wish["chunk"], wish["size"] - start))
        Handlers.poured += 1


def fail(request, context):
    wish = json.loads(request)
    context.set_trailing_metadata(tuple(wish.get("trailers", {}).items()))
    context.abort(grpc.StatusCode[wish["code"]], wish["details"])


def fail_midway(request, context):
    yield b"one"
    yield b"two"
    fail(request, context)


def fail_early(requests, context):
    next(requests)
    context.abort(grpc.StatusCode.OUT_OF_RANGE, "enough")


def cancelled(request, context):
    Handlers.left.clear()
    context.add_callback(Handlers.left.set)
    yield b"begun"
    Handlers.left.wait(30)


def hang(request, context):
    Handlers.deadline = context.time_remaining()
    threading.Event().wait(20 if context.is_active() else 0)
    return b""


def show_metadata(request, context):
    return json.dumps(dict(context.invocation_metadata())).encode()


def _say(stage):
    print(stage, flush=True)


def _wait():
    threading.Event().wait(60)


def upload_and_wait(requests, context):
    next(requests)
    _say("uploading")
    for _ in requests:
        pass
    _say("uploaded")
    _wait()


def download_and_wait(request, context):
    _say("asked")
    if request == b"headers":
        _wait()
    yield pattern(100_000)
    _say("downloading")
    _wait()


class Handlers(grpc.GenericRpcHandler):
    poured = 0
    left = threading.Event()
    deadline = None

    METHODS: ClassVar = {
        "Digest": grpc.stream_unary_rpc_method_handler(digest),
        "SlowDigest": grpc.stream_unary_rpc_method_handler(slow_digest),
        "Pour": grpc.unary_stream_rpc_method_handler(pour),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "FailMidway": grpc.unary_stream_rpc_method_handler(fail_midway),
        "FailEarly": grpc.stream_unary_rpc_method_handler(fail_early),
        "Cancelled": grpc.unary_stream_rpc_method_handler(cancelled),
        "Hang": grpc.unary_unary_rpc_method_handler(hang),
        "ShowMetadata": grpc.unary_unary_rpc_method_handler(show_metadata),
        "UploadAndWait": grpc.stream_unary_rpc_method_handler(upload_and_wait),
        "DownloadAndWait": grpc.unary_stream_rpc_method_handler(download_and_wait),
    }

    def service(self, details):
        return self.METHODS.get(details.method.removeprefix("/t.T/"))


def start(address, credentials=None):
    """A server in this process, and the port it has on TCP."""
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([Handlers()])
    if credentials:
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    server.start()
    return server, port


if __name__ == "__main__":
    running, _ = start(sys.argv[1])
    _say("serving")
    running.wait_for_termination()
