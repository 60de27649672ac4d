"""The documents tell the truth: commands, options, settings, variables and links that exist."""

import ast
import dataclasses
import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ldrps_client.cli._parser import build_parser
from ldrps_engine.errors import BY_REASON
from ldrps_engine.settings import AMOUNTS, LAYERS, MAX_DESCRIPTION, RECIPES, SOLVERS, Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def read(name):
    return (ROOT / name).read_text()


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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_rows_of_tables_stand_in_their_table(document):
    """A row behind a paragraph is shown as text."""
    lines = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL).splitlines()
    for before, line in itertools.pairwise(lines):
        if line.startswith("|"):
            assert not before or before.startswith(("|", "<!--")), line


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
    """Return every option but help and those that are not to be advertised."""
    actions = [a for a in parser._actions if a.help != "==SUPPRESS=="]
    return {o for a in actions for o in a.option_strings if o not in ("-h", "--help")}


def sections(command):
    """Parts of the guide that show or name a command."""
    if command == "serve":
        return read("docs/reference/serve.md")
    parts = re.split(r"^##+ ", read("docs/guide/command-line.md"), flags=re.MULTILINE)
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
        assert (
            without
            == {
                "--json": {"serve", "completion"},
                "--address": {"diagnose", "completion"},
            }[option]
        )
    guide = read("docs/guide/command-line.md")
    everywhere = "every command but serve and completion"
    assert f"| `--json` | print one JSON object and nothing else; {everywhere} has it." in guide
    assert "every command that talks to the daemon has it" in guide


def documented_defaults():
    """Option and default of every row of the daemon's page."""
    for line in read("docs/reference/serve.md").splitlines():
        if found := re.match(r"^\| `(--[a-z-]+) [A-Z]+` \| .* \| ([^|]*) \|$", line):
            yield found.groups()


def test_the_daemons_page_has_each_option_once_and_no_other():
    rows = [option for option, _ in documented_defaults()]
    assert sorted(rows) == sorted(options_of(commands()["serve"]))
    assert len(rows) >= 32


def test_the_daemons_page_tells_the_true_defaults():
    from ldrps_daemon.config import ServeConfig

    config = ServeConfig()
    for option, reported in documented_defaults():
        value = getattr(config, option[2:].replace("-", "_"), None)
        if isinstance(value, int | float):
            gibibytes = f"{value / (1 << 30):g} GiB"
            assert reported in (f"{value:,}", f"{value:g}", gibibytes), option
    assert dict(documented_defaults())["--log-format"] == f"`{config.log_format}`"
    assert dict(documented_defaults())["--device"] == f"`{config.devices[0]}`"


def test_every_exit_code_is_documented():
    table = dict(
        re.findall(r"^\| (\d+) \| `([a-z-]+)`", read("docs/reference/exit-codes.md"), re.MULTILINE)
    )
    assert table == {str(kind.exit_code): reason for reason, kind in BY_REASON.items()}


def test_every_reason_is_in_the_protocol():
    protocol = read("docs/reference/protocol.md")
    for reason in BY_REASON:
        assert f"`{reason}`" in protocol, reason


def test_python_in_the_documents_compiles():
    blocks = [block for _, language, block in code_blocks() if language == "python"]
    assert blocks
    for block in blocks:
        compile(block, "document", "exec")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http:", "https:")):
            assert (document.parent / target).exists(), f"{document.name} -> {target}"


def test_the_index_of_decisions_lists_each_with_its_title():
    listed = [line for line in read("docs/decisions/index.md").splitlines() if line[:2] == "- "]
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    assert len(pages) > 40
    expected = []
    for page in pages:
        number, _, title = page.read_text().partition("\n")[0].removeprefix("# ").partition(": ")
        expected.append(f"- [{number}]({page.name}): {title}")
    assert listed == expected


