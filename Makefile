# make setup   installs everything: .venv (dca-bot) and .lnbits (LNbits, for demo and tests)
# make demo    shows the main job end to end; STAY=1 keeps everything running at the end, ADDRESS=192.168.1.20 lets a phone in
# make test    format check, lint, types, import rules and all tests
# make quick   the same checks and the tests that need nothing but Python, in about a minute
# make test-long   the tests that are too long for every change: more kills, zones, outages and examples, and each work of the bench
# make golden  writes anew what people read in tests/data/golden, after a text was changed
# make format  brings the code into shape
# make bench   prints one table of what works cost beside a floor, on real parts: hours; SIZE=small or middle, ROWS=decide,audit,
#              GROWTH=1 for all three sizes, JSON=path for a file as well
# make transcripts   plays three conversations on real parts and writes docs/transcripts
# make simulate   plays simulated worlds with kills, restored copies and lying parts; SEED=1 SEEDS=20 DAYS=3, or HOURS=2
# make crash-sweep   kills the bot, LNbits or the power at each point, on real parts: hours; POINTS=10 of each scenario
# make lost-disk   takes the bot's disk away at ten moments, and restores the bot from its encrypted copy: five minutes
# make planted   plants faults into the program, and prints which seed of the simulation notices each
# make mutation   changes the money path in one place at a time: the tests have to notice; PIECE=core SAMPLE=200, else everything
# make conformance   plays one scenario on the simulated LNbits and on real ones, and prints the answers
# make faults   plays each fault of the network on each kind of request to LNbits and Lamassu, on real parts: a quarter of an hour
# make reach   plays the delivery matrix, messages over misbehaving relays, and prints it; SEED=1
# make reach-node   the same with people whose apps are made of nostr-tools; needs node and npm
# make outages   brings about each outage on real parts, and prints when it is noticed from outside (10 minutes)
# make hostile   sends the bot 100,000 hostile messages and prints what becomes of the bot; SEED=1
# make release   builds wheel and sdist twice, compares and tries them on each supported Python on the PATH, and puts them into dist
# make container-steps   takes the steps of the release's Containerfile without a container engine; as root
# make sbom    lists what an installation consists of, with licences (CycloneDX), in sbom.cdx.json
# make pip-audit   asks the index's database of vulnerabilities about the lock; fails where that can't be reached
# make lock    writes deploy/requirements.txt anew, after dependencies or deploy/constraints.txt were changed
# make python-versions   runs `make test` with each supported Python that is installed (.venv-3.13 and so on)
# make lnbits-versions   runs the wallet tests against older versions of LNbits: half an hour

# The package runs on Python 3.11 to 3.13, LNbits on 3.11 and 3.12.
VERSIONS := 3.12 3.11 3.13
LNBITS_VERSIONS := 3.12 3.11
PYTHONS := $(or $(PYTHON),$(VERSIONS:%=python%) python3)
LNBITS_PYTHONS := $(or $(LNBITS_PYTHON),$(PYTHON) $(LNBITS_VERSIONS:%=python%) python3)
VENV ?= .venv
BIN := $(VENV)/bin
TOOLS := .venv-release
RUNTIME := .venv-runtime
LNBITS := .lnbits/bin/lnbits
# Three times the cores that it is made for: much of a test on real parts is waiting.
JOBS ?= 6
SEED ?= 1
SEEDS ?= 20
DAYS ?= 3
HOURS ?= 0
POINTS ?= 0
PIECE ?=
SAMPLE ?= 0
ROWS ?=
SIZE ?= full
GROWTH ?=
JSON ?=
NODE_APPS := tests/reach/node
QUICK := tests/test_prose.py tests/test_examples.py tests/core tests/messages tests/lamassu tests/chat tests/ledger --ignore=tests/ledger/store
export DCA_BOT_LNBITS_BIN ?= $(CURDIR)/$(LNBITS)
# A test starts hundreds of processes; without bytecode each would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
ENVIRONMENT := sh deploy/environment.sh
# Has the recipe run for an environment that isn't whole, even if no file is newer.
unless_whole = $(shell $(ENVIRONMENT) --is-whole $(1) || echo FORCE)

.PHONY: setup demo test all-tests bytecode quick quick-tests golden test-long transcripts simulate planted mutation conformance lost-disk crash-sweep faults reach reach-node hostile outages release container-steps sbom pip-audit lock python-versions lint format bench lnbits-versions clean FORCE

setup: $(VENV)/.complete .lnbits/.complete

$(VENV)/.complete: pyproject.toml deploy/constraints.txt $(call unless_whole,$(VENV))
	@echo "== dca-bot and its tools into $(VENV) (1 of 2): about 60 packages, a minute or two"
	@$(ENVIRONMENT) $(VENV) "$(VERSIONS)" "$(PYTHONS)" PYTHON -c deploy/constraints.txt -e '.[dev]'

.lnbits/.complete: deploy/lnbits-constraints.txt $(call unless_whole,.lnbits)
	@echo "== LNbits into .lnbits, an environment of its own (2 of 2): about 95 packages, a minute or two"
	@$(ENVIRONMENT) .lnbits "$(LNBITS_VERSIONS)" "$(LNBITS_PYTHONS)" LNBITS_PYTHON -c deploy/lnbits-constraints.txt lnbits

