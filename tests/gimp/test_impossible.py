"""In a real GIMP: values that cannot be are refused, whoever asks."""

import pytest

IMPOSSIBLE = {
    "strength": (1.5, "strength is 1.5; use a value from 0"),
    "recurrences": (9, "recurrences is 9; use a value from -1 to 3"),
    "noise-sigma": (200.0, "noise-sigma is 200.0; use a value from 0.0 to 100.0, or -1"),
    "seed": (-1, "seed is -1; use a value from 0 to 2147483647"),
    "amount-haze": (2.5, "amount-haze is 2.5; use a value from 0"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_values_that_cannot_be_are_refused_by_script_fu_and_python_fu_alike(served, name):
    value, sentence = IMPOSSIBLE[name]
    script = f"""(let* ((image (car (gimp-image-new 64 64 RGB)))
       (layer (car (gimp-layer-new image "photo" 64 64 RGB-IMAGE 100 LAYER-MODE-NORMAL))))
  (gimp-image-insert-layer image layer 0 0)
  (ldrps-restore #:run-mode RUN-NONINTERACTIVE #:image image #:drawables (vector layer)
                 #:{name} {value}))"""
    before = len(served.log())
    found = served.do(f"""
for image in Gimp.get_images():
    image.delete()
procedure = PDB.lookup_procedure("plug-in-script-fu-eval")
config = procedure.create_config()
config.set_property("script", {script!r})
result = procedure.run(config)
answer = [result.index(0).value_nick, str(result.index(1)) if result.length() > 1 else ""]
answer.append([len(each.get_layers()) for each in Gimp.get_images()])
for image in Gimp.get_images():
    image.delete()
image, layer = new_image()
answer.append(refusal([layer], **{{{name.replace("-", "_")!r}: {value}}}))
image.delete()
""")
    status, said, layers, python = found
    assert status != "success"
    assert sentence in said + served.log()[before:]
    assert layers == [1]
    assert python[0] == "calling-error"
    # To the letter: no words of GIMP's or a class of Python's before it.
    assert python[1].startswith(sentence)