def rows(document):
    """Cells of every row of every table."""
    for line in read(document).splitlines():
        if line.startswith("|") and not re.match(r"\|[-| ]+\|$", line):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_setting_is_documented_with_its_default_and_its_option():
    cells = [row for row in rows("docs/reference/settings.md") if row[0].startswith("`")]
    table = {name.strip("`"): rest for name, *rest in cells if len(rest) == 4}
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    assert fields.keys() == table.keys()
    options = options_of(commands()["restore"])
    for name, field in fields.items():
        values, default, option, _ = table[name]
        # One is given at a time.
        typed = "amount" if name == "amounts" else name
        assert option == f"`--{typed.replace('_', '-')}`"
        assert option.strip("`") in options
        reported = {"found out": None, "the recipe's": None, "measured": None, "false": False}
        reported["as diagnosed"] = {}
        found = reported.get(default, default.strip("`"))
        expected = field.default if name != "layers" else field.default[0]
        if name == "amounts":
            expected = field.default_factory()
        assert str(found) == (f"{expected:g}" if name == "strength" else str(expected)), name
        if name == "description":
            assert str(MAX_DESCRIPTION) in values
        for choice in {"solver": SOLVERS, "layers": LAYERS, "amounts": AMOUNTS}.get(name, ()):
            assert f"`{choice}`" in values
    assert [row[0].strip("`") for row in cells if len(row) == 2] == list(RECIPES)


def variables_in(path):
    """Names of environment variables that a module reads: as a literal, or by a constant of its."""
    tree = ast.parse(path.read_text())
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            owner, key = ast.unparse(node.func.value), node.args[0]
            if node.func.attr not in ("get", "pop", "setdefault", "getenv"):
                continue
        elif isinstance(node, ast.Subscript):
            owner, key = ast.unparse(node.value), node.slice
        else:
            if isinstance(node, ast.Constant) and re.fullmatch(r"LDRPS_[A-Z_]+", str(node.value)):
                yield node.value
            continue
        if owner in ("os.environ", "environment", "os"):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value
            elif isinstance(key, ast.Name) and key.id in constants:
                yield constants[key.id]


SHIPPED = ("ldrps_engine", "daemon", "plugin_gimp/ldrps")
"""Folders where users' variables are read. Those of tests and of our own tools are left out."""
OF_LIBRARIES = {
    *("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
}


def test_every_environment_variable_is_in_the_table_and_no_other():
    files = [path for folder in SHIPPED for path in (ROOT / folder).rglob("*.py")]
    used = {name for path in files for name in variables_in(path)}
    for script in ("integrations/digikam/ldrps-queue.sh", "examples/node/restore.js"):
        used |= set(re.findall(r"\bLDRPS_[A-Z_]+\b", read(script)))
    reported = [
        name
        for cells in rows("docs/reference/environment.md")
        for name in re.findall(r"`([A-Z][A-Z_]+)`", cells[0])
    ]
    assert len(reported) == len(set(reported)), "a variable is there twice"
    assert len(used) > 20
    assert set(reported) == used | OF_LIBRARIES


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly: every page is in the menu, links and anchors lead somewhere."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_on_the_site_and_in_the_menu(site):
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    expected = {str(path.with_suffix(".html")) for path in sources}
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    assert pages - {"404.html"} == expected
    menu = (site / "index.html").read_text()
    for page in expected - {"index.html"}:
        assert f'href="{page}"' in menu, page


def test_the_site_fetches_nothing_from_elsewhere(site):
    """No font, script or picture: who reads our documents is told to nobody."""
    fetched = 0
    for path in site.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", path.read_text()):
            fetched += 1
            assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag), f"{path}: {tag}"
    assert fetched > 100


def test_links_out_of_the_documentation_become_text_on_the_site(site):
    page = (site / "reference" / "protocol.html").read_text()
    assert "<p>restoration.proto is the contract" in page
    assert "grpcurl -cacert token.pem" in page


def test_the_readmes_pictures_are_made_as_it_says():
    """The text named the recipe of three of them for all four."""
    made = re.search(
        r"for name in ([\w -]+); do \\\n\s+"
        r"recipe=(\w+); \[ \$\$name != (\w+) \] \|\| recipe=(\w+);",
        read("Makefile"),
    )
    names, usual, other, its_own = made.groups()
    pictures = dict(
        re.findall(r"^\| (.+?) \| !\[.*?\]\(docs/images/([\w-]+)\.jpg\)", read("README.md"), re.M)
    )
    assert sorted(pictures.values()) == sorted(names.split())
    assert f"with `--recipe {usual}` except for the last" in read("README.md")
    *others, last = pictures.items()
    assert last[1] == other
    assert last[0].endswith(f"`--recipe {its_own}`")
    assert not any("--recipe" in words for words, _ in others)