demo: setup
	@STAY=$(STAY) ADDRESS=$(ADDRESS) $(BIN)/dca-bot demo

# The checks and the tests side by side, as much of a test is waiting.
test: setup
	@$(MAKE) --no-print-directory -j 2 lint all-tests

all-tests: bytecode
	$(BIN)/pytest -n $(JOBS) --dist worksteal -q

# Pytest's own bytecode of the tests, which in a new clone each worker would make for itself. An error is
# told by the run of the tests.
bytecode: setup
	@$(BIN)/pytest --collect-only -q > /dev/null 2>&1 || true

# The checks and the tests side by side.
quick: setup
	@$(MAKE) --no-print-directory -j 2 lint quick-tests

golden: setup
	DCA_BOT_GOLDEN=1 $(BIN)/pytest -q tests/chat/test_golden.py

quick-tests: setup
	$(BIN)/pytest -n 2 --dist worksteal -q -m "not (outside or slow or long)" $(QUICK)

# Each version that is on the PATH; one at least has to be.
python-versions:
	@set -e; found=; for version in $(VERSIONS); do \
		python$$version -c '' 2>/dev/null || continue; found=$$version; \
		echo "== Python $$version"; $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHON=python$$version; \
	done; test -n "$$found" || { echo "None of Python $(VERSIONS) is on the PATH."; exit 1; }

test-long: setup
	$(BIN)/pytest -n $(JOBS) -m long -q

transcripts: setup
	@$(BIN)/python tests/transcripts/play.py

simulate: setup
	@$(BIN)/python tests/simulation/simulate.py --seed $(SEED) --seeds $(SEEDS) --hours $(HOURS) --days $(DAYS)

planted: setup
	@$(BIN)/python tests/simulation/planted.py

mutation: $(VENV)/.mutation
	@$(BIN)/python tests/mutation/mutate.py --piece "$(PIECE)" --sample $(SAMPLE) --seed $(SEED)

# What makes the mutants needs 25 packages that nothing else does.
$(VENV)/.mutation: $(VENV)/.complete
	@$(BIN)/pip install -q -c deploy/constraints.txt -e '.[mutation]'
	@touch $@

conformance: setup
	$(BIN)/pytest -q -s -m "long or not long" tests/conformance

lost-disk: setup
	@$(BIN)/python tests/crash/lost_disk.py

crash-sweep: setup
	@$(BIN)/python tests/crash/sweep.py --points $(POINTS)

faults: setup
	@$(BIN)/python tests/faults/matrix.py

reach: setup
	@$(BIN)/python tests/reach/matrix.py --seed $(SEED)

reach-node: setup $(NODE_APPS)/node_modules
	@$(BIN)/python tests/reach/matrix.py --seed $(SEED) --app nostr-tools

$(NODE_APPS)/node_modules: $(NODE_APPS)/package.json
	@npm install --prefix $(NODE_APPS) --no-package-lock --ignore-scripts --no-audit --no-fund
	@touch $@

hostile: setup
	@$(BIN)/python tests/reach/hostile.py --seed $(SEED)

outages: setup
	@$(BIN)/python tests/outages/run.py

release: $(TOOLS)/.complete sbom
	@$(TOOLS)/bin/python deploy/release.py "$(VERSIONS)"

container-steps: $(TOOLS)/.complete
	@unshare --mount $(TOOLS)/bin/python deploy/container_steps.py dist

sbom: $(TOOLS)/.complete $(RUNTIME)/.complete
	@$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.cdx.json $(RUNTIME)/bin/python

pip-audit: $(TOOLS)/.complete
	@$(TOOLS)/bin/pip-audit --strict --require-hashes --disable-pip -r deploy/requirements.txt

lock: $(TOOLS)/.complete
	@$(TOOLS)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c deploy/constraints.txt -o deploy/requirements.txt pyproject.toml

$(TOOLS)/.complete: deploy/release-constraints.txt $(call unless_whole,$(TOOLS))
	@$(ENVIRONMENT) $(TOOLS) "$(VERSIONS)" "$(PYTHONS)" PYTHON -c deploy/release-constraints.txt \
		hatchling hatch-fancy-pypi-readme twine check-wheel-contents cyclonedx-bom pip-audit uv

# What an operator installs, and nothing else.
$(RUNTIME)/.complete: pyproject.toml deploy/constraints.txt $(call unless_whole,$(RUNTIME))
	@$(ENVIRONMENT) $(RUNTIME) "$(VERSIONS)" "$(PYTHONS)" PYTHON -c deploy/constraints.txt .

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	@$(BIN)/python tests/bench/run.py --rows "$(ROWS)" --size $(SIZE) $(if $(GROWTH),--growth) $(if $(JSON),--json "$(JSON)")

lnbits-versions: setup
	@$(BIN)/python tests/lnbits_versions.py

clean:
	rm -rf $(NODE_APPS)/node_modules .venv .venv-* .lnbits .lnbits-versions .mutation .mypy_cache .ruff_cache .pytest_cache dist sbom.cdx.json
