"""The rules of who may import whom, read from the source and tried in a fresh interpreter.

`RULES` and `EXCEPTIONS` say them as CONTRIBUTING.md does, and `MAY_IMPORT` room by room.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RULES = (
    "The engine imports nothing of ours but itself; its light part (the folders `analysis`,"
    " `colour` and `model_store`, and the modules `settings`, `errors`, `photo`, `result` and"
    " `progress`) imports only the light part.",
    "Of what is installed, only the engine's folders `captioning`, `priors`, `diffusion` and"
    " `transfer` import torch or a library for its models (`diffusers`, `transformers`,"
    " `accelerate`, `safetensors`).",
    "Around the engine, `ldrps_daemon` and `ldrps_client` import `ldrps_wire`, which imports"
    " `ldrps.v1`; all three may import `ldrps.v1` and the engine's light part, and `ldrps_daemon`"
    " the whole engine; the plug-in imports nothing of ours, nothing that is installed imports"
    " `training` or `benchmarks`, and no room imports a private name of another.",
)
EXCEPTIONS = (
    "`ldrps` imports `ldrps_client`, when a name is first asked for: `from ldrps import Client`.",
    "`ldrps_daemon.workers` imports `ldrps_client.Result` and `ldrps_client.files`: workers read"
    " and write photo files, which the client can do as well.",
    "`ldrps_engine.analysis.layers` imports `safetensors`: for numpy it does not load torch.",
    "`ldrps_engine.colour` imports only `errors` and `photo` of the light part, and"
    " `ldrps_engine.model_store` only `errors`: they lie below the analysis.",
)
TYPES = ("settings", "errors", "photo", "result", "progress")
LIGHT = tuple(f"ldrps_engine.{name}" for name in (*TYPES, "analysis", "colour", "model_store"))
TORCH = tuple(f"ldrps_engine.{name}" for name in ("captioning", "priors", "diffusion", "transfer"))
DAEMON = ("ldrps_engine", "ldrps.v1", "ldrps_wire")
BY_RULE = {
    "ldrps": (),
    "ldrps.v1": (),
    "ldrps_engine": ("ldrps_engine",),
    **dict.fromkeys(LIGHT, LIGHT),
    "ldrps_wire": (*LIGHT, "ldrps.v1"),
    "ldrps_client": (*LIGHT, "ldrps.v1", "ldrps_wire"),
    "ldrps_daemon": DAEMON,
}
MAY_IMPORT = {
    **BY_RULE,
    "ldrps": ("ldrps_client",),
    "ldrps_daemon.workers": (*DAEMON, "ldrps_daemon", "ldrps_client.Result", "ldrps_client.files"),
    "ldrps_engine.colour": ("ldrps_engine.errors", "ldrps_engine.photo"),
    "ldrps_engine.model_store": ("ldrps_engine.errors",),
}
"""Imports of ours that each room may have besides itself; a file is in its innermost room."""
SAFETENSORS = "ldrps_engine.analysis.layers"
"""The one module that reads weights outside of `TORCH`."""
OURS = {
    *("ldrps", "ldrps_wire", "ldrps_engine", "ldrps_client", "ldrps_daemon"),
    *("training", "benchmarks"),
}
FOLDERS = {
    "ldrps": ROOT / "proto" / "ldrps",
    "ldrps_engine": ROOT / "ldrps_engine",
    "ldrps_wire": ROOT / "daemon" / "ldrps_wire",
    "ldrps_client": ROOT / "daemon" / "ldrps_client",
    "ldrps_daemon": ROOT / "daemon" / "ldrps_daemon",
}
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "safetensors"}


def sources(folder):
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def imports(path):
    """Full names of what a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; name the whole path"
            module = node.module or ""
            if is_ours(module):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            else:
                yield module


