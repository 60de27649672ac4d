"""`ldrps gimp install` and `doctor`, the zip, and the translations."""

import gettext
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import zipfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from ldrps_client import _reaching
from ldrps_client.cli import _gimp_doctor, _gimp_folders, main
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.rectangle import Rectangle
from support.plugin import FOLDER

ROOT = Path(__file__).parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "plugin_gimp" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user with two GIMPs, one of them of 2.10, and no daemon."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "APPDATA", "LDRPS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_gimp_folders.shutil, "which", lambda name: None)
    for version in ("2.10", "3.0", "3.2"):
        (tmp_path / ".config/GIMP" / version).mkdir(parents=True)
    return tmp_path


def plug_in(home, version="3.0"):
    return home / ".config/GIMP" / version / "plug-ins" / "ldrps"


def doctor(capsys, *options):
    capsys.readouterr()
    code = main(["gimp", "doctor", "--json", *options])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert (code == 0) == all(finding["fine"] for finding in findings)
    return {Path(f["what"]).parent.parent.name or f["what"]: f for f in findings}


def test_install_copies_to_every_gimp_3(home, capsys):
    assert main(["gimp", "install"]) == 0
    said = capsys.readouterr().out
    assert "3.0" in said
    assert "3.2" in said
    assert not (home / ".config/GIMP/2.10/plug-ins").exists()
    for version in ("3.0", "3.2"):
        made = plug_in(home, version)
        assert os.access(made / "ldrps.py", os.X_OK)
        assert (made / "ldrps_gimp" / "vendor" / "hpack" / "LICENSE").is_file()
        assert (made / "locale/de/LC_MESSAGES/ldrps.mo").is_file()
        assert not list(made.rglob("__pycache__"))
        assert os.access((made / "command.txt").read_text().strip(), os.X_OK)


def test_install_replaces_an_old_one_whole(home):
    plug_in(home).mkdir(parents=True)
    (plug_in(home) / "ldrps.py").write_text("old")
    (plug_in(home) / "left_over.py").write_text("old")
    assert main(["gimp", "install"]) == 0
    assert not (plug_in(home) / "left_over.py").exists()
    assert [path.name for path in plug_in(home).parent.iterdir()] == ["ldrps"]
    assert {p.name for p in plug_in(home).parents[1].iterdir()} == {"plug-ins"}


def test_install_leaves_what_is_not_ours(home, capsys):
    plug_in(home).mkdir(parents=True)
    (plug_in(home) / "mine.txt").write_text("mine")
    assert main(["gimp", "install"]) == 5
    assert "not this plug-in" in capsys.readouterr().err
    assert (plug_in(home) / "mine.txt").read_text() == "mine"


