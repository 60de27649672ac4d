"""The Debian package, built by dpkg-buildpackage from the wheel, without its libraries.

Those come from the interpreter that runs the tests, through a .pth file: nothing is fetched.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys

import pytest

from installed.conftest import CALL_SECONDS, clean_environment, site_packages
from support.daemon import ROOT

SCRIPT = ROOT / "packaging" / "debian" / "package.py"
SYSTEM_PYTHON = "/usr/bin/python3"
SYSTEM_PYTHON_WORDS = "import sys; print('%d.%d' % sys.version_info[:2])"


def package(*arguments, **more):
    """Run the script; `more` is added to the environment."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=clean_environment() | more,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=CALL_SECONDS,
    )


def output(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def deb(built, tmp_path_factory):
    """The package."""
    out = tmp_path_factory.mktemp("deb")
    alone = ["--extras", "", "--pip=--no-deps", "--pip=--no-index"]
    done = package(out, "--wheel", built.wheel, *alone)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("*.deb")
    assert done.stdout.strip() == str(made)
    return made


@pytest.fixture(scope="module")
def tree(deb, tmp_path_factory):
    """The package as it is unpacked, with a Python where it looks for one."""
    folder = tmp_path_factory.mktemp("tree")
    output("dpkg-deb", "-x", deb, folder)
    (folder / "usr" / "bin" / "python3").symlink_to(SYSTEM_PYTHON)
    return folder


@pytest.mark.slow
def test_the_package_says_what_it_is_and_needs(deb):
    reported = {
        name: output("dpkg-deb", "-f", deb, name).strip()
        for name in ("Package", "Version", "Depends")
    }
    version = output(SYSTEM_PYTHON, "-c", SYSTEM_PYTHON_WORDS).strip()
    assert reported["Package"] == "ldrps"
    assert reported["Version"] == f"{importlib.metadata.version('ldrps')}-1"
    # What was compiled for one Python is not for the next.
    assert (
        f"python3 (>= {version}), python3 (<< {version[:2]}{int(version[2:]) + 1})"
        in reported["Depends"]
    )


@pytest.mark.slow
def test_units_pages_and_completions_are_where_the_system_looks(tree):
    share = tree / "usr" / "share"
    for path in (
        "man/man1/ldrps.1.gz",
        "man/man1/ldrps-serve.1.gz",
        "bash-completion/completions/ldrps",
        "zsh/vendor-completions/_ldrps",
        "fish/vendor_completions.d/ldrps.fish",
        "doc/ldrps/copyright",
        "doc/ldrps/changelog.gz",
    ):
        assert (share / path).stat().st_size > 100, path
    assert "_ldrps" in (share / "bash-completion/completions/ldrps").read_text()
    units = tree / "usr" / "lib" / "systemd" / "user"
    assert sorted(path.name for path in units.iterdir()) == ["ldrps.service", "ldrps.socket"]
    assert "\nExecStart=/usr/bin/ldrps serve " in (units / "ldrps.service").read_text()


@pytest.mark.slow
def test_no_trace_of_the_place_where_it_was_built_is_left(tree):
    home = tree / "usr" / "lib" / "ldrps"
    assert sorted(path.name for path in (home / "bin").iterdir()) == ["ldrps", "python", "python3"]
    assert os.readlink(tree / "usr" / "bin" / "ldrps") == "../lib/ldrps/bin/ldrps"
    assert (home / "bin" / "ldrps").read_text().startswith("#!/usr/lib/ldrps/bin/python3\n")
    for path in home.rglob("*"):
        assert path.name not in ("direct_url.json", "__pycache__"), path
        if path.is_file() and path.suffix in ("", ".cfg", ".py", ".pth", ".json", ".txt"):
            assert b"ldrps-deb-" not in path.read_bytes(), path


@pytest.mark.slow
def test_the_command_works_from_the_unpacked_package(tree, tmp_path):
    home = tree / "usr" / "lib" / "ldrps"
    python = home / "bin" / "python3"
    (place,) = home.glob("lib/python3*/site-packages")
    if place.parent.name != f"python{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip("the libraries of these tests are for another Python than the system's")
    others = place / "others.pth"
    others.write_text("".join(f"{path}\n" for path in site_packages()))
    own = clean_environment() | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}

    def run(*words):
        command = [str(python), str(home / "bin" / "ldrps"), *map(str, words)]
        done = subprocess.run(
            command, env=own, cwd="/", capture_output=True, text=True, timeout=CALL_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        assert run("--version").split()[-1] == importlib.metadata.version("ldrps")
        assert "haz" in run("diagnose", ROOT / "examples" / "haze.jpg")
        where = subprocess.run(
            [str(python), "-c", "import ldrps_client; print(ldrps_client.__file__)"],
            env=own,
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert where.stdout.startswith(str(place))
    finally:
        others.unlink()


@pytest.mark.slow
def test_the_installation_survives_a_library_that_has_files_for_a_newer_python(deb, tree, tmp_path):
    output("dpkg-deb", "-e", deb, tmp_path)
    # Ours; debhelper's part speaks to the system.
    script = (tmp_path / "postinst").read_text().partition("# Automatically added")[0]
    assert script.count(" /usr/lib/ldrps/") == 2
    (place,) = (tree / "usr/lib/ldrps/lib").glob("python3*/site-packages")
    newer = place / "newer.py"
    newer.write_text("def f[T!]: pass\n")
    try:
        own = script.replace("/usr/lib/ldrps", f"{tree}/usr/lib/ldrps")
        assert output("sh", "-c", own, "postinst", "configure") == ""
        assert list((place / "ldrps_engine" / "__pycache__").glob("*.pyc"))
    finally:
        newer.unlink()
        for folder in list(tree.rglob("__pycache__")):
            shutil.rmtree(folder)


@pytest.mark.slow
def test_lintian_has_nothing_to_say_that_is_not_overridden_by_name(deb):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    done = subprocess.run(
        ["lintian", "--fail-on", "error,warning", "--allow-root", str(deb)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.slow
def test_systemd_takes_the_units(tree, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    # It looks whether the command is there.
    for unit in (tree / "usr" / "lib" / "systemd" / "user").iterdir():
        text = unit.read_text().replace("/usr/bin/ldrps", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", *map(str, tmp_path.glob("ldrps.*"))],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("dpkg-buildpackage", "dpkg-buildpackage is not installed; apt-get install dpkg-dev"),
        ("dh", "dh is not installed; apt-get install debhelper"),
    ],
)
def test_what_is_missing_is_reported_in_one_line(tmp_path, missing, sentence):
    programs = {"dpkg-buildpackage", "dh"} - {missing}
    for name in programs:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    done = package(tmp_path / "out", PATH=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.strip() == f"no Debian package can be made here: the command {sentence}"
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
