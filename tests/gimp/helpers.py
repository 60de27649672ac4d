"""Helpers for tests inside GIMP; every name here is known to the code that they send."""

import hashlib
import random
import struct

from gi.repository import Babl, Gegl, Gimp

NEW_LAYER, STAGES, REPLACE, NEW_IMAGE = "new-layer", "stages", "replace", "new-image"
PDB = Gimp.get_pdb()
keep = {}
"""Lasts from one piece of code to the next."""


def new_image(
    width=96, height=64, base="RGB", precision="U8_NON_LINEAR", alpha=False, profile=None
):
    """An image with one layer of random pixels: (image, layer)."""
    kind = getattr(Gimp.ImageBaseType, base)
    image = Gimp.Image.new_with_precision(width, height, kind, getattr(Gimp.Precision, precision))
    if profile:
        image.set_color_profile(profile)
    return image, add_layer(image, width, height, alpha)


def add_layer(image, width, height, alpha=False, name="photo", parent=None):
    grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
    kind = getattr(Gimp.ImageType, ("GRAY" if grey else "RGB") + ("A" if alpha else "") + "_IMAGE")
    layer = Gimp.Layer.new(image, name, width, height, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    paint(layer)
    return layer


def format_name(layer):
    return Babl.get_name(layer.get_format())


def extent(layer):
    return Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())


def pixels(layer):
    return bytes(layer.get_buffer().get(extent(layer), 1.0, format_name(layer), 0))


def paint(layer, seed=1):
    """Random samples in [0, 1], in the layer's own format."""
    name = format_name(layer)
    kind = name.split()[1].split("-")[0]
    size = {"u8": 1, "u16": 2, "half": 2, "float": 4, "u32": 4, "double": 8}[kind]
    count = len(pixels(layer)) // size
    chance = random.Random(seed)
    if kind.startswith("u"):
        data = chance.randbytes(count * size)
    else:
        code = {"half": "e", "float": "f", "double": "d"}[kind]
        data = struct.pack(f"={count}{code}", *(chance.random() for _ in range(count)))
    buffer = layer.get_buffer()
    buffer.set(extent(layer), name, data)
    buffer.flush()
    layer.update(0, 0, layer.get_width(), layer.get_height())


def inverted(data, layer):
    """Return the no-op engine's result for samples: 1 - colour; alpha stays."""
    name = format_name(layer)
    kind = name.split()[1].split("-")[0]
    channels = (3 if name[0] == "R" else 1) + name.split()[0].endswith("A")
    colours = channels - name.split()[0].endswith("A")
    code = {"u8": "B", "u16": "H", "half": "e", "float": "f"}[kind]
    top = {"u8": 255, "u16": 65535}.get(kind, 1.0)
    values = struct.unpack(f"={len(data) // struct.calcsize(code)}{code}", data)
    made = [top - v if i % channels < colours else v for i, v in enumerate(values)]
    return struct.pack(f"={len(made)}{code}", *made)


def selection(image):
    place = Gegl.Rectangle.new(0, 0, image.get_width(), image.get_height())
    return bytes(image.get_selection().get_buffer().get(place, 1.0, "Y u8", 0))


def call(name, image, layers, mode="NONINTERACTIVE", **settings):
    """Run a procedure: (status, the rest of what it returned)."""
    procedure = PDB.lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", getattr(Gimp.RunMode, mode))
    config.set_property("image", image)
    config.set_core_object_array("drawables", layers)
    for key, value in settings.items():
        config.set_property(key.replace("_", "-"), value)
    result = procedure.run(config)
    status = result.index(0).value_nick
    return status, [result.index(k) for k in range(1, result.length())]


def restore(layer, **settings):
    """Restore a layer: the layer with the result."""
    status, rest = call("ldrps-restore", layer.get_image(), [layer], **settings)
    assert status == "success", rest
    return rest[0]


def refusal(layers, image=None, name="ldrps-restore", **settings):
    """Status and sentence of a restoration that fails."""
    status, rest = call(name, image or layers[0].get_image(), layers, **settings)
    return [status, str(rest[0]) if rest else ""]


def state(image):
    """Everything about an image that a restoration could leave behind."""
    layers = []
    for layer in image.get_layers():
        digest = hashlib.sha256(b"" if layer.is_group() else pixels(layer)).hexdigest()
        _found, x, y = layer.get_offsets()
        layers.append([layer.get_id(), layer.get_name(), x, y, layer.get_visible(), digest])
    return [
        layers,
        [channel.get_name() for channel in image.get_channels()],
        hashlib.sha256(selection(image)).hexdigest(),
        image.undo_is_enabled(),
        image.is_dirty(),
        [parasite for layer in image.get_layers() for parasite in layer.get_parasite_list()],
        [layer.get_id() for layer in image.get_selected_layers()],
    ]
