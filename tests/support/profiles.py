"""ICC profiles made from scratch: matrix and curves of every kind, grey, and tables."""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)

# Primaries under D50 (Bradford), as the spaces' own profiles hold them.
SRGB = [[0.43603, 0.3851, 0.14307], [0.22244, 0.71694, 0.06062], [0.01393, 0.09708, 0.714]]
ADOBE = [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
P3 = [[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
PROPHOTO = [[0.79767, 0.13519, 0.03134], [0.28804, 0.71188, 0.00009], [0.0, 0.0, 0.82491]]

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def gamma(value):
    """A curve of one number, as old profiles have it."""
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def linear():
    return b"curv" + bytes(8)


def table(values):
    """A sampled curve."""
    entries = np.rint(np.asarray(values) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", len(entries)) + entries.tobytes()


def parametric(*parameters):
    kind = {1: 0, 3: 1, 4: 2, 5: 3, 7: 4}[len(parameters)]
    fixed = [round(value * 65536) for value in parameters]
    return b"para" + bytes(4) + struct.pack(f">HH{len(fixed)}i", kind, 0, *fixed)


def xyz(values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def profile(space, tags, pcs=b"XYZ "):
    """Build a version 2 display profile of these tags."""
    tags = {b"wtpt": xyz(D50), b"cprt": _text("none"), b"desc": _description("test"), **tags}
    start = 128 + 4 + 12 * len(tags)
    index, body = b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        index += name + struct.pack(">II", start + len(body), len(data))
        body += data
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", space, pcs)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(v * 65536) for v in D50)) + bytes(48)
    return head + struct.pack(">I", len(tags)) + index + body


def matrix(columns, *curves):
    """Build a colour profile; one curve serves all channels."""
    curves = curves if len(curves) == 3 else curves * 3
    tags = {
        n: xyz(c) for n, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), np.transpose(columns), strict=True)
    }
    return profile(b"RGB ", tags | dict(zip((b"rTRC", b"gTRC", b"bTRC"), curves, strict=True)))


def grey(curve):
    return profile(b"GRAY", {b"kTRC": curve})


def tables(columns, exponent=2.2, entries=256):
    """Build a colour profile without a matrix: tables both ways, for which littleCMS is needed."""
    x = np.linspace(0, 1, entries)
    corners = np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)], float)
    to_xyz = np.clip(corners @ np.transpose(columns) * 32768 / 65535, 0, 1)
    unit = [0.0, 1.0]
    forward = _lut16(np.eye(3), [x**exponent] * 3, to_xyz, [unit] * 3)
    # XYZ is stored up to 1.99997, so that half of the table stands for 1.
    back = np.linalg.inv(columns) * 65535 / 32768
    backward = _lut16(back, [unit] * 3, corners, [x ** (1 / exponent)] * 3)
    return profile(b"RGB ", {b"A2B0": forward, b"B2A0": backward})


def _lut16(weights, before, grid, after):
    fixed = [round(v * 65536) for v in np.ravel(weights)]
    head = b"mft2" + bytes(4) + struct.pack(">4B9i", 3, 3, 2, 0, *fixed)
    sizes = struct.pack(">2H", len(before[0]), len(after[0]))
    parts = (np.rint(np.ravel(p) * 65535).astype(">u2").tobytes() for p in (before, grid, after))
    return head + sizes + b"".join(parts)


def _text(words):
    return b"text" + bytes(4) + words.encode() + b"\0"


def _description(words):
    data = words.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(data)) + data + bytes(78)


_STEPS = np.linspace(0, 1, 1024)
_DECODED = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4)

KNOWN = {
    "srgb": matrix(SRGB, parametric(*SRGB_CURVE)),
    "srgb-table": matrix(SRGB, table(_DECODED)),
    "adobe-rgb": matrix(ADOBE, gamma(2.19921875)),
    "display-p3": matrix(P3, parametric(*SRGB_CURVE)),
    "prophoto": matrix(PROPHOTO, gamma(1.8)),
    "linear": matrix(SRGB, linear()),
    "adobe-rgb-tables": tables(ADOBE),
}
"""Colour profiles by name."""

GREYS = {"grey-gamma-2.2": grey(gamma(2.2)), "grey-linear": grey(linear())}
"""Grey profiles by name."""
