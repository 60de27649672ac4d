"""Calls for `daemon_fuzz`: valid ones, and the many ways in which they are spoilt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ldrps.v1 import restoration_pb2 as pb

SUBMIT = "Restoration/Submit"
METHODS = {
    f"{service.name}/{method.name}": method
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Every call of the contract."""
OTHERS = tuple(name for name in METHODS if name != SUBMIT)


@dataclass(frozen=True)
class Case:
    """One call: a method and the messages that are sent, as bytes."""

    method: str
    messages: tuple[bytes, ...]
    leave_after: float | None = None
    """Seconds after which the client breaks off."""


def valid(dice: random.Random) -> list[bytes]:
    """The messages of a Submit that is in order."""
    width, height = dice.randint(16, 40), dice.randint(16, 40)
    raster = pb.Raster(
        width=width, height=height, channels=pb.CHANNELS_RGB, sample_type=pb.SAMPLE_TYPE_U8
    )
    settings = pb.Settings(recipe="auto", steps=1, seed=dice.randrange(99), layers=["restored"])
    header = pb.SubmitHeader(settings=settings, raster=raster, detached=True)
    pixels = dice.randbytes(width * height * 3)
    cut = dice.randrange(1, len(pixels))
    chunks = [pb.SubmitRequest(chunk=part) for part in (pixels[:cut], pixels[cut:])]
    messages = [pb.SubmitRequest(header=header), *chunks]
    return [message.SerializeToString() for message in messages]


def case_of(dice: random.Random) -> Case:
    """Any case, drawn by the dice."""
    if dice.random() < 0.6:
        messages = valid(dice)
        for _ in range(dice.randint(0, 3)):
            messages = _spoilt(dice, messages)
        leave = dice.uniform(0, 0.05) if dice.random() < 0.1 else None
        return Case(SUBMIT, tuple(messages), leave)
    method = dice.choice(OTHERS)
    message = _request(dice, method)
    return Case(method, (_bitten(dice, message) if dice.random() < 0.6 else message,), 0.5)


def _request(dice: random.Random, method: str) -> bytes:
    """The message that the method takes, with anything in its fields."""
    request = METHODS[method].input_type._concrete_class()
    for part in request.DESCRIPTOR.fields:
        match part.type:
            case part.TYPE_STRING:
                value: object = dice.choice(("", "x", "0" * 16, "../" * 9, "/etc/passwd", "\0"))
            case part.TYPE_BOOL:
                value = dice.random() < 0.5
            case _:
                value = dice.choice((0, 1, 7, 2**31 - 1, 2**32 - 1))
        setattr(request, part.name, value)
    message: bytes = request.SerializeToString()
    return message


def _spoilt(dice: random.Random, messages: list[bytes]) -> list[bytes]:
    """Truncate, reorder, repeat, enlarge or damage."""
    made = list(messages)
    if not made:
        return [dice.randbytes(dice.randrange(64))]
    at = dice.randrange(len(made))
    match dice.randrange(8):
        case 0:
            del made[at]
        case 1:
            dice.shuffle(made)
        case 2:
            made.insert(at, made[dice.randrange(len(made))])
        case 3:
            made[at] = made[at][: dice.randrange(len(made[at]) + 1)]
        case 4:
            made[at] = _field(dice)
        case 5 if dice.random() < 0.02:
            made[at] = pb.SubmitRequest(chunk=bytes(dice.choice((1 << 20, 3 << 20))))\
                .SerializeToString()  # fmt: skip
        case 6:
            made = made[:at]
        case _:
            made[at] = _bitten(dice, made[at])
    return made


def _field(dice: random.Random) -> bytes:
    """A header with one field that no job can have."""
    big = dice.choice((0, 1, 2**16, 2**31, 2**32 - 1))
    odd = dice.choice((float("nan"), float("inf"), -1.0, 1e308))
    raster = pb.Raster(width=big, height=dice.choice((1, 16, 2**32 - 1)))
    raster.channels = dice.randrange(9)  # type: ignore[assignment]
    raster.sample_type = dice.randrange(9)  # type: ignore[assignment]
    settings = pb.Settings(strength=odd, steps=big, noise_sigma=odd, model="/etc/passwd")
    header = dice.choice(
        [
            pb.SubmitHeader(raster=raster),
            pb.SubmitHeader(settings=settings, raster=raster),
            pb.SubmitHeader(file=pb.EncodedFile(size=dice.choice((0, 1, 2**63)))),
            pb.SubmitHeader(raster=raster, deadline_seconds=odd),
            pb.SubmitHeader(raster=raster, idempotency_key="k" * dice.choice((1, 129, 9999))),
            pb.SubmitHeader(raster=raster, result_format=dice.randrange(9)),  # type: ignore[arg-type]
            pb.SubmitHeader(settings=pb.Settings(model="m" * dice.choice((300, 9999, 10**6)))),
        ]
    )
    return bytes(pb.SubmitRequest(header=header).SerializeToString())


def _bitten(dice: random.Random, message: bytes) -> bytes:
    """Some bytes changed, put in or taken out."""
    data = bytearray(message)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(3):
            case 0:
                data[at:at] = dice.randbytes(dice.randint(1, 4))
            case 1:
                del data[at : at + dice.randint(1, 4)]
            case _ if at < len(data):
                data[at] = dice.randrange(256)
    return bytes(data)


def drawn(cases: int, seed: int) -> Iterator[Case]:
    """Draw so many cases; the same for the same seed."""
    dice = random.Random(seed)
    return (case_of(dice) for _ in range(cases))
