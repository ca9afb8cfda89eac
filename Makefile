# The handful of commands that everyone uses; CI runs the same ones.
.DEFAULT_GOAL := help
.PHONY: help install install-test demo demo-check test unit chaos lint simulate nightly bench generated lock clean

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# Tests against real parts mostly wait. A file is never split: its tests share one broker.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile
NPM := PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix services/api/console
# What the formatter, linter and type checker look at.
SOURCES := libs services tools local tests bench
PACKAGES := libs/*/beffroi_* services/*/beffroi_* tools/*/beffroi_* local/beffroi_local

help: ## Say what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Install what the demo needs (Debian, Ubuntu; elsewhere it says what to install)
	@local/install.sh demo

install-test:
	@local/install.sh test

demo: install ## Run all of Beffroi on this machine, until Ctrl-C
	@$(PYTHON) -m beffroi_local.demo

demo-check: install ## Run the demo without a person, check what must be seen, print the figures
	@$(PYTHON) -m beffroi_local.check

unit: install-test ## Run the fast tests alone (a minute or two)
	@$(PYTEST) -q tests/unit
	@$(NPM) test

test: install-test ## Run all tests, against the real Kafka, MinIO, RTSP, PostgreSQL and Chromium
	@$(PYTEST) -q $(SIDE_BY_SIDE) tests/unit
	@$(NPM) test
	@$(PYTEST) -q tests/simulation
	@$(PYTEST) -q $(SIDE_BY_SIDE) tests/contract tests/integration
	@$(PYTEST) -q tests/e2e

chaos: install-test ## Take broker and store away for five minutes each, and freeze each service for one (forty minutes)
	@$(PYTEST) -q -s tests/chaos

lint: install-test ## Check format, lint, types and import contracts
	@.venv/bin/ruff format --check $(wildcard $(SOURCES))
	@.venv/bin/ruff check $(wildcard $(SOURCES))
	@$(PYTHON) -m mypy $(wildcard $(PACKAGES)) $(wildcard tests bench)
	@.venv/bin/lint-imports
	@$(NPM) run lint
	@$(NPM) run typecheck

simulate: install-test ## Run the whole system in one process under seeds of faults: SEED=17, or SEED=0-4999
	@$(PYTHON) -m tests.simulation $(or $(SEED),0-499)

NIGHT := $(shell date +%y%m%d)
nightly: install-test ## Look further, elsewhere each night: 5,000 seeds, and 10,000 hostile messages a reader (hours)
	@$(PYTHON) -m tests.simulation $(or $(SEED),$(NIGHT)0000-$(NIGHT)4999)
	@$(PYTEST) -q --hypothesis-profile=nightly $(wildcard tests/unit/*/test_hostile*.py)

bench: install-test ## Measure: bus, copies, masker, detector, cameras side by side, live, floods, pages, memory over ten minutes
	@$(PYTHON) -m bench

generated: install-test ## Write anew what a test compares: AsyncAPI, OpenAPI, the console's types, the contracts' baseline
	@$(PYTHON) tests/unit/common/test_compatibility.py
	@$(PYTHON) -m beffroi_common.asyncapi > docs/asyncapi.json
	@$(PYTHON) -m beffroi_api.commands.openapi
	@$(NPM) run types

lock: ## Renew the pinned and hashed versions of everything
	@local/lock.sh

clean: ## Remove what was made here (not the downloads in the cache)
	@rm -rf .venv run services/api/console/node_modules services/api/console/dist services/api/beffroi_api/static
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
