"""Runs inside GIMP: executes what the tests send, and answers with what they put into `answer`.

Each answer names the request that it belongs to.

Started by GIMP's Python batch interpreter, in whose process it stays; the plug-in runs in
processes of its own, as it does for a user.
"""

import contextlib
import io
import json
import socket
import sys
import traceback

# GIMP's batch interpreter leaves its own words there, which would look like options.
sys.path.insert(0, "/mnt/tests")

import gi

for _name, _version in (("Gimp", "3.0"), ("Gegl", "0.4"), ("Babl", "0.1")):
    gi.require_version(_name, _version)


def serve(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        lines = sock.makefile("r")
        for line in lines:
            number, source = json.loads(line)
            sock.sendall((json.dumps([number, obey(source)]) + "\n").encode())


def obey(source):
    from gimp import helpers

    names = {**vars(helpers), "answer": None}
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(source, "test", "exec"), names)
    except BaseException:
        return {"error": traceback.format_exc() + said.getvalue()}
    return {"answer": names["answer"]}


serve("/mnt/shared/agent")
