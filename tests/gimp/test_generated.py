"""In a real GIMP: the map of what the model generated, a hidden red layer on request."""

import pytest

# What the no-op engine says of every pixel.
SHARE = 64
CODES = {"u8": ("B", SHARE), "u16": ("H", SHARE * 257), "half": ("e", SHARE / 255)}
CODES["float"] = ("f", SHARE / 255)

LOOK = """
import struct
def values(layer, code):
    data = pixels(layer)
    return set(struct.unpack(f"={len(data) // struct.calcsize(code)}{code}", data))

def shades(layer):
    data = layer.get_buffer().get(extent(layer), 1.0, "R'G'B' u8", 0)
    return sorted(set(zip(*[iter(data)] * 3)))
"""


@pytest.mark.parametrize(
    ("base", "precision", "kind"),
    [
        ("RGB", "U8_NON_LINEAR", "u8"),
        ("RGB", "U16_NON_LINEAR", "u16"),
        ("GRAY", "U8_NON_LINEAR", "u8"),
        ("GRAY", "FLOAT_LINEAR", "float"),
        ("RGB", "HALF_LINEAR", "half"),
    ],
)
@pytest.mark.parametrize("output", ["new-layer", "replace"])
def test_it_lies_hidden_beside_the_result(served, output, base, precision, kind):
    code, share = CODES[kind]
    found = served.do(f"""{LOOK}
image, layer = new_image(70, 150, {base!r}, {precision!r}, alpha=True)
layer.set_offsets(-3, 9)
before, wanted = pixels(layer), inverted(pixels(layer), layer)
made = restore(layer, output={output!r}, generated=True)
(shown,) = [each for each in image.get_layers() if each.get_name() == "photo (generated)"]
answer = {{
    "result": pixels(made) == wanted,
    "layers": len(image.get_layers()),
    "visible": shown.get_visible(),
    "values": sorted(values(shown.get_mask(), {code!r})),
    "colour": shades(shown),
    "place": list(shown.get_offsets())[1:] + [shown.get_width(), shown.get_height()],
    "alpha": shown.has_alpha(),
    "selected": [each.get_id() for each in image.get_selected_layers()] == [made.get_id()],
}}
image.delete()
""")
    assert found.pop("values") == pytest.approx([share], abs=1e-3)
    ((red, green, blue),) = found.pop("colour")
    assert (red, green, blue) == (255, 0, 0) if base == "RGB" else red == green == blue > 0
    assert found == {
        "result": True,
        "layers": 3 if output == "new-layer" else 2,
        "visible": False,
        "place": [-3, 9, 70, 150],
        "alpha": False,
        "selected": True,
    }


def test_it_covers_the_selection_and_shows_nothing_outside_of_it(served):
    found = served.do(f"""{LOOK}
image, layer = new_image(400, 300)
image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 120, 60, 40)
for output in (NEW_LAYER, REPLACE, STAGES):
    restore(layer, output=output, generated=True)
shown = [each for each in image.get_layers() if each.get_name().startswith("photo (generated)")]
answer = [[*each.get_offsets()[1:], each.get_width(), each.get_height(),
           min(values(each.get_mask(), "B")), max(values(each.get_mask(), "B"))] for each in shown]
image.delete()
""")
    assert found == [[100, 120, 60, 40, 0, SHARE]] * 3


def test_switched_on_it_reddens_the_photo_as_far_as_it_is_generated(served):
    found = served.do(f"""{LOOK}
image, layer = new_image(80, 60)
layer.fill(Gimp.FillType.WHITE)
made = restore(layer, generated=True)
(shown,) = [each for each in image.get_layers() if each.get_name() == "photo (generated)"]
made.fill(Gimp.FillType.WHITE)
shown.set_visible(True)
answer = shades(Gimp.Layer.new_from_visible(image, image, "seen"))
image.delete()
""")
    ((red, green, blue),) = found
    # GIMP mixes light.
    left = 255 * (1.055 * (1 - 0.75 * SHARE / 255) ** (1 / 2.4) - 0.055)
    assert red == 255
    assert green == blue == pytest.approx(left, abs=2)


def test_it_comes_into_a_new_image_too(served):
    found = served.do("""
image, layer = new_image(80, 60)
made = restore(layer, output=NEW_IMAGE, generated=True).get_image()
answer = [[each.get_name(), each.get_visible()] for each in made.get_layers()]
answer.append([each.get_name() for each in made.get_selected_layers()])
answer.append(len(image.get_layers()))
made.delete()
image.delete()
""")
    shown, hidden = ["photo (restored: noise 3)", True], ["photo (generated)", False]
    assert found == [hidden, shown, ["photo (restored: noise 3)"], 1]


def test_a_restoration_that_fails_leaves_none(served):
    found = served.do("""
image, layer = new_image()
before = state(image)
reported = refusal([layer], description="raise", generated=True)
answer = [reported[0], state(image) == before]
image.delete()
""")
    assert found == ["execution-error", True]


def test_restoring_again_adds_one_again(served):
    found = served.do("""
image, layer = new_image()
made = restore(layer, generated=True)
status, rest = call("ldrps-restore-again", image, [made])
answer = [status, sum("(generated)" in each.get_name() for each in image.get_layers())]
image.delete()
""")
    assert found == ["success", 2]


def test_a_layer_saved_under_the_former_name_is_restored_with_its_map(served):
    found = served.do("""
image, layer = new_image()
made = restore(layer, generated=True)
kept = made.get_parasite("ldrps-provenance")
data = bytes(kept.get_data())
former = data.replace(b'"generated": true', b'"invented": true')
made.attach_parasite(Gimp.Parasite.new("ldrps-provenance", kept.get_flags(), former))
status, rest = call("ldrps-restore-again", image, [made])
maps = sum("(generated)" in each.get_name() for each in image.get_layers())
answer = [former != data, status, maps]
image.delete()
""")
    assert found == [True, "success", 2]
