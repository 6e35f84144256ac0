# make demo   everything set up, then one run against a stand-in of Wallhaven: offline, nothing but Python needed
# make test   every check, and a sample of every proof, as CI runs them
# make help   the rest

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PYTEST_OPTIONS ?=
SOURCE ?= wallhaven
SCHEDULER_PORT ?= 8082
demo: export SCHEDULER_PAGE ?= http://127.0.0.1:$(SCHEDULER_PORT)/static/visualiser/index.html

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test check unit lock clean up down

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

setup: $(VENV)/.runtime ## the virtual environment with what the pipeline needs

setup-dev: $(VENV)/.development ## the same, and what the tests need

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created requirements.txt pyproject.toml
	@echo "installing requirements.txt (about 80 packages, hashes checked)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.txt
	@echo "installing requirements-dev.txt (hashes checked)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: setup ## one whole run against a stand-in of the source: make demo SOURCE=jsonplaceholder; default Wallhaven
	@$(BIN)/python -m luigi_tasks up --scheduler --port $(SCHEDULER_PORT)
	@echo "dbt live:  open that page, Graph view of Collect, while the run goes on"
	@$(BIN)/python -m twin.run --visits $${DRAENEI_HOME:-var}/demo/visits -- $(BIN)/luigi --module luigi_tasks Collect --source $(SOURCE) --scheduler-port $(SCHEDULER_PORT)
	@echo
	@echo "To look at:"
	@$(BIN)/python -m luigi_tasks report --docs | sed 's/^/  /'
	@echo
	@echo "Look around:   $(BIN)/python -m luigi_tasks status        $(BIN)/dbt build --project-dir dbt_project"
	@echo "Stop:          $(BIN)/python -m luigi_tasks down          (luigid and the database; what was collected stays)"
	@echo "Clean up:      make clean     (it is the demo's data: do that before you collect for real)"

test: setup-dev check unit ## every check and a sample of every proof, as CI runs them

check: setup-dev ## style, types, import contracts, SQL
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/sqlfluff lint --disable-progress-bar dbt_project/models dbt_project/tests

unit: setup-dev ## the tests alone: make unit PYTEST_OPTIONS='-k publish'
	@$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lock: setup-dev ## requirements*.in → requirements*.txt with hashes
	@$(BIN)/python -m pip install --quiet uv
	@for name in requirements requirements-dev requirements-tools requirements-dialects; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header \
			--output-file $$name.txt $$name.in; \
	done

up: setup ## the embedded database and luigid
	@$(BIN)/python -m luigi_tasks up --scheduler

down: ## stop both
	@$(BIN)/python -m luigi_tasks down

clean: ## stop everything and remove what was collected under var/
	@test ! -x $(BIN)/python || $(BIN)/python -m luigi_tasks down
	@rm -rf var profiles.yml

-include mk/*.mk
