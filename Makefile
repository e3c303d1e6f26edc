.DEFAULT_GOAL := help
UV := .venv/bin/uv

.venv/stamp: requirements.lock pyproject.toml
	@test -x $(UV) || { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check uv; }
	@$(UV) pip sync --quiet --python .venv/bin/python requirements.lock
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@
