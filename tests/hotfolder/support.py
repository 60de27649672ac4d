"""Common ground of the hot folder's tests: photos, a client without a daemon, a watcher."""

import threading
import time
from dataclasses import replace

import numpy as np
from PIL import Image

from ldrps_client._result import Result
from ldrps_client.files import decode
from ldrps_client.files.metadata._packet import Name, Packet
from ldrps_client.hotfolder.config import FolderConfig, Schedule
from ldrps_client.hotfolder.watcher import FolderWatcher
from ldrps_client.hotfolder.work._scheduler import Scheduler
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.photo import Photo
from ldrps_engine.result import Layer
from ldrps_engine.settings import Settings
from support.daemon import wait_until

SETTLE = 0.15
SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:digiKam="http://www.digikam.org/ns/1.0/"
 xmlns:darktable="http://darktable.sf.net/" xmp:Rating="{rating}" darktable:history_end="3">
{keywords}
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Tom &amp; dog</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
KEYWORDS = "<dc:subject><rdf:Bag><rdf:li>dog</rdf:li></rdf:Bag></dc:subject>"


def pixels(number=0, height=20, width=24):
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_photo(path, number=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(number)).save(path)
    return path


def is_result_of(path, number=0):
    with Image.open(path) as image:
        return np.array_equal(np.asarray(image), 255 - pixels(number))


class InvertingClient:
    """Stands in for ldrps_client.Client: inverts at once, and fails as it is told."""

    address = "unix:/nowhere"

    def __init__(self):
        self.errors = []
        """Raised by the next calls of `result`, one each."""
        self.submits = []
        self.gate = threading.Event()
        self.gate.set()
        self._photos = {}

    def submit(self, loaded, *, detached, batch, idempotency_key, **choices):
        assert detached
        assert batch
        self.submits.append((loaded.path, idempotency_key, choices))
        job = f"job-{idempotency_key}"
        self._photos[job] = (loaded.photo, Settings(**choices))
        return job

    def result(self, job, *, source, on_event):
        while not self.gate.wait(0.02):
            on_event(None)
        if self.errors:
            raise self.errors.pop(0)
        photo, settings = self._photos[job]
        made = Photo(1 - photo.pixels, photo.depth, photo.alpha, photo.icc_profile)
        return Result(
            layers=(Layer("restored", made),),
            settings=settings,
            diagnosis=Diagnosis(noise_sigma=7.0, haze=0.0, darkness=0.0, cast=0.0, grey=False),
            words="noise about 7",
            description="a photo",
            seconds=0.1,
            model="bundled",
            seed=0,
            job_id=job,
            source=source,
        )


class Told:
    """Keeps what a watcher tells."""

    def __init__(self):
        self.all = []

    def __call__(self, kind, photo="", **facts):
        self.all.append((kind, photo, facts))

    def kinds(self, photo=None):
        return [kind for kind, about, _ in self.all if photo in (None, about)]

    def facts(self, kind):
        return [facts for reported, _, facts in self.all if reported == kind]


class Watching:
    """A watcher in a thread."""

    def __init__(self, client, root, **options):
        self.client = client
        self.reported = Told()
        self.stop_event = threading.Event()
        self.config = folder_config(root, **options)
        scheduler = Scheduler(Schedule())
        self.watcher = FolderWatcher(
            self.config, client, scheduler, parallel=2, notify=self.reported, stop=self.stop_event
        )
        self.errors = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self.watcher.run()
        except Exception as error:
            self.errors.append(error)

    def start(self):
        self.thread.start()
        assert wait_until(lambda: "scanned" in self.reported.kinds() or self.errors)
        return self

    def stop(self):
        self.stop_event.set()
        self.watcher.wake()
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert not self.errors, self.errors


def folder_config(root, **options):
    return replace(FolderConfig(root=root.resolve(), settle=SETTLE), **options)


def run_once(client, root, reported=None, rebind=False, **options):
    """Watch until all is dealt with; returns what was told."""
    reported = reported or Told()
    config = folder_config(root, **options)
    stop = threading.Event()
    watcher = FolderWatcher(
        config, client, Scheduler(Schedule()), parallel=2, notify=reported, stop=stop
    )
    watcher.run(once=True, rebind=rebind)
    return reported


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def stays(condition, seconds):
    """Tell whether something is so, and remains so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        time.sleep(0.02)
    return True


def tags(path):
    """Return the properties in a photo's XMP that the tests look at."""
    packet = Packet(decode(path).metadata.xmp)
    return {
        "rating": packet.text(Name("http://ns.adobe.com/xap/1.0/", "Rating")),
        "keywords": packet.items(Name("http://purl.org/dc/elements/1.1/", "subject")),
        "tree": packet.items(Name("http://www.digikam.org/ns/1.0/", "TagsList")),
        "title": packet.items(Name("http://purl.org/dc/elements/1.1/", "title")),
        "development": packet.text(Name("http://darktable.sf.net/", "history_end")),
    }
