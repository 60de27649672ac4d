"""In a real GIMP: replacing pixels leaves alone what was painted elsewhere meanwhile."""

import pytest

RUN = """
import glob, sys
sys.path[:0] = glob.glob("/mnt/shared/home/.config/GIMP/3.*/plug-ins/ldrps")
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.endpoint import default_endpoint
from ldrps_gimp.restoration import Restoration

image, layer = new_image(300, 200, precision={precision!r}, alpha=True)
{select}
mask = selection(image)
before, wanted = pixels(layer), inverted(pixels(layer), layer)

def stroke(x, y, seed):
    # A buffer of a layer is not told of what another one writes; a user's brush writes in GIMP.
    size = len(before) // (300 * 200)
    place = Gegl.Rectangle.new(x, y, 20, 10)
    buffer = layer.get_buffer()
    buffer.set(place, format_name(layer), random.Random(seed).randbytes(200 * size))
    buffer.flush()
    layer.update(x, y, 20, 10)

class Meddling:
    steps = calls = 0
    received = False
    def stage(self, text):
        pass
    def fraction(self, done):
        self.received = done == 1.0
    def event(self, kind, event):
        self.steps += kind == "step"
        if kind == "step" and self.steps == 2:
            {early}
    def idle(self):
        self.calls += self.received
        # In the middle of what is done at the end, when the first strips have been laid already.
        if self.received and self.calls in (9, 12):
            {late}

meddling = Meddling()
daemon = Daemon(default_endpoint(), meddling.idle)
try:
    made = Restoration(layer, Choices(output="replace"), daemon, meddling).run().layer
    after = pixels(made)
    answer = [meddling.calls > 12]
except RestoreError as error:
    answer = [error.reason, str(error)]
    after = pixels(layer)
daemon.close()
size = len(before) // (300 * 200)
part = lambda data, k: data[k * size : (k + 1) * size]
painted = [k for k in range(300 * 200) for x, y in {strokes}
           if x <= k % 300 < x + 20 and y <= k // 300 < y + 10]
full = [k for k in range(300 * 200) if mask[k] == 255]
rest = [k for k in range(300 * 200) if mask[k] == 0 and k not in set(painted)]
answer += [
    sum(part(after, k) != part(before, k) for k in painted) / max(1, len(painted)),
    sum(part(after, k) == part(wanted, k) for k in full) / max(1, len(full)),
    sum(part(after, k) != part(before, k) for k in rest),
]
image.delete()
"""
OVAL = """image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 60, 90, 70)
Gimp.Selection.feather(image, 9)"""
ALL = "Gimp.Selection.all(image)"


def run(served, *, select=OVAL, early="pass", late="pass", precision="U8_NON_LINEAR", strokes=()):
    source = RUN.format(
        select=select, early=early, late=late, precision=precision, strokes=list(strokes)
    )
    return served.do(source)


@pytest.mark.parametrize("precision", ["U8_NON_LINEAR", "U16_LINEAR"])
def test_what_is_painted_outside_of_the_selection_meanwhile_stays(served, precision):
    reported = run(
        served,
        early="stroke(5, 10, 7); stroke(270, 180, 8)",
        # Over what the last stroke painted, and where the shadow was filled already.
        late="stroke(5, 10, self.calls); stroke(200, 3, self.calls)",
        precision=precision,
        strokes=[(5, 10), (270, 180), (200, 3)],
    )
    late, painted, restored, elsewhere = reported
    assert late
    # Random samples are the old ones by chance, now and then.
    assert painted > 0.99
    assert restored == 1
    assert elsewhere == 0


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("select", [OVAL, "pass", ALL])
def test_a_layer_changed_where_it_is_restored_is_refused(served, select, when):
    reported = run(served, select=select, strokes=[(140, 90)], **{when: "stroke(140, 90, 7)"})
    reason, sentence, painted, restored, elsewhere = reported
    assert reason == "photo"
    assert "changed while it was restored" in sentence
    assert painted > 0.99, "what the user has painted stays"
    assert restored < 0.1
    assert elsewhere == 0
