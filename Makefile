# make restore PHOTO=path   restore a photo; the first time this also installs everything
# make test                 all checks and tests
# make check                the checks alone, as pre-commit runs them
# make site                 the documentation as a web site
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PHOTO ?= examples/low-light.jpg
RECIPE ?= auto
OUT ?= restored
BIN := .venv/bin
# One more than there are cores, since tests of daemons wait; each takes up to 2 GB with its daemon.
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n + 1 : 4)))
# Bytecode is written, whatever the shell says: a thousand processes import the same files.
export PYTHONDONTWRITEBYTECODE =
# These run in seconds and load no model: their coverage is measured, and must not fall.
FAST := tests/client tests/daemon tests/hotfolder tests/immich tests/plugin tests/web
COVERED := --cov=ldrps_wire --cov=ldrps_client --cov=ldrps_daemon --cov=ldrps_gimp
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder --durations=25 -rs

.PHONY: man restore check test test-fast test-models gimp-root site test-gimp test-darktable test-ray dist deb translations setup setup-dev stubs pictures gimp-pictures web-picture cost-picture clean

restore: setup
	@mkdir -p "$(OUT)"
	@$(BIN)/ldrps restore "$(PHOTO)" --recipe "$(RECIPE)" -o "$(OUT)/" --before-after "$(OUT)/" --force

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The checks run, and the GIMP for the second part is fetched, beside the first part.
test: setup-dev
	@$(MAKE) --no-print-directory --jobs 3 check gimp-root test-fast
	@$(MAKE) --no-print-directory test-models

gimp-root:
	@$(BIN)/python scripts/gimp_root.py || true

test-fast test-models: export HF_HUB_OFFLINE = 1
test-fast:
	$(PYTEST) $(COVERED) $(FAST)

test-models:
	$(PYTEST) $(FAST:%=--ignore=%)

site: setup-dev
	$(BIN)/mkdocs build

# The GIMP plug-in in every GIMP 3 that can be had, also in a real window. Needs root rights.
test-gimp: setup-dev
	@for suite in trixie forky; do $(BIN)/python scripts/gimp_root.py $$suite --window || true; done
	LDRPS_GIMP=trixie,forky $(BIN)/python -m pytest tests/gimp tests/plugin

# Workers on a Ray cluster of two nodes on this machine. Ray comes with: pip install 'ldrps[ray]'.
test-ray: setup-dev
	LDRPS_RAY=1 $(BIN)/python -m pytest tests/cluster tests/daemon/test_cluster.py

# The darktable script in every darktable that can be had. Needs root rights.
test-darktable: setup-dev
	@for suite in bookworm trixie; do $(BIN)/python scripts/darktable_root.py $$suite || true; done
	LDRPS_DARKTABLE=system,bookworm,trixie $(BIN)/python -m pytest tests/darktable

# The GIMP plug-in as a zip to unpack by hand, and the wheel and source archive for a registry.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
dist: setup-dev
	@$(BIN)/python plugin_gimp/pack.py
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

# A package for this machine's Debian, with all libraries. Needs dpkg-dev and debhelper.
deb: setup-dev
	@$(BIN)/python packaging/debian/package.py

# After a change of the GIMP plug-in's words, or of its guide.
translations: setup-dev
	$(BIN)/python plugin_gimp/translations.py
	$(BIN)/python plugin_gimp/guide.py

setup:
	@"$(PYTHON)" scripts/setup_environment.py

setup-dev:
	@"$(PYTHON)" scripts/setup_environment.py dev

# After a change of the command line.
man: setup-dev
	$(BIN)/python scripts/man_pages.py

# After a change of proto/ldrps/v1/restoration.proto.
stubs: setup-dev
	$(BIN)/python proto/generate.py

# The before/after pictures of the README.
pictures: setup
	@mkdir -p restored
	@for name in low-light haze noise grey; do \
		recipe=auto; [ $$name != grey ] || recipe=colour; \
		$(BIN)/ldrps restore examples/$$name.jpg --recipe $$recipe -o restored/ \
			--before-after docs/images/$$name.jpg --force || exit; \
	done

# The pictures of docs/guide/gimp.md, from a real GIMP. Needs root rights.
gimp-pictures: setup-dev
	@$(BIN)/python scripts/gimp_root.py trixie --window
	$(BIN)/python scripts/gimp_pictures.py trixie docs/images

# The picture of docs/guide/web.md, from a real Chromium.
web-picture: setup-dev
	$(BIN)/python scripts/web_picture.py docs/images/web.png

# PSNR over CPU seconds a megapixel, from what benchmarks/quality.py --json measured.
cost-picture: setup-dev
	$(BIN)/python benchmarks/cost_chart.py docs/research/noise.json docs/images/noise-cost.png

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache restored
