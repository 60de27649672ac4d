"""In a real GIMP: the procedure for scripts, and every example of the guide."""

import re
import shutil
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image

from gimp.gimp_app import ROOT, START_SECONDS
from support.daemon import wait_until

AMOUNTS = ("damage", "noise", "haze", "light", "cast", "colour")
ALSO = ("ldrps-restore-again", "ldrps-restore-dialog", "ldrps-restore-all")
GUIDE = (ROOT / "docs" / "guide" / "gimp.md").read_text()


def blocks(language):
    return [
        text
        for kind, text in re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)
        if kind == language
    ]


@pytest.fixture
def photo(served):
    """A PNG where the examples look for one; the second value reads what they wrote."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    inside = served.root / "tmp"
    Image.fromarray(pixels).save(inside / "in.png")
    yield pixels, lambda: np.asarray(Image.open(inside / "out.png").convert("RGB"))
    for name in ("in.png", "out.png"):
        (inside / name).unlink(missing_ok=True)


def test_it_is_registered_with_menu_arguments_and_defaults(served):
    found = served.do(f"""
procedure = PDB.lookup_procedure("ldrps-restore")
config = procedure.create_config()
names = [spec.name for spec in procedure.get_arguments()]
answer = {{
    "menu": [procedure.get_menu_label(), procedure.get_menu_paths()],
    "types": procedure.get_image_types(),
    "returns": [spec.value_type.name for spec in procedure.get_return_values()],
    "defaults": {{name: config.get_property(name) for name in names[3:]}},
    "others": [PDB.procedure_exists(n) for n in {ALSO!r}],
}}
""")
    assert found["menu"] == ["_Restore (LD-RPS)...", ["<Image>/Filters"]]
    assert found["types"] == "RGB*, GRAY*, INDEXED*"
    assert found["returns"] == ["GimpLayer"]
    assert found["others"] == [True, True, True]
    assert found["defaults"] == {
        "recipe": "auto",
        "strength": 1.0,
        "description": "",
        "recurrences": -1,
        "steps": -1,
        "noise-sigma": -1.0,
        **{f"amount-{name}": -1.0 for name in AMOUNTS},
        "model": "bundled",
        "seed": 0,
        "output": "new-layer",
        "selection": "part",
        "generated": False,
        "preview": True,
    }
    for name in found["defaults"]:
        assert re.search(rf"^\| .*`{name}`.* \|", GUIDE, re.MULTILINE), name


def test_the_python_example(served, photo):
    pixels, result = photo
    (example,) = blocks("python")
    assert (
        served.do(example + "\nanswer = layer.get_name()\nimage.delete()")
        == "Background (restored: haze, noise 3)"
    )
    assert (result() == 255 - pixels).all()


def test_the_script_fu_example(served, photo):
    pixels, result = photo
    (example,) = blocks("scheme")
    status = served.do(f"""
procedure = PDB.lookup_procedure("plug-in-script-fu-eval")
config = procedure.create_config()
config.set_property("script", {example!r})
answer = procedure.run(config).index(0).value_nick
for image in Gimp.get_images():
    image.delete()
""")
    assert status == "success", served.log()[-1000:]
    assert (result() == 255 - pixels).all()


def test_the_example_for_a_whole_folder(served, photo):
    pixels, _ = photo
    folder = served.shared / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(folder / name)
    (example,) = [text for text in blocks("sh") if "gimp-console" in text]
    command = served.enter("photos", example)
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)
    assert done.returncode == 0, done.stderr
    for name in ("a.png", "b.png"):
        assert (np.asarray(Image.open(folder / f"restored-{name}")) == 255 - pixels).all()


def test_settings_reach_the_daemon_and_the_layers_record(served):
    record = served.do("""
import json
image, layer = new_image()
made = restore(layer, recipe="haze", strength=0.5, description="Straße", recurrences=2, steps=7,
               noise_sigma=3.5, amount_haze=0.5, seed=11)
kept = made.get_parasite("ldrps-provenance")
answer = json.loads(bytes(kept.get_data()))
answer["flags"] = [kept.is_persistent(), kept.is_undoable()]
answer["tattoo"] = layer.get_tattoo()
image.delete()
""")
    assert record["settings"] == {
        "recipe": "haze",
        "strength": 0.5,
        "description": "Straße",
        "recurrences": 2,
        "steps": 7,
        "noise_sigma": 3.5,
        **{f"amount_{name}": -1.0 for name in AMOUNTS},
        "amount_haze": 0.5,
        "seed": 11,
        "model": "bundled",
        "output": "new-layer",
        "selection": "part",
        "generated": False,
    }
    assert record["description"]["text"] == "Straße"
    assert record["diagnosis"]["words"] == "noise about 3"
    assert record["done"]["seed"] == 11
    assert record["source"] == {"layer": "photo", "tattoo": record["tattoo"]}
    assert record["flags"] == [True, True]


def test_restoring_again_from_a_saved_file(served):
    found = served.do("""
