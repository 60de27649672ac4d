"""A hub in this process that speaks what huggingface_hub asks for, and misbehaves as it is told.

`HubServer(repositories)` serves {repository: {path: bytes}} on a free port of the loopback.
"""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """The server. Attributes set its behaviour; `requests` are those that came."""

    def __init__(self, repositories):
        self.repositories = repositories
        self.status = None
        """Answer everything with this status."""
        self.token = None
        """Token that clients must show."""
        self.gated = False
        self.lost_revision = False
        self.corrupt = ""
        """Name of the file whose bytes come wrong."""
        self.break_after = None
        """Bytes after which the next download breaks off, once."""
        self.requests = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._server.daemon_threads = True
        # Callers that leave in the middle are what some tests are about.
        self._server.handle_error = lambda *_: None
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection of somebody who fetches; `server.hub` says how it is answered."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self):
        return self.server.hub

    def do_GET(self):
        self.hub.requests.append((self.path, dict(self.headers)))
        if not self._refused():
            self._answer(send=True)

    def do_HEAD(self):
        self.hub.requests.append((self.path, dict(self.headers)))
        if not self._refused():
            self._answer(send=False)

    def log_message(self, *_):
        pass

    def _refused(self):
        if self.hub.status:
            self._reply(self.hub.status, b"{}")
        elif self.hub.gated:
            self._reply(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._reply(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif self.hub.lost_revision:
            self._reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            return False
        return True

    def _answer(self, send):
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^?]+)(\?.*)?", self.path):
            self._json(_tree(self.hub.repositories[found[1]]))
        elif found := re.fullmatch(
            r"/api/models/([^/]+/[^/]+)(/revision/[^?]+)?(\?.*)?", self.path
        ):
            self._json({"id": found[1], "sha": COMMIT, "siblings": []})
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path):
            self._file(self.hub.repositories[found[1]][found[3]], found[3], send)
        else:
            self._reply(404, b"{}")

    def _json(self, value):
        self._reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, data, path, send):
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_sha(data)}"'}
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(start[1]) if start else 0
        body = data if path != self.hub.corrupt else data[:-1] + bytes([data[-1] ^ 1])
        body = body[begin:]
        if start:
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        cut = (
            self.hub.break_after
            if send and len(body) > (self.hub.break_after or len(body))
            else None
        )
        self._reply(206 if start else 200, body, headers, send, cut)

    def _reply(self, status, body, headers=None, send=True, cut=None):
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if cut is not None:
            self.hub.break_after = None
            self.wfile.write(body[:cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        elif send and self.command != "HEAD":
            self.wfile.write(body)


def _tree(files):
    return [
        {
            "type": "file",
            "path": path,
            "size": len(data),
            "oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
            **(
                {"lfs": {"oid": _sha(data), "size": len(data), "pointerSize": 130}}
                if _is_large(path)
                else {}
            ),
        }
        for path, data in files.items()
    ]


def _is_large(path):
    return path.endswith((".safetensors", ".bin"))


def _sha(data):
    return hashlib.sha256(data).hexdigest()


def files_below(folder):
    """Read a folder as {path: bytes}."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
