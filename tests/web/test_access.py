"""Access to the page, and the rules that the browser is told to keep to."""

import re
from pathlib import Path

import pytest

import ldrps_client.web
from ldrps_client.web._access import Keys

PAGE = Path(ldrps_client.web.__file__).with_name("page")


def test_the_page_is_for_whoever_has_the_whole_address(web):
    assert len(web.at.path) > 30
    assert web.ask("")[0] == 200
    for path in ("/", "/wrong/", "/favicon.ico", "/api/photos", "/%C3%A9/", web.at.path[:-3] + "/"):
        status, _, body = web.ask(path, token=False)
        assert status == 403
        assert b"use the one that 'ldrps web' printed last" in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "[::1]:{port}"]
)
def test_names_that_only_turn_to_this_machine_are_refused(web, host):
    host = host.format(port=web.at.port)
    assert web.ask("api/photos", headers={"Host": host})[0] == 403
    assert web.ask("api/photos", headers={"Host": f"localhost:{web.at.port}"})[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
    ],
)
def test_pages_of_other_origins_get_nothing(web, headers, status):
    sent = {name: value.format(port=web.at.port) for name, value in headers.items()}
    assert web.ask("api/photos", headers=sent)[0] == status
    if status == 403:
        assert web.ask("api/photos?name=a.jpg", "POST", b"x", sent)[0] == 403


def test_every_answer_is_locked_down(web):
    for path in ("", "app.js", "api/photos", "nothing", "api/photos/nothing/before"):
        _, headers, _ = web.ask(path)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    _, headers, _ = web.ask("/wrong", token=False)
    assert headers["content-security-policy"]


def test_the_ticket_opens_the_page_once():
    keys = Keys(1)
    assert keys.token not in keys.first_url
    assert keys.ticket not in keys.url
    ticket = keys.ticket
    assert not keys.use("")
    assert not keys.use("wrong")
    assert keys.use(ticket)
    assert not keys.use(ticket)
    assert not keys.use("")


def test_it_listens_on_the_loopback_alone(web):
    listening = Path("/proc/net/tcp")
    if not listening.is_file():
        pytest.skip("no /proc/net/tcp to look into")
    port = f"{web.at.port:04X}"
    rows = [line.split() for line in listening.read_text().splitlines()[1:]]
    found = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port}")}
    assert found == {f"0100007F:{port}"}


def test_the_page_fetches_nothing_from_elsewhere():
    files = list(PAGE.iterdir())
    assert {path.suffix for path in files} == {".html", ".css", ".js", ".svg"}
    for path in files:
        text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?:|//cdn|@import", text), path.name
        # Neither of which the policy lets run.
        assert not re.search(r"\son\w+=|style=\"|javascript:|\beval\(", text), path.name
