"""Comments between formats: PNG's have keywords, JPEG's are bytes, other formats have XMP."""

from __future__ import annotations

from ldrps_client.files.metadata._packet import RDF, Packet, Prefixes

Text = tuple[str, str]

_COMMENT = "comment"
_PREFIXES = Prefixes(
    rdf=RDF,
    dc="http://purl.org/dc/elements/1.1/",
    xmp="http://ns.adobe.com/xap/1.0/",
    exif="http://ns.adobe.com/exif/1.0/",
)
# As XMP part 3 (2020), 3.2.6 has PNG's own keywords; comments are EXIF's.
_PROPERTIES = {
    "title": ("translated", "dc:title"),
    "author": ("ordered", "dc:creator"),
    "description": ("translated", "dc:description"),
    "copyright": ("translated", "dc:rights"),
    "software": ("text", "xmp:CreatorTool"),
    _COMMENT: ("translated", "exif:UserComment"),
}


def as_texts(comments: tuple[bytes, ...]) -> list[Text]:
    """Convert JPEG's comments to texts with PNG's keyword; they are UTF-8, or else Latin-1."""
    return [("Comment", _decoded(comment)) for comment in comments]


def is_comment(text: Text) -> bool:
    """Tell whether one of PNG's texts is what JPEG calls a comment."""
    return text[0].casefold() == _COMMENT


def as_comments(texts: tuple[Text, ...]) -> tuple[bytes, ...]:
    """Convert those of PNG's texts that are comments."""
    return tuple(text[1].encode("utf-8", "replace") for text in texts if is_comment(text))


def texts_into_xmp(xmp: bytes, texts: list[Text]) -> bytes:
    """Add the texts to a packet as properties; existing ones stay."""
    by_name: dict[str, list[str]] = {}
    for keyword, text in texts:
        if keyword.casefold() in _PROPERTIES and text:
            by_name.setdefault(keyword.casefold(), []).append(text)
    if not by_name:
        return xmp
    packet = Packet(xmp)
    said = packet.names()
    added = packet.add(_PREFIXES)
    for keyword, found in by_name.items():
        form, qualified = _PROPERTIES[keyword]
        if _PREFIXES.name(qualified) in said:
            continue
        if form == "ordered":
            added.ordered(qualified, found)
        elif form == "translated":
            added.translated(qualified, "\n".join(found))
        else:
            added.text(qualified, found[0])
    return packet.to_bytes()


def _decoded(comment: bytes) -> str:
    data = comment.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