from gi.repository import Gio
image, layer = new_image()
made = restore(layer, recipe="noise", seed=5)
file = Gio.File.new_for_path("/mnt/shared/again.xcf")
Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
image.delete()
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
made, layer = image.get_layers()
status, (again,) = call("ldrps-restore-again", image, [made])
import json
record = json.loads(bytes(again.get_parasite("ldrps-provenance").get_data()))
answer = [
    status,
    [each.get_name() for each in image.get_layers()],
    record["settings"]["recipe"],
    record["settings"]["seed"],
    pixels(again) == inverted(pixels(layer), layer),
    refusal([layer], name="ldrps-restore-again"),
]
elsewhere = restore(layer, output=NEW_IMAGE)
answer.append(refusal([elsewhere], name="ldrps-restore-again"))
elsewhere.get_image().delete()
image.remove_layer(layer)
answer.append(refusal([made], name="ldrps-restore-again"))
image.delete()
""")
    stranger, *orphans = found[-3:]
    assert found[:5] == [
        "success",
        ["photo (restored: noise 3)", "photo (restored: noise 3) #1", "photo"],
        "noise",
        5,
        True,
    ]
    assert stranger[0] == "calling-error"
    assert "not made by" in stranger[1]
    for status, sentence in orphans:
        assert status == "calling-error"
        assert "no longer in the image" in sentence


def test_what_the_user_reads_meanwhile(served):
    said = served.do("""
import glob, sys
sys.path[:0] = glob.glob("/mnt/shared/home/.config/GIMP/3.*/plug-ins/ldrps")
from ldrps_gimp.progress import stage_text
from ldrps_gimp.words import diagnosis_text
answer = [
    stage_text("queued", {"position": 0, "estimated_seconds": 0}),
    stage_text("queued", {"position": 2, "estimated_seconds": 74.6}),
    stage_text("loading", {"model": "bundled", "fraction": 0.5}),
    stage_text("step", {"stage": "sample", "index": 3, "count": 19, "seconds_left": 600}),
    stage_text("step", {"stage": "sample", "index": 9, "count": 9, "seconds_left": 0.4}),
    stage_text("description", {"text": "a photo"}),
    diagnosis_text("hazy, slightly dark; noise about 8"),
]
""")
    assert said == [
        "Next in line",
        "Waiting: 2 before this photo, about 75 s left",
        "Loading the model bundled: 50 %",
        "Sampling: step 3 of 19, about 10 min left",
        "Sampling: step 9 of 9",
        "",
        "Hazy, slightly dark, noise about 8",
    ]


BROWSER = """\
cd home
python3 -c "$ASK"
mkdir -p .local/share/applications
cat > .local/share/applications/b.desktop <<END
[Desktop Entry]
Type=Application
Name=Browser
Exec=touch /mnt/shared/shown %f
MimeType=text/html;
END
cat > .local/share/applications/mimeinfo.cache <<END
[MIME Cache]
text/html=b.desktop;
END
python3 -c "$ASK"
"""
ASK = """\
import glob, sys
sys.path[:0] = glob.glob('.config/GIMP/3.*/plug-ins/ldrps')
from ldrps_gimp.guide import PATH, open_guide
print(PATH.is_file(), open_guide())
"""


def test_the_guide_is_opened_if_there_is_a_browser(served):
    assert served.run(f'ASK="{ASK}"\n{BROWSER}').split() == ["True", "False", "True", "True"]
    assert wait_until((served.shared / "shown").exists)


def test_last_values_are_used_again(served):
    found = served.do("""
import json
image, layer = new_image()
status, rest = call("ldrps-restore", image, [layer], "WITH_LAST_VALS")
kept = rest[0].get_parasite("ldrps-provenance")
answer = [status, json.loads(bytes(kept.get_data()))["settings"]["recipe"]]
image.delete()
""")
    assert found == ["success", "auto"]


def test_sentences_are_german_for_a_german(served):
    done = subprocess.run(
        served.enter(
            "",
            "LANGUAGE=de gimp-console -id --quit --batch-interpreter=python-fu-eval -b '"
            'exec(open("/mnt/tests/gimp/helpers.py").read()); image, layer = new_image(); '
            'print("SAID", refusal([layer], recipe="x"))\'',
        ),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert "ist unbekannt" in done.stdout, done.stdout + done.stderr


def test_a_daemon_is_started_when_there_is_none(gimp, shared_daemon, make_daemon):
    """GIMP's root has no `ldrps`; a stand-in asks this test to start the real one."""
    shared_daemon.stop()
    programs = gimp.shared / "bin"
    programs.mkdir()
    stand_in = programs / "ldrps"
    stand_in.write_text('#!/bin/sh\necho "$@" > /mnt/shared/asked\nexec sleep 60\n')
    stand_in.chmod(0o755)
    asked, started = gimp.shared / "asked", []

    def start():
        while not asked.exists():
            threading.Event().wait(0.05)
        started.append(make_daemon(gimp))

    helper = threading.Thread(target=start, daemon=True)
    helper.start()
    try:
        assert gimp.do("""
image, layer = new_image()
answer = [call("ldrps-restore", image, [layer])[0] for _ in range(2)]
image.delete()
""") == ["success", "success"]
        assert asked.read_text().split() == [
            "serve",
            "--address",
            "unix:/mnt/shared/run/ldrps/ldrps.sock",
        ]
    finally:
        helper.join(timeout=60)
        started[0].stop()
        stand_in.write_text("#!/bin/sh\necho 'ldrps: it is broken' >&2\nexit 7\n")
    status, sentence = gimp.do("""
image, layer = new_image()
answer = refusal([layer])
image.delete()
""")
    shutil.rmtree(programs)
    shared_daemon.__init__(shared_daemon.folder, address=shared_daemon.address)
    assert status == "execution-error"
    assert "it is broken" in sentence
