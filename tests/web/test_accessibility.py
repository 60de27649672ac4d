"""The page for everybody: by keys alone, read aloud, in light and dark, in a narrow window."""

import re

import numpy as np
import pytest

from support.daemon import ROOT
from web.conftest import reach
from web.test_browser import add, photo, restore


def test_keys_alone_are_enough(open_page, tmp_path):
    from playwright.sync_api import expect

    page = open_page()
    # Has the driver ask for choosers now: asked for with the key, it comes too late at times.
    page.on("filechooser", lambda _: None)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([photo(tmp_path / f"{n}.png", (240, 160), n) for n in (1, 2)])
    expect(page.locator("nav li")).to_have_count(2)
    expect(page.locator("nav small", has_text="being read")).to_have_count(0)
    reach(page, "nav button")
    page.keyboard.press("ArrowDown")
    expect(page.locator("nav button[aria-current=true]")).to_be_focused()
    second = page.locator("#name").text_content()
    assert second == page.locator("nav li:nth-child(2) b").text_content()
    reach(page, "#strength")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#strength-text")).to_have_text("95 %")
    reach(page, "#restore")
    page.keyboard.press("Enter")
    expect(page.locator("#outcome")).to_be_visible()
    reach(page, "#stage")
    page.keyboard.press("1")
    assert page.locator("#zoom").text_content() == "100 %"
    page.keyboard.press("b")
    expect(page.locator("#split")).to_be_hidden()
    page.keyboard.press("b")
    page.keyboard.press("0")
    reach(page, "#split")
    before = int(page.locator("#split").get_attribute("aria-valuenow"))
    page.keyboard.press("ArrowRight")
    assert int(page.locator("#split").get_attribute("aria-valuenow")) > before
    page.keyboard.press("Home")
    assert page.locator("#split").get_attribute("aria-valuenow") == "0"
    reach(page, "#save")


def test_everything_that_can_be_done_has_a_name(open_page, tmp_path):
    page = open_page()
    add(page, photo(tmp_path / "a.png"))
    restore(page)
    names = """() => [...document.querySelectorAll("button, a[href], select, input:not([hidden])"
            + ", [role=slider], [tabindex='0'], progress")]
        .filter((each) => each.offsetParent)
        .map((each) => [each.id || each.className || each.tagName,
            (each.ariaLabel || each.labels?.[0]?.textContent || each.textContent).trim()])"""
    found = page.evaluate(names)
    assert len(found) > 12
    for which, name in found:
        assert len(name) > 0, which
    for image in page.locator("#stage img").all():
        assert image.get_attribute("alt") in ("a.png before", "a.png, after")
    said = "(all) => all.map((each) => [each.ariaValueText, `${each.value} %`])"
    for words, value in page.locator("#settings input[type=range]").evaluate_all(said):
        assert words in (value, "left")
    # What happens is told to those who do not see it.
    assert page.locator("[role=status]").text_content().endswith("a.png: restored")


def contrast(page, selector):
    """Contrast of a text with what is behind it, as WCAG counts it."""
    look = """(element) => {
        let behind = element;
        while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") {
            behind = behind.parentElement;
        }
        return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
    }"""
    colours = page.locator(selector).first.evaluate(look)
    lights = []
    for colour in colours:
        rgb = np.array([int(v) for v in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_both_be_read(open_page, tmp_path, scheme):
    page = open_page(color_scheme=scheme)
    add(page, photo(tmp_path / "a.png"))
    add(page, ROOT / "README.md")
    page.locator("nav button", has_text="a.png").click()
    restore(page)
    texts = ("h1", "#name", "#size", "#found span", "#recipe-words", "#save", "#told", "nav small")
    for selector in (*texts, "nav .refused small", "#restore", "#keys", "#remove", "#zoom"):
        assert contrast(page, selector) >= 4.5, selector
    ground = page.locator("#panel").evaluate("(e) => getComputedStyle(e).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 380) == (scheme == "light")
    # With a system's own few colours, what is chosen must still be told from what is not.
    page.emulate_media(color_scheme=scheme, forced_colors="active")
    look = "(e) => getComputedStyle(e).backgroundColor"
    for chosen, other in (
        ("#fit", "#swap"),
        ("nav [aria-current=true]", "nav [aria-current=false]"),
    ):
        assert page.locator(chosen).evaluate(look) != page.locator(other).evaluate(look)
    page.emulate_media(color_scheme=scheme, forced_colors="none")
    # A tinted surround would change how a photo's colours look.
    stage = page.locator("#stage").evaluate("(e) => getComputedStyle(e).backgroundColor")
    assert len(set(re.findall(r"\d+", stage)[:3])) == 1


@pytest.mark.parametrize("width", [360, 700, 900])
def test_nothing_is_cut_off_in_a_narrow_window(open_page, tmp_path, width):
    page = open_page(viewport={"width": width, "height": 740})
    add(page, photo(tmp_path / f"{'long' * 20}.png"), photo(tmp_path / "b.png"))
    restore(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    for selector in ("#save", "#restore", "#recipe", "#exact", "#stage"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0, selector
        assert box["x"] + box["width"] <= width, selector
