"""In a real GIMP: a glance takes a small copy of a large photo, as a screen shows it."""

import pytest

from gimp.jobs import newest
from ldrps.v1 import restoration_pb2 as pb
from support.profiles import KNOWN

PRECISIONS = ["U8_NON_LINEAR", "U8_LINEAR", "U16_NON_LINEAR", "HALF_LINEAR", "FLOAT_NON_LINEAR"]
KINDS = [("RGB", False, False), ("RGB", True, True), ("GRAY", False, False), ("GRAY", True, False)]
"""Each with or without alpha, and with or without a profile."""
MODULES = """
import glob, sys
sys.path[:0] = glob.glob("/mnt/shared/home/.config/GIMP/3.*/plug-ins/ldrps")
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.glance import SmallCopy
from ldrps_gimp.pixels import Area, format_of, whole
from ldrps_gimp.endpoint import default_endpoint
from ldrps_gimp.restoration import Restoration
"""
LARGE = """
image = Gimp.Image.new_with_precision({width}, {height}, {base}, {precision})
layer = Gimp.Layer.new(image, "photo", {width}, {height}, {kind}, 100, Gimp.LayerMode.NORMAL)
image.insert_layer(layer, None, 0)
if {profile}:
    profile = open("/mnt/shared/photo.icc", "rb").read()
    image.set_color_profile(Gimp.ColorProfile.new_from_icc_profile(profile))
buffer = layer.get_buffer()
across, down = {width} // 2, {height} // 2
for number, (x, y) in enumerate([(0, 0), (across, 0), (0, down), (across, down)]):
    colour = bytes([40 + 50 * number, 200 - 50 * number, 90])
    place = Gegl.Rectangle.new(x, y, across, down)
    buffer.set(place, "R'G'B' u8", colour * (across * down))
buffer.flush()
"""


def large(width, height, base="RGB", precision="U8_NON_LINEAR", *, alpha=False, profile=False):
    """Code for a photo with a colour in each quarter."""
    kind = ("GRAY" if base == "GRAY" else "RGB") + ("A" if alpha else "") + "_IMAGE"
    return LARGE.format(
        width=width,
        height=height,
        base=f"Gimp.ImageBaseType.{base}",
        precision=f"Gimp.Precision.{precision}",
        kind=f"Gimp.ImageType.{kind}",
        profile=profile,
    )


COPY = (
    MODULES
    + """
from ldrps_gimp import reduced
form = format_of(layer)
def copied(area):
    copy = SmallCopy.of(layer, area, form)
    return copy, b"".join(copy.chunks(lambda: None))
copy, made = copied(whole(layer))
"""
)
PLACES = """
size, apart = copy.form.pixel_bytes, 0
for x, y in [(1, 1), (3, 1), (1, 3), (3, 3)]:
    place = Gegl.Rectangle.new(x * layer.get_width() // 4, y * layer.get_height() // 4, 1, 1)
    wanted = bytes(buffer.get(place, 1.0, copy.form.name, 0))
    start = (y * copy.area.height // 4 * copy.area.width + x * copy.area.width // 4) * size
    apart = max(apart, *(abs(a - b) for a, b in zip(wanted, made[start : start + size])))
answer = [copy.scale, [copy.area.width, copy.area.height], copy.form.channels]
answer += [len(made) == copy.area.width * copy.area.height * size, apart]
"""


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_copy_shows_every_kind_of_pixel_as_a_screen_does(served, precision):
    (served.shared / "photo.icc").write_bytes(KNOWN["adobe-rgb"])
    for base, alpha, profile in KINDS:
        found = served.do(f"""{large(2400, 1800, base, precision, alpha=alpha, profile=profile)}
{COPY}{PLACES}image.delete()
""")
        assert found[:4] == [0.25, [600, 450], 3 + alpha, True], (base, alpha, profile)
        assert found[4] <= 1, (base, alpha, profile)


def test_without_gimps_previews_of_layers_the_copy_is_the_same(served):
    found = served.do(f"""{large(2418, 1806)}
paint(layer)
{COPY}
reduced._thumbnail = lambda *_: None
others = b"".join(copy.chunks(lambda: None))
answer = [len(made), max(abs(a - b) for a, b in zip(made, others)), len(set(made)) > 50]
image.delete()
""")
    assert found == [604 * 451 * 3, 0, True]


def test_the_copy_of_a_part_shows_that_part(served):
    found = served.do(f"""{large(4000, 3000)}{COPY}
copy, made = copied(Area(2000, 1500, 2000, 1500))
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
daemon = Daemon(default_endpoint())
answer = Restoration(layer, Choices(), daemon, Silent()).glance()["words"], answered
daemon.close()
image.delete()
""")
    assert words == ["noise about 3", []]
    job = newest(shared_daemon)
    assert (job.width, job.height) == (750, 500)
    assert job.state == pb.JOB_STATE_DONE
    assert (job.settings.damage, job.settings.describer) == ("off", "tagger")
    # Noise is not measured where all of it has been averaged.
    assert job.settings.HasField("noise_sigma")
    assert job.settings.noise_sigma == 0
