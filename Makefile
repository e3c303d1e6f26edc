.DEFAULT_GOAL := help
.PHONY: help test lint format lock clean
export OMP_NUM_THREADS ?= 1

STUDY ?= core
PORT ?= 5000
LAUNCHER ?= local
RUN := .venv/bin/python -m
SWEEP = $(RUN) cnn_anatomy.train --multirun study=$(STUDY) hydra/launcher=$(LAUNCHER) \
	$(if $(SEEDS),seeds=$(SEEDS)) $(if $(DATA),data=$(DATA)) $(if $(FORCE),force=true) $(ARGS)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.venv/stamp: requirements.lock pyproject.toml
	@test -x .venv/bin/uv || { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check uv; }
	@.venv/bin/uv pip sync --quiet --python .venv/bin/python requirements.lock
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

test: .venv/stamp ## run the fast tests
	@.venv/bin/pytest -n 2

lint: .venv/stamp ## check style and types
	@.venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy

format: .venv/stamp ## format the code
	@.venv/bin/ruff check --fix && .venv/bin/ruff format

lock: .venv/stamp ## compile requirements.lock anew from pyproject.toml
	@.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --quiet --no-emit-index-url --output-file requirements.lock

clean: ## delete caches and outputs (not the runs)
	@rm -rf .cache outputs multirun .pytest_cache .mypy_cache .ruff_cache
