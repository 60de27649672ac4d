# make restore PHOTO=path   restore a photo; the first time this also installs everything
# make test                 all checks and tests
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PHOTO ?= examples/low-light.jpg
RECIPE ?= auto
OUT ?= restored
BIN := .venv/bin

.PHONY: restore test test-gimp dist translations setup setup-dev stubs pictures gimp-pictures clean

restore: setup
	@mkdir -p "$(OUT)"
	@$(BIN)/ldrps restore "$(PHOTO)" --recipe "$(RECIPE)" -o "$(OUT)/" --before-after "$(OUT)/" --force

test: export HF_HUB_OFFLINE = 1
test: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/python scripts/gimp_root.py || true
	$(BIN)/python -m pytest

# The GIMP plug-in in every GIMP 3 that can be had, also in a real window. Needs root rights.
test-gimp: setup-dev
	@for suite in trixie forky; do $(BIN)/python scripts/gimp_root.py $$suite --window || true; done
	LDRPS_GIMP=trixie,forky $(BIN)/python -m pytest tests/gimp tests/plugin

# The GIMP plug-in as a zip to unpack by hand.
dist: setup-dev
	@$(BIN)/python plugin_gimp/pack.py

# After a change of the GIMP plug-in's words, or of its guide.
translations: setup-dev
	$(BIN)/python plugin_gimp/translations.py
	$(BIN)/python plugin_gimp/guide.py

setup:
	@"$(PYTHON)" scripts/setup_environment.py

setup-dev:
	@"$(PYTHON)" scripts/setup_environment.py dev

# After a change of proto/ldrps/v1/restoration.proto.
stubs: setup-dev
	$(BIN)/python proto/generate.py

# The before/after pictures of the README.
pictures: setup
	@mkdir -p restored
	@for name in low-light haze noise grey; do \
		$(BIN)/ldrps restore examples/$$name.jpg -o restored/ \
			--before-after docs/images/$$name.jpg --force || exit; \
	done

# The pictures of docs/guide/gimp.md, from a real GIMP. Needs root rights.
gimp-pictures: setup-dev
	@$(BIN)/python scripts/gimp_root.py trixie --window
	$(BIN)/python scripts/gimp_pictures.py trixie docs/images

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache restored
