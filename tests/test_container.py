"""The container files agree with the command line, with each other and with the package."""

import re
import shlex
import tomllib

import yaml

from ldrps_client.cli._parser import build_parser
from ldrps_daemon.__main__ import config_of
from support.daemon import ROOT

HERE = ROOT / "packaging" / "container"
FILE = (HERE / "Containerfile").read_text()
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())


def listed(keyword):
    """The last JSON list behind a keyword of the Containerfile."""
    found = re.findall(rf"^(?:    )?{keyword} (\[.*\])$", FILE, re.MULTILINE)
    return yaml.safe_load(found[-1])


def variables():
    return dict(re.findall(r"(\w+)=(\S+)", FILE[FILE.index("\nENV ") : FILE.index("\nUSER ")]))


def test_what_the_image_runs_is_what_the_command_line_has():
    health = re.search(r"HEALTHCHECK .*\n    CMD (\[.*\])", FILE)[1]
    words = yaml.safe_load(health)
    assert build_parser().parse_args(words[1:]).json
    serve = listed("CMD")
    assert serve[:2] == ["ldrps", "serve"]
    config = config_of([*serve[2:], "--address", variables()["LDRPS_ADDRESS"]])
    assert str(config.spool).startswith("/var/lib/ldrps/spool")
    watch = COMPOSE["services"]["hot-folder"]["command"]
    assert build_parser().parse_args(watch[1:]).no_start


def test_it_runs_as_an_ordinary_user_who_owns_the_volumes():
    assert FILE.rindex("\nUSER ldrps") < FILE.rindex("\nCMD ")
    made = re.search(r"install -d -o ldrps -g ldrps -m 0700 (.*)\nCOPY", FILE, re.DOTALL)[1]
    assert set(made.replace("\\", "").split()) == set(listed("VOLUME"))
    for service in ("daemon", "hot-folder"):
        reported = COMPOSE["services"][service]
        assert reported["user"].startswith("${LDRPS_UID:-1000}")
        assert reported["read_only"]
        assert reported["cap_drop"] == ["ALL"]


def test_every_volume_has_its_place_and_is_given_to_that_user():
    volumes = COMPOSE["services"]["prepare"]["volumes"]
    places = {each.partition(":")[2] for each in volumes}
    assert places == set(listed("VOLUME"))
    assert set(COMPOSE["services"]["prepare"]["command"][2:]) == places
    assert {each.partition(":")[0] for each in volumes} == set(COMPOSE["volumes"])
    # What the hot folder has done must outlive it, and it must reach the daemon's socket.
    held = {each.rpartition(":")[2] for each in COMPOSE["services"]["hot-folder"]["volumes"]}
    assert held == {"/run/ldrps", "/var/lib/ldrps/state", "/photos"}


def test_variables_lead_into_volumes():
    volumes = listed("VOLUME")
    for name in ("LDRPS_MODELS", "XDG_STATE_HOME"):
        assert any(variables()[name].startswith(volume) for volume in volumes), name


def test_the_build_gets_all_that_the_package_is_made_of():
    kept = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines()
            if line.startswith("!")}  # fmt: skip
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = setup["tool"]["setuptools"]
    needed = {path.split("/")[0] for path in tools["package-dir"].values()}
    needed |= {name for name in tools["packages"] if (ROOT / name).is_dir()}
    needed |= {path.split("/")[0] for paths in tools["data-files"].values() for path in paths}
    needed |= {path.split("/")[0] for path in setup["project"]["license-files"]}
    needed |= {setup["project"]["readme"], "pyproject.toml", "constraints.txt"}
    assert needed <= kept
    assert all((ROOT / name).exists() for name in kept)


def test_the_commands_in_the_files_own_words_name_files_that_exist():
    for text in (FILE, (HERE / "compose.yaml").read_text()):
        for line in re.findall(r"^#   (.*)$", text, re.MULTILINE):
            words = shlex.split(line)
            for word in words:
                assert not word.startswith("packaging/") or (ROOT / word).exists(), word
