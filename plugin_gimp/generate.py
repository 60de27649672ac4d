"""Generate the plug-in's tables from the contract: `python plugin_gimp/generate.py [OUT]`.

The tables say of each message: field number -> (name, scalar type, message type, mode). Mode is
`plain`, `optional` (presence says something: optional fields and members of a oneof) or `repeated`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ldrps.v1 import restoration_pb2 as pb

OUT = Path(__file__).resolve().parent / "ldrps" / "ldrps_gimp" / "_contract.py"
_SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    8: "bool",
    9: "string",
    11: "",
    12: "bytes",
    13: "uint32",
    14: "enum",
}
_HEAD = '''\
"""Generated from restoration.proto by plugin_gimp/generate.py; do not edit.

Messages: field number -> (name, scalar type, message type, mode).
"""

'''


def generate() -> str:
    """Return the text of `_contract.py`."""
    file: Any = pb.DESCRIPTOR
    lines = [_HEAD, f'PACKAGE = "{file.package}"\n\n']
    lines.append("MESSAGES: dict[str, dict[int, tuple[str, str, str, str]]] = {\n")
    for name, message in file.message_types_by_name.items():
        rows = "".join(f"        {_row(field)},\n" for field in message.fields)
        lines.append(f'    "{name}": {{\n{rows}    }},\n' if rows else f'    "{name}": {{}},\n')
    lines.append("}\n\nENUMS: dict[str, dict[str, int]] = {\n")
    for name, kind in file.enum_types_by_name.items():
        lines.append(f'    "{name}": {{\n')
        lines += [f'        "{value.name}": {value.number},\n' for value in kind.values]
        lines.append("    },\n")
    lines.append("}\n")
    return "".join(lines)


def _row(field: Any) -> str:
    child = field.message_type.name if field.message_type else ""
    if field.type not in _SCALARS or (child and child not in pb.DESCRIPTOR.message_types_by_name):
        raise SystemExit(f"the plug-in's codec does not know the type of {field.full_name}")
    presence = field.containing_oneof is not None
    mode = "repeated" if field.is_repeated else "optional" if presence else "plain"
    return f'{field.number}: ("{field.name}", "{_SCALARS[field.type]}", "{child}", "{mode}")'


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    target.write_text(generate())
