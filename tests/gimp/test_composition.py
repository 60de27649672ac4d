"""In a real GIMP: the result is seen as the source was, with its mask, opacity, mode, effects."""

import pytest

# A grey ground, and over it a layer that is not simply seen as it is.
STACK = """
image, ground = new_image(120, 90)
ground.set_name("ground")
layer = add_layer(image, 100, 70, alpha={alpha}, name="photo")
layer.set_offsets(8, -5)
paint(layer, 5)
{select}
{look}
def seen():
    made = Gimp.Layer.new_from_visible(image, image, "seen")
    return pixels(made)
before, source = pixels(layer), seen()
wanted = inverted(before, layer)
"""
LOOKS = {
    "opacity": "layer.set_opacity(50)",
    "mode": "layer.set_mode(Gimp.LayerMode.MULTIPLY)",
    "mask": """
mask = layer.create_mask(Gimp.AddMaskType.WHITE)
layer.add_mask(mask)
mask.get_buffer().set(Gegl.Rectangle.new(0, 0, 50, 70), "Y u8", bytes(range(50)) * 70)
mask.update(0, 0, 100, 70)""",
    "effect": "layer.append_filter(Gimp.DrawableFilter.new(layer, 'gegl:invert', 'inverted'))",
    "soft edges": """
edge = bytes([200, 90, 40, 128, 60, 90, 200, 1, 60, 90, 200, 254, 90, 90, 90, 255]) * 500
layer.get_buffer().set(Gegl.Rectangle.new(0, 20, 100, 20), "R'G'B'A u8", edge)
layer.update(0, 0, 100, 70)""",
    "hidden": "layer.set_visible(False)",
    "all": """
layer.add_mask(layer.create_mask(Gimp.AddMaskType.ALPHA))
layer.set_opacity(30)
layer.set_mode(Gimp.LayerMode.SCREEN)
layer.set_lock_content(True)
layer.set_lock_position(True)""",
}
SELECT = "image.select_ellipse(Gimp.ChannelOps.REPLACE, 30, 20, 40, 30)"


@pytest.mark.parametrize("select", ["", SELECT], ids=["whole", "selection"])
@pytest.mark.parametrize("look", LOOKS)
def test_a_new_layer_is_seen_as_replaced_pixels_would_be(served, look, select):
    # A hidden one is to be simple otherwise.
    stack = STACK.format(look=LOOKS[look], select=select, alpha=look != "hidden")
    found = served.do(f"""{stack}
made = restore(layer)
new = seen()
looks = lambda each: [each.get_opacity(), each.get_mode().value_nick, each.get_mask() is not None,
                      len(each.get_filters())]
answer = {{"looks": looks(made) == looks(layer), "pixels": pixels(layer) == before,
           "names": [each.get_name() for each in image.get_layers()],
           "visible": made.get_visible(),
           "locked": made.get_lock_content()}}
image.undo_group_start()
image.remove_layer(made)
layer.set_visible({look != "hidden"})
layer.set_lock_content(False)
answer["came back"] = seen() == source
restore(layer, output=REPLACE)
replaced = seen()
answer["far"] = max(abs(a - b) for a, b in zip(new, replaced))
answer["changed"] = new != source
image.delete()
""")
    # Mixing by a mask rounds once more than mixing of pixels.
    assert found.pop("far") <= 1
    assert found.pop("names") == ["photo (restored: noise 3)", "photo", "ground"]
    hidden = look == "hidden"
    # A selection is the mask of a result whose source is simply seen as it is.
    assert found.pop("looks") is not (hidden and bool(select))
    assert found == {
        "pixels": True,
        "visible": not hidden,
        "locked": False,
        "came back": True,
        "changed": not hidden,
    }


def test_a_new_image_keeps_the_mask_over_its_part(served):
    stack = STACK.format(look=LOOKS["mask"], select=SELECT, alpha=False)
    found = served.do(f"""{stack}
made = restore(layer, output=NEW_IMAGE)
place = Gegl.Rectangle.new(22, 25, 40, 30)
kept = bytes(layer.get_mask().get_buffer().get(place, 1.0, "Y u8", 0))
mask = made.get_mask()
answer = [bytes(mask.get_buffer().get(extent(mask), 1.0, "Y u8", 0)) == kept,
          [mask.get_width(), mask.get_height()]]
made.get_image().delete()
image.delete()
""")
    assert found == [True, [40, 30]]


def test_one_step_of_undo_brings_the_source_back(served):
    stack = STACK.format(look=LOOKS["mask"], select="", alpha=False)
    found = served.do(f"""{stack}
image.undo_disable()
image.undo_enable()
restore(layer, generated=True)
answer = [[each.get_name(), each.get_visible()] for each in image.get_layers()]
image.delete()
""")
    assert found == [
        ["photo (generated)", False],
        ["photo (restored: noise 3)", True],
        ["photo", False],
        ["ground", True],
    ]
