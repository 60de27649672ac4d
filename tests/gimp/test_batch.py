"""In a real GIMP: all open images are restored, each is reported, and none is in another's way."""

import pytest

IMAGES = """
images = {}
def open_image(name, *args, **more):
    images[name] = new_image(*args, **more)[0]
    return images[name]
def run(**settings):
    image = images["fine"]
    return call("ldrps-restore-all", image, image.get_layers(), **settings)
def names():
    return {name: [each.get_name() for each in image.get_layers()]
            for name, image in images.items()}
def close():
    for image in Gimp.get_images():
        image.delete()
close()
"""


def test_every_open_image_is_restored_and_reported(served):
    status, reported, found, again = served.do(f"""{IMAGES}
open_image("fine")
grey = open_image("grey", 70, 90, "GRAY", "FLOAT_LINEAR")
two = open_image("two")
add_layer(two, 40, 40, name="over")
two.set_selected_layers(two.get_layers())
small = open_image("small", 10, 40)
wanted = [inverted(pixels(images[name].get_layers()[0]), images[name].get_layers()[0])
          for name in ("fine", "grey")]
status, reported = run()
answer = [status, reported, names()]
answer.append([pixels(images[name].get_layers()[0]) for name in ("fine", "grey")] == wanted)
answer.append(run()[1])
answer[3:] = [[answer[3], answer[4]]]
close()
""")
    assert status == "success"
    assert reported[:3] == [2, 0, 2]
    summary = reported[3].splitlines()
    assert summary[0] == "Restored: 2. Not restored: 2."
    assert "Select exactly one layer; 2 are selected." in summary[1]
    assert "too small" in summary[2]
    assert found["fine"] == found["grey"] == ["photo (restored: noise 3)", "photo"]
    assert found["two"] == ["over", "photo"]
    same, second = again
    assert same
    # Results are selected now, and are not restored once more.
    assert second[:3] == [0, 0, 4]
    assert "is a result already" in second[3]


@pytest.mark.parametrize("output", ["replace", "new-image"])
def test_settings_hold_for_all(served, output):
    reported, found, count = served.do(f"""{IMAGES}
open_image("fine")
open_image("other", 80, 50)
reported = run(output={output!r}, recipe="haze", description="same")[1]
answer = [reported, names(), len(Gimp.get_images())]
close()
""")
    assert found == {"fine": ["photo"], "other": ["photo"]}
    if output == "replace":
        assert reported[:3] == [0, 2, 0]
        assert count == 2
    else:
        assert reported[:3] == [2, 0, 0]
        assert count == 4


def test_settings_that_cannot_be_are_refused_before_anything_is_done(served):
    status, said, found = served.do(f"""{IMAGES}
open_image("fine")
status, rest = run(strength=1.5)
answer = [status, rest, names()]
close()
""")
    assert status == "calling-error"
    assert "strength is 1.5" in said[0]
    assert found == {"fine": ["photo"]}
