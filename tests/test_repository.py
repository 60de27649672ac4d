"""What keeps the repository honest: fresh stubs, exact public names, commands that exist."""

import ast
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ldrps_client
import ldrps_client.files
from ldrps_client.cli._parser import build_parser
from ldrps_engine.errors import BY_REASON

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


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
    data = {"ldrps_plugin_gimp.ldrps", "ldrps_daemon.units"}
    assert found | data == set(setup["packages"])


def test_constraints_pin_every_dependency():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["daemon"], *extras["dev"]]
    pinned = dict(line.split("==") for line in read("constraints.txt").split() if "==" in line)
    for requirement in wanted:
        name = re.split(r"[<>=]", requirement)[0]
        assert name in pinned, f"constraints.txt does not pin {name}"
    assert pinned["torch"] == "2.13.0"


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


def code_blocks():
    for document in DOCUMENTS:
        for language, block in re.findall(r"```(\w+)\n(.*?)```", document.read_text(), re.DOTALL):
            yield document.name, language, block


def shell_lines():
    for document, language, block in code_blocks():
        if language in ("sh", "bash", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                if words:
                    yield document, words


def test_documented_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) [?:]?=", read("Makefile"), re.MULTILINE))
    used = [words for _, words in shell_lines() if words[0] == "make"]
    assert used
    for _, *words in used:
        for word in words:
            name, equals, _ = word.partition("=")
            assert name in (variables if equals else targets), word


def test_the_two_commands_have_what_they_need():
    default = re.search(r"^PHOTO \?= (.*)$", read("Makefile"), re.MULTILINE)
    assert default
    assert (ROOT / default[1]).is_file()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert read(".ci/run").endswith("exec make test\n")


def test_documented_ldrps_commands_parse():
    used = [words[1:] for _, words in shell_lines() if words[0] == "ldrps"]
    assert {words[0] for words in used} >= {"restore", "diagnose", "serve", "status", "stop"}
    parser = build_parser()
    for words in used:
        if words[0] == "serve":
            parse_serve(words[1:])
        elif words[0] != "--help":
            parser.parse_args(words)


def parse_serve(words):
    from ldrps_daemon.__main__ import config_of

    config_of(words)


EVERYWHERE = {"--json", "--address"}
"""Told once, for all commands."""


def commands():
    """The parser of every command; that of serve is the daemon's own."""
    from ldrps_daemon.__main__ import parser as daemon_parser

    (action,) = (a for a in build_parser()._actions if hasattr(a, "add_parser"))
    return {**action.choices, "serve": daemon_parser()}


def options_of(parser):
    """All that can be typed, but for help and what is not to be advertised."""
    actions = [a for a in parser._actions if a.help != "==SUPPRESS=="]
    return {o for a in actions for o in a.option_strings if o not in ("-h", "--help")}


def sections(command):
    """Parts of the guide that show or name a command."""
    if command == "serve":
        return read("docs/serve.md")
    parts = re.split(r"^##+ ", read("docs/user-guide.md"), flags=re.MULTILINE)
    return "".join(part for part in parts if f"ldrps {command}" in part)


@pytest.mark.parametrize("command", commands())
def test_every_option_of_every_command_is_documented_where_the_command_is(command):
    text, parser = sections(command), commands()[command]
    assert f"ldrps {command}" in text
    assert f"ldrps {command}" in read("README.md"), command
    expected = options_of(parser)
    assert expected, command
    for option in expected - EVERYWHERE:
        assert re.search(rf"`{option}[ `=]", text), option
    # What can be chosen of a fixed list is listed.
    for action in parser._actions:
        for choice in action.choices or ():
            assert f"`{choice}`" in text or f"`ldrps {command} {choice}`" in text, choice


def test_the_commands_that_have_what_all_have():
    for option in ("--json", "--address"):
        without = {name for name, parser in commands().items() if option not in options_of(parser)}
        assert without == {"--json": {"serve"}, "--address": {"diagnose"}}[option]
    guide = read("docs/user-guide.md")
    assert "| `--json` | print one JSON object and nothing else; every command but serve" in guide
    assert "every command that talks to the daemon has it" in guide


def documented_defaults():
    """Option and default of every row of the daemon's page."""
    for line in read("docs/serve.md").splitlines():
        if found := re.match(r"^\| `(--[a-z-]+) [A-Z]+` \| .* \| ([^|]*) \|$", line):
            yield found.groups()


def test_the_daemons_page_has_each_option_once_and_no_other():
    rows = [option for option, _ in documented_defaults()]
    assert sorted(rows) == sorted(options_of(commands()["serve"]))
    assert len(rows) >= 32


def test_the_daemons_page_tells_the_true_defaults():
    from ldrps_daemon.config import ServeConfig

    config = ServeConfig()
    for option, told in documented_defaults():
        value = getattr(config, option[2:].replace("-", "_"), None)
        if isinstance(value, int | float):
            gibibytes = f"{value / (1 << 30):g} GiB"
            assert told in (f"{value:,}", f"{value:g}", gibibytes), option
    assert dict(documented_defaults())["--log-format"] == f"`{config.log_format}`"
    assert dict(documented_defaults())["--device"] == f"`{config.devices[0]}`"


def test_every_exit_code_is_documented():
    table = dict(re.findall(r"^\| (\d+) \| `([a-z-]+)`", read("docs/user-guide.md"), re.MULTILINE))
    assert table == {str(kind.exit_code): reason for reason, kind in BY_REASON.items()}


def test_every_reason_is_in_the_protocol():
    protocol = read("docs/protocol.md")
    for reason in BY_REASON:
        assert f"`{reason}`" in protocol, reason


def test_python_in_the_documents_compiles():
    blocks = [block for _, language, block in code_blocks() if language == "python"]
    assert blocks
    for block in blocks:
        compile(block, "document", "exec")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http:", "https:")):
            assert (document.parent / target).exists(), f"{document.name} -> {target}"


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


@pytest.mark.parametrize("folder", ["ldrps_engine"])
def test_docstrings_begin_with_a_verb_or_a_noun_phrase(folder):
    found = [
        (path, line, text)
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in docstrings(path)
    ]
    assert len(found) > 1000
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip().splitlines()[0]}"
        for path, line, text in found
        if re.match(r"\W*(\w*)", text)[1].lower() in QUESTIONS
    ]
    assert not wrong, "\n".join(wrong)
