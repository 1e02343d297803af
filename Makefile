SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

TOOLS := .venv-uv
UV := $(TOOLS)/bin/uv
BIN := .venv/bin
ARGS ?=

# Nothing is left outside the checkout: not uv's cache, not an interpreter, not ~/airflow.
export UV_CACHE_DIR := $(CURDIR)/$(TOOLS)/cache
export UV_LINK_MODE := hardlink
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
unexport VIRTUAL_ENV
unexport PYTHONPATH
unexport PYTHONHOME

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-package kenshin --no-annotate --no-header
LOCK_EXTRAS := --extra demo --extra chat --extra local --extra cli --extra aws
TEST_ENV := mkdir -p var/tmp && TMPDIR=$(CURDIR)/var/tmp AIRFLOW_HOME=$(CURDIR)/var/test/airflow

# $(call install,<environment>,<install -r: adds; sync: also removes>,<lock>)
# uv does not read pip.conf, so on a machine that knows its package index by pip.conf alone, pip does the work.
define install
	$(UV) pip $(2) $(3) --quiet --python $(1) --require-hashes || { \
	  echo "uv could not install $(3); trying pip, which takes some minutes longer." >&2; \
	  $(TOOLS)/bin/python -m pip --python $(1) install --quiet --no-cache-dir --no-deps --require-hashes -r $(3); }
endef
define install_kenshin
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
endef

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: .venv/.runtime ## Run the real DAGs on real data; no AWS account, no container.
	@$(BIN)/python examples/demo/demo.py $(ARGS)

.PHONY: up
up: .venv/.runtime ## Start Airflow with Kenshin on this machine, on 127.0.0.1.
	@$(BIN)/python examples/demo/up.py $(ARGS)

.PHONY: chat
chat: .venv/.runtime ## Start the example chat service and a stand-in for its model API, on 127.0.0.1.
	@$(BIN)/python examples/demo/chat.py $(ARGS)

.PHONY: chat-load
chat-load: .venv/.runtime ## Load the example service for a minute, with faults, and compare its signals with the load's log.
	@PYTHONPATH=examples:tests $(BIN)/python -m orchestrator.load $(ARGS)

.PHONY: test
test: .venv/.dev ## Run the tests, a live Airflow included (ARGS="-k drift" narrows them).
	@$(TEST_ENV) $(BIN)/python -m pytest -n 2 -m "not compose and not slow and not standins" $(ARGS)

.PHONY: lint
lint: .venv/.dev ## Check style, forbidden imports and types.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: test-airflow
test-airflow: .venv/.dev ## Run the suite that needs a live Airflow, alone.
	@$(TEST_ENV) $(BIN)/python -m pytest -m airflow $(ARGS)

.PHONY: test-compose
test-compose: .venv/.dev ## Check the cluster in docker-compose.yml; needs no container engine.
	@$(TEST_ENV) $(BIN)/python -m pytest -m compose $(ARGS)

.PHONY: test-slow
test-slow: .venv/.dev standins ## Run the slow suites, those against stand-in AWS servers among them.
	@$(TEST_ENV) $(BIN)/python -m pytest -m "slow or standins" $(ARGS)

.PHONY: test-standins
test-standins: .venv/.dev standins ## Run what talks to stand-in AWS servers, alone.
	@$(TEST_ENV) $(BIN)/python -m pytest -m standins $(ARGS)

.PHONY: standins
standins: .venv-standins/.ready ## Install the stand-in AWS servers into an environment of their own.

.PHONY: lock
lock: $(TOOLS)/.ready ## Resolve the locks anew (ARGS=--upgrade takes newer versions).
	$(UV) pip compile pyproject.toml $(LOCK_OPTIONS) $(LOCK_EXTRAS) --group airflow -o requirements.txt $(ARGS)
	$(UV) pip compile pyproject.toml $(LOCK_OPTIONS) $(LOCK_EXTRAS) --extra schema --group airflow --group dev -c requirements.txt -o requirements-dev.txt $(ARGS)
	$(UV) pip compile $(LOCK_OPTIONS) --group standins -o requirements-standins.txt $(ARGS)

.PHONY: lambda
lambda: ## Build dist/kenshin-budget-lambda.zip: the budget check for AWS Lambda.
	@python3 examples/lambda/build.py

.PHONY: metrics
metrics: .venv/.dev ## Write the metric table docs/metrics.md anew from the catalogue.
	@$(BIN)/python -c "from kenshin.signals.catalogue import as_markdown; print(as_markdown(), end='')" > docs/metrics.md

.PHONY: decisions
decisions: .venv/.dev ## Write the table in docs/decisions.md anew from the code.
	@$(BIN)/python -c "from pathlib import Path; from kenshin.experiments.decision import written_into; p = Path('docs/decisions.md'); p.write_text(written_into(p.read_text('utf-8')), 'utf-8')"

.PHONY: secrets
secrets: ## Write .env with fresh passwords and keys for the cluster (FORCE=1 replaces it).
	@python3 docker/make_secrets.py $(if $(FORCE),--force)

.PHONY: clean
clean: ## Remove environments and caches; var/ and .env stay.
	rm -rf .venv $(TOOLS) .venv-standins .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(TOOLS)/.ready: .ci/requirements-uv.txt
	@python=""; \
	for candidate in python3 python3.13 python3.12 python3.11; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Kenshin needs Python 3.11 or newer; 'python3' here is $$(python3 --version 2>&1 || true)." >&2; \
	  echo "Install one, e.g.: apt-get install python3.11 python3.11-venv" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	  echo "$$python has no venv module with pip. Install it, e.g.: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	rm -rf $(TOOLS); \
	echo "Preparing the tools with $$("$$python" --version) …"; \
	"$$python" -m venv $(TOOLS); \
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r $<
	@touch $@

.venv/pyvenv.cfg: | $(TOOLS)/.ready
	@$(UV) venv --quiet --allow-existing --python $(TOOLS)/bin/python .venv

.venv-standins/pyvenv.cfg: | $(TOOLS)/.ready
	@$(UV) venv --quiet --allow-existing --python $(TOOLS)/bin/python .venv-standins

.venv/.runtime: requirements.txt pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing what Kenshin runs on …"
	@$(call install,.venv,install -r,requirements.txt)
	@$(install_kenshin)
	@touch $@

.venv/.dev: requirements-dev.txt pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing what the tests and checks need …"
	@$(call install,.venv,sync,requirements-dev.txt)
	@$(install_kenshin)
	@touch $@ .venv/.runtime

.venv-standins/.ready: requirements-standins.txt | .venv-standins/pyvenv.cfg
	@echo "Installing the stand-in AWS servers …"
	@$(call install,.venv-standins,sync,requirements-standins.txt)
	@touch $@
