"""An XMP packet (ISO 16684-1) as a tree: properties read, taken out and added, the rest kept.

Other programs write one and the same property as an attribute, an element, or a structure in
three spellings; all are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.dom import minidom
from xml.parsers import expat

from defusedxml.minidom import parseString

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_FORMAT = re.compile(rb":format\b")
_META = "adobe:ns:meta/"
_XML = "http://www.w3.org/XML/1998/namespace"
_SYNTAX = (RDF, _XML, "http://www.w3.org/2000/xmlns/")
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = '\n<?xpacket end="w"?>'
_BLANK = b"\0 \r\n\t"
# Marks of the byte order first; then `<`, with which a packet without a mark begins (XMP part 1,
# 7.1; XML 1.0, appendix F).
_ENCODINGS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_EMPTY = f'<x:xmpmeta xmlns:x="{_META}"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'


class Name(NamedTuple):
    """Full name of a property."""

    space: str
    local: str


class Prefixes(dict[str, str]):
    """Namespaces by the prefix they are written with."""

    def name(self, qualified: str) -> Name:
        """Make a name from `prefix:local`."""
        prefix, _, local = qualified.partition(":")
        return Name(self[prefix], local)


class Packet:
    """One packet. Unparsable data gives an empty one: broken XMP is not worth a photo."""

    def __init__(self, data: bytes = b"") -> None:
        parsed = _parsed(in_utf8(data))
        self.is_broken = parsed is None and bool(data.strip(_BLANK))
        """True if there was something that could not be parsed."""
        self._document = parsed or minidom.parseString(_EMPTY)
        found = self._document.getElementsByTagNameNS(RDF, "RDF")
        self._root: minidom.Element = found[0]

    def text(self, name: Name) -> str:
        """Return a simple property's value; empty if it is not there."""
        for owner in self._descriptions():
            if value := owner.getAttributeNS(*name):
                return str(value)
        return next((_text(node) for node in self._elements(name)), "")

    def fields(self, name: Name) -> dict[Name, str]:
        """Return the fields of a structure; empty if it is not there."""
        return next((_fields(node) for node in self._elements(name)), {})

    def remove(self, name: Name) -> None:
        """Take a property out, wherever and however it is written."""
        for owner in self._descriptions():
            if owner.hasAttributeNS(*name):
                owner.removeAttributeNS(*name)
        for node in list(self._elements(name)):
            node.parentNode.removeChild(node)  # type: ignore[union-attr]

    def value(self, name: Name) -> object:
        """Return a property's content, equal for equal content whatever the spelling and
        prefixes."""
        for owner in self._descriptions():
            if value := owner.getAttributeNS(*name):
                return [_Value((), str(value), ())]
        return [_value(node) for node in self._elements(name)]

    def add(self, prefixes: Prefixes) -> Addition:
        """Add a description, to which properties can be added."""
        node = self._document.createElementNS(RDF, "rdf:Description")
        node.setAttributeNS(RDF, "rdf:about", self._about())
        self._root.appendChild(node)
        return Addition(self._document, node, prefixes)

    def names(self) -> set[Name]:
        """Return every property that the packet says something about."""
        found: set[Name] = set()
        for owner in self._descriptions():
            for node in [*owner.attributes.values(), *_children(owner)]:
                if node.namespaceURI not in (*_SYNTAX, None):
                    found.add(Name(str(node.namespaceURI), str(node.localName)))
        return found

    def values(self, name: Name) -> list[str]:
        """Return every value of a property or a field, however deep it stands."""
        found = []
        for node in self._root.getElementsByTagName("*"):
            if node.hasAttributeNS(*name):
                found.append(str(node.getAttributeNS(*name)))
            elif (node.namespaceURI, node.localName) == tuple(name):
                found.append(_text(node))
        return found

    def adopt(self, other: Packet, name: Name) -> None:
        """Copy a property from another packet, in place of our own."""
        self.remove(name)
        target = self._document.createElementNS(RDF, "rdf:Description")
        target.setAttribute("xmlns:rdf", RDF)
        target.setAttributeNS(RDF, "rdf:about", self._about())
        for owner in other._descriptions():
            if attribute := owner.getAttributeNodeNS(*name):
                target.setAttribute(f"xmlns:{attribute.prefix}", name.space)
                target.setAttributeNS(name.space, attribute.name, attribute.value)
        for node in other._elements(name):
            copy: minidom.Element = self._document.importNode(node, True)
            # Prefixes that were declared further up, and would be lost.
            for prefix, space in _declared(node).items():
                copy.setAttribute(prefix, space)
            target.appendChild(copy)
        self._root.appendChild(target)

    def items(self, name: Name) -> list[str]:
        """Return the texts in an array; empty if it is not there."""
        lists = (node for found in self._elements(name) for node in _children(found))
        return [_text(item) for array in lists for item in _children(array)]

    def set_bag(self, name: Name, prefix: str, items: list[str]) -> None:
        """Replace a property by an unordered array of texts."""
        self.remove(name)
        added = self.add(Prefixes({"rdf": RDF, prefix: name.space}))
        added.bag(f"{prefix}:{name.local}", items)

    def sequence(self, name: Name) -> minidom.Element | None:
        """Return the list of an ordered array, if there is one."""
        found = (list(_named(node, Name(RDF, "Seq"))) for node in self._elements(name))
        return next((lists[0] for lists in found if lists), None)

    def to_bytes(self) -> bytes:
        """Serialise the packet in UTF-8, with its wrapper."""
        body = self._document.documentElement.toxml()  # type: ignore[union-attr]
        return (_HEAD + body + _TAIL).encode("utf-8", "replace")

    def _about(self) -> str:
        """Return the name that all descriptions of a packet are about, where it has one."""
        return next((str(d.getAttributeNS(RDF, "about")) for d in self._descriptions()), "")

    def _descriptions(self) -> Iterator[minidom.Element]:
        yield from _named(self._root, Name(RDF, "Description"))

    def _elements(self, name: Name) -> Iterator[minidom.Element]:
        for owner in self._descriptions():
            yield from [
                node
                for node in _children(owner)
                if (node.namespaceURI, node.localName) == tuple(name)
            ]


