"""Screenshots, light and dark: editors, a terminal, pages, a chat, a table, a dialog."""

from __future__ import annotations

from functools import partial

from PIL import Image, ImageDraw

from benchmarks.drawn.canvas import Colour, Drawing, Rng, font, samples
from benchmarks.drawn.documents import fill, prose
from benchmarks.sets import Samples

_CODE = ("def", "return", "for", "if", "import", "class", "with", "yield", "None", "self")


def editor(rng: Rng, ground: Colour, ink: Colour, accents: tuple[Colour, ...]) -> Samples:
    """A window with code in it, and a tree of files."""
    image = Image.new("RGB", (1000, 640), ground)
    draw, face = ImageDraw.Draw(image), font("mono", 14)
    side: Colour = tuple(max(0, value - 12) for value in ground)  # type: ignore[assignment]
    draw.rectangle((0, 0, 200, 640), side)
    for row in range(30):
        draw.text((14 + 12 * int(rng.integers(0, 3)), 12 + 20 * row), prose(rng, 10), ink, face)
    for row in range(31):
        x = 250 + 32 * int(rng.integers(0, 4))
        draw.text((212, 8 + 20 * row), str(row + 1), accents[-1], face)
        for _ in range(int(rng.integers(0, 6))):
            word = str(rng.choice(_CODE)) if rng.random() < 0.4 else prose(rng, 8)
            colour = accents[int(rng.integers(len(accents)))] if word in _CODE else ink
            draw.text((x, 8 + 20 * row), word, colour, face)
            x += round(draw.textlength(word + " ", face))
    return samples(image)


def terminal(rng: Rng) -> Samples:
    """Green and grey on black."""
    image = Image.new("RGB", (900, 560), (0, 0, 0))
    draw, face = ImageDraw.Draw(image), font("mono", 15)
    for row in range(27):
        prompt = row % 4 == 0
        text = ("$ " if prompt else "") + prose(rng, int(rng.integers(5, 80)))
        draw.text((8, 6 + 20 * row), text, (80, 220, 100) if prompt else (190, 190, 190), face)
    return samples(image)


def website(rng: Rng, ground: Colour, card: Colour, ink: Colour) -> Samples:
    """Cards with headings, some text, and flat pictures."""
    image = Image.new("RGB", (1000, 720), ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1000, 56), (38, 92, 190))
    draw.text((24, 14), "Daily Herald", "white", font("bold", 24))
    for row in range(2):
        for column in range(3):
            left, top = 24 + 324 * column, 80 + 320 * row
            draw.rounded_rectangle((left, top, left + 300, top + 300), 10, card)
            flat = tuple(int(v) for v in rng.integers(60, 220, 3))
            draw.rectangle((left + 12, top + 12, left + 288, top + 130), flat)
            draw.text((left + 14, top + 140), prose(rng, 18), ink, font("bold", 18))
            fill(draw, (left + 14, top + 170, left + 286, top + 290), font("sans", 13), ink, rng)
    return samples(image)


def chat(rng: Rng, ground: Colour, theirs: Colour, ink: Colour) -> Samples:
    """Bubbles on a telephone's screen."""
    image = Image.new("RGB", (480, 900), ground)
    draw, y = ImageDraw.Draw(image), 20
    while y < 840:
        mine, rows = bool(rng.random() < 0.5), int(rng.integers(1, 4))
        left, height = (150, 22 * rows + 24) if mine else (16, 22 * rows + 24)
        draw.rounded_rectangle(
            (left, y, left + 310, y + height), 16, (30, 110, 80) if mine else theirs
        )
        for row in range(rows):
            line = prose(rng, 26)[:34]
            draw.text((left + 14, y + 12 + 22 * row), line, ink, font("sans", 15))
        y += height + 14
    return samples(image)


def spreadsheet(rng: Rng) -> Samples:
    """Figures in a grid."""
    image = Image.new("RGB", (960, 620), "white")
    draw, face = ImageDraw.Draw(image), font("sans", 13)
    draw.rectangle((0, 0, 960, 26), (230, 230, 230))
    for column in range(12):
        draw.text((80 * column + 40, 5), "ABCDEFGHIJKL"[column], (80, 80, 80), face, anchor="ma")
        draw.line((80 * column, 0, 80 * column, 620), (205, 205, 205))
        for row in range(23):
            y = 26 + 26 * row
            draw.line((0, y, 960, y), (205, 205, 205))
            if rng.random() < 0.75:
                text = f"{rng.normal(300, 220):.2f}"
                draw.text((80 * column + 74, y + 5), text, (20, 20, 20), face, anchor="ra")
    return samples(image)


def dialog(rng: Rng, ground: Colour, ink: Colour) -> Samples:
    """A settings dialog: much of one grey, little contrast."""
    image = Image.new("RGB", (760, 520), ground)
    draw = ImageDraw.Draw(image)
    lit: Colour = tuple(min(255, value + 18) for value in ground)  # type: ignore[assignment]
    draw.rectangle((0, 0, 760, 40), lit)
    draw.text((16, 10), "Preferences", ink, font("bold", 17))
    for row in range(9):
        y = 64 + 48 * row
        draw.text((40, y), prose(rng, 22), ink, font("sans", 15))
        draw.rounded_rectangle((440, y - 4, 700, y + 26), 6, lit)
        draw.text((452, y), prose(rng, 12), ink, font("sans", 14))
    return samples(image)


_BRIGHT = ((160, 30, 120), (20, 90, 200), (20, 120, 60), (150, 150, 150))
_PASTEL = ((198, 120, 221), (97, 175, 239), (152, 195, 121), (92, 99, 112))

DRAWINGS = tuple(
    Drawing(f"screen_{name}", "screenshot", draw)
    for name, draw in (
        (
            "editor_light",
            partial(editor, ground=(253, 253, 253), ink=(40, 40, 40), accents=_BRIGHT),
        ),
        ("editor_dark", partial(editor, ground=(40, 44, 52), ink=(171, 178, 191), accents=_PASTEL)),
        (
            "editor_black",
            partial(editor, ground=(16, 16, 18), ink=(200, 200, 200), accents=_PASTEL),
        ),
        ("terminal", terminal),
        (
            "website_light",
            partial(website, ground=(243, 244, 247), card=(255, 255, 255), ink=(30, 30, 30)),
        ),
        (
            "website_dark",
            partial(website, ground=(24, 26, 30), card=(38, 41, 47), ink=(215, 215, 220)),
        ),
        (
            "chat_light",
            partial(chat, ground=(236, 229, 221), theirs=(180, 190, 200), ink=(10,) * 3),
        ),
        ("chat_dark", partial(chat, ground=(12, 18, 22), theirs=(34, 46, 54), ink=(230,) * 3)),
        ("spreadsheet", spreadsheet),
        ("dialog_grey", partial(dialog, ground=(214, 210, 206), ink=(40, 40, 40))),
        ("dialog_dark", partial(dialog, ground=(53, 53, 53), ink=(222, 222, 222))),
    )
)
