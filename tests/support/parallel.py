"""Order and groups of the tests for a run in parallel (`pytest -n 3 --dist loadscope`)."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
TOGETHER = {
    "cluster": "one Ray cluster of two nodes, which takes a while to start",
    "installed": "one wheel, built once",
    "chaos": "measures how long answers take",
}
"""Folders whose tests run in one process, one after the other. Elsewhere a file is such a group, so
that its fixtures are made once."""
APART = ("hotfolder/test_kills.py",)
"""Files whose tests take half a minute each and share nothing: any process takes any of them."""
FIRST = (
    *("installed", "chaos", "gimp", "web", "training", "engine", "hotfolder", "e2e"),
    *("plugin", "daemon"),
)
"""Slowest folders, which begin first, so that at the end no process waits long for the others."""


def group_of(node_id):
    """Name what a test shares a process with: its folder, its file, or only itself."""
    file, _, _ = node_id.partition("::")
    name = file.removeprefix("tests/")
    folder = name.partition("/")[0]
    if name in APART:
        return node_id
    return folder if folder in TOGETHER else file


def scheduler(config, log):
    """Return what hands out whole groups, each to one process.

    The names of groups that xdist writes behind a test's own get lost with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return ByGroup(config, log)


def arrange(items):
    """Put tests into the order in which they begin."""
    items.sort(key=_rank)


def _rank(item):
    if TESTS not in item.path.parents:
        return len(FIRST) + 1
    name = item.path.relative_to(TESTS).as_posix()
    if name in APART:
        return 0
    folder = name.partition("/")[0]
    return FIRST.index(folder) + 1 if folder in FIRST else len(FIRST) + 1
