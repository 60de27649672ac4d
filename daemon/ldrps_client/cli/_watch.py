"""`ldrps watch`: the hot folder, and questions about it."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from ldrps_client._amounts import AMOUNT_HELP, amounts_of
from ldrps_client._text import named, plain, shown
from ldrps_client.cli._output import print_json, warn
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import RECIPES
from ldrps_wire.address import default_address

# Options of one folder by their key in a file; None means: not given.
_FOLDER_OPTIONS = (
    *("out", "recipe", "amount", "include", "exclude", "settle", "scan_every", "poll"),
    *("poll_every", "pattern", "keyword", "filter", "link_clean", "recursive"),
    "recipe_by_folder",
)
_SCHEDULE = ("parallel", "per_hour", "hours", "pause_on_battery", "notify")
_RUNNING = ("config", "json_lines", "log", "rebind", "no_start", "address")
_PATHS = ("out", "config", "log")
_PAGE = "watched.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ldrps watch`."""
    parser.add_argument("folders", nargs="*", metavar="IN", help="folders to watch")
    _add_folder_options(parser.add_argument_group("what to do with photos").add_argument)
    _add_schedule(parser.add_argument_group("schedule").add_argument)
    _add_running(parser.add_argument_group("running").add_argument)
    asking = parser.add_argument_group("instead of watching").add_mutually_exclusive_group()
    add = asking.add_argument
    add("--status", action="store_true", help="say how folders are; all, if none is named")
    page = f"write a page of what happened (default: {_PAGE})"
    add("--report", nargs="?", const=_PAGE, metavar="FILE", help=page)
    add("--retry-failed", action="store_true", help="queue all failures again")
    add("--forget", action="store_true", help="forget the folders and what was done there")
    add("--install-service", action="store_true", help="watch from now on, by systemd")


def _add_folder_options(add: Any) -> None:
    no = argparse.BooleanOptionalAction
    add("--out", metavar="OUT", help="folder for results (default: beside the originals)")
    add("--recipe", metavar="NAME", help=f"one of {', '.join(RECIPES)} (default: auto)")
    add("--amount", action="append", metavar="NAME=X", help=AMOUNT_HELP)
    add("--recipe-by-folder", action=no, help="a subfolder named as a recipe chooses it")
    add("--recursive", action=no, help="look into subfolders (default: yes)")
    add("--include", action="append", metavar="GLOB", help="only these; may be repeated")
    add("--exclude", action="append", metavar="GLOB", help="not these; may be repeated")
    add("--pattern", metavar="TEXT", help="results' names (default: {stem}_restored{ext})")
    add("--keyword", metavar="WORD", help="add a keyword to results")
    add("--filter", action="append", metavar="WHAT", help="needed, grey, or noise>5 and the like")
    # The former name, which services that were installed earlier may still have.
    add("--only-if", action="append", help=argparse.SUPPRESS)
    add("--link-clean", metavar="HOW", help="symlink, hardlink or copy photos that need nothing")
    add("--settle", type=float, metavar="S", help="seconds a file must be still (default: 5)")
    add("--scan-every", type=float, metavar="S", help="seconds between scans (default: 300)")
    add("--poll", metavar="WHEN", help="auto, always or never rely on scans alone")
    add("--poll-every", type=float, metavar="S", help="seconds between those (default: 15)")


def _add_schedule(add: Any) -> None:
    add("--parallel", type=int, metavar="N", help="photos handed in at a time (default: 2)")
    add("--per-hour", type=float, metavar="N", help="at most N photos an hour")
    add("--hours", metavar="SPAN", help="work only then, such as 22:00-06:00")
    add("--pause-on-battery", action="store_const", const=True, help="work only on mains")
    add(
        "--notify",
        action="store_const",
        const=True,
        help="desktop notifications",
    )


def _add_running(add: Any) -> None:
    add("--config", metavar="FILE", help="folders and schedule from a TOML file")
    add("--once", action="store_true", help="end when all that is there is dealt with")
    add("--json-lines", action="store_true", help="print one JSON object for all that happens")
    add("--log", metavar="FILE", help="log there (default: in the folder's state)")
    add("--rebind", action="store_true", help="the folders have moved to other mounts for good")
    add("--no-start", action="store_true", help="do not start a daemon if none answers")


def watch(options: Namespace) -> int:
    """Watch, or answer a question about the watched folder."""
    if options.status:
        return _status(options)
    if options.retry_failed:
        return _retry(options)
    if options.forget:
        return _forget(options)
    if options.report:
        return _report(options)
    config = _config(options)
    if options.install_service:
        return _install(options, config)
    return _run(options, config)


