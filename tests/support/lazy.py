"""Modules that take seconds to import, imported where a test first needs them.

Each of the processes that share the tests imports all test modules to collect them.
"""

from importlib import import_module


class Lazy:
    """Stand-in for a module: its attributes are those of the module, imported for the first."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith(("_", "pytest")):
            # So that pytest, which looks whether this is a test or a fixture, imports nothing.
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


diffusers, transformers = Lazy("diffusers"), Lazy("transformers")
