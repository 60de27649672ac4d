"""The rules of who may import whom, read from the source and tried in a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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
TYPES = ("settings", "errors", "photo", "result", "progress")
"""Modules at the top of the engine that its callers exchange with it."""
LIGHT = ("analysis", "colour", "model_store")
"""Folders of the engine that never import torch."""
CALLERS_MAY = {f"ldrps_engine.{name}" for name in (*TYPES, *LIGHT)}
FILES = {"ldrps_client.Result", "ldrps_client.files"}
"""The client's public names for photo files, which the daemon's workers read and write."""
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
            if module in OURS:
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


def violations(package, allowed):
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(FOLDERS[package])
        for name in imports(path)
        if not allowed(name)
    ]


def is_ours(name):
    return top(name) in OURS


def test_the_contract_imports_nothing_of_ours():
    contract = sources(FOLDERS["ldrps"] / "v1")
    assert contract
    for path in contract:
        assert not {name for name in imports(path) if is_ours(name)} - {"ldrps.v1"}, path


def test_the_name_of_the_whole_leads_to_the_library_and_to_nothing_else():
    named = [name for name in imports(FOLDERS["ldrps"] / "__init__.py") if is_ours(name)]
    assert named
    assert {top(name) for name in named} == {"ldrps_client"}
    assert sources(FOLDERS["ldrps"]) == sorted(
        [FOLDERS["ldrps"] / "__init__.py", *sources(FOLDERS["ldrps"] / "v1")]
    )


def test_the_engine_knows_nothing_but_itself():
    def allowed(name):
        return top(name) != "grpc" and (not is_ours(name) or top(name) == "ldrps_engine")

    assert not violations("ldrps_engine", allowed)


def knowing(*packages):
    """Allow some packages of ours, the engine's light part, and whatever is not heavy."""

    def allowed(name):
        known = not is_ours(name) or top(name) in packages
        return (known and top(name) not in HEAVY) or in_rooms(name, CALLERS_MAY)

    return allowed


def test_the_wire_knows_the_contract_and_the_engines_types():
    assert not violations("ldrps_wire", knowing("ldrps", "ldrps_wire"))


def test_the_client_knows_the_wire_and_no_daemon():
    assert not violations("ldrps_client", knowing("ldrps", "ldrps_wire", "ldrps_client"))


def test_the_daemon_knows_no_training_and_no_benchmarks():
    assert not violations("ldrps_daemon", lambda name: top(name) not in ("training", "benchmarks"))


def test_the_daemon_knows_nothing_of_the_client_but_what_its_workers_do_to_files():
    workers = FOLDERS["ldrps_daemon"] / "workers"
    found = {
        (path.is_relative_to(workers), name)
        for path in sources(FOLDERS["ldrps_daemon"])
        for name in imports(path)
        if top(name) == "ldrps_client"
    }
    assert found == {(True, name) for name in FILES}


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
    engine = FOLDERS["ldrps_engine"]
    folders = [engine / name for name in LIGHT]
    assert all(folder.is_dir() for folder in folders)
    return [engine / f"{n}.py" for n in TYPES] + [f for folder in folders for f in sources(folder)]


def test_the_engines_light_files_import_no_torch_and_each_other_alone():
    for path in light_files():
        for name in imports(path):
            # Weights are read with safetensors, which does not load torch for numpy.
            assert top(name) not in HEAVY - {"safetensors"}, (path, name)
            assert not is_ours(name) or in_rooms(name, CALLERS_MAY), (path, name)


def test_colour_knows_nothing_of_the_analysis():
    for path in sources(FOLDERS["ldrps_engine"] / "colour"):
        for name in imports(path):
            assert not in_rooms(name, {"ldrps_engine.analysis", "ldrps_engine.model_store"}), path


def test_nothing_else_lies_at_the_top_of_the_engine():
    found = {path.stem for path in FOLDERS["ldrps_engine"].glob("*.py")}
    assert found == {*TYPES, "restore", "look", "__init__"}


def test_a_diagnosis_loads_no_torch_even_when_it_is_made():
    code = "import numpy; from ldrps_engine.analysis.diagnosis import diagnose; "
    loaded = loaded_by(code + "diagnose(numpy.full((64, 96, 3), 0.4, numpy.float32))")
    # Weights are read with safetensors, which does not load torch for numpy.
    assert not loaded & (HEAVY - {"safetensors"})
    assert "safetensors" in loaded


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


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
    if name.startswith("ldrps."):
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


def everything_of_ours():
    return [path for folder in FOLDERS.values() for path in sources(folder)]


def test_nothing_of_ours_unpickles():
    # A `PickleBuffer` only holds memory, which Ray then carries without a copy.
    forbidden = {"pickle", "cPickle", "shelve", "dill", "cloudpickle", "joblib"}
    for path in everything_of_ours():
        assert not {top(name) for name in imports(path) if name != "pickle"} & forbidden, path
        assert names_from(path, "pickle") <= {"PickleBuffer"}, path
        for name, keywords in calls(path):
            if name in ("torch.load", "np.load", "numpy.load"):
                assert keywords.get("weights_only") == "True" or name != "torch.load", path
                assert keywords.get("allow_pickle", "False") == "False", path


def test_no_code_comes_from_a_hub():
    for path in everything_of_ours():
        for name, keywords in calls(path):
            assert keywords.get("trust_remote_code", "False") == "False", (path, name)
