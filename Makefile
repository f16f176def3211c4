SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup check test smoke repro bench diff clean

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.installed
SMOKE := .smoke
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything in requirements.lock

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed; install Python 3.11 or newer" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $$($(PYTHON) --version) is too old; needs 3.11 or newer, name one with make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) cannot make virtual environments; install the Debian package python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --requirement requirements.lock
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@if ! $(VENV)/bin/python -c 'import cv2' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends libgl1 libglib2.0-0; \
		else \
			echo "error: OpenCV needs the Debian packages libgl1 and libglib2.0-0; install them as root and run make again" >&2; \
			exit 2; \
		fi; \
	fi
	@$(VENV)/bin/python -c 'import cv2'
	@touch $@

check: $(READY) ## Lint, types, layers, spelling and installed versions
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	codespell
	pip check

test: $(READY) ## Every test, one process a core
	OMP_NUM_THREADS=1 pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

smoke: $(READY) ## The whole pipeline on a tiny profile in a folder of its own
	@mkdir -p $(SMOKE)
	@rm -rf $(SMOKE)/src $(SMOKE)/stages
	@git ls-files --cached --others --exclude-standard -z -- \
		src stages responses data/footage dvc.yaml params.yaml profiles .dvcignore simple_3d_tracker.py \
		| while IFS= read -r -d '' file; do [ ! -e "$$file" ] || printf '%s\0' "$$file"; done \
		| tar --create --null --files-from=- | tar --extract --directory=$(SMOKE)
	python stages/make_profile.py --params params.yaml --overrides profiles/smoke.yaml --output $(SMOKE)/params.yaml
	cd $(SMOKE) && { [ -d .dvc ] || dvc init --no-scm --quiet; } && PYTHONPATH=src dvc repro

repro: $(READY) ## The whole pipeline with params.yaml: data, models, metrics, report
	dvc repro

bench: $(READY) ## Every benchmark; prints ratios
	@for file in benchmarks/*.py; do echo "== $$file"; python "$$file"; done
	python -m benchmarks.stereo

diff: $(READY) ## How metrics and params differ from the last commit
	dvc params diff
	dvc metrics diff

clean: ## Remove caches and the smoke folder; keeps data, models and the DVC cache
	rm -rf $(SMOKE) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
