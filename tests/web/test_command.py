"""`ldrps web` on the command line: what keeps it from starting, and the browser."""

import builtins
import json
import socket
import webbrowser

import pytest

from ldrps_client.cli import _web, main
from ldrps_client.web import serving
from ldrps_client.web._access import Keys


def said(capsys, *arguments):
    """(exit code, sentence) of a command."""
    code = main(["web", *arguments])
    return code, capsys.readouterr().err.removeprefix("ldrps: ").rstrip()


def test_a_port_that_is_taken_is_reported(daemon, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, sentence = said(capsys, "--address", daemon.address, "--port", str(port))
    assert code == 2
    assert sentence == (
        f"port {port} is taken by another program; choose another one with --port, or leave it out"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "70000"], "port is 70000; use 1 to 65535, or leave it out"),
        (["--port", "-1"], "port is -1; use 1 to 65535, or leave it out"),
        (["--largest", "0"], "largest is 0; use 1 to 4000 (MB)"),
        (["--largest", "nan"], "largest is nan; use 1 to 4000 (MB)"),
    ],
)
def test_options_out_of_range_are_reported(capsys, options, sentence):
    assert said(capsys, *options) == (2, sentence)


def test_without_a_daemon_it_does_not_begin(capsys, tmp_path):
    address = f"unix:{tmp_path}/none"
    code, sentence = said(capsys, "--address", address, "--no-start", "--no-browser")
    assert code == 7
    assert sentence == f"no daemon answers on {address}; start one with 'ldrps serve'"


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch, name):
    real = builtins.__import__

    def without(wanted, *rest):
        if wanted == name:
            raise ImportError(f"No module named '{name}'", name=name)
        return real(wanted, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    code, sentence = said(capsys)
    assert code == 2
    assert sentence == (
        f"the page's server is not installed ({name} missing); run pip install 'ldrps[web]'"
    )


def test_without_a_browser_the_address_is_enough(capsys, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(serving.sys, "platform", "linux")
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    _web._open("http://127.0.0.1:1/ticket")
    assert opened == []
    assert "no browser could be opened; open the address above" in capsys.readouterr().err
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    _web._open("http://127.0.0.1:1/ticket")
    assert opened == ["http://127.0.0.1:1/ticket"]
    assert capsys.readouterr().err == ""


def test_a_browser_never_gets_the_token_on_its_command_line(capsys, monkeypatch):
    keys, opened = Keys(1), []
    monkeypatch.setattr(serving, "open_browser", lambda url: opened.append(url) or True)
    monkeypatch.setattr(_web.threading.Thread, "start", lambda thread: thread.run())
    _web._print_address(keys, type("Options", (), {"json": True, "no_browser": False}))
    assert opened == [keys.first_url]
    assert json.loads(capsys.readouterr().out) == {"url": keys.url}


def test_the_ticket_leads_to_the_page(web):
    # Of this page it was never used, and is known to no one.
    status, headers, _ = web.ask("/" + "x" * 32, token=False)
    assert status == 403
    assert "location" not in headers