def with_kind(xmp: bytes, media_type: str) -> bytes:
    """Return the packet with the media type of the file that it goes into, where it says one."""
    if not _FORMAT.search(in_utf8(xmp)):
        return xmp
    packet = Packet(xmp)
    name = Name(_DC, "format")
    if packet.text(name) in ("", media_type):
        return xmp
    packet.remove(name)
    packet.add(Prefixes({"rdf": RDF, "dc": _DC})).text("dc:format", media_type)
    return packet.to_bytes()


class Addition:
    """Properties that are added to a packet."""

    def __init__(
        self, document: minidom.Document, owner: minidom.Element, prefixes: Prefixes
    ) -> None:
        self._document = document
        self._owner = owner
        self._prefixes = prefixes
        self._declare(owner)

    def text(self, qualified: str, value: str) -> None:
        """Add a simple property; nothing is added for an empty value."""
        if value:
            self._owner.appendChild(self._element(qualified, value))

    def struct(self, qualified: str, fields: dict[str, str]) -> None:
        """Add a structure; empty fields are left out."""
        self._owner.appendChild(self._struct(qualified, fields))

    def bag(self, qualified: str, items: list[str]) -> None:
        """Add an unordered array of texts."""
        self._array(qualified, "rdf:Bag", items)

    def ordered(self, qualified: str, items: list[str]) -> None:
        """Add an ordered array of texts."""
        self._array(qualified, "rdf:Seq", items)

    def translated(self, qualified: str, text: str) -> None:
        """Add a text that could have translations, and has none."""
        (item,) = self._array(qualified, "rdf:Alt", [text])
        item.setAttribute("xml:lang", "x-default")

    def _array(self, qualified: str, kind: str, texts: list[str]) -> list[minidom.Element]:
        array = self._element(kind)
        items = [self._element("rdf:li", text) for text in texts]
        for item in items:
            array.appendChild(item)
        self._owner.appendChild(self._element(qualified)).appendChild(array)
        return items

    def append(
        self, qualified: str, sequence: minidom.Element | None, fields: dict[str, str]
    ) -> None:
        """Append a structure to an ordered array, which is made if it is not there."""
        if sequence is None:
            sequence = self._element("rdf:Seq")
            self._owner.appendChild(self._element(qualified)).appendChild(sequence)
        item = self._struct("rdf:li", fields)
        # The array may stand where our prefixes mean something else.
        self._declare(item)
        sequence.appendChild(item)

    def _declare(self, node: minidom.Element) -> None:
        for prefix, space in self._prefixes.items():
            node.setAttribute(f"xmlns:{prefix}", space)

    def _struct(self, qualified: str, fields: dict[str, str]) -> minidom.Element:
        node = self._element(qualified)
        node.setAttributeNS(RDF, "rdf:parseType", "Resource")
        for name, value in fields.items():
            if value:
                node.appendChild(self._element(name, value))
        return node

    def _element(self, qualified: str, text: str = "") -> minidom.Element:
        node = self._document.createElementNS(self._prefixes.name(qualified).space, qualified)
        if text:
            node.appendChild(self._document.createTextNode(_storable(text)))
        return node


