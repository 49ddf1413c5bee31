# make demo and make test are all a newcomer needs; both set up what they need in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test check bench simulate failpoints browser lock pictures clean
.DEFAULT_GOAL := help

help: ## show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.runtime ## the main job on a portal on this machine
	@$(BIN)/crmsync demo

test: $(VENV)/.dev ## all tests
	@$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev ## what CI runs: lint, types, architecture, image, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m pytest -n auto

bench: $(VENV)/.dev ## benchmarks: figures and ratios, no verdicts
	@for bench in tests/benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

simulate: $(VENV)/.dev ## seeded days with people, faults and crashes: make simulate SEEDS=200
	@$(BIN)/python tests/simulation/run.py --seeds $(or $(SEEDS),20) --seed $(or $(SEED),1) --days $(or $(DAYS),3)

failpoints: $(VENV)/.dev ## die at every commit and every request of a cycle, one after the other (tests run every fifth)
	@PYTHONPATH=. $(BIN)/python tests/simulation/test_failpoints.py

browser: ## install Chromium where the machine allows it (Debian packages)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
		|| echo "no Chromium here: browser tests will be skipped with this reason"

lock: $(VENV)/.dev ## renew the lock files
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --extra postgres --extra build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --extra dev pyproject.toml -o requirements-dev.lock

pictures: $(VENV)/.runtime ## draw the picture of the demo from what it shows
	@$(BIN)/python docs/pictures/draw.py

clean: ## remove what was made
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.runtime: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what crmsync needs into $(VENV), about a minute ..."
	@$(PIP) install -qq --require-hashes -r requirements.lock
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what its tests need into $(VENV), a few minutes ..."
	@$(PIP) install -qq --require-hashes -r requirements-dev.lock
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@$(MAKE) -s browser
	@touch $@ $(VENV)/.runtime
