import pytest

from hotfolder.support import InvertingClient, Watching


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


@pytest.fixture
def client():
    return InvertingClient()


@pytest.fixture
def inside(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def watch(client):
    """Starts watchers that end with the test."""
    started = []

    def start(root, **options):
        started.append(Watching(options.pop("client", client), root, **options))
        return started[-1].start()

    yield start
    for each in started:
        each.client.gate.set()
        each.stop()
