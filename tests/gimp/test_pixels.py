"""In a real GIMP: every bit of a photo arrives, and nothing else of the image changes."""

import itertools

import pytest

from gimp.choice import some

PRECISIONS = ["U8_NON_LINEAR", "U16_NON_LINEAR", "HALF_NON_LINEAR", "FLOAT_NON_LINEAR"]
LINEAR = ["U8_LINEAR", "U16_PERCEPTUAL", "HALF_LINEAR", "FLOAT_LINEAR"]
PROFILES = {
    "RGB": ["None", "Gimp.ColorProfile.new_rgb_adobe()", "Gimp.ColorProfile.new_rgb_srgb_linear()"],
    "GRAY": ["None", "Gimp.ColorProfile.new_d50_gray_lab_trc()"],
}
# The way to and from the daemon is the same for every output; the place it ends in is not.
KINDS = [
    *itertools.product(["new-layer"], [*PRECISIONS, *LINEAR]),
    *itertools.product(["replace", "new-image"], PRECISIONS),
]


@pytest.mark.parametrize(("output", "precision"), KINDS)
def test_every_kind_of_pixel_is_carried_to_the_bit(served, output, precision):
    cases = [
        (base, precision, alpha, profile)
        for base, alpha in itertools.product(PROFILES, (False, True))
        for profile in PROFILES[base]
    ]
    cases = some(cases, KINDS.index((output, precision)), 4)
    # A call for each: together they take long on a slow machine.
    wrong = [served.do(carry(output, *case)) for case in cases]
    assert wrong == [[] for _ in cases]


def carry(output, base, precision, alpha, profile):
    """Restore one kind of layer, and answer with what is wrong with the result."""
    return f"""
image, layer = new_image(61, 37, {base!r}, {precision!r}, {alpha}, {profile})
before = pixels(layer)
made = restore(layer, output={output!r}, preview=False)
same = made.get_image().get_id() == image.get_id()
answer = []
case = {(base, precision, alpha, profile)}
if pixels(made) != inverted(before, layer) or same != ({output!r} != NEW_IMAGE):
    answer.append(["pixels", case])
if {output!r} != REPLACE and pixels(layer) != before:
    answer.append(["source", case])
if {output!r} == NEW_IMAGE:
    theirs = made.get_image().get_effective_color_profile()
    if not theirs.is_equal(image.get_effective_color_profile()):
        answer.append(["profile", case])
    made.get_image().delete()
image.delete()
"""


@pytest.mark.parametrize("output", ["new-layer", "replace"])
def test_a_layer_wider_than_what_goes_at_once(served, output):
    found = served.do(f"""
image, layer = new_image(5000, 90, alpha=True)
before = pixels(layer)
answer = pixels(restore(layer, output={output!r})) == inverted(before, layer)
image.delete()
""")
    assert found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_outside_of_a_selection_nothing_changes_by_a_bit(served, precision):
    found = served.do(f"""
image, layer = new_image(300, 200, precision={precision!r}, alpha=True)
before = pixels(layer)
image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 60, 90, 70)
Gimp.Selection.feather(image, 9)
mask = selection(image)
made = restore(layer, output=REPLACE)
after, wanted = pixels(made), inverted(before, layer)
size = len(before) // (300 * 200)
part = lambda data, k: data[k * size : (k + 1) * size]
outside = [k for k in range(len(mask)) if mask[k] == 0]
answer = {{
    "same layer": made.get_id() == layer.get_id(),
    "outside": sum(part(after, k) != part(before, k) for k in outside),
    "count": len(outside),
    "between": sum(part(after, k) not in (part(before, k), part(wanted, k))
                   for k in range(len(mask)) if 0 < mask[k] < 255),
    "selection": selection(image) == mask,
    "channels": len(image.get_channels()),
}}
image.delete()
""")
    assert found["outside"] == 0
    assert found["count"] > 40_000
    assert found["between"] > 1000
    assert found["same layer"]
    assert found["selection"]
    assert found["channels"] == 0


