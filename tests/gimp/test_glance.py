"""In a real GIMP: a glance takes a small copy of a large photo, in the photo's own format."""

import itertools

import pytest

from gimp.test_endings import newest
from ldrps.v1 import restoration_pb2 as pb

PRECISIONS = ["U8_NON_LINEAR", "U16_NON_LINEAR", "HALF_LINEAR", "FLOAT_NON_LINEAR"]
MODULES = """
import glob, sys
sys.path[:0] = glob.glob("/mnt/shared/home/.config/GIMP/3.*/plug-ins/ldrps")
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.glance import SmallCopy
from ldrps_gimp.pixels import SAMPLE_CODES, Area, format_of, whole
from ldrps_gimp.place import default_place
from ldrps_gimp.restoration import Restoration
"""
LARGE = """
image = Gimp.Image.new_with_precision({width}, {height}, {base}, {precision})
layer = Gimp.Layer.new(image, "photo", {width}, {height}, {kind}, 100, Gimp.LayerMode.NORMAL)
image.insert_layer(layer, None, 0)
buffer = layer.get_buffer()
across, down = {width} // 2, {height} // 2
for number, (x, y) in enumerate([(0, 0), (across, 0), (0, down), (across, down)]):
    colour = bytes([40 + 50 * number, 200 - 50 * number, 90])
    place = Gegl.Rectangle.new(x, y, across, down)
    buffer.set(place, "R'G'B' u8", colour * (across * down))
buffer.flush()
"""


def large(width, height, base="RGB", precision="U8_NON_LINEAR", *, alpha=False):
    """Code for a photo with a colour in each quarter."""
    kind = ("GRAY" if base == "GRAY" else "RGB") + ("A" if alpha else "") + "_IMAGE"
    return LARGE.format(
        width=width,
        height=height,
        base=f"Gimp.ImageBaseType.{base}",
        precision=f"Gimp.Precision.{precision}",
        kind=f"Gimp.ImageType.{kind}",
    )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_copy_shows_the_photo_in_every_kind_of_pixel(served, precision):
    for base, alpha in itertools.product(["RGB", "GRAY"], [False, True]):
        found = served.do(f"""{MODULES}{large(2400, 1800, base, precision, alpha=alpha)}
form = format_of(layer)
copy = SmallCopy.of(layer, whole(layer), form)
made = b"".join(copy.chunks(lambda: None))
code = f"={{form.channels}}{{SAMPLE_CODES[form.kind]}}"
peak = {{"B": 255, "H": 65535}}.get(SAMPLE_CODES[form.kind], 1)
apart = 0
for x, y in [(1, 1), (3, 1), (1, 3), (3, 3)]:
    place = Gegl.Rectangle.new(x * 600, y * 450, 1, 1)
    wanted = struct.unpack(code, bytes(buffer.get(place, 1.0, form.name, 0)))
    start = (y * copy.area.height // 4 * copy.area.width + x * copy.area.width // 4)
    got = struct.unpack_from(code, made, start * form.pixel_bytes)
    apart = max(apart, *(abs(a - b) / peak for a, b in zip(wanted, got)))
size = copy.area.width * copy.area.height * form.pixel_bytes
answer = [copy.scale, [copy.area.width, copy.area.height], len(made) == size, apart]
image.delete()
""")
        assert found[:3] == [0.25, [600, 450], True], (base, alpha)
        assert found[3] < 0.005, (base, alpha)


def test_the_copy_of_a_part_shows_that_part(served):
    found = served.do(f"""{MODULES}{large(4000, 3000)}
form = format_of(layer)
copy = SmallCopy.of(layer, Area(2000, 1500, 2000, 1500), form)
made = b"".join(copy.chunks(lambda: None))
answer = [copy.area.x, copy.area.y, sorted(set(made[:3 * copy.area.width]))]
image.delete()
""")
    assert found == [1000, 750, sorted({190, 50, 90})]


def test_a_glance_has_the_copy_alone_diagnosed(served, shared_daemon):
    words = served.do(f"""{MODULES}{large(6000, 4000)}
class Silent:
    stage = fraction = staticmethod(lambda _told: None)
    event = staticmethod(lambda kind, _event: answered.append(kind))
answered = []
daemon = Daemon(default_place())
answer = Restoration(layer, Choices(), daemon, Silent()).glance()["words"], answered
daemon.close()
image.delete()
""")
    assert words == ["noise about 3", []]
    job = newest(shared_daemon)
    assert (job.width, job.height) == (750, 500)
    assert job.state == pb.JOB_STATE_DONE
    assert (job.settings.damage, job.settings.describer) == ("off", "tagger")