def _config(options: Namespace) -> Any:
    from ldrps_client.hotfolder import config

    if options.only_if:
        warn(["--only-if is called --filter now; rename it where this command is kept"])
        options.filter, options.only_if = [*(options.filter or ()), *options.only_if], None
    given = {name: getattr(options, name) for name in _FOLDER_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    if "amount" in given:
        given["amounts"] = amounts_of(given.pop("amount"))
    if "filter" in given:
        given["filters"] = given.pop("filter")
    schedule = {name: getattr(options, name) for name in _SCHEDULE}
    schedule = {name: value for name, value in schedule.items() if value is not None}
    if options.config:
        if options.folders or given or schedule:
            raise SettingsError(
                "folders and their options stand in the --config file; leave them out here"
            )
        loaded = config.load_config(Path(options.config))
        warn(loaded.warnings)
        return loaded
    return config.WatchConfig(
        folders=tuple(config.folder_from({"in": name, **given}) for name in options.folders),
        schedule=config.schedule_from(schedule),
    )


def _run(options: Namespace, config: Any) -> int:
    from ldrps_client.hotfolder.report._show import JsonLines, Lines, Terminal
    from ldrps_client.hotfolder.report.status import status_of
    from ldrps_client.hotfolder.running import RunOptions, run
    from ldrps_client.hotfolder.store._state import state_folder

    quiet = options.json
    if options.json_lines:
        display: Any = JsonLines()
    elif sys.stderr.isatty() and not quiet:
        display = Terminal()
    else:
        display = Lines()
    chosen = RunOptions(
        address=options.address,
        start_daemon=not options.no_start,
        once=options.once,
        rebind=options.rebind,
        log=Path(options.log).expanduser() if options.log else None,
    )
    error = run(config, chosen, display)
    if error:
        raise error
    if options.once:
        found = [status_of(folder.root, state_folder(folder.root)) for folder in config.folders]
        if options.json:
            print_json({"folders": found})
        return 3 if any(folder["failed"] for folder in found) else 0
    return 0


def _roots(options: Namespace) -> list[Path]:
    if options.config:
        return [folder.root for folder in _config(options).folders]
    return [Path(name).expanduser().resolve() for name in options.folders]


def _status(options: Namespace) -> int:
    from ldrps_client.hotfolder.report.status import GONE, states_of, status_of

    found = [status_of(*pair) for pair in states_of(_roots(options))]
    if options.json:
        print_json({"folders": found})
        return 0
    for folder in found:
        print(f"{shown(folder['folder'])}: {shown(folder['now'])}")
        if folder["now"] == GONE:
            again = "bring it back, or forget it with 'ldrps watch --forget FOLDER'"
            print(f"  it is not there any more; {again}")
        print(
            f"  {folder['done']} done, {folder['skipped']} skipped, {folder['working']} working, "
            f"{folder['queued']} queued, {folder['failed']} failed, {folder['gone']} gone"
        )
        for failure in folder["failures"]:
            named = failure["photo"] in failure["message"]
            print(shown(f"  {'' if named else failure['photo'] + ': '}{failure['message']}"))
        if folder["failed"]:
            print(f"  all failures: {shown(folder['failed_csv'])}")
        if os.path.isfile(folder["log"]):
            print(f"  log: {shown(folder['log'])}")
    if not found:
        print("no folder was ever watched")
    return 0


def _retry(options: Namespace) -> int:
    from ldrps_client.hotfolder.report.status import retry_failed, states_of

    counts = {str(root): retry_failed(root, state) for root, state in states_of(_roots(options))}
    if options.json:
        print_json({"queued": counts})
    for root, count in counts.items():
        if not options.json:
            print(f"{shown(root)}: {count} queued again")
    return 0


def _forget(options: Namespace) -> int:
    from ldrps_client.hotfolder.report.status import forget, states_of

    roots = _roots(options)
    if not roots:
        raise SettingsError("no folder is given; name each folder that is to be forgotten")
    for root, state in states_of(roots):
        forget(root, state)
        if not options.json:
            print(f"{shown(root)} is forgotten; its photos and results stay as they are")
    if options.json:
        print_json({"forgotten": [plain(root) for root in roots]})
    return 0


def _report(options: Namespace) -> int:
    from ldrps_client.hotfolder.report.page import write_report
    from ldrps_client.hotfolder.report.status import states_of

    path = write_report(Path(options.report), states_of(_roots(options)))
    if options.json:
        print_json(named("report", path))
    else:
        print(shown(path))
    return 0


def _install(options: Namespace, config: Any) -> int:
    from ldrps_client._autostart import check_startable
    from ldrps_client.hotfolder.service import install

    if options.once:
        raise SettingsError("a service goes on and on; leave out --once")
    if not options.no_start:
        check_startable(options.address or default_address())
    path = install(config, _words(options), Path(options.log) if options.log else None)
    if options.json:
        print_json(named("unit", path))
    else:
        print(f"{shown(path)} is written; start it with: systemctl --user enable --now {path.name}")
    return 0


def _words(options: Namespace) -> list[str]:
    """Return the command line with whole paths, so that it can be run in another folder."""
    words = ["watch", *(_whole(name) for name in options.folders)]
    for name in (*_FOLDER_OPTIONS, *_SCHEDULE, *_RUNNING):
        value, option = getattr(options, name), "--" + name.replace("_", "-")
        if isinstance(value, bool):
            no = name in ("recursive", "recipe_by_folder") and not value
            words += [option] if value else [f"--no-{option[2:]}"] if no else []
        elif value is not None:
            values = value if isinstance(value, list) else [value]
            words += [f"{option}={_whole(v) if name in _PATHS else v}" for v in values]
    return words


def _whole(path: str) -> str:
    return str(Path(path).expanduser().resolve())
