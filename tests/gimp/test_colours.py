"""In a real GIMP: a photo means the same in every precision, whatever its profile."""

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from gimp.choice import some
from ldrps_engine.colour.working import to_working
from ldrps_engine.photo import Photo
from support.profiles import GREYS, KNOWN

SIZE = 48
KINDS = [
    f"{depth}_{curve}"
    for depth, curve in itertools.product(
        ("U8", "U16", "HALF", "FLOAT"), ("LINEAR", "NON_LINEAR", "PERCEPTUAL")
    )
]
PROFILES = {"none": b"", "grey-none": b"", **KNOWN, **GREYS}
NOTICED = 1.0
"""Delta E of 1976 in the mean; less is not seen, and 8-bit linear alone costs about half of it."""
RESTORE = """
from gi.repository import Gio
image, layer = new_image({size}, {size}, {base!r})
profile = open("/mnt/shared/photo.icc", "rb").read()
if profile:
    image.set_color_profile(Gimp.ColorProfile.new_from_icc_profile(profile))
if {kind!r} != "U8_NON_LINEAR":
    image.convert_precision(Gimp.Precision.{kind})
    (layer,) = image.get_layers()
made = restore(layer, output={output!r})
shown = made.get_image()
if {kind!r} != "U8_NON_LINEAR":
    shown.convert_precision(Gimp.Precision.U8_NON_LINEAR)
answer = [pixels(each).hex() for each in shown.get_layers()]
if shown.get_id() != image.get_id():
    shown.delete()
image.delete()
"""


@pytest.fixture(scope="module")
def daemon(gimp, shared_daemon, make_daemon):
    """Works on colours as the engine does; the shared one has the address, and makes room."""
    shared_daemon.stop()
    made = make_daemon(gimp, engine="gimp.working_engine")
    yield made
    made.stop()
    shared_daemon.__init__(shared_daemon.folder, address=shared_daemon.address)


@pytest.mark.parametrize(("index", "name"), list(enumerate(PROFILES)), ids=list(PROFILES))
def test_every_precision_gives_what_8_bits_give(gimp, daemon, index, name):
    grey = name.startswith("grey")
    (gimp.shared / "photo.icc").write_bytes(PROFILES[name])

    def result(kind, output="new-layer"):
        base = "GRAY" if grey else "RGB"
        source = RESTORE.format(size=SIZE, base=base, kind=kind, output=output)
        samples = np.frombuffer(bytes.fromhex(gimp.do(source)[0]), np.uint8)
        photo = Photo.from_samples(samples.reshape(SIZE, SIZE, -1), PROFILES[name])
        return rgb2lab(np.clip(to_working(photo), 0, 1))

    wanted = result("U8_NON_LINEAR")
    apart = {kind: _apart(result(kind), wanted) for kind in some(KINDS, index, 5)}
    images = some(KINDS[-3:], index, 1)
    apart |= {f"{kind} as image": _apart(result(kind, "new-image"), wanted) for kind in images}
    assert max(apart.values()) < NOTICED, apart


def _apart(lab, wanted):
    return float(np.linalg.norm(lab - wanted, axis=2).mean())