def test_inside_of_a_selection_all_is_replaced(served):
    wrong = served.do("""
image, layer = new_image(300, 200)
before = pixels(layer)
image.select_rectangle(Gimp.ChannelOps.REPLACE, 120, 80, 50, 40)
after, wanted = pixels(restore(layer, output=REPLACE)), inverted(before, layer)
rows = [((y * 300) + 120) * 3 for y in range(80, 120)]
answer = [y for y in rows if after[y : y + 150] != wanted[y : y + 150]]
image.delete()
""")
    assert wrong == []


def test_the_new_layer_has_the_selection_as_its_mask_and_context_around(served):
    found = served.do("""
image, layer = new_image(400, 300)
layer.set_offsets(-30, 25)
image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 120, 60, 40)
Gimp.Selection.feather(image, 8)
before, mask = pixels(layer), selection(image)
made = restore(layer)
_, x, y = made.get_offsets()
width, height = made.get_width(), made.get_height()
kept = bytes(made.get_mask().get_buffer().get(extent(made), 1.0, "Y u8", 0))
rows = [mask[(y + r) * 400 + x : (y + r) * 400 + x + width] for r in range(height)]
source = inverted(before, layer)
inside = [source[((y - 25 + r) * 400 + x + 30) * 3 :][: width * 3] for r in range(height)]
answer = {
    "mask": kept == b"".join(rows),
    "pixels": pixels(made) == b"".join(inside),
    "source": pixels(layer) == before,
    "selection": selection(image) == mask,
    "place": [x, y, width, height],
}
image.delete()
""")
    x, y, width, height = found.pop("place")
    assert x <= 100 - 64
    assert y <= 120 - 64
    assert x + width >= 160 + 64
    assert y + height >= 160 + 64
    assert all(found.values()), found


def test_negative_offsets_groups_and_places_in_the_stack(served):
    found = served.do("""
image, layer = new_image(100, 80)
group = Gimp.GroupLayer.new(image, "group")
image.insert_layer(group, None, 0)
deep = add_layer(image, 120, 90, alpha=True, name="deep", parent=group)
under = add_layer(image, 50, 50, name="under", parent=group)
image.reorder_item(under, group, 1)
deep.set_offsets(-40, -15)
before = pixels(deep)
made = restore(deep)
answer = [
    made.get_parent().get_id() == group.get_id(),
    [child.get_name() for child in group.get_children()],
    list(made.get_offsets())[1:],
    pixels(made) == inverted(before, deep),
]
image.delete()
""")
    assert found == [True, ["deep (restored: noise 3)", "deep", "under"], [-40, -15], True]


@pytest.mark.parametrize("output", ["new-layer", "replace"])
def test_a_text_and_a_layer_with_locks_and_a_mask_are_layers_like_any_other(served, output):
    found = served.do(f"""
image, layer = new_image()
layer.set_lock_alpha(True)
layer.set_lock_position(True)
layer.set_visible(False)
layer.add_mask(layer.create_mask(Gimp.AddMaskType.BLACK))
text = Gimp.TextLayer.new(image, "Photo", Gimp.context_get_font(), 40, Gimp.Unit.pixel())
image.insert_layer(text, None, 0)
answer = []
for each in (layer, text):
    before = pixels(each)
    answer.append(pixels(restore(each, output={output!r})) == inverted(before, each))
answer.append(text.get_text())
image.delete()
""")
    assert found == [True, True, "Photo"]


def test_a_new_image_of_a_selection_holds_that_part_alone(served):
    found = served.do("""
image, layer = new_image(300, 200)
image.set_resolution(72, 144)
image.select_rectangle(Gimp.ChannelOps.REPLACE, 100, 50, 60, 40)
before = pixels(layer)
made = restore(layer, output=NEW_IMAGE)
source = inverted(before, layer)
rows = [source[((50 + r) * 300 + 100) * 3 :][:180] for r in range(40)]
answer = [
    [made.get_width(), made.get_height()],
    pixels(made) == b"".join(rows),
    list(made.get_image().get_resolution())[1:],
    made.get_image().undo_is_enabled(),
]
made.get_image().delete()
image.delete()
""")
    assert found == [[60, 40], True, [72.0, 144.0], True]


