"""The hot folder's results in a real Chromium, judged by mouse and by keys alone."""

import re
import shutil
from contextlib import closing

import pytest
from PIL import Image

from hotfolder.support import InvertingClient, names, run_once
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import state_folder
from web.conftest import reach, shows_black_beside_white

AWAY = "ldrps-rejected"


@pytest.fixture
def inside(web, tmp_path, monkeypatch):
    """Three photos that were restored, the newest first on the page, and one that is no photo."""
    state = web.folder / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(("one", "two", "three")):
        image = Image.new("RGB", (400, 300), "black")
        # Another photo each.
        image.putpixel((0, 0), (number, 0, 0))
        image.save(folder / f"{name}.png")
    (folder / "bad.jpg").write_bytes(b"no photo")
    run_once(InvertingClient(), folder, out=tmp_path / "out")
    with closing(Ledger(state_folder(folder.resolve()).ledger)) as ledger:
        for entry in ledger.entries("done"):
            order = [b"one.png", b"two.png", b"three.png"].index(entry.source)
            ledger.change(entry.key, ended_at=1_800_000_000 + order)
    yield folder
    shutil.rmtree(state)


@pytest.fixture
def page(open_page, inside, web):
    from playwright.sync_api import expect

    page = open_page(web)
    page.get_by_role("button", name="Hot folder (3 to review)").click()
    expect(page.locator("#results li")).to_have_count(3)
    expect(page.locator("#split")).to_be_visible()
    return page


def listed(page):
    return page.locator("#results li b").all_text_contents()


def test_results_are_judged_with_the_mouse(page, tmp_path):
    from playwright.sync_api import expect

    out = tmp_path / "out"
    assert listed(page) == ["three.png", "two.png", "one.png"]
    expect(page.locator("#result-name")).to_have_text("three.png")
    expect(page.locator("#result-size")).to_have_text("400 × 300, PNG, 8 bit")
    assert page.locator("#result-found span").all_text_contents() == ["noise about 7"]
    expect(page.locator("#result-told")).to_contain_text("Restored with auto in 1 s.")
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("#result-name")).to_have_text("two.png")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#result-name")).to_have_text("one.png")
    expect(page.locator("#results li")).to_have_count(1)
    expect(page.locator("#status")).to_have_text("two.png: rejected")
    assert names(out) == [f"{AWAY}/two_restored.png", "one_restored.png", "three_restored.png"]
    page.get_by_role("button", name="Undo: two.png rejected").click()
    expect(page.locator("#result-name")).to_have_text("two.png")
    expect(page.get_by_role("button", name="Hot folder (2 to review)")).to_be_visible()
    assert names(out) == ["one_restored.png", "three_restored.png", "two_restored.png"]
    page.locator("#shown").select_option("Accepted (1)")
    expect(page.locator("#result-name")).to_have_text("three.png")
    expect(page.locator("#standing")).to_have_text("Accepted.")
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("Nothing was accepted yet.")).to_be_visible()
    expect(page.locator("#view")).to_be_hidden()


def test_what_is_seen_is_the_photo_and_its_result(page):
    """The client of these tests inverts: left of the border black, right of it white."""
    page.wait_for_timeout(500)
    assert shows_black_beside_white(page)
    page.get_by_role("button", name="1:1").click()
    assert page.locator("#zoom").text_content() == "100 %"


def test_results_are_judged_with_keys_alone(page, tmp_path):
    from playwright.sync_api import expect

    out = tmp_path / "out"
    reach(page, "#results button")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#result-name")).to_have_text("two.png")
    page.keyboard.press("r")
    expect(page.locator("#results li")).to_have_count(2)
    # The focus goes on to the next one, so that the next key judges that.
    expect(page.locator("#results button[aria-current=true]")).to_be_focused()
    expect(page.locator("#result-name")).to_have_text("one.png")
    page.keyboard.press("a")
    expect(page.locator("#results li")).to_have_count(1)
    expect(page.locator("#status")).to_have_text("one.png: accepted")
    page.keyboard.press("u")
    expect(page.locator("#result-name")).to_have_text("one.png")
    assert names(out) == [f"{AWAY}/two_restored.png", "one_restored.png", "three_restored.png"]
    reach(page, "#shown")
    page.locator("#shown").select_option("Rejected (1)")
    expect(page.locator("#standing")).to_contain_text("moved away, and not made again")
    reach(page, "#undo")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing was rejected.")).to_be_visible()
    assert names(out) == ["one_restored.png", "three_restored.png", "two_restored.png"]


def test_failures_are_listed_with_their_reason(page):
    from playwright.sync_api import expect

    page.locator("#shown").select_option("Failed (1)")
    expect(page.locator("#result-trouble")).to_contain_text("not a photo we can read")
    expect(page.locator("#judging")).to_be_hidden()
    expect(page.locator("#view")).to_be_hidden()


def test_a_refusal_is_reported_and_the_result_stays(page, tmp_path):
    from playwright.sync_api import expect

    (tmp_path / "out" / AWAY).write_text("in the way")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#alerts")).to_contain_text("cannot be moved to")
    expect(page.locator("#result-name")).to_have_text("three.png")
    # The browser complains of the status too.
    assert all("507" in each for each in page.complaints)
    page.complaints.clear()
    (tmp_path / "out" / "three_restored.png").unlink()
    expect(page.locator("#result-trouble")).to_contain_text("is not there any more")
    expect(page.get_by_role("button", name="Accept")).to_be_disabled()


def test_both_pages_keep_their_own(page, tmp_path, inside):
    from playwright.sync_api import expect

    page.get_by_role("button", name="Photos", exact=True).click()
    expect(page.get_by_role("heading", name="Drop photos here")).to_be_visible()
    expect(page.locator("#verdict")).to_be_hidden()
    page.set_input_files("#files", str(inside / "one.png"))
    expect(page.locator("#name")).to_have_text("one.png")
    page.get_by_role("button", name=re.compile("^Hot folder")).click()
    expect(page.locator("#result-name")).to_have_text("three.png")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.get_by_role("button", name="Restore", exact=True)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_both_schemes_and_on_a_narrow_screen(page, scheme):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    contrast = """(selector) => {
        const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
        const element = document.querySelector(selector);
        let ground = element;
        const isClear = (each) => rgb(getComputedStyle(each).backgroundColor)[3] === 0;
        while (isClear(ground)) ground = ground.parentElement;
        const pair = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
        const [low, high] = pair.map((each) => light(rgb(each))).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    }"""
    for selector in ("#result-name", "#accept", "#reject", "#verdict-keys", "#result-files dd"):
        assert page.evaluate(contrast, selector) >= 4.5, selector
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_has_a_name(page):
    names = """() => [...document.querySelectorAll("button, select, [role=slider], [tabindex='0']")]
        .filter((each) => each.offsetParent)
        .map((each) => [each.id || each.className || each.tagName,
            (each.ariaLabel || each.labels?.[0]?.textContent || each.textContent).trim()])"""
    found = page.evaluate(names)
    assert len(found) > 10
    for which, name in found:
        assert name, which
