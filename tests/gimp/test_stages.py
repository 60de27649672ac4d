"""In a real GIMP: the result as a group of stages, which looks as one layer would."""

import pytest

from gimp.test_composition import LOOKS, SELECT, STACK

WITHOUT_EFFECTS = [look for look in LOOKS if look != "effect"]
NAMES = """
def tree(layers):
    return [[each.get_name(), tree(each.get_children()) if each.is_group() else None]
            for each in layers]
"""
STAGED = [["Tone-mapped", None], ["Denoised", None]]


@pytest.mark.parametrize(
    ("base", "precision", "alpha"),
    [
        ("RGB", "U8_NON_LINEAR", False),
        ("RGB", "U16_NON_LINEAR", True),
        ("GRAY", "U8_NON_LINEAR", True),
        ("GRAY", "FLOAT_LINEAR", False),
        ("RGB", "HALF_LINEAR", False),
    ],
)
def test_each_stage_is_a_layer_of_the_group_and_the_last_is_the_result(
    served, base, precision, alpha
):
    size = {"U8": 1, "U16": 2, "HALF": 2, "FLOAT": 4}[precision.split("_")[0]]
    found = served.do(f"""{NAMES}
image, layer = new_image(70, 150, {base!r}, {precision!r}, alpha={alpha})
layer.set_offsets(-3, 9)
single = restore(layer, output=NEW_IMAGE)
group = restore(layer, output=STAGES)
top, middle = group.get_children()
def colours(each):
    data, size = pixels(each), {size}
    if not each.has_alpha():
        return data
    channels = 2 if {base!r} == "GRAY" else 4
    step = size * channels
    return b"".join(data[at : at + step - size] for at in range(0, len(data), step))
answer = {{
    "tree": tree([group]),
    "result": colours(top) == colours(single),
    "half": colours(middle) != colours(top) and colours(middle) != colours(layer),
    "place": list(group.get_offsets())[1:] + [group.get_width(), group.get_height()],
    "mask": group.get_mask() is not None,
    "selected": [each.get_id() for each in image.get_selected_layers()] == [group.get_id()],
    "source": layer.get_visible(),
}}
single.get_image().delete()
image.delete()
""")
    assert found == {
        "tree": [["photo (restored: noise 3)", STAGED]],
        "result": True,
        "half": True,
        "place": [-3, 9, 70, 150],
        "mask": alpha,
        "selected": True,
        # Its alpha is soft: one over the other would count twice.
        "source": not alpha,
    }


@pytest.mark.parametrize("select", ["", SELECT], ids=["whole", "selection"])
@pytest.mark.parametrize("look", ["simple", *WITHOUT_EFFECTS])
@pytest.mark.parametrize("alpha", [False, True])
def test_the_group_is_seen_as_a_new_layer_would_be(served, look, select, alpha):
    stack = STACK.format(look=LOOKS.get(look, ""), select=select, alpha=alpha)
    found = served.do(f"""{stack}
visible = layer.get_visible()
single = restore(layer)
wanted = seen()
image.remove_layer(single)
layer.set_visible(visible)
group = restore(layer, output=STAGES)
made = seen()
answer = {{
    "far": max(abs(a - b) for a, b in zip(made, wanted)),
    "seen": wanted != source,
    "changed": made != source,
    "visible": group.get_visible(),
    "names": [each.get_name() for each in image.get_layers()],
}}
# The opacity of the last stage is its amount: without it, the stage before is seen.
top, middle = group.get_children()
top.set_opacity(0)
half = seen()
answer["half"] = half not in (made, source)
group.set_opacity(0)
layer.set_visible(visible)
answer["none"] = seen() == source
image.delete()
""")
    # The product of a mask and an alpha is rounded to 8 bits, which shows where the ground is dark.
    assert found.pop("far") <= (8 if alpha and look == "mask" else 2)
    # GIMP 3.0 gives a layer without alpha a mask that is black: nothing of it is seen.
    seen = found.pop("seen")
    assert seen or look == "hidden" or (look == "all" and not alpha)
    assert found == {
        "changed": seen,
        "visible": look != "hidden",
        "names": ["photo (restored: noise 3)", "photo", "ground"],
        "half": seen,
        "none": True,
    }


def test_one_step_of_undo_brings_the_source_back_and_a_map_lies_above(served):
    found = served.do(f"""{NAMES}
image, layer = new_image(90, 60)
layer.set_opacity(40)
restore(layer, output=STAGES, generated=True)
answer = [tree(image.get_layers()), layer.get_visible(), layer.get_opacity()]
image.delete()
""")
    map_, group, source = found[0]
    assert (map_, group[1], source) == (["photo (generated)", None], STAGED, ["photo", None])
    assert found[1:] == [False, 40]


def test_filled_damage_is_the_first_stage(served):
    found = served.do(f"""{NAMES}
image, layer = new_image(90, 60)
image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 20, 20)
group = restore(layer, output=STAGES, selection="damage")
answer = [tree(group.get_children()), group.get_mask() is not None]
image.delete()
""")
    assert found == [[*STAGED, ["Repaired", None]], False]


def test_what_changes_nothing_adds_no_group_and_what_fails_leaves_nothing(served):
    found = served.do("""
image, layer = new_image()
before = state(image)
made = restore(layer, output=STAGES, description="same")
answer = [made.get_id() == layer.get_id(), state(image) == before]
answer += refusal([layer], output=STAGES, description="raise")[:1]
answer.append(state(image) == before)
image.delete()
""")
    assert found == [True, True, "execution-error", True]


def test_effects_are_refused_with_what_to_do(served):
    found = served.do("""
image, layer = new_image()
layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:invert", "inverted"))
answer = refusal([layer], output=STAGES)
image.delete()
""")
    assert found[0] == "calling-error"
    assert "merge its effects into it first" in found[1]


@pytest.mark.parametrize("which", ["group", "group.get_children()[0]"])
def test_a_group_or_its_stage_is_restored_again_from_its_source(served, which):
    found = served.do(f"""{NAMES}
image, layer = new_image()
group = restore(layer, output=STAGES, seed=5)
status, rest = call("ldrps-restore-again", image, [{which}])
answer = [status, tree(image.get_layers())]
image.delete()
""")
    group = ["photo (restored: noise 3)", STAGED]
    # GIMP gives no name twice.
    again = ["photo (restored: noise 3) #1", [["Tone-mapped #1", None], ["Denoised #1", None]]]
    assert found[0] == "success"
    assert sorted(map(str, found[1])) == sorted(map(str, [again, group, ["photo", None]]))
