"""In a real GIMP: layers that are seldom met come out right, or are refused before any work."""

import pytest

from gimp.gimp_app import GimpApp

LOCKED = {
    "group": ("group.set_lock_content(True)", ["replace"], "group are locked"),
    "visibility": (
        "layer.set_lock_visibility(True); layer.set_opacity(50)",
        ["new-layer", "stages"],
        "visibility is locked",
    ),
}


@pytest.mark.parametrize("lock", LOCKED)
def test_a_lock_that_is_in_the_way_is_reported_before_any_work(served, lock):
    code, refused, words = LOCKED[lock]
    found = served.do(f"""
image, _ = new_image()
group, outer = Gimp.GroupLayer.new(image, "group"), Gimp.GroupLayer.new(image, "outer")
image.insert_layer(outer, None, 0)
image.insert_layer(group, outer, 0)
layer = add_layer(image, 60, 40, name="photo", parent=group)
{code}
answer = []
for output in (NEW_LAYER, STAGES, REPLACE, NEW_IMAGE):
    before = state(image)
    status, rest = call("ldrps-restore", image, [layer], output=output)
    answer.append([output, status, str(rest[0]), state(image) == before])
    if output == NEW_IMAGE:
        rest[0].get_image().delete()
image.delete()
""")
    for output, status, said, same in found:
        if output in refused:
            assert status == "calling-error", (output, said)
            assert words in said
            assert same
        else:
            assert status == "success", (output, said)


def test_the_way_that_a_layer_is_laid_over_others_is_kept(served):
    found = served.do("""
image, ground = new_image(100, 80, alpha=True)
layer = add_layer(image, 120, 70, alpha=True, name="photo")
layer.set_composite_mode(Gimp.LayerCompositeMode.CLIP_TO_BACKDROP)
layer.set_composite_space(Gimp.LayerColorSpace.RGB_PERCEPTUAL)
made = restore(layer)
looks = lambda each: [each.get_composite_mode().value_nick, each.get_composite_space().value_nick]
answer = [looks(made) == looks(layer), made.get_visible(), layer.get_visible()]
image.delete()
""")
    assert found == [True, True, False]


SAVED = """
from gi.repository import Gio
import os
image, ground = new_image(300, 200)
def link():
    file = Gio.File.new_for_path("/mnt/shared/linked.png")
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, new_image(80, 60)[0], file, None)
    return Gimp.LinkLayer.new(image, file)
def text():
    return Gimp.TextLayer.new(image, "Photo", Gimp.context_get_font(), 40, Gimp.Unit.pixel())
def vector():
    path = Gimp.Path.new(image, "path")
    image.insert_path(path, None, 0)
    stroke = path.bezier_stroke_new_moveto(10, 10)
    for x, y in ((200, 20), (150, 150)):
        path.bezier_stroke_lineto(stroke, x, y)
    return Gimp.VectorLayer.new(image, path)
answer = None
if hasattr(Gimp, {kind!r}.title() + "Layer"):
    layer = {kind}()
    image.insert_layer(layer, None, 0)
    if hasattr(layer, "refresh"):
        layer.refresh()
    {look}
    answer, before = [], pixels(layer)
    wanted = inverted(before, layer)
    # One that is replaced is restored after it was copied.
    for output in (NEW_LAYER, REPLACE):
        made = restore(layer, output=output)
        place = [each.get_id() for each in image.get_layers()].index(made.get_id())
        file = Gio.File.new_for_path("/mnt/shared/odd.xcf")
        Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
        again = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
        kept = again.get_layers()[place]
        mask = kept.get_mask() is not None
        answer.append([pixels(made) == wanted, pixels(kept) == wanted, kept.get_name(), mask])
        again.delete()
        layer.set_visible(True)
for each in Gimp.get_images():
    each.delete()
"""


@pytest.mark.parametrize("look", ["opacity", "mask"])
@pytest.mark.parametrize("kind", ["text", "link", "vector"])
def test_what_is_rendered_is_restored_for_good(served, kind, look):
    """GIMP 3.2 renders a linked file anew when an image is opened."""
    code = {
        "opacity": "layer.set_opacity(50)",
        "mask": "layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))",
    }
    found = served.do(SAVED.format(kind=kind, look=code[look]))
    if found is None:
        pytest.skip("this GIMP has no such layers")
    (new, new_kept, name, new_mask), (replaced, replaced_kept, _, mask) = found
    assert new
    assert new_kept, "it is lost when the image is opened again"
    assert "(restored: noise 3)" in name
    assert replaced
    assert replaced_kept
    assert new_mask == mask == (look == "mask")


def test_a_layer_under_a_floating_selection_is_restored_and_the_selection_stays(served):
    found = served.do("""
image, layer = new_image(200, 150)
image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 40, 40)
Gimp.edit_copy([layer])
(floating,) = Gimp.edit_paste(layer, False)
wanted = inverted(pixels(layer), layer)
answer = [refusal([floating])[1], pixels(restore(layer)) == wanted]
answer.append(pixels(restore(layer, output=REPLACE)) == wanted)
answer.append(floating.is_floating_sel())
image.delete()
""")
    assert "anchor it first" in found[0]
    assert found[1:] == [True, True, True]


@pytest.mark.parametrize("broken", ['{"strength": "1"}', '{"seed": []}', '"x"', '{"recipe": "x"}'])
def test_a_record_that_somebody_has_changed_is_refused_with_a_sentence(served, broken):
    status, sentence = served.do(f"""
image, layer = new_image()
made = restore(layer)
record = b'{{"settings": ' + {broken!r}.encode() + b', "source": {{"tattoo": 1}}}}'
made.attach_parasite(Gimp.Parasite.new("ldrps-provenance", 1, record))
answer = refusal([made], name="ldrps-restore-again")
image.delete()
""")
    assert status == "calling-error"
    assert "settings are broken" in sentence or "recipe 'x' is not known" in sentence


@pytest.fixture(scope="module")
def forgetful(suite, make_daemon):
    """A GIMP that keeps next to nothing of its pictures in memory, and its daemon."""
    made = GimpApp(suite, gimprc="(tile-cache-size 1M)\n")
    daemon = make_daemon(made)
    yield made
    daemon.stop()
    made.close()


@pytest.mark.parametrize("output", ["replace", "new-layer", "stages", "new-image"])
def test_what_does_not_fit_into_memory_comes_out_whole(forgetful, output):
    found = forgetful.do(f"""
image, layer = new_image(900, 700, alpha=True)
wanted = pixels(layer).translate(bytes(range(255, -1, -1)))
made = restore(layer, output={output!r})
made = made.get_children()[0] if made.is_group() else made
got, size = pixels(made), 3 + made.has_alpha()
answer = [got[channel::size] == wanted[channel::4] for channel in range(3)]
made.get_image().delete()
if image.is_valid():
    image.delete()
""")
    assert found == [True, True, True]
