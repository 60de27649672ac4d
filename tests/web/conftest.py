"""The real page: `ldrps web` as a process, with a daemon whose engine only inverts the photo."""

import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from PIL import Image

from support.daemon import environment, running_daemon, wait_until

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WAIT_SECONDS = 60
PATIENCE = 60_000
"""Milliseconds that anything may take on a busy machine."""


class Web:
    """One `ldrps web`."""

    def __init__(self, address, folder, *options, state=None):
        self.folder = folder
        command = [sys.executable, "-m", "ldrps_client.cli", "web", "--json", "--no-browser"]
        command += ["--no-start", "--address", address, *options]
        folders = {"TMPDIR": str(folder), "XDG_STATE_HOME": str(state or folder / "state")}
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment() | folders,
        )
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.url = json.loads(line)["url"]
        self.at = urlsplit(self.url)

    def ask(self, path, method="GET", body=None, headers=None, token=True):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=60)
        try:
            whole = self.at.path + path if token else path
            connection.request(method, whole, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, path, method="GET", body=None):
        """(status, JSON) of one request."""
        status, _, data = self.ask(path, method, body)
        return status, json.loads(data) if data else None

    def refused(self, path, method="GET", body=None):
        """(status, sentence) of a request that is to be refused."""
        status, answer = self.json(path, method, body)
        return status, answer["error"]["message"]

    def add(self, name, data):
        """Add a photo and wait until it is read."""
        status, answer = self.json(f"api/photos?name={quote(name)}", "POST", data)
        assert status == 201, answer
        return self.until(answer["id"], lambda photo: photo["state"] != "reading")

    def photo(self, key):
        """A photo as the page is told of it; None if it is not there."""
        photos = self.json("api/photos")[1]["photos"]
        return next((photo for photo in photos if photo["id"] == key), None)

    def until(self, key, condition):
        """The photo once something is so."""
        end = time.monotonic() + WAIT_SECONDS
        while not condition(photo := self.photo(key)):
            assert time.monotonic() < end, photo
            time.sleep(0.05)
        return photo

    def run(self, key, **settings):
        """Ask for a restoration."""
        body = json.dumps({"recipe": "auto", "strength": 1, **settings})
        return self.json(f"api/photos/{key}/run", "POST", body)

    def stop(self, number=signal.SIGTERM):
        """End it; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.communicate(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()
        return self.process.returncode


@pytest.fixture(scope="module")
def daemon():
    """One for all tests of a file."""
    with running_daemon() as running:
        yield running


@pytest.fixture
def start_web(daemon, tmp_path):
    """Starts pages of a test's own."""
    started = []

    def start(*options, address=None, state=None):
        started.append(Web(address or daemon.address, tmp_path, *options, state=state))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def web(daemon, tmp_path_factory):
    """One page for all tests of a file that do not mind each other's photos."""
    running = Web(daemon.address, tmp_path_factory.mktemp("web"))
    yield running
    running.stop()


def left_behind(folder):
    """Tell whether a page has left anything there, in a moment."""
    return not wait_until(lambda: not any(folder.glob("ldrps-web-*")), 20)


@pytest.fixture(scope="module")
def browser():
    """A real Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    as_root = os.name == "posix" and os.geteuid() == 0
    arguments = ["--disable-gpu", *(["--no-sandbox"] if as_root else [])]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, start_web):
    """Opens a page of its own; fails the test where the browser complains of anything."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    contexts, complaints = [], []

    def start(web=None, **options):
        web = web or start_web()
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # The policy's objections come here too.
        page.on("console", lambda said: complaints.append(said.text))
        page.on("request", lambda asked: complaints.append(asked.url) if strange(asked) else None)
        page.goto(web.url)
        page.web, page.complaints = web, complaints
        return page

    def strange(asked):
        return not asked.url.startswith(("http://127.0.0.1:", "data:", "blob:"))

    yield start
    for context in contexts:
        context.close()
    assert complaints == []


def reach(page, selector):
    """Press Tab until something has the focus, and see that this is to be seen."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{selector} is not reached")


def shows_black_beside_white(page):
    """Tell whether the stage is black left of the border and white right of it."""
    shot = np.asarray(Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("L"))
    height, width = shot.shape
    at = slice(height // 2 - 100, height // 2 - 60)
    left, right = width // 2 - 150, width // 2 + 40
    return shot[at, left : left + 110].max() < 8 and shot[at, right : right + 110].min() > 247
