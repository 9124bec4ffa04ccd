# The two commands of the README, and those of everyday work. Each does its own set-up.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types imports servers unit bench fixtures clean

demo: $(VENV)/.demo
	@rm -rf build/demo && mkdir -p build/demo
	@$(BIN)/python -m fixtures.small build/demo >/dev/null
	cd build/demo && ../../$(BIN)/regsweep plan registry --untagged delete

# What is checked without tests takes as long as the servers to be installed: both at the same time, then the tests.
test:
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types imports servers
	@$(MAKE) --no-print-directory unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

# Not before there is an environment, for which packages may have to be installed too.
servers: $(VENV)/.made
	bash tests/servers/install.sh

unit: $(VENV)/.dev servers
	# One more than two cores take: many tests wait for a server.
	$(BIN)/pytest -n 3

bench: $(VENV)/.dev servers
	$(BIN)/python -m tests.benchmarks

# Rewrites the committed tree: only when what it holds is to change.
fixtures: $(VENV)/.dev servers
	$(BIN)/python -m fixtures.make_small

$(VENV)/.made:
	bash tests/servers/venv.sh "$(PYTHON)" $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf build $(VENV)