def names_from(path, module):
    """Names that a file imports from a module, or the module's own."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == module:
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name == module}
    return names


def top(name):
    return name.partition(".")[0]


def in_rooms(name, rooms):
    return any(name == room or name.startswith(room + ".") for room in rooms)


def is_ours(name):
    return top(name) in OURS


def is_private(name):
    """Tell whether any part of a name is private; `__version__` and its like are not."""
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def everything_of_ours():
    return [path for folder in FOLDERS.values() for path in sources(folder)]


def everything_that_runs():
    """Files of ours, installed or not, but for tests and what the plug-in brings along."""
    folders = [ROOT / name for name in ("training", "benchmarks", "scripts", "plugin_gimp")]
    others = [path for folder in folders for path in sources(folder) if "vendor" not in path.parts]
    return [*everything_of_ours(), *others]


def dotted(path):
    """Full name of a module."""
    (base,) = (f.parent for f in FOLDERS.values() if path.is_relative_to(f))
    return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def room_of(name):
    """The innermost of the rooms that a module lies in."""
    return max((room for room in MAY_IMPORT if in_rooms(name, {room})), key=len)


def test_contributing_says_the_same_three_sentences_and_exceptions():
    said = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    rules = " ".join(f"{number}. {rule}" for number, rule in enumerate(RULES, 1))
    exceptions = " ".join(f"- {exception}" for exception in EXCEPTIONS)
    assert f"{rules} Exceptions: {exceptions} A photo's way" in said


def test_every_exception_is_written_down():
    changed = {room for room, may in MAY_IMPORT.items() if BY_RULE.get(room) != may}
    assert len(EXCEPTIONS) == 4
    for room in (*changed, SAFETENSORS):
        assert sum(f"`{room}` " in exception for exception in EXCEPTIONS) == 1, room


def test_a_room_imports_only_what_it_may():
    for path in everything_of_ours():
        room = room_of(dotted(path))
        for name in imports(path):
            allowed = in_rooms(name, {room, *MAY_IMPORT[room]})
            assert not is_ours(name) or allowed, f"{dotted(path)} in {room} imports {name}"
            own = not is_ours(name) or in_rooms(name, {room})
            assert own or not is_private(name), f"{dotted(path)} imports the private {name}"


@pytest.mark.parametrize("room", [room for room in MAY_IMPORT if room != "ldrps_engine"])
def test_a_room_has_files_and_its_rule_is_none_that_nobody_needs(room):
    files = [path for path in everything_of_ours() if room_of(dotted(path)) == room]
    assert files
    imported = {name for path in files for name in imports(path) if is_ours(name)}
    if not room.startswith("ldrps_engine"):
        for other in set(MAY_IMPORT[room]) - set(LIGHT):
            assert any(in_rooms(name, {other}) for name in imported), f"{room} needs no {other}"


def test_torch_is_imported_by_four_folders_alone():
    found = set()
    for path in everything_of_ours():
        heavy = {top(name) for name in imports(path)} & HEAVY
        if dotted(path) == SAFETENSORS:
            heavy -= {"safetensors"}
        found |= {room for room in TORCH if heavy and in_rooms(dotted(path), {room})}
        assert not heavy or in_rooms(dotted(path), TORCH), (path, heavy)
    assert found == set(TORCH)


def test_the_engine_knows_no_transport():
    for path in sources(FOLDERS["ldrps_engine"]):
        assert "grpc" not in {top(name) for name in imports(path)}, path


def test_the_plugin_stands_alone():
    allowed = {*sys.stdlib_module_names, "gi", "ldrps_gimp"}
    ours = [p for p in sources(ROOT / "plugin_gimp" / "ldrps") if "vendor" not in p.parts]
    assert ours
    for path in ours:
        for name in imports(path):
            assert top(name) in allowed, (path, name)


def test_what_the_plugin_brings_along_needs_nothing():
    for path in sources(ROOT / "plugin_gimp" / "ldrps" / "ldrps_gimp" / "vendor"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module)
            assert {top(n) for n in names} <= {*sys.stdlib_module_names, "typing_extensions"}, path


def loaded_by(statement):
    """Top-level modules that a fresh interpreter has after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def light_files():
    return [path for path in sources(FOLDERS["ldrps_engine"]) if in_rooms(dotted(path), LIGHT)]


