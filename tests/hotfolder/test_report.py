"""The page of what happened: it stands alone, and its slider works in a browser."""

import html
import json
import re
import shutil
import subprocess

import pytest

from hotfolder.support import run_once, write_photo
from ldrps_client.cli import main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def page(inside, out, client, tmp_path):
    write_photo(inside / "<a> & b.png", 1)
    (inside / "bad.jpg").write_bytes(b"no photo")
    run_once(client, inside, out=out)
    assert main(["watch", str(inside), "--report", str(tmp_path / "page")]) == 0
    return tmp_path / "page.html"


def test_the_report_has_a_name_of_its_own(inside, client, tmp_path, monkeypatch, capsys):
    run_once(client, inside)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["watch", "--report"]) == 0
    assert capsys.readouterr().out == "watched.html\n"
    assert str(inside) in (tmp_path / "watched.html").read_text()


def test_the_report_stands_alone(page):
    text = page.read_text()
    assert "&lt;a&gt; &amp; b.png" in text
    assert "not a photo we can read" in text
    assert "noise 7.0" in text
    assert text.count("data:image/jpeg;base64,") == 2
    assert set(re.findall(r"(?:src|href)=.(\w+):", text)) == {"data"}
    assert "href" not in text
    assert not re.search(r"https?:", text)


_TRY = """<script>
addEventListener("load", () => {
  const input = document.querySelector(".both input");
  const clip = () => getComputedStyle(document.querySelector(".before")).clipPath;
  const before = clip();
  input.value = 80;
  input.dispatchEvent(new Event("input"));
  const loaded = [...document.images].every(i => i.complete && i.naturalWidth > 0);
  const out = document.createElement("output");
  const height = () => document.images[0].getBoundingClientRect().height / innerHeight;
  const heights = [height()];
  document.querySelector(".both button").click();
  heights.push(height());
  const label = input.getAttribute("aria-label");
  out.textContent = JSON.stringify([before, clip(), loaded, label, heights]);
  document.body.append(out);
});
</script></html>"""


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")
def test_the_reports_slider_in_a_browser(page, tmp_path):
    # The page as it is, with somebody who moves the slider.
    page.write_text(page.read_text().replace("</html>", _TRY))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]
    command += [f"--user-data-dir={tmp_path / 'chromium'}", "--virtual-time-budget=2000"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120
    )
    found = re.search(r"<output>(.*?)</output>", done.stdout)
    assert found, done.stderr
    before, after, loaded, label, (small, large) = json.loads(html.unescape(found[1]))
    assert (before, after) == ("inset(0px 50% 0px 0px)", "inset(0px 20% 0px 0px)")
    assert loaded is True
    assert label == "before and after of <a> & b.png"
    assert small < 0.4
    assert large == pytest.approx(0.8, abs=0.01)
