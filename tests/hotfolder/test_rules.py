"""Rules for names that are taken, names of results, and files of settings."""

import pytest

from ldrps_client.hotfolder.config import folder_from, load_config
from ldrps_client.hotfolder.detect._rules import Rules, check_pattern, ending_for, result_name
from ldrps_client.hotfolder.work._filters import parse_condition
from ldrps_engine.errors import SettingsError


@pytest.mark.parametrize(
    "name",
    [
        *(".a.jpg", "._a.jpg", "a.jpg~", "~$a.jpg", "a.jpg.part", "a.jpg.crdownload", "a.tmp"),
        *("a.jpg_original", "a.xmp", "a.txt", "a", "a.sync-conflict-20240101.jpg", "Thumbs.db"),
        *(".nfs0001.jpg", ".syncthing.a.jpg.tmp", ".ldrps-0123.png"),
    ],
)
def test_names_that_are_left_out(name):
    assert not Rules().takes_file(name)


def test_globs():
    rules = Rules(include=("*.jpg", "scans/*"), exclude=("*draft*",))
    taken = [n for n in ("a.jpg", "a.png", "scans/a.png", "draft.jpg") if rules.takes_file(n)]
    assert taken == ["a.jpg", "scans/a.png"]
    folders = ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".stversions", "my draft", "ok")
    assert [name for name in folders if rules.enters(name)] == ["ok"]


def test_names_of_results():
    assert result_name("IMG 1.JPG", "{stem}_restored{ext}", "auto", 1, ".JPG", 251) == (
        "IMG 1_restored.JPG"
    )
    assert (
        result_name("a.b.png", "{stem}-{recipe}{ext}", "haze", 3, ".png", 251) == "a.b_3-haze.png"
    )
    assert len(result_name("x" * 300, "{stem}_r{ext}", "auto", 2, ".png", 251)) == 251
    assert ending_for("a.TIF", deep=True, alpha=False) == ".TIF"
    assert ending_for("a.nef", deep=True, alpha=False) == ".tif"
    assert ending_for("a.xyz", deep=False, alpha=True) == ".png"


@pytest.mark.parametrize("text", ["x{ext}", "{stem}", "{stem}{what}{ext}", "a/{stem}{ext}", "{"])
def test_patterns_that_cannot_be(text):
    with pytest.raises(SettingsError, match="pattern"):
        check_pattern(text)


def test_a_file_of_settings(tmp_path):
    path = tmp_path / "watch.toml"
    path.write_text(
        'parallel = 3\nhours = "22:00-06:00"\n'
        '[[folder]]\nin = "a"\nout = "b"\nrecipe = "haze"\nfilters = ["noise>5"]\n'
        'exclude = ["x*"]\nsettle = 20\nlink_clean = "copy"\n'
        'amounts = { noise = 0.5, cast = 0 }\n[[folder]]\nin = "/c"\n'
    )
    config = load_config(path)
    first, second = config.folders
    assert (first.root, first.out) == (tmp_path / "a", tmp_path / "b")
    assert (first.settings.recipe, first.settle, first.rules.exclude) == ("haze", 20, ("x*",))
    assert first.settings.amounts == {"noise": 0.5, "cast": 0.0}
    assert first.filters == (parse_condition("noise > 5"),)
    assert str(second.root) == "/c"
    assert config.schedule.parallel == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no folder"),
        ("[[folder]]", "'in'"),
        ('[[folder]]\nin = "a"\nspeed = 1', "'speed'"),
        ('colour = 1\n[[folder]]\nin = "a"', "'colour'"),
        ('[[folder]]\nin = "a"\nrecipe = "magic"', "recipe 'magic'"),
        ('[[folder]]\nin = "a"\namounts = { nois = 1 }', "amount 'nois' is not known"),
        ('[[folder]]\nin = "a"\namounts = { noise = 3 }', "amount noise is 3; use a value from 0"),
        ('[[folder]]\nin = "a"\namounts = { noise = "1" }', "amount noise is '1'; use a number"),
        ('[[folder]]\nin = "a"\namounts = 0.5', "amounts is 0.5; give a number from 0 to 2"),
        ('[[folder]]\nin = "a"\nfilters = ["noise"]', "filter 'noise'"),
        ('[[folder]]\nin = "a"\nonly_if = ["grey"]\nfilters = []', "give filters alone"),
        (
            'only_if = ["grey"]\n[[folder]]\nin = "a"',
            "'only_if' is not known here: it belongs to a folder, below [[folder]] and is called "
            "filters now",
        ),
        (
            'filters = ["grey"]\n[[folder]]\nin = "a"',
            "'filters' is not known here: it belongs to a folder, below [[folder]]",
        ),
        (
            '[[folder]]\nin = "a"\nparallel = 2',
            "'parallel' is not known here: it is for all folders, above the first [[folder]]",
        ),
        ('paralel = 2\n[[folder]]\nin = "a"', "did you mean parallel?"),
        ('[[folder]]\nin = "a"\nfilter = ["grey"]', "did you mean filters?"),
        ('[[folder]]\nin = "a"\nsteps = "5"', "steps is '5'; use a whole number"),
        ("folder = [1]", "no list of tables"),
        ('[[folder]]\nin = "a"\nsettle = "long"', "wrong kind"),
        ('[[folder]]\nin = "a"\nrecursive = 1', "recursive is 1"),
        ('[[folder]]\nin = "a"\npoll = "often"', "poll 'often'"),
        ('[[folder]]\nin = "a"\nout = "a"', "the watched folder itself"),
        ('[[folder]]\nin = "a"\nlink_clean = "copy"', "link_clean"),
        ('[[folder]]\nin = "a"\n[[folder]]\nin = "a/b"', "overlap"),
        ("[[folder]", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, named):
    path = tmp_path / "watch.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert named in str(caught.value)


def test_a_file_that_is_no_text_is_one_sentence(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(SettingsError, match=r"photo\.jpg is not text in UTF-8; give a TOML file$"):
        load_config(path)


def test_a_file_with_a_former_name_is_read_as_ever_and_says_so(tmp_path):
    """A service must not end with an update, and what it has done must count as done."""
    text = '[[folder]]\nin = "a"\nfilters = ["noise>5"]\n'
    former, current = tmp_path / "former.toml", tmp_path / "current.toml"
    former.write_text(text.replace("filters", "only_if"))
    current.write_text(text)
    assert load_config(former).folders == load_config(current).folders
    assert load_config(current).warnings == ()
    assert load_config(former).warnings == (f"{former}: only_if is called filters now; rename it",)


def test_a_folder_reached_by_a_link_is_the_same_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert folder_from({"in": tmp_path / "link"}).root == tmp_path.resolve() / "real"
