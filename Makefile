# One entry for people and for CI.  `make` alone runs what a commit must pass.
.DEFAULT_GOAL := check
.PHONY: help demo test test-device check format lint types layers test-fast golden docs bench clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
DEVICE_PARTS ?= $(abspath $(VENV)/device-parts)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
export TF_CPP_MIN_LOG_LEVEL ?= 3

help:      ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

$(READY): setup.py tfcompress/__init__.py
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] < (3, 14), "Python 3.11 to 3.13 is needed; name one with `make PYTHON=python3.12 ...`"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs]'
	@touch $@

demo: $(READY)       ## train, compress, convert and verify a model on real data
	$(BIN)/tfcompress demo -o runs/demo

check: lint types layers test-fast  ## everything a commit must pass, in a few minutes

format: $(READY)     ## rewrite files in the house format
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(READY)       ## format and style, changing nothing
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(READY)      ## static types
	$(BIN)/mypy

layers: $(READY)     ## no stage imports a later one
	$(BIN)/lint-imports

test-fast: $(READY)  ## fast tests and every docstring example
	$(PYTEST) -q -m "not slow and not device"

test: $(READY)       ## also the tests that train and convert real models
	$(PYTEST) -m "not device"

test-device: $(READY)  ## tests with emulated devices; installs their parts (Debian, root)
	tests/device/install_parts.sh $(BIN)/python $(DEVICE_PARTS)
	TFCOMPRESS_ARM64_WHEELS=$(DEVICE_PARTS) TFCOMPRESS_ADBD_FOLDER=$(DEVICE_PARTS)/adbd \
		KOTLIN_HOME=$(DEVICE_PARTS)/node_modules/kotlin-compiler \
		$(BIN)/python -m pytest -rs tests/device tests/android_bench tests/fakes \
		tests/cli/test_devices.py tests/cli/test_benchmark.py tests/cli/test_latency_device.py

golden: $(READY)     ## rewrite golden files; read the diff before committing it
	$(BIN)/python -m pytest -q --golden-update -m "not slow and not device" tests/cli tests/report

docs: $(READY)       ## rebuild docs/cli.md from --help, then the site
	$(BIN)/python -m docs.write_cli_reference && $(BIN)/mkdocs build --strict

bench: $(READY)      ## time the toolkit itself: ratios measured side by side
	$(BIN)/python -m benchmarks.speed

clean:               ## remove what the other targets made
	rm -rf $(VENV) runs site .mypy_cache .ruff_cache .pytest_cache
