"""The plug-in's codec against protobuf's own, for every message of the contract."""

import math
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_gimp import _contract, messages

ROOT = Path(__file__).parents[2]
NAMES = sorted(pb.DESCRIPTOR.message_types_by_name)
TEXTS = ("", "a", "Straße bei Nacht, 霧", "x" * 300)
WHOLE = (0, 1, 127, 128, 300, 2**31 - 1)


def value_of(field, chance):
    kinds = {
        field.TYPE_STRING: lambda: chance.choice(TEXTS),
        field.TYPE_BYTES: lambda: chance.randbytes(chance.choice((0, 1, 5000))),
        field.TYPE_BOOL: lambda: chance.random() < 0.5,
        field.TYPE_DOUBLE: lambda: chance.choice((0.0, -1.5, 1e300, math.inf, 0.1)),
        field.TYPE_ENUM: lambda: chance.choice(field.enum_type.values).number,
        field.TYPE_UINT64: lambda: chance.choice((*WHOLE, 2**64 - 1)),
    }
    return kinds.get(field.type, lambda: chance.choice(WHOLE))()


def random_message(descriptor, chance, depth=0):
    """A protobuf message and the dict that should stand for it."""
    message = getattr(pb, descriptor.name)()
    chosen = {o.name: chance.choice(o.fields).name for o in descriptor.oneofs}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if chance.random() < 0.3 or (oneof and chosen[oneof.name] != field.name):
            continue
        if field.is_repeated:
            items = [item(field, chance, depth) for _ in range(3)]
            getattr(message, field.name).extend(items)
        elif field.message_type:
            getattr(message, field.name).CopyFrom(item(field, chance, depth))
        else:
            setattr(message, field.name, item(field, chance, depth))
    return message


def item(field, chance, depth):
    if field.message_type:
        return random_message(field.message_type, chance, depth + 1)
    return value_of(field, chance)


def as_dict(message):
    """Return the right result of decoding: neutral values for what is absent without presence."""
    out = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            out[field.name] = [as_dict(v) if field.message_type else v for v in value]
        elif field.has_presence and not message.HasField(field.name):
            continue
        else:
            out[field.name] = as_dict(value) if field.message_type else value
    return out


@pytest.mark.parametrize("name", NAMES)
def test_both_codecs_say_the_same(name):
    chance = random.Random(name)
    descriptor = pb.DESCRIPTOR.message_types_by_name[name]
    for _ in range(60):
        message = random_message(descriptor, chance)
        known = as_dict(message)
        assert messages.decode(name, message.SerializeToString()) == known
        assert getattr(pb, name).FromString(messages.encode(name, known)) == message


def test_unknown_fields_are_passed_over():
    newer = messages.encode("Step", {"stage": "sample"}) + b"\xba\x06\x03abc\xc0\x06\x05"
    newer += b"\xc9\x06" + bytes(8) + b"\xcd\x06" + bytes(4)
    assert messages.decode("Step", newer)["stage"] == "sample"


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\xff" * 12, b"\x0b", b"\x21\x00"]
)
def test_what_is_no_message_is_a_value_error(data):
    with pytest.raises(ValueError, match=r".+"):
        messages.decode("Step", data)


def test_a_misspelt_field_is_not_sent():
    with pytest.raises(KeyError):
        messages.encode("Step", {"stages": "sample"})


def test_the_tables_are_fresh(tmp_path):
    made = tmp_path / "made.py"
    command = [sys.executable, str(ROOT / "plugin_gimp" / "generate.py"), str(made)]
    subprocess.run(command, check=True)
    assert made.read_text() == Path(_contract.__file__).read_text(), "run: make stubs"
