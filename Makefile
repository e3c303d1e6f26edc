.DEFAULT_GOAL := help
.PHONY: help sweep plan table publish verdicts figures reproduce report paper sync ui server bench bench-gpu bench-store statistics screenshot wheel test test-slow test-part test-faults test-slurm test-ray test-server test-ddp test-gpu lint format lock clean
export OMP_NUM_THREADS ?= 1
# Without these MLflow's server starts seven more processes, for jobs on language models, and
# reports how it is used.
export MLFLOW_DISABLE_TELEMETRY ?= true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION ?= false

STUDY ?= $(if $(STUDIES),all,core)
ifdef STUDIES
export CNN_ANATOMY_STUDIES := $(abspath $(STUDIES))
endif
ifdef IMAGES
export CNN_ANATOMY_IMAGES := $(abspath $(IMAGES))
endif
HOST ?= 127.0.0.1
PORT ?= 5000
LISTEN = --host $(HOST) --port $(PORT) --allowed-hosts localhost:$(PORT),127.0.0.1:$(PORT) $(ARGS)
ARTIFACTS ?= $(CURDIR)/server/artifacts
LAUNCHER ?= local
RUN := .venv/bin/python -m
READY = .venv/stamp $(if $(filter-out local,$(LAUNCHER)),.venv/cluster)
MULTIRUN = $(RUN) cnn_anatomy.train --multirun hydra/launcher=$(LAUNCHER) \
	$(if $(SEEDS),hydra.sweeper.seeds=$(SEEDS)) $(if $(SETTING),hydra.sweeper.setting=$(SETTING)) $(if $(DATA),data=$(DATA)) $(if $(FORCE),hydra.sweeper.force=true) \
	$(if $(UNTIL),hydra.sweeper.until=$(UNTIL)) $(if $(MAX_SEEDS),hydra.sweeper.max_seeds=$(MAX_SEEDS)) $(ARGS)
SWEEP = $(MULTIRUN) study=$(STUDY)
OF_SETTING = $(if $(SETTING),--setting $(SETTING))

