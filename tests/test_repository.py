"""Rules that keep the repository honest: fresh stubs, exact public names, pinned dependencies."""

import ast
import importlib
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ldrps_client
import ldrps_client.files

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text()


def test_the_stubs_are_fresh(tmp_path):
    command = [sys.executable, str(ROOT / "proto" / "generate.py"), str(tmp_path)]
    subprocess.run(command, check=True)
    made = sorted((tmp_path / "ldrps" / "v1").iterdir())
    assert len(made) == 3
    for path in made:
        committed = ROOT / "proto" / "ldrps" / "v1" / path.name
        assert committed.read_bytes() == path.read_bytes(), "run: make stubs"


def test_the_man_pages_are_fresh(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "man_pages.py"), str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    made = sorted(tmp_path.iterdir())
    assert [path.name for path in made] == ["ldrps-serve.1", "ldrps.1"]
    for path in made:
        committed = ROOT / "packaging" / "man" / path.name
        assert committed.read_text() == path.read_text(), "run: make man"


def public_modules():
    for package in (ldrps_client, ldrps_client.files, importlib.import_module("ldrps_engine")):
        yield package
        for info in pkgutil.iter_modules(package.__path__):
            if not info.name.startswith("_") and not info.ispkg:
                path = Path(package.__path__[0], f"{info.name}.py")
                if "__all__" in path.read_text():
                    yield importlib.import_module(f"{package.__name__}.{info.name}")


def test_public_names_exist_and_are_sorted():
    for module in public_modules():
        names = list(getattr(module, "__all__", ()))
        assert names == sorted(names), module
        for name in names:
            assert getattr(module, name, None) is not None, f"{module.__name__}.{name}"


def test_packages_in_the_distribution_are_those_in_the_tree():
    setup = tomllib.loads(read("pyproject.toml"))["tool"]["setuptools"]
    folders = {"ldrps": "proto", "ldrps_engine": ".", "ldrps_client": "daemon"}
    folders |= {"ldrps_daemon": "daemon", "ldrps_wire": "daemon"}
    found = {
        ".".join(path.parent.relative_to(ROOT / base).parts)
        for name, base in folders.items()
        for path in (ROOT / base / name).rglob("__init__.py")
    }
    # Named apart from their folders, which hold data.
    data = {"ldrps_plugin_gimp.ldrps", "ldrps_daemon.units", "ldrps_integrations.darktable"}
    assert found | data == set(setup["packages"])


def pinned():
    """Each name in constraints.txt with its version."""
    lines = (line for line in read("constraints.txt").splitlines() if line[:1].isalnum())
    pins = [Requirement(line) for line in lines]
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins), "pin with =="
    versions = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins}
    assert len(versions) == len(pins), "constraints.txt pins a name twice"
    return versions


