# make restore PHOTO=path   restore a photo; the first time this also installs everything
# make test                 all checks and tests
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PHOTO ?= examples/low-light.jpg
RECIPE ?= auto
OUT ?= restored
BIN := .venv/bin

.PHONY: restore test setup setup-dev stubs pictures clean

restore: setup
	@mkdir -p "$(OUT)"
	@$(BIN)/ldrps restore "$(PHOTO)" --recipe "$(RECIPE)" -o "$(OUT)/" --before-after "$(OUT)/" --force

test: export HF_HUB_OFFLINE = 1
test: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

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

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache restored
