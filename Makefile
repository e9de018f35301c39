# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# A uv that is not on PATH is put into the project's own tool environment, not into the system.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
# The first Python of the right version that really starts: a version manager's shim can be on PATH and run nothing.
PYTHON ?= $(shell for candidate in python3.12 python3.11 python3 python; do \
	"$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& { command -v "$$candidate"; break; }; done)
RUN := $(UV) run --no-sync
FLYWHEEL := $(RUN) flywheel

LOGS ?=
FORMAT ?= auto
DAYS ?= 3
START ?= 2026-11-18
TURNS ?= 5000
ARGS ?=
AIRFLOW_PORT ?= 8080

# Without compiled modules every process compiles what it imports again: Great Expectations alone is 3 CPU s of it.
unexport PYTHONDONTWRITEBYTECODE

export AIRFLOW_PORT
export HF_HUB_OFFLINE := 1
export GX_ANALYTICS_ENABLED := false
export AIRFLOW_HOME := $(CURDIR)/.airflow
export AIRFLOW__CORE__DAGS_FOLDER := $(CURDIR)/dags
export AIRFLOW__CORE__LOAD_EXAMPLES := False
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL := http://localhost:$(AIRFLOW_PORT)/execution/
export AIRFLOW__API__PORT := $(AIRFLOW_PORT)
export AIRFLOW__API__HOST := 127.0.0.1
# Airflow sets these itself, whatever the umask: its defaults let a group write and others read.
export AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS := 0o700
export AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS := 0o600
export AIRFLOW_CONN_SPARK_DEFAULT := spark://local
export PYTHONPATH := $(CURDIR)

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.tools/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 with venv was not found. On Debian or Ubuntu:" \
	"apt-get install python3-venv; or set its path: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .tools && .tools/bin/pip install --quiet uv

# A first install copies some 8 GB, during which uv may be silent.
.PHONY: packages
packages: $(filter .tools/bin/uv,$(UV))
	@if [ -d .venv ]; then quiet=--quiet; else quiet=; echo "Installing the packages of uv.lock into .venv:" \
	"up to 5 GB to download, 8 GB on disk. On two cores the demo then takes about 8 minutes, make test about 20."; \
	(while sleep 15; do echo "  still installing"; done) & trap "kill $$! 2>/dev/null || true" EXIT; fi; \
	$(UV) sync $$quiet --frozen $(addprefix --python ,$(PYTHON))
	@$(FLYWHEEL) doctor

.PHONY: setup
setup: packages ## Install the packages in uv.lock into .venv, then prepare models and jars (once)
	@$(FLYWHEEL) setup

# It runs `flywheel setup` itself, beside its first steps.
.PHONY: demo
demo: packages ## Build a curated dataset and a report from simulated logs (LOGS=path for your own chat logs)
	@LOGS="$(LOGS)" FORMAT="$(FORMAT)" START="$(START)" DAYS="$(DAYS)" TURNS="$(TURNS)" $(RUN) bash infra/demo.sh

PYTEST := pytest -n 2 --dist loadgroup --budget --durations=25

.PHONY: test
test: setup ## Run the tests (without the nightly ones)
	@$(RUN) $(PYTEST) -m "not nightly"

.PHONY: test-all
test-all: setup ## Run all tests, with the nightly ones and more examples of every property
	@FLYWHEEL_TESTS=thorough $(RUN) $(PYTEST)

.PHONY: lint
lint: setup ## Check style, types and import rules
	@$(RUN) ruff format --check . && $(RUN) ruff check . && $(RUN) mypy && $(RUN) lint-imports

.PHONY: airflow
airflow: ## Start Airflow with its web UI on AIRFLOW_PORT; DAGs start paused (ARGS="..." for any airflow command)
	@test -x .venv/bin/airflow || $(MAKE) setup
	@umask 077; $(RUN) airflow $(or $(ARGS),standalone)

.PHONY: clean
clean: ## Delete the lake, the report and Airflow's state (not .venv)
	rm -rf lake report truth .airflow