def declared():
    """Every requirement of the project and of each extra."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]


def test_constraints_pin_every_dependency_within_its_bounds():
    versions = pinned()
    for wanted in declared():
        version = versions.get(canonicalize_name(wanted.name))
        assert version, f"constraints.txt does not pin {wanted.name}"
        assert wanted.specifier.contains(version), f"{wanted.name} {version} is out of bounds"
        bounds = {each.operator for each in wanted.specifier}
        assert bounds == {">=", "<"}, f"pyproject.toml does not bound {wanted.name} on both sides"


def test_constraints_pin_all_that_dependencies_bring_in():
    """Otherwise two installations of one commit differ."""
    versions = pinned()
    todo, seen = [(wanted, wanted.name) for wanted in declared()], set()
    while todo:
        wanted, through = todo.pop()
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if key in seen or not applies(wanted, {""}):
            continue
        seen.add(key)
        assert key[0] in versions, f"constraints.txt does not pin {key[0]}, needed by {through}"
        try:
            lines = importlib.metadata.requires(wanted.name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra that is not installed here
        needs = map(Requirement, lines)
        todo += [(need, wanted.name) for need in needs if applies(need, {"", *wanted.extras})]
    assert len(seen) > 100


def applies(requirement, extras):
    marker = requirement.marker
    if requirement.name == "setuptools" or marker is None:
        return True
    return any(marker.evaluate({"extra": extra}) for extra in extras)


def lower_bounds():
    """The least version of each dependency, as pip reads it."""
    for line in tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]:
        name, least = re.match(r"([\w-]+)>=([\d.]+)", line).groups()
        yield name, tuple(map(int, least.split(".")))


def test_the_least_versions_are_those_that_the_stubs_run_with():
    """Anything older raises as soon as the stubs are imported."""
    messages = read("proto/ldrps/v1/restoration_pb2.py")
    made = re.search(r"Domain\.PUBLIC,\s+(\d+),\s+(\d+),\s+(\d+),", messages).groups()
    calls = read("proto/ldrps/v1/restoration_pb2_grpc.py")
    wanted = re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", calls)[1]
    least = dict(lower_bounds())
    assert least["protobuf"] >= tuple(map(int, made))
    assert least["grpcio"] >= tuple(map(int, wanted.split(".")))


def test_what_is_committed_names_no_machine_of_ours():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".txt", ".proto") and path.is_file():
            assert not re.search(r"(?<![\w/.])/(work|opt|root|home)/\w", path.read_text()), name


QUESTIONS = {
    *("what", "whether", "of", "that", "how", "by"),
    *("who", "whom", "whose", "where", "which", "when", "why"),
}
"""Words that a clause begins with, and not a verb or a noun phrase."""


def docstrings(path):
    """Strings that document a module, class, function, constant or field, with their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = getattr(statement, "value", None)
            text = getattr(value, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(text, str):
                yield statement.lineno, text


HELD = {
    **{"ldrps_engine": 1000, "training": 200, "benchmarks": 400},
    **{"scripts": 20, "daemon": 1500, "plugin_gimp": 300, "proto": 10, "tests": 400},
}
"""Rooms whose docstrings are held to the rule, and a number that each has more of."""


@pytest.mark.parametrize("room", HELD)
def test_docstrings_begin_with_a_verb_or_a_noun_phrase(room):
    found = [
        (path, line, text)
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, text in docstrings(path)
    ]
    assert len(found) > HELD[room]
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip().splitlines()[0]}"
        for path, line, text in found
        if re.match(r"\W*(\w*)", text)[1].lower() in QUESTIONS
    ]
    assert not wrong, "\n".join(wrong)


def test_only_what_runs_in_gimp_alone_is_left_out_of_the_coverage():
    left_out = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"][
        "omit"
    ]
    for name in left_out:
        path = ROOT / "plugin_gimp" / "ldrps" / name.removeprefix("*/")
        assert "gi.repository" in path.read_text(), f"{name} can be run by tests"


LONGEST_FILE, LONGEST_FUNCTION = 350, 45
"""Lines; of a function, those below its docstring."""


def ours():
    """All modules of ours that are no tests, and not generated."""
    rooms = ("daemon", "ldrps_engine", "plugin_gimp", "training", "benchmarks", "scripts")
    found = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    return [path for path in found if "vendor" not in path.parts]


def functions(path):
    """Name and lines, without those of its docstring, of each function in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            first = node.body[1] if text and len(node.body) > 1 else node.body[0]
            yield f"{path.relative_to(ROOT)} {node.name}", node.end_lineno - first.lineno + 1


def test_no_file_and_no_function_is_longer_than_a_reader_takes_in():
    written = [*ours(), *(ROOT / "tests").rglob("*.py")]
    assert len(written) > 800
    lengths = {path: len(path.read_text().splitlines()) for path in written}
    assert {path for path, length in lengths.items() if length > LONGEST_FILE} == set()
    found = dict(each for path in written for each in functions(path))
    assert {name for name, length in found.items() if length > LONGEST_FUNCTION} == set()


def constructors():
    """All constructors of ours: (file, class, number of arguments that may go without a name)."""
    for path in ours():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and each.name == "__init__":
                    yield path.name, node.name, len(each.args.args) - 1
            if any(
                "dataclass" in ast.unparse(by) and "kw_only=True" not in ast.unparse(by)
                for by in node.decorator_list
            ):
                fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
                kinds = [ast.unparse(each.annotation) for each in fields]
                first = kinds.index("KW_ONLY") if "KW_ONLY" in kinds else len(kinds)
                yield path.name, node.name, first


def test_no_constructor_takes_more_than_five_arguments_without_a_name():
    found = list(constructors())
    assert len(found) > 300
    assert [each for each in found if each[2] > 5] == []
