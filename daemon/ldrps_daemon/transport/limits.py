"""Limits that the contract states for its strings, bytes and lists, enforced at the front.

They are options of the fields, `max_length` and `max_items`, so that the contract itself is the
one place where they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.message import Message

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.errors import LdrpsError, PhotoError, SettingsError


def is_ours(message: object) -> bool:
    """Tell whether a message is one of this contract, and not of health or reflection."""
    return isinstance(message, Message) and message.DESCRIPTOR.file.name == pb.DESCRIPTOR.name


def check(message: Message) -> None:
    """Refuse a message with anything over its limit; the error names the field."""
    for holder, field, path in _fields(message):
        value = getattr(holder, field.name)
        length, items = limits_of(field)
        if items and len(value) > items:
            raise _over(field, path, f"{len(value)} items", items)
        if length and (longest := max(map(len, _each(field, value)), default=0)) > length:
            unit = "bytes" if field.type == field.TYPE_BYTES else "characters"
            raise _over(field, path, f"{longest} {unit}", length)


def clip(message: Message) -> list[str]:
    """Shorten texts and lists to their limits; returns the fields that were longer.

    Bytes are left alone: a part of them would be rubbish, see `has_too_many_bytes`.
    """
    cut = []
    for holder, field, path in _fields(message):
        value: Any = getattr(holder, field.name)
        length, items = limits_of(field)
        if items and len(value) > items:
            del value[items:]
            cut.append(path)
        is_text = field.type == field.TYPE_STRING
        if is_text and max(map(len, _each(field, value)), default=0) > length:
            _shorten(holder, field, length)
            cut.append(path)
    return cut


def has_too_many_bytes(message: Message) -> bool:
    """Tell whether a bytes field holds more than it may."""
    return any(
        len(getattr(holder, field.name)) > limits_of(field)[0]
        for holder, field, _ in _fields(message)
        if field.type == field.TYPE_BYTES
    )


def limits_of(field: Any) -> tuple[int, int]:
    """Return a field's (max_length, max_items), 0 for what does not apply to it."""
    return _limits(field.full_name)


@cache
def _limits(full_name: str) -> tuple[int, int]:
    message, _, name = full_name.rpartition(".")
    field = _MESSAGES[message].fields_by_name[name]
    options = field.GetOptions().Extensions
    return options[pb.max_length], options[pb.max_items]


_MESSAGES = {kind.full_name: kind for kind in pb.DESCRIPTOR.message_types_by_name.values()}


def _fields(message: Message, path: str = "") -> Iterator[tuple[Message, Any, str]]:
    """Yield every field that is set, at any depth: its message, the field, and its path."""
    for field, value in message.ListFields():
        here = f"{path}{field.name}"
        yield message, field, here
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                yield from _fields(inner, f"{here}.")


def _each(field: Any, value: Any) -> Any:
    if field.type not in (field.TYPE_STRING, field.TYPE_BYTES):
        return ()
    return value if field.is_repeated else (value,)


def _shorten(holder: Message, field: Any, length: int) -> None:
    value: Any = getattr(holder, field.name)
    if field.is_repeated:
        value[:] = [text[:length] for text in value]
    else:
        setattr(holder, field.name, value[:length])


def _over(field: Any, path: str, has: str, limit: int) -> LdrpsError:
    kind = PhotoError if field.type == field.TYPE_BYTES else SettingsError
    return kind(f"{path} has {has}; at most {limit} are taken, so send less")
