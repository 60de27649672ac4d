"""Protocol buffers as plain dicts, by the tables in `_contract.py`, which the proto generates.

A message is a dict from field names to values. Decoding fills absent plain fields with their
neutral values, as protobuf does; absent messages, members of a oneof and `optional` fields are
not in the dict. Unknown fields are passed over.
"""

from __future__ import annotations

import struct
from typing import Any

from ldrps_gimp._contract import MESSAGES

Message = dict[str, Any]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE = {"double": _FIXED64, "float": _FIXED32, "string": _BYTES, "bytes": _BYTES}
_NEUTRAL: dict[str, Any] = {"double": 0.0, "float": 0.0, "string": "", "bytes": b"", "bool": False}
_PACKS = {"double": "<d", "float": "<f"}
_SIGNED = ("int32", "int64", "enum")
_ALL_BITS = 2**64 - 1


def encode(kind: str, message: Message) -> bytes:
    """Serialise a message. KeyError for a field that the contract does not have."""
    numbers = {name: number for number, (name, *_) in MESSAGES[kind].items()}
    out = bytearray()
    for name, value in message.items():
        number = numbers[name]
        _, scalar, child, mode = MESSAGES[kind][number]
        values = value if mode == "repeated" else (value,)
        for each in values:
            # Neutral values are not written, unless there being a value says something.
            if mode != "plain" or child or each != _neutral(scalar):
                _append_varint(out, number << 3 | (_BYTES if child else _WIRE.get(scalar, _VARINT)))
                _append_value(out, scalar, child, each)
    return bytes(out)


def decode(kind: str, data: bytes) -> Message:
    """Parse a message. ValueError if the bytes are none."""
    table = MESSAGES[kind]
    message = {
        n: _neutral(s) for n, s, child, mode in table.values() if mode == "plain" and not child
    }
    message |= {name: [] for name, _, _, mode in table.values() if mode == "repeated"}
    try:
        start = 0
        while start < len(data):
            start = _read_field(table, message, data, start)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"broken {kind} message ({error})") from None
    return message


def _read_field(table: dict[int, Any], message: Message, data: bytes, start: int) -> int:
    key, start = _read_varint(data, start)
    raw, end = _read_raw(key & 7, data, start)
    if key >> 3 not in table:
        return end
    name, scalar, child, mode = table[key >> 3]
    if mode == "repeated":
        packed = key & 7 == _BYTES and not child and scalar not in ("string", "bytes")
        message[name] += _unpack(scalar, raw) if packed else [_value(scalar, child, raw)]
    else:
        message[name] = _value(scalar, child, raw)
    return end


def _read_raw(wire: int, data: bytes, start: int) -> tuple[Any, int]:
    if wire == _VARINT:
        return _read_varint(data, start)
    if wire == _BYTES:
        size, start = _read_varint(data, start)
        end = start + size
    elif wire in (_FIXED64, _FIXED32):
        end = start + (8 if wire == _FIXED64 else 4)
    else:
        raise ValueError(f"wire type {wire} is not known")
    if end > len(data):
        raise ValueError("a field is longer than its message")
    return data[start:end], end


def _value(scalar: str, child: str, raw: Any) -> Any:
    if isinstance(raw, int):
        if scalar == "bool":
            return bool(raw)
        return raw - 2**64 if scalar in _SIGNED and raw >> 63 else raw
    if child:
        return decode(child, raw)
    if scalar == "string":
        return raw.decode()
    return struct.unpack(_PACKS[scalar], raw)[0] if scalar in _PACKS else raw


def _unpack(scalar: str, raw: bytes) -> list[Any]:
    values, start = [], 0
    while start < len(raw):
        piece, start = _read_raw(_WIRE.get(scalar, _VARINT), raw, start)
        values.append(_value(scalar, "", piece))
    return values


def _neutral(scalar: str) -> Any:
    return _NEUTRAL.get(scalar, 0)


def _append_value(out: bytearray, scalar: str, child: str, value: Any) -> None:
    if child or scalar in ("string", "bytes"):
        data = encode(child, value) if child else value.encode() if scalar == "string" else value
        _append_varint(out, len(data))
        out += data
    elif scalar in _PACKS:
        out += struct.pack(_PACKS[scalar], value)
    else:
        _append_varint(out, int(value) & _ALL_BITS)


def _append_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _read_varint(data: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _ALL_BITS, start
        shift += 7
        if shift > 63:
            raise ValueError("a number has no end")