BUDGET ?= smoke
PAPERS = $(notdir $(basename $(wildcard experiments/papers/*.yaml)))
REPRODUCE = $(MULTIRUN) study=$(PAPER) hydra.sweeper.budget=$(BUDGET)

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.venv/stamp: requirements.lock pyproject.toml
	@test -x .venv/bin/uv || { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check uv; }
	@# Compile now: with PYTHONDONTWRITEBYTECODE, as in many containers, every start would compile again.
	@.venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python requirements.lock
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

.venv/cluster: .venv/stamp requirements-cluster.lock
	@.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --requirements requirements-cluster.lock
	@touch $@

sweep: $(READY) ## train what is missing of STUDY (core, all, a name, a file, a,b), print its table; STUDIES= is a folder of your own, SETTING= one of the study's settings
	@$(SWEEP)

plan: $(READY) ## show what a sweep would train; takes the same variables
	@$(SWEEP) hydra.sweeper.plan=true

table: .venv/stamp ## write outputs/results/STUDY/ again from MLflow
	@$(RUN) cnn_anatomy.report tables $(STUDY) $(OF_SETTING)

publish: .venv/stamp ## commit-ready results: outputs/results (of STUDY) into experiments/results
	@$(RUN) cnn_anatomy.report publish $(if $(filter file,$(origin STUDY)),,$(STUDY)) $(OF_SETTING)

verdicts: .venv/stamp ## judge all claims and write experiments/results again from its runs.csv files
	@$(RUN) cnn_anatomy.report verdicts

figures: .venv/stamp ## draw the committed figures again from the committed runs, and docs/figures.md
	@$(RUN) tools.receptive_fields
	@$(RUN) cnn_anatomy.report figures
	@$(RUN) tools.figures

reproduce: $(READY) ## train PAPER's rows at BUDGET (smoke, short, paper or another of its file), print its table and ours
	@$(if $(PAPER),$(REPRODUCE),echo "PAPER= is one of $(PAPERS)" >&2; exit 2)

report: .venv/stamp ## write all results as a web site, outputs/report/index.html
	@$(RUN) cnn_anatomy.report site $(if $(filter file,$(origin STUDY)),,$(STUDY)) $(OF_SETTING)

paper: .venv/stamp ## write tables, figures and claims of STUDY for LaTeX, outputs/paper/appendix.tex
	@$(RUN) cnn_anatomy.report paper $(STUDY) $(OF_SETTING)

sync: .venv/stamp ## deliver to the tracking server what it missed while it was lost
	@$(RUN) cnn_anatomy.tracking

ui: .venv/stamp ## browse the runs at http://HOST:PORT (127.0.0.1:5000); print a link to each study
	@$(RUN) cnn_anatomy.tracking.ui "http://$(HOST):$(PORT)"
	@$(RUN) tools.ui --workers 1 $(LISTEN)

# SQLAlchemy's default driver is another one.
DATABASE = $(patsubst postgresql://%,postgresql+psycopg2://%,$(BACKEND))
server: export MLFLOW_BACKEND_STORE_URI = $(DATABASE)
server: .venv/cluster ## share runs at http://HOST:PORT on PostgreSQL: BACKEND=, or a new one in server/
	@$(if $(BACKEND),,$(RUN) tools.postgres server/postgres) \
		$(RUN) mlflow server --artifacts-destination "$(ARTIFACTS)" $(LISTEN)

bench: .venv/stamp ## time training against bare PyTorch and common practice; QUICK=1 takes minutes
	@$(RUN) benchmarks $(if $(QUICK),quick)

bench-gpu: .venv/stamp ## check and time one GPU in under eight minutes, into outputs/gpu
	@$(RUN) benchmarks.gpu

bench-store: .venv/stamp ## time tables and plans of thousands of runs
	@$(RUN) benchmarks.store

statistics: .venv/stamp ## measure how often verdicts are right, into docs/statistics.md
	@$(RUN) tools.statistics

screenshot: report ## photograph the skip study in the MLflow UI and in the report (needs Chromium)
	@.venv/bin/python tests/screenshot.py skip docs
	@.venv/bin/python tests/report_screenshot.py skip docs

wheel: .venv/stamp ## make the wheel in dist/, to be installed elsewhere
	@.venv/bin/uv build --quiet --wheel

test: .venv/stamp ## run the fast tests
	@.venv/bin/pytest -n 2

test-slow: .venv/stamp ## run the slow tests: minutes of real training
	@.venv/bin/pytest -n 2 -m slow

test-part: .venv/stamp ## run a sixteenth of the slow tests, chosen by the commit, and a few others
	@.venv/bin/pytest -vv -n 2 --part 16 -m "slow or every_part"

test-faults: .venv/stamp ## kill a sweep at random moments, FAULTS=20 times
	@.venv/bin/pytest -n 0 -s -m faults

test-slurm: .venv/cluster ## sweep on a real Slurm of one node (needs slurm-wlm, munge)
	@.venv/bin/pytest -n 0 -s -m slurm

test-ray: .venv/cluster ## sweep on a real Ray cluster of two nodes
	@.venv/bin/pytest -n 0 -s -m ray

test-server: .venv/cluster ## sweep on a tracking server with PostgreSQL, and kill both
	@.venv/bin/pytest -n 0 -s -m server

test-ddp: .venv/stamp ## train a run in two processes, and kill one of them
	@.venv/bin/pytest -n 0 -s -m ddp

test-gpu: .venv/stamp ## on a GPU: runs repeat to the bit, and no step waits for the card
	@.venv/bin/pytest -n 4 -m gpu

lint: .venv/stamp ## check style and types
	@.venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .venv/bin/lint-imports --no-logo --no-cache

format: .venv/stamp ## format the code
	@.venv/bin/ruff check --fix && .venv/bin/ruff format

lock: .venv/stamp ## compile both lock files from pyproject.toml
	@.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --quiet --no-emit-index-url --output-file requirements.lock
	@.venv/bin/uv pip compile pyproject.toml --extra cluster --constraints requirements.lock --universal --python-version 3.11 --quiet --no-emit-index-url --output-file requirements-cluster.lock

clean: ## delete caches and outputs (not the runs)
	@rm -rf .cache outputs multirun .pytest_cache .mypy_cache .ruff_cache