def test_nothing_else_lies_at_the_top_of_the_engine():
    found = {path.stem for path in FOLDERS["ldrps_engine"].glob("*.py")}
    assert found == {*TYPES, "restore", "look", "__init__"}


def test_a_diagnosis_loads_no_torch_even_when_it_is_made():
    code = "import numpy; from ldrps_engine.analysis.diagnosis import diagnose; "
    loaded = loaded_by(code + "diagnose(numpy.full((64, 96, 3), 0.4, numpy.float32))")
    # Weights are read with safetensors, which does not load torch for numpy.
    assert not loaded & (HEAVY - {"safetensors"})
    assert "safetensors" in loaded


def test_the_engines_light_files_load_no_torch():
    names = sorted(dotted(path) for path in light_files())
    loaded = loaded_by("import " + ", ".join(names))
    assert not loaded & HEAVY


def test_the_client_loads_no_torch_and_no_image_library_before_it_needs_one():
    unwanted = {*HEAVY, "PIL", "tifffile", "imagecodecs", "rich", "scipy"}
    assert not loaded_by("from ldrps_client import Client") & unwanted


@pytest.mark.parametrize("name", ["ldrps", "ldrps.v1", "ldrps_client", "ldrps_daemon"])
def test_a_name_alone_loads_nothing_large(name):
    unwanted = {*HEAVY, "grpc", "google", "numpy", "PIL"}
    assert not loaded_by(f"import {name}") & unwanted
    if name in ("ldrps", "ldrps.v1"):
        assert not loaded_by(f"import {name}") & {"ldrps_client", "ldrps_wire"}


def test_the_client_has_its_name_in_two_places():
    code = "import ldrps, ldrps_client; from ldrps import Client; "
    assert "grpc" in loaded_by(code + "assert Client is ldrps_client.Client is ldrps.Client")
    code = "import ldrps as a, ldrps_client as b; assert a.__all__ == b.__all__; "
    loaded_by(code + "assert all(getattr(a, name) is getattr(b, name) for name in a.__all__)")
    with pytest.raises(subprocess.CalledProcessError):
        loaded_by("from ldrps import Nothing")


def test_the_command_line_answers_before_it_loads_anything_large():
    unwanted = {*HEAVY, "grpc", "numpy", "PIL", "rich"}
    assert not loaded_by("from ldrps_client.cli._parser import build_parser") & unwanted


def test_the_daemons_front_loads_no_torch():
    loaded = loaded_by("import ldrps_daemon.__main__, ldrps_daemon.transport.server")
    assert not loaded & {*HEAVY, "PIL", "tifffile", "imagecodecs"}


def calls(path):
    """Names of what a file calls, and with which keywords."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield name, {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


def test_nothing_of_ours_unpickles():
    # A `PickleBuffer` only holds memory, which Ray then carries without a copy; the error is
    # what torch raises for a file of tensors that holds anything else.
    harmless = {"PickleBuffer", "UnpicklingError"}
    forbidden = {"pickle", "cPickle", "shelve", "dill", "cloudpickle", "joblib"}
    for path in everything_that_runs():
        assert not {top(name) for name in imports(path) if name != "pickle"} & forbidden, path
        assert names_from(path, "pickle") <= harmless, path
        for name, keywords in calls(path):
            if name in ("torch.load", "np.load", "numpy.load"):
                assert keywords.get("weights_only") == "True" or name != "torch.load", path
                assert keywords.get("allow_pickle", "False") == "False", path


def test_no_code_comes_from_a_hub():
    for path in everything_that_runs():
        for name, keywords in calls(path):
            assert keywords.get("trust_remote_code", "False") == "False", (path, name)
