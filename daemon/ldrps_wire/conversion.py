"""Between the contract's messages and the engine's types, used by both ends of the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.errors import PhotoError, SettingsError
from ldrps_engine.model_store.store import is_path
from ldrps_engine.photo import Depth, Photo, Samples, check_size
from ldrps_engine.settings import Settings
from ldrps_wire.formats import Format

CHUNK_BYTES = 1 << 20
"""No chunk on the wire is larger."""
MAX_PROFILE_BYTES = 3 << 20
"""Larger ICC profiles would not fit in one message together with the rest of a header."""

_DEPTHS = {
    pb.SAMPLE_TYPE_U8: Depth.U8,
    pb.SAMPLE_TYPE_U16: Depth.U16,
    pb.SAMPLE_TYPE_F16: Depth.F16,
    pb.SAMPLE_TYPE_F32: Depth.F32,
}
_SAMPLE_TYPES = {depth: kind for kind, depth in _DEPTHS.items()}
_COUNTS = {
    pb.CHANNELS_GREY: 1,
    pb.CHANNELS_GREY_ALPHA: 2,
    pb.CHANNELS_RGB: 3,
    pb.CHANNELS_RGBA: 4,
}
_CHANNELS = {count: kind for kind, count in _COUNTS.items()}
_FORMATS = {
    pb.FILE_FORMAT_PNG: Format.PNG,
    pb.FILE_FORMAT_JPEG: Format.JPEG,
    pb.FILE_FORMAT_TIFF: Format.TIFF,
    pb.FILE_FORMAT_WEBP: Format.WEBP,
}
FILE_FORMATS = {kind: number for number, kind in _FORMATS.items()}
"""Kinds of file as the wire numbers them."""
_OPTIONAL = ("strength", "description", "recurrences", "steps", "noise_sigma", "solver")


def settings_to_proto(settings: Settings) -> pb.Settings:
    """Convert the engine's Settings to the wire's."""
    return pb.Settings(
        recipe=settings.recipe,
        strength=settings.strength,
        description=settings.description,
        recurrences=settings.recurrences,
        steps=settings.steps,
        seed=settings.seed,
        model=settings.model,
        noise_sigma=settings.noise_sigma,
        describer=settings.describer,
        solver=settings.solver,
        allow_colour=settings.allow_colour,
        damage=settings.damage or "",
        amounts=amounts_to_proto(settings.amounts),
        layers=settings.layers,
    )


def amounts_to_proto(amounts: Mapping[str, float]) -> pb.Amounts | None:
    """Amounts by their names, as the wire has them; None for none at all."""
    return pb.Amounts(**amounts) if amounts else None


def amounts_from_proto(message: pb.Amounts) -> dict[str, float]:
    """Amounts that are present, by their names."""
    return {field.name: value for field, value in message.ListFields()}


def settings_from_proto(message: pb.Settings) -> Settings:
    """Read and validate settings; SettingsError names the first bad one."""
    given = {name for name in _OPTIONAL if message.HasField(name)}
    chosen: dict[str, Any] = {name: getattr(message, name) for name in given}
    # An empty string or list on the wire means: the default.
    for name in ("recipe", "model", "describer", "damage"):
        if getattr(message, name):
            chosen[name] = getattr(message, name)
    for name in ("model", "describer"):
        # A client links a folder of its user's own to a name first: ldrps_client.models.
        if is_path(getattr(message, name)):
            raise SettingsError(f"{name} is a path, which is not taken; send a model's name")
    chosen["amounts"] = amounts_from_proto(message.amounts)
    if message.layers:
        chosen["layers"] = tuple(message.layers)
    return Settings(seed=message.seed, allow_colour=message.allow_colour, **chosen)


def crop_of(header: pb.SubmitHeader) -> Rectangle:
    """The part of the photo that a header asks for."""
    crop = header.crop
    return Rectangle(crop.left, crop.top, crop.width, crop.height)


def sample_count(raster: pb.Raster) -> int:
    """Channels per pixel; PhotoError if the raster does not say."""
    count = _COUNTS.get(raster.channels)
    if count is None:
        raise PhotoError("the raster does not say its channels; give GREY, GREY_ALPHA, RGB or RGBA")
    return count


def depth_of(raster: pb.Raster) -> Depth:
    """Sample depth; PhotoError if the raster does not say."""
    depth = _DEPTHS.get(raster.sample_type)
    if depth is None:
        raise PhotoError("the raster does not say its sample type; give U8, U16, F16 or F32")
    return depth


def raster_bytes(raster: pb.Raster) -> int:
    """Number of bytes of pixels that belong to a raster."""
    samples = raster.width * raster.height * sample_count(raster)
    return samples * depth_of(raster).dtype.itemsize


def layer_bytes(header: pb.LayerHeader) -> int:
    """Count the bytes of chunks that belong to a layer, raw or encoded."""
    return int(header.file.size) if header.HasField("file") else raster_bytes(header.raster)


def result_format(header: pb.SubmitHeader) -> Format | None:
    """The kind of file to give the result back as; None for raw pixels, SettingsError if unknown.

    Whether the kind can hold the photo is checked as far as the header tells.
    """
    if header.result_format == pb.FILE_FORMAT_UNSPECIFIED:
        return None
    kind = _FORMATS.get(header.result_format)
    if kind is None:
        names = ", ".join(known.name for known in _FORMATS.values())
        raise SettingsError(
            f"result_format {header.result_format} is not known; ask for {names}, or none"
        )
    if header.HasField("raster"):
        raster = header.raster
        transparent = raster.channels in (pb.CHANNELS_GREY_ALPHA, pb.CHANNELS_RGBA)
        check_result_format(kind, (raster.width, raster.height), transparent=transparent)
    return kind


def check_result_format(kind: Format, size: tuple[int, int], *, transparent: bool) -> None:
    """Refuse a kind of file that cannot hold a photo of this size; SettingsError says why."""
    if objection := kind.objection(size, transparent=transparent):
        raise SettingsError(f"result_format {kind.name} cannot be had: {objection}")


def check_raster(raster: pb.Raster) -> None:
    """Refuse a raster that no photo can have, before a byte of it is kept."""
    sample_count(raster)
    depth_of(raster)
    check_size(raster.width, raster.height)
    if len(raster.icc_profile) > MAX_PROFILE_BYTES:
        raise PhotoError(
            f"the colour profile has {len(raster.icc_profile)} bytes; "
            f"at most {MAX_PROFILE_BYTES} are taken, so convert the photo to a plain profile"
        )


def raster_of(photo: Photo) -> pb.Raster:
    """Layout of a photo's samples on the wire."""
    return pb.Raster(
        width=photo.width,
        height=photo.height,
        channels=_CHANNELS[photo.channels],
        sample_type=_SAMPLE_TYPES[photo.depth],
        icc_profile=photo.icc_profile,
    )


def photo_to_wire(photo: Photo) -> tuple[pb.Raster, bytes]:
    """A photo as raster description and raw samples."""
    return raster_of(photo), photo.to_samples().tobytes()


def samples_of(raster: pb.Raster, data: bytes | bytearray | memoryview) -> Samples:
    """View raw bytes as (H, W, channels); PhotoError unless there are exactly enough."""
    wanted = raster_bytes(raster)
    given = memoryview(data).nbytes
    if given != wanted:
        raise PhotoError(f"the pixels have {given} bytes where the raster needs {wanted}")
    shape = (raster.height, raster.width, sample_count(raster))
    samples: Samples = np.frombuffer(data, dtype=depth_of(raster).dtype).reshape(shape)
    return samples


def photo_from_wire(raster: pb.Raster, data: bytes | bytearray | memoryview) -> Photo:
    """The photo that a raster and its raw samples describe."""
    check_raster(raster)
    return Photo.from_samples(samples_of(raster, data), raster.icc_profile)


def chunks(data: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Cut bytes to pieces that fit in one message."""
    view = memoryview(data).cast("B")
    for start in range(0, len(view), CHUNK_BYTES):
        yield bytes(view[start : start + CHUNK_BYTES])
