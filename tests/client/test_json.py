"""`--json` and `--json-lines`: output for programs."""

import json
import os
from pathlib import Path


def test_json_is_one_object_and_nothing_else(ldrps, photo):
    code, out, err = ldrps("restore", photo, "--json")
    assert (code, err) == (0, "")
    (record,) = json.loads(out)["results"]
    assert record["output"] == str(photo.with_name("in_restored.png"))
    assert record["diagnosis"]["words"] == "noise about 3"
    assert record["settings"]["recipe"] == "auto"


def test_json_lines_tell_all_that_happens_as_it_happens(ldrps, photo, tmp_path):
    code, out, err = ldrps("restore", photo, tmp_path / "none.png", "--json-lines")
    reported = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert "none.png" in err
    kinds = [each["event"] for each in reported]
    assert kinds[0] == "started"
    assert reported[0]["pid"] == os.getpid()
    assert kinds[-2:] == ["done", "failed"]
    assert {each["photo"] for each in reported[:-1]} == {str(photo)}
    assert Path(reported[-2]["output"]).exists()
    assert reported[-1]["error"]["exit_code"] == 3
    steps = [each for each in reported if each["event"] == "step"]
    assert steps
    assert steps[-1]["index"] <= steps[-1]["count"]


def test_json_lines_and_json_exclude_each_other(ldrps, photo):
    code, out, _ = ldrps("restore", photo, "--json-lines", "--json")
    assert code == 2
    assert "exclude each other" in json.loads(out)["error"]["message"]
