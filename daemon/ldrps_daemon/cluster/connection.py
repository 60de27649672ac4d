"""Joins a Ray cluster, or says in one sentence why that is impossible.

The head itself is asked before Ray is: Ray waits for minutes where nothing answers or a token is
wrong, and says nothing where a cluster accepts everybody.
"""

from __future__ import annotations

import importlib
import logging
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc

from ldrps_engine.errors import AccessError, LdrpsError, SettingsError, UnavailableError

SCHEME = "ray://"
MODE = "RAY_AUTH_MODE"
TOKEN = "RAY_AUTH_TOKEN"
TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"
_ASK = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_ANSWER_SECONDS = 10.0
_JOIN = "ray start --address="


def joined(pool: str) -> ModuleType:
    """Return Ray as a driver of the cluster that `ray` or `ray://HEAD:PORT` names. Waits for it."""
    _require_token_mode()
    ray = _library()
    head = pool.removeprefix(SCHEME) if pool.startswith(SCHEME) else _head_of_this_node(ray)
    check_head(head, _token())
    # It would warn that this thread may not handle signals, which the daemon does.
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        # No output of nodes here: workers log where they are.
        ray.init(address=head, log_to_driver=False, configure_logging=False, namespace="ldrps")
    except Exception as error:
        raise _refusal(head, error) from None
    return ray


def check_head(head: str, token: str) -> None:
    """Raise the error that describes a problem with a cluster's head, or with our token for it."""
    if _asked(head, "") is not grpc.StatusCode.UNAUTHENTICATED:
        raise AccessError(
            f"the Ray cluster at {head} takes commands without a token, from anyone who reaches "
            f"its ports; start all of its nodes with {MODE}=token"
        )
    if _asked(head, token) is grpc.StatusCode.UNAUTHENTICATED:
        raise AccessError(
            f"the Ray cluster at {head} does not take this daemon's token; give the cluster's in "
            f"{TOKEN}, in a file that {TOKEN_PATH} names, or in ~/.ray/auth_token"
        )


def _asked(head: str, token: str) -> Any:
    """Ask the head a meaningless question and return its status; UnavailableError without one."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(head) as channel:
        try:
            channel.unary_unary(_ASK)(b"", timeout=_ANSWER_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise UnavailableError(
                    f"no Ray head answers at {head}; start one with "
                    f"'ray start --head', or give its address with --pool {SCHEME}HEAD:6379"
                ) from None
            return error.code()
    return grpc.StatusCode.OK


def _require_token_mode() -> None:
    if os.environ.setdefault(MODE, "token") != "token":
        raise SettingsError(
            f"{MODE} is '{os.environ[MODE]}'; a daemon joins no Ray cluster without a token, "
            f"so set it to 'token' here and on every node"
        )


def _library() -> ModuleType:
    # The daemon ends on SIGTERM as it always does; Ray would log that as a failure.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    # Nor is it to begin a cluster of its own when it is asked for something after it has left one.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise UnavailableError(
            "pool 'ray' needs Ray, which is not installed; run pip install 'ldrps[daemon,ray]'"
        ) from None


def _head_of_this_node(ray: Any) -> str:
    """Find the address of the head of the cluster that this machine is a node of."""
    address = os.environ.get("RAY_ADDRESS") or ray._private.utils.read_ray_address()
    if not address or address == "auto":
        raise UnavailableError(
            "this machine is no node of a Ray cluster; run 'ray start --head' here, or "
            f"'{_JOIN}HEAD:6379' to join one"
        )
    return str(address)


def _token() -> str:
    """Read the token from the places where Ray reads it, in its order."""
    if token := os.environ.get(TOKEN, "").strip():
        return token
    path = Path(os.environ.get(TOKEN_PATH) or Path.home() / ".ray" / "auth_token")
    try:
        token = path.read_text().strip()
    except (OSError, ValueError):
        token = ""
    if not token:
        raise AccessError(
            f"there is no token for the Ray cluster; give its token in {TOKEN}, in a file that "
            f"{TOKEN_PATH} names, or in ~/.ray/auth_token"
        )
    return token


def _refusal(head: str, error: Exception) -> LdrpsError:
    words = " ".join(str(error).split())
    if "Version mismatch" in words:
        return UnavailableError(
            f"the Ray cluster at {head} has other versions than this daemon ({words[:200]}); "
            "install the same Python and Ray on all nodes"
        )
    return UnavailableError(
        f"the Ray cluster at {head} cannot be joined ({words[:200]}); this machine has to be a "
        f"node of it, for which '{_JOIN}{head} --num-cpus=0' is enough"
    )
