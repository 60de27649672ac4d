"""Options and addresses that are mistyped, or called otherwise now."""

import pytest


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("restore a.png --samples 3", "did you mean --variants?; see 'ldrps restore --help'"),
        ("restore a.png --sampels=3", "did you mean --variants?"),
        ("restore a.png --look-only", "did you mean the command 'ldrps diagnose'?"),
        ("restore a.png --fource", "did you mean --force?"),
        ("diagnose a.png --samples 3", "unrecognized arguments: --samples 3; see"),
        ("status --wach", "did you mean --watch?"),
        ("help", "did you mean the option --help?; see 'ldrps --help'"),
        ("restor a.png", "did you mean restore?"),
        ("models fetch sd21", "did you mean pull?; see 'ldrps models --help'"),
        ("models list sd21", "for one of them, run 'ldrps models show sd21'"),
        ("watch . --filter veil>0.5", "did you mean haze?"),
        ("restore a.png --layers=", "layers '' is not known"),
        ("completion tcsh", "'tcsh' is not known; choose from bash, zsh, fish"),
        ("immich run --url x --api-key-file y --albun z", "did you mean --album?"),
    ],
)
def test_an_unknown_option_is_answered_with_the_one_that_is_meant(ldrps, words, hint):
    code, _, err = ldrps(*words.split())
    assert code == 2
    assert hint in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "stop", "restore a.png", "watch .", "web", "doctor"])
@pytest.mark.parametrize("where", ["foo:bar", "127.0.0.1:99999", "unix:", "8.8.8.8:50", "tls:x"])
def test_what_is_no_address_is_answered_with_the_forms_there_are(ldrps, command, where):
    code, _, err = ldrps(*command.split(), "--address", where)
    assert code == 2
    assert err == (
        f"ldrps: address '{where}' is not understood; give unix:PATH, 127.0.0.1:PORT, or "
        "tls:HOST:PORT for another machine, with a port from 1 to 65535\n"
    )
