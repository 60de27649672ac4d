"""A server that answers as Immich 3 does to what we ask, and refuses what its OpenAPI lacks.

Not Immich: paths, methods, fields and their types are those of the OpenAPI document of Immich 3.2,
written down here as JSON Schema, stricter in that no other fields are taken. `faults` make it fail.
"""

import base64
import hashlib
import json
import re
import threading
import uuid
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema

KEY = "the-key"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$"
ID, TEXT = {"type": "string", "pattern": _UUID}, {"type": "string"}
IDS = {"type": "array", "items": ID}


def _dto(required, **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


UPLOAD = _dto(
    ["assetData", "fileCreatedAt", "fileModifiedAt"],
    assetData=TEXT,
    sidecarData=TEXT,
    filename=TEXT,
    fileCreatedAt={"type": "string", "pattern": _TIME},
    fileModifiedAt={"type": "string", "pattern": _TIME},
    visibility={"enum": ["archive", "timeline", "hidden", "locked"]},
)
SEARCH = _dto(
    [],
    albumIds=IDS,
    type={"enum": ["IMAGE", "VIDEO", "AUDIO", "OTHER"]},
    size={"type": "integer", "minimum": 1, "maximum": 1000},
    page={"type": "integer", "minimum": 1},
)
OPERATIONS = {
    ("GET", "/server/version"): None,
    ("GET", "/users/me"): None,
    ("GET", "/albums"): None,
    ("POST", "/search/metadata"): SEARCH,
    ("GET", "/assets/{id}"): None,
    ("GET", "/assets/{id}/original"): None,
    ("POST", "/assets"): UPLOAD,
    ("POST", "/stacks"): _dto(["assetIds"], assetIds={**IDS, "minItems": 2}),
    ("PUT", "/tags"): _dto(["tags"], tags={"type": "array", "items": TEXT}),
    ("PUT", "/tags/assets"): _dto(["tagIds", "assetIds"], tagIds=IDS, assetIds=IDS),
    ("PUT", "/albums/{id}/assets"): _dto(["ids"], ids=IDS),
}
"""Operations that we use: any other request is refused."""


class FakeImmich:
    """The server, and what it holds."""

    def __init__(self):
        self.assets, self.files, self.albums, self.tags = {}, {}, {}, {}
        self.stacks, self.calls, self.uploads = [], [], 0
        self.version = {"major": 3, "minor": 2, "patch": 0}
        self.faults = {}
        """(method, template) to the statuses that its next calls are answered with."""
        self.page = 2
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                fake.answer(self)

            do_POST = do_PUT = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add(self, name, data, kind="IMAGE", **more):
        """Put a file there; returns the asset's id."""
        key = str(uuid.uuid4())
        when = "2024-05-06T07:08:09.000Z"
        nothing = dict.fromkeys(("duration", "height", "width", "thumbhash"))
        no = dict.fromkeys(
            ("isArchived", "isEdited", "isFavorite", "isOffline", "isTrashed"), False
        )
        self.files[key] = data
        self.assets[key] = {
            **{"id": key, "originalFileName": name, "type": kind, "ownerId": str(uuid.uuid4())},
            **{"checksum": checksum(data), "hasMetadata": True, "originalPath": f"/data/{name}"},
            **{"createdAt": when, "updatedAt": when, "localDateTime": when},
            **{"fileCreatedAt": when, "fileModifiedAt": when, "visibility": "timeline"},
            **{"tags": [], **nothing, **no, **more},
        }
        return key

    def album(self, name, *assets):
        key = str(uuid.uuid4())
        self.albums[key] = {"id": key, "albumName": name, "assets": list(assets)}
        return key

    def tag(self, name, *assets):
        tag = self.tags.setdefault(name, {"id": str(uuid.uuid4()), "name": name, "value": name})
        for key in assets:
            if tag not in self.assets[key]["tags"]:
                self.assets[key]["tags"].append(tag)
        return tag

    def named(self, name):
        return [key for key, asset in self.assets.items() if asset["originalFileName"] == name]

    def answer(self, request):
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        status, value = self._judged(request, body)
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _judged(self, request, body):
        path = request.path.removeprefix("/api")
        found = re.fullmatch(r"(/assets/|/albums/)([0-9a-f-]{36})(/.*)?", path)
        template = f"{found[1]}{{id}}{found[3] or ''}" if found else path
        call = (request.command, template)
        self.calls.append(call)
        if call not in OPERATIONS or not request.path.startswith("/api/"):
            return 404, {"message": f"Cannot {request.command} {request.path}"}
        if request.headers.get("x-api-key") != KEY and template != "/server/version":
            return 401, {"message": "Invalid API key"}
        if self.faults.get(call):
            return self.faults[call].pop(0), {"message": "a fault"}
        given = _form(request, body) if template == "/assets" else json.loads(body or b"null")
        if schema := OPERATIONS[call]:
            try:
                jsonschema.validate(_plain(given), schema)
            except jsonschema.ValidationError as error:
                return 400, {"message": [error.message]}
        name = "_" + request.command.lower() + re.sub(r"[^a-z]+", "_", template).rstrip("_")
        return getattr(self, name)(found[2] if found else given, given)

    def _get_server_version(self, *_):
        return 200, self.version

    def _get_users_me(self, *_):
        return 200, {"id": str(uuid.uuid4()), "name": "me"}

    def _get_albums(self, *_):
        return 200, [
            {"id": each["id"], "albumName": each["albumName"]} for each in self.albums.values()
        ]

    def _post_search_metadata(self, given, _):
        (album,) = given["albumIds"]
        keys = [key for key in self.albums[album]["assets"] if key in self.assets]
        keys = [key for key in keys if self.assets[key]["type"] == given["type"]]
        start = (given["page"] - 1) * self.page
        more = str(given["page"] + 1) if len(keys) > start + self.page else None
        # Without tags, as it is unless they are asked for.
        items = [{**self.assets[key], "tags": []} for key in keys[start : start + self.page]]
        return 200, {"assets": {"items": items, "nextPage": more, "count": len(items)}}

    def _get_assets_id(self, key, _):
        return (200, self.assets[key]) if key in self.assets else _gone()

    def _get_assets_id_original(self, key, _):
        return (200, self.files[key]) if key in self.assets else _gone()

    def _post_assets(self, given, _):
        data = given["assetData"]
        for key, other in self.files.items():
            if other == data:
                return 200, {"id": key, "status": "duplicate"}
        self.uploads += 1
        times = {name: given[name] for name in ("fileCreatedAt", "fileModifiedAt")}
        key = self.add(given["filename"], data, visibility=given["visibility"], **times)
        return 201, {"id": key, "status": "created"}

    def _post_stacks(self, given, _):
        if not set(given["assetIds"]) <= self.assets.keys():
            return _gone()
        if given["assetIds"] not in self.stacks:
            self.stacks.append(given["assetIds"])
        return 201, {"id": str(uuid.uuid4()), "primaryAssetId": given["assetIds"][0], "assets": []}

    def _put_tags(self, given, _):
        return 200, [self.tag(name) for name in given["tags"]]

    def _put_tags_assets(self, given, _):
        names = [name for name, tag in self.tags.items() if tag["id"] in given["tagIds"]]
        for name in names:
            self.tag(name, *given["assetIds"])
        return 200, {"count": len(given["assetIds"])}

    def _put_albums_id_assets(self, album, given):
        assets = self.albums[album]["assets"]
        assets += [key for key in given["ids"] if key not in assets]
        return 200, [{"id": key, "success": True} for key in given["ids"]]


def checksum(data):
    return base64.b64encode(hashlib.sha1(data).digest()).decode()


def _gone():
    return 400, {"message": "Not found or no asset.read access"}


def _form(request, body):
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + body).get_payload()
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        if part.get_filename()
        else part.get_payload(decode=True).decode()
        for part in parts
    }


def _plain(given):
    if not isinstance(given, dict):
        return given
    return {name: "" if isinstance(value, bytes) else value for name, value in given.items()}
