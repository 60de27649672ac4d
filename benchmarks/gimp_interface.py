"""Whether GIMP stays alive meanwhile: `python -m benchmarks.gimp_interface [trixie|forky]`.

In a real GIMP with a real window (`scripts/gimp_root.py SUITE --window`), with a photo of 24
megapixels of 8 bits and the preview on its canvas, against a no-op server that sends previews and
then the pixels. From the opening of the dialog to the result:

- the longest that the dialog does not turn its events, and the most processor time that it and GIMP
  took between two turns, which other work on the machine does not change;
- the longest that GIMP itself does not answer a question.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.gimp_overhead import TESTS, Echo, serve
from ldrps.v1 import restoration_pb2 as pb

WIDTH, HEIGHT = 6000, 4000
STEPS, STEP_SECONDS = 40, 0.2
_VIEW = pb.Raster(width=512, height=341, channels=pb.CHANNELS_RGB, sample_type=pb.SAMPLE_TYPE_U8)
_IMPORT = "from ldrps_gimp.plug_in"
_CLOCK = """
import os, time
from gi.repository import GLib

turned, longest = None, [0.0, 0.0]

def clocks():
    busy = 0
    for pid in (os.getpid(), os.getppid()):
        with open(f"/proc/{pid}/stat") as file:
            busy += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return time.monotonic(), busy / os.sysconf("SC_CLK_TCK")

def turn():
    global turned, longest
    now = clocks()
    if turned:
        passed = [max(b - a, most) for a, b, most in zip(turned, now, longest)]
        if passed != longest:
            longest = passed
            with open(f"/mnt/shared/pause-{os.getpid()}", "w") as file:
                file.write(f"{longest[0]} {longest[1]}")
    turned = now
    return True

GLib.timeout_add(5, turn)

"""
_ASK = """
import time
names, longest, turned = set(), 0.0, time.monotonic()
while "photo (restored)" not in names:
    names.update(layer.get_name() for layer in keep["image"].get_layers())
    now = time.monotonic()
    longest, turned = max(longest, now - turned), now
    time.sleep(0.005)
answer = [longest, len(names)]
"""


class Previewing(Echo):
    """Takes its time, with a preview at every step."""

    def Watch(self, request: Any, context: Any) -> Iterator[pb.Event]:
        """Steps, then the photo."""
        if self.diagnose_only:
            yield pb.Event(number=1, done=pb.Done())
            return
        for index in range(1, STEPS + 1):
            time.sleep(STEP_SECONDS)
            yield pb.Event(number=0, step=pb.Step(stage="sample", index=index, count=STEPS))
            shade = bytes([index]) * (_VIEW.width * _VIEW.height * 3)
            yield pb.Event(number=0, preview=pb.Preview(raster=_VIEW, pixels=shade))
        yield from super().Watch(request, context)


def with_clock(folder: Path, plug_in: Path) -> Path:
    """A copy of the plug-in that notes the longest pause between two turns of its events."""
    made = shutil.copytree(plug_in, folder / "ldrps")
    script = made / "ldrps.py"
    script.write_text(script.read_text().replace(_IMPORT, _CLOCK + _IMPORT))
    return made


def main() -> None:
    """Print the table."""
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]
    suite = sys.argv[1] if len(sys.argv) > 1 else "trixie"
    with tempfile.TemporaryDirectory(prefix="ldrps-") as folder:
        harness = import_module("gimp.window")
        plug_in = with_clock(Path(folder), import_module("gimp.gimp_app").PLUG_IN)
        window = harness.Window(suite, plug_in=plug_in)
        try:
            measure(window, harness.OPEN.replace("400, 300", f"{WIDTH}, {HEIGHT}"))
        finally:
            window.app.close()


def measure(window: Any, photo: str) -> None:
    """Both figures of one GIMP."""
    folder = window.app.shared / "run" / "ldrps"
    folder.mkdir(mode=0o700)
    server = serve(f"unix:{folder}/ldrps.sock", Previewing())
    window.open(photo)
    window.choose()
    # The look at the photo is over when the dialog has nothing more to do.
    time.sleep(25)
    window.press("Return")
    asked, names = window.do(_ASK)
    assert names == 3, "no preview was seen on the canvas"
    paused = [path.read_text().split() for path in window.app.shared.glob("pause-*")]
    longest, busiest = (max(float(each[k]) for each in paused) for k in (0, 1))
    print("| what | measured | wanted |\n|---|---|---|")
    print(f"| the dialog stands still at most | {longest:.2f} s | under 0.2 s |")
    print(f"| processor time in it, GIMP's included, at most | {busiest:.2f} s | |")
    print(f"| GIMP does not answer for at most | {asked:.2f} s | |")
    server.stop(0).wait()


if __name__ == "__main__":
    main()