REFUSALS = {
    "group": ("refusal([group])", "group"),
    "mask": ("refusal([layer.get_mask()])", "mask"),
    "channel": ("refusal([channel])", "channel"),
    "two": ("refusal([layer, other])", "2 are selected"),
    "none": ("refusal([], image)", "0 are selected"),
    "small": ("refusal([small])", "16 pixels"),
    "locked": ("refusal([locked], output=REPLACE)", "locked"),
    "far": ("refusal([far])", "outside"),
    "recipe": ("refusal([layer], recipe='hazy')", "recipe 'hazy' is not known"),
    "output": ("refusal([layer], output='floor')", "output 'floor' is not known"),
    "steps": ("refusal([layer], steps=0)", "steps is 0"),
    "too strong": ("refusal([layer], strength=1.5)", "strength is 1.5; use a value from 0"),
    "weak": ("refusal([layer], strength=-0.01)", "strength is -0.01"),
    "no number": ("refusal([layer], strength=float('nan'))", "'nan' for argument 'strength'"),
    "passes": ("refusal([layer], recurrences=9)", "recurrences is 9; use a value from -1 to 3"),
    "many steps": ("refusal([layer], steps=1001)", "steps is 1001"),
    "noise": ("refusal([layer], noise_sigma=200)", "noise-sigma is 200"),
    "less than no noise": ("refusal([layer], noise_sigma=-0.5)", "noise-sigma is -0.5"),
    "endless": ("refusal([layer], strength=float('inf'))", "strength is inf"),
    "seed": ("refusal([layer], seed=-1)", "seed is -1"),
    "words": ("refusal([layer], description='x' * 401)", "401 characters"),
}


def test_what_cannot_be_restored_is_refused_with_a_sentence(served):
    calls = {name: code for name, (code, _) in REFUSALS.items()}
    reported = served.do(f"""
image, layer = new_image()
other, small = add_layer(image, 60, 40), add_layer(image, 15, 40)
locked = add_layer(image, 60, 40)
locked.set_lock_content(True)
layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
group = Gimp.GroupLayer.new(image, "group")
image.insert_layer(group, None, 0)
channel = Gimp.Channel.new(image, "channel", 96, 64, 50.0, Gegl.Color.new("red"))
image.insert_channel(channel, None, 0)
elsewhere, far = new_image(300, 300)
elsewhere.select_rectangle(Gimp.ChannelOps.REPLACE, 200, 200, 20, 20)
far.resize(100, 100, 0, 0)
before = state(image)
answer = {{name: eval(code) for name, code in {calls!r}.items()}}
answer["state"] = state(image) == before
image.delete()
elsewhere.delete()
""")
    assert reported.pop("state")
    for name, (_, words) in REFUSALS.items():
        status, sentence = reported[name]
        assert status == "calling-error", (name, reported[name])
        assert words in sentence, name
        assert sentence.endswith("."), name


@pytest.mark.parametrize(
    ("precision", "change", "words"),
    [
        ("U32_NON_LINEAR", "", "precision"),
        ("DOUBLE_NON_LINEAR", "", "precision"),
        ("U8_NON_LINEAR", "image.convert_grayscale(); more = {'recipe': 'colour'}", "Mode > RGB"),
        ("U8_LINEAR", "image.convert_grayscale(); more = {'amount_colour': 0.5}", "Mode > RGB"),
        (
            "U8_NON_LINEAR",
            "image.convert_indexed(Gimp.ConvertDitherType.NONE,"
            " Gimp.ConvertPaletteType.GENERATE, 16, False, False, '')",
            "Indexed",
        ),
    ],
)
def test_images_of_other_kinds_are_refused(served, precision, change, words):
    status, sentence = served.do(f"""
image, layer = new_image(precision={precision!r})
more = {{}}
{change}
answer = refusal(image.get_layers(), **more)
image.delete()
""")
    assert status == "calling-error"
    assert words in sentence
