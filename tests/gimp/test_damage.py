"""In a real GIMP: what is selected is sent as damage, and comes back filled."""

import pytest

# The no-op engine fills with black and inverts the rest.
PHOTO = """
image, layer = new_image({width}, {height}, precision={precision!r}, alpha=True)
layer.set_offsets(-5, 7)
before = pixels(layer)
def reported(made):
    form, marked = format_name(made), []
    size = len(pixels(made)) // ({width} * {height})
    got, rest = pixels(made), inverted(before, layer)
    colours = size * 3 // 4
    wrong = 0
    for at in range(0, len(got), size):
        own, blank = got[at : at + colours], bytes(colours)
        chosen = shares[at // size] >= 128
        marked.append(chosen)
        wrong += own != (blank if chosen else rest[at : at + colours])
    return [wrong, sum(marked)]
def selected():
    place = Gegl.Rectangle.new(-5, 7, {width}, {height})
    return bytes(image.get_selection().get_buffer().get(place, 1.0, "Y u8", 0))
"""


@pytest.mark.parametrize("precision", ["U8_NON_LINEAR", "FLOAT_LINEAR"])
@pytest.mark.parametrize("output", ["new-layer", "replace"])
def test_what_is_selected_is_filled_and_the_rest_restored(served, output, precision):
    # Neither side is a multiple of eight, nor of a strip's rows.
    photo = PHOTO.format(width=203, height=150, precision=precision)
    wrong, marked = served.do(f"""{photo}
image.select_ellipse(Gimp.ChannelOps.REPLACE, 40, 20, 90, 101)
Gimp.Selection.feather(image, 11)
shares = selected()
made = restore(layer, output={output!r}, selection="damage")
answer = reported(made)
answer[1] = [answer[1], made.get_mask() is None, made.get_name()]
image.delete()
""")
    assert wrong == 0
    count, unmasked, name = marked
    assert 6500 < count < 7800, "not the ellipse"
    assert unmasked
    # Replaced pixels keep their layer's name.
    assert name == ("photo (restored: damage, noise 3)" if output == "new-layer" else "photo")


@pytest.mark.parametrize(
    ("select", "sentence"),
    [
        ("", "Nothing is selected"),
        ("image.select_rectangle(REPLACE_IT, 0, 0, 99, 80)", "covers 100 % of the layer"),
        (
            "image.select_rectangle(REPLACE_IT, 30, 30, 8, 8); Gimp.Selection.feather(image, 40)",
            "too faint",
        ),
    ],
)
def test_a_selection_that_marks_no_damage_is_refused(served, select, sentence):
    select = select.replace("REPLACE_IT", "Gimp.ChannelOps.REPLACE")
    status, said, same = served.do(f"""
image, layer = new_image(96, 80)
{select}
before = state(image)
answer = [*refusal([layer], selection="damage"), state(image) == before]
image.delete()
""")
    assert same
    assert sentence in said
    assert status == "calling-error"


def test_a_word_that_is_no_choice_is_refused(served):
    status, said = served.do("""
image, layer = new_image()
answer = refusal([layer], selection="hole")
image.delete()
""")
    assert status == "calling-error"
    assert "selection 'hole' is not known; use one of: part, damage" in said