class _Value(NamedTuple):
    attributes: tuple[tuple[str, str, str], ...]
    text: str
    children: tuple[tuple[str, str, _Value], ...]


def _value(node: minidom.Element) -> _Value:
    attributes = sorted(
        (str(a.namespaceURI), str(a.localName), str(a.value))
        for a in node.attributes.values()
        if a.name.partition(":")[0] != "xmlns"
    )
    children = tuple((str(c.namespaceURI), str(c.localName), _value(c)) for c in _children(node))
    return _Value(tuple(attributes), _text(node), children)


def _declared(node: minidom.Element) -> dict[str, str]:
    """Return the namespace declarations that hold at a node, by attribute name; inner ones win."""
    found: dict[str, str] = {}
    at: minidom.Node | None = node
    while isinstance(at, minidom.Element):
        for attribute in at.attributes.values():
            if attribute.prefix == "xmlns" or attribute.name == "xmlns":
                found.setdefault(attribute.name, attribute.value)
        at = at.parentNode
    return found


def is_packet(data: bytes) -> bool:
    """Tell whether a Packet can be made of the data."""
    return _parsed(in_utf8(data)) is not None


def _storable(text: str) -> str:
    """Remove the characters that XML cannot hold."""
    return "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"))


def in_utf8(data: bytes) -> bytes:
    """Convert a packet to UTF-8 from UTF-16 or UTF-32 of either byte order, marked or not."""
    encoding = next((name for start, name in _ENCODINGS if data.startswith(start)), "")
    if not encoding:
        return data
    text = data.decode(encoding, "replace")
    # The declaration would name the encoding that it was in.
    return _DECLARATION.sub("", text.lstrip("\ufeff")).rstrip("\0").encode("utf-8", "replace")


def _parsed(data: bytes) -> minidom.Document | None:
    if not data.strip(_BLANK):
        return None
    try:
        # XMP has no document type; entities, declared in one, blow small files up into large ones.
        document: minidom.Document = parseString(data.rstrip(b"\0"), forbid_dtd=True)
    except (expat.ExpatError, ValueError, LookupError):
        return None
    return document if document.getElementsByTagNameNS(RDF, "RDF") else None


def _children(node: minidom.Node) -> list[minidom.Element]:
    return [child for child in node.childNodes if isinstance(child, minidom.Element)]


def _named(node: minidom.Element, name: Name) -> Iterator[minidom.Element]:
    """Yield descendants with a name, nearest first, none inside another."""
    for child in _children(node):
        if (child.namespaceURI, child.localName) == tuple(name):
            yield child
        elif child.namespaceURI == RDF:
            yield from _named(child, name)


def _text(node: minidom.Element) -> str:
    return "".join(
        child.data for child in node.childNodes if isinstance(child, minidom.Text)
    ).strip()


def _fields(node: minidom.Element) -> dict[Name, str]:
    found: dict[Name, str] = {}
    for attribute in node.attributes.values():
        if attribute.namespaceURI not in (*_SYNTAX, None):
            found[Name(str(attribute.namespaceURI), str(attribute.localName))] = attribute.value
    for child in _children(node):
        if child.namespaceURI == RDF:
            found |= _fields(child)
        else:
            found[Name(str(child.namespaceURI), str(child.localName))] = _text(child)
    return found
