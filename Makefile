# make setup   installs everything: .venv (dca-bot) and .lnbits (LNbits, for demo and tests)
# make demo    shows the main job end to end; STAY=1 keeps everything running at the end
# make test    format check, lint, types, import rules and all tests
# make test-long   the tests that are too long for every change: another seed of the kills
# make format  brings the code into shape
# make bench   prints figures, on real parts
# make lnbits-versions   runs the wallet tests against older versions of LNbits: half an hour

# LNbits needs Python before 3.13; the package runs on 3.11 and later.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
LNBITS := .lnbits/bin/lnbits
# Twice the cores that it is made for: much of a test on real parts is waiting.
JOBS ?= 4
export DCA_BOT_LNBITS_BIN ?= $(CURDIR)/$(LNBITS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test test-long lint format bench lnbits-versions clean

setup: .venv/.complete .lnbits/.complete

.venv/.complete: pyproject.toml deploy/constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "== dca-bot and its tools into .venv (1 of 2): about 60 packages, a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q -c deploy/constraints.txt -e '.[dev]'
	@touch $@

.lnbits/.complete: deploy/lnbits-constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "== LNbits into .lnbits, an environment of its own (2 of 2): about 95 packages, a minute or two"
	@test -x .lnbits/bin/python || $(PYTHON) -m venv .lnbits
	@.lnbits/bin/python -m pip install -q -c deploy/lnbits-constraints.txt lnbits
	@touch $@

demo: setup
	@STAY=$(STAY) $(BIN)/dca-bot demo

test: setup lint
	$(BIN)/pytest -n $(JOBS) --dist worksteal -q

test-long: setup
	$(BIN)/pytest -n $(JOBS) -m long -q

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python tests/benchmarks.py

lnbits-versions: setup
	@$(BIN)/python tests/lnbits_versions.py

clean:
	rm -rf .venv .lnbits .lnbits-versions .mypy_cache .ruff_cache .pytest_cache build *.egg-info