def test_install_into_a_folder_by_name(home, capsys):
    assert main(["gimp", "install", "--folder", str(home / "plug-ins"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"installed": [str(home / "plug-ins/ldrps")]}
    assert (home / "plug-ins/ldrps/ldrps.py").is_file()


def test_without_a_gimp_there_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(_gimp_folders.shutil, "which", lambda name: None)
    assert main(["gimp", "install"]) == 9
    assert "start GIMP once" in capsys.readouterr().err
    assert not doctor(capsys)["GIMP"]["fine"]


def test_a_gimp_that_is_too_old_is_reported(home, capsys):
    for version in ("3.0", "3.2"):
        (home / ".config/GIMP" / version).rmdir()
    assert "only GIMP 2.10 was found" in doctor(capsys)["GIMP"]["words"]
    assert main(["gimp", "install"]) == 9
    assert "for GIMP 3" in capsys.readouterr().err


def test_a_gimp_that_was_never_started_is_asked_for_its_version(home, monkeypatch):
    program = home / "gimp"
    program.write_text("#!/bin/sh\necho 'GNU Image Manipulation Program version 3.4.0'\n")
    program.chmod(0o755)
    for version in ("3.0", "3.2"):
        (home / ".config/GIMP" / version).rmdir()
    monkeypatch.setattr(_gimp_folders.shutil, "which", lambda name: str(program))
    assert _gimp_folders.plug_in_folders() == [home / ".config/GIMP/3.4/plug-ins"]


def test_doctor_finds_each_fault_and_says_what_to_do(home, capsys):
    assert "ldrps gimp install" in doctor(capsys)["3.0"]["words"]
    main(["gimp", "install"])
    found = doctor(capsys)
    assert all(finding["fine"] for finding in found.values()), found
    assert "starts one" in found["daemon"]["words"]
    script = plug_in(home) / "ldrps.py"
    script.chmod(0o644)
    assert "chmod +x" in doctor(capsys)["3.0"]["words"]
    nested = plug_in(home) / "ldrps"
    nested.mkdir()
    script.rename(nested / "ldrps.py")
    assert "not directly in this folder" in doctor(capsys)["3.0"]["words"]
    (plug_in(home, "3.2") / "ldrps_gimp/__init__.py").write_text('VERSION = "0.0.1"\n')
    assert "version 0.0.1 is installed" in doctor(capsys)["3.2"]["words"]
    assert not doctor(capsys, "--address", f"unix:{home}/none")["daemon"]["fine"]


def test_doctor_finds_what_keeps_the_daemon_from_starting(home, capsys, monkeypatch):
    main(["gimp", "install"])
    assert "bundled" in doctor(capsys)["models"]["words"]
    (plug_in(home) / "command.txt").write_text(f"{home}/gone/ldrps\n")
    assert "no longer there" in doctor(capsys)["3.0"]["words"]
    (home / "ldrps").mkdir(mode=0o755)
    assert "chmod 700" in doctor(capsys)["socket"]["words"]
    monkeypatch.setattr(_gimp_doctor, "folder_of", lambda name: home / "no" / name)
    assert not doctor(capsys)["models"]["fine"]


def test_doctor_tells_a_silent_listener_from_no_daemon(home, capsys, monkeypatch):
    path = Path(os.environ["XDG_RUNTIME_DIR"]) / "ldrps" / "ldrps.sock"
    path.parent.mkdir(mode=0o700)
    monkeypatch.setattr(_reaching, "CALL_SECONDS", 0.5)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        found = doctor(capsys)["daemon"]
    assert not found["fine"]
    assert "does not answer" in found["words"]


def test_doctor_knows_flatpaks_wall(home, capsys):
    main(["gimp", "install"])
    (home / ".local/share/flatpak/app/org.gimp.GIMP").mkdir(parents=True)
    assert "flatpak override --user" in doctor(capsys)["Flatpak"]["words"]
    overrides = home / ".local/share/flatpak/overrides"
    overrides.mkdir()
    (overrides / "org.gimp.GIMP").write_text("[Context]\nfilesystems=xdg-run/ldrps;\n")
    assert doctor(capsys)["Flatpak"]["fine"]


def test_doctor_asks_the_daemon(home, capsys, daemon):
    main(["gimp", "install"])
    found = doctor(capsys, "--address", daemon.address)
    assert found["daemon"]["fine"]
    assert "bundled" in found["models"]["words"]


def test_the_zip_is_whole_executable_and_always_the_same(tmp_path):
    pack = load("pack")
    path = pack.pack(tmp_path / "a")
    assert path.read_bytes() == pack.pack(tmp_path / "b").read_bytes()
    subprocess.run([sys.executable, "-m", "zipfile", "-t", str(path)], check=True)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert archive.getinfo("ldrps/ldrps.py").external_attr >> 16 & 0o111
    wanted = {f"ldrps/{p.relative_to(FOLDER)}" for p in FOLDER.rglob("*.py")}
    assert {name for name in wanted if "__pycache__" not in name} <= names
    assert not [name for name in names if name.endswith((".po", ".pyc"))]


def test_the_guide_is_the_documents():
    made = (FOLDER / "help" / "guide.html").read_text()
    assert made == load("guide").guide(), "run: make translations"
    assert "ldrps gimp install" in made


def test_every_string_is_translated_and_compiled():
    translations = load("translations")
    strings = translations.template()
    assert translations.files()
    for path in translations.files():
        catalog = translations.updated(path, strings)
        for message in catalog:
            if message.id:
                assert message.string, f"{path.parts[-3]}: {message.id}; run: make translations"
                holes = re.findall(r"\{\w+\}", message.id)
                assert sorted(re.findall(r"\{\w+\}", message.string)) == sorted(holes), message.id
        assert path.with_suffix(".mo").read_bytes() == translations.compiled(catalog)


# Of GIMP's own buttons in the same dialog. Our name takes the place of OK.
GIMPS_KEYS = {"en": "lsrc", "de": "gszc"}
MENU = re.compile(r"LD-RPS|These Settings")
OF_THE_SUMMARY = {"_Close"}
"""Labels of the dialog that comes after all open images, where GIMP's buttons are not."""


def test_every_field_of_the_dialog_has_a_key_of_its_own():
    template = load("translations").template()
    found = [m.id for m in template if "_" in m.id and m.id not in OF_THE_SUMMARY]
    labels = [label for label in found if not MENU.search(label) and "{" not in label]
    assert len(labels) > 10
    for language, taken in GIMPS_KEYS.items():
        found = gettext.translation("ldrps", FOLDER / "locale", [language], fallback=True)
        keys = [re.findall("_(.)", found.gettext(label))[0].lower() for label in labels]
        assert len({*keys, *taken}) == len(keys) + len(taken), (language, sorted(keys))


def test_every_word_of_a_diagnosis_is_translated():
    found = gettext.translation("ldrps", FOLDER / "locale", ["de"])
    grades, inside = (0.0, 0.3, 1.0), (None, Rectangle(4, 4, 90, 60))
    neutral = Diagnosis(noise_sigma=0.0, haze=0.0, darkness=0.0, cast=0.0, grey=False)
    said = {
        Diagnosis(
            noise_sigma=0.0, haze=haze, darkness=dark, cast=cast, grey=grey, inner=inner
        ).words()
        for haze, dark, cast, grey, inner in product(grades, grades, grades, (False, True), inside)
    }
    said.add(replace(neutral, graphic=True).words())
    said |= {replace(neutral, probabilities={name: 0.7}).words() for name in ("dark", "hazy")}
    words = {word for text in said for word in re.split("[,;] ", text)}
    assert len(words) > 4
    for word in words:
        assert found.gettext(word) != word, word


def test_python_finds_the_translations():
    found = gettext.translation("ldrps", FOLDER / "locale", ["de"])
    assert found.gettext("hazy") == "dunstig"
