# One command a wish; `make` alone lists them. Needs make, bash and Python 3.11 or later; everything else it fetches itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --no-deps
READY := $(VENV)/.ready
# Laboratories that the acceptance tests use side by side: they mostly wait, so three fit two cores.
LABS ?= 3
# Of `make soak`: how often something is killed, and (empty: another one each time) the seed of the run.
KILLS ?= 30
SEED ?=

# The two old source packages would otherwise let setuptools fetch what it likes while they are built.
export PIP_USE_PEP517 := 1

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make the virtual environment and install everything the lock names (a second run costs nothing)

.PHONY: demo
demo: $(READY) ## Dial the sample list through a real Asterisk, judged by the carrier's records (MODE=progressive|preview|agent-first|menu)
	$(BIN)/python docker/demo.py

# Rules and dashboards are judged by promtool. It comes out of the distribution's package alone: installed, that would start a server.
PROMTOOL := $(BIN)/promtool
$(PROMTOOL): | $(BIN)/pip
	@if command -v promtool >/dev/null; then ln -s "$$(command -v promtool)" $@; exit; fi; \
	command -v apt-get >/dev/null || { echo "The tests need promtool, of Prometheus: install it" >&2; exit 1; }; \
	test "$$(id -u)" != 0 || apt-get update -qq; \
	fetched=$$(mktemp -d); trap 'rm -rf "$$fetched"' EXIT; chmod 755 "$$fetched"; \
	(cd "$$fetched" && apt-get download -qq -o APT::Sandbox::User=root prometheus); \
	dpkg-deb --fsys-tarfile "$$fetched"/prometheus_*.deb | tar -xO ./usr/bin/promtool > "$$fetched/promtool"; \
	chmod 755 "$$fetched/promtool"; mv "$$fetched/promtool" $@

# Tests of TLS make their certificates with the one, the unit is judged by the other, the portal is looked at in the third; a bare Debian
# may have none of them.
.PHONY: test-tools
test-tools: $(PROMTOOL)
	@missing=; \
	command -v openssl >/dev/null || missing="$$missing openssl"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-dejavu-core"; \
	test -z "$$missing" || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	    || { echo "The tests need$$missing: install it" >&2; exit 1; }; \
	  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; }

.PHONY: test
test: test-tools lint ## Set-up, style, types, import contracts, then all tests but the longest drills (starts the laboratory itself)
	$(BIN)/python -m pytest tests/unit tests/integration tests/portal -n auto
	$(BIN)/python -m pytest tests/acceptance tests/faults -m 'not long' -n $(LABS)

.PHONY: test-unit
test-unit: $(READY) ## The fast tests only: no database, no Asterisk
	$(BIN)/python -m pytest tests/unit

.PHONY: lint
lint: $(READY) ## Style, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: docs
docs: $(READY) ## Print the diagrams in docs/ anew from the tables in dialerd/domain
	$(BIN)/python docs/print_lives.py > docs/lives.md

.PHONY: screenshots
screenshots: test-tools $(READY) ## Draw every page of the portal, light and dark, into docs/screenshots (and those of the README)
	$(BIN)/python -m tests.portal.screenshots

.PHONY: bench
bench: $(READY) ## Measure throughput and latency
	$(BIN)/python -m tests.benchmarks

.PHONY: drill
drill: test-tools $(READY) ## Provoke all fifty ways of failing (tests/faults/README.md), judged by the carrier's records
	$(BIN)/python -m pytest tests/faults -n $(LABS)

.PHONY: soak
soak: $(READY) ## Kill daemon, Postgres and Asterisk at random under load, and judge it (KILLS=30 LABS=3 SEED=)
	$(BIN)/python -m tests.faults.soak --kills $(KILLS) --labs $(LABS) $(if $(SEED),--seed $(SEED))

.PHONY: lab-up
lab-up: ## Start the laboratory: a PBX, a carrier and telephones in containers
	$(PYTHON) docker/lab.py up

.PHONY: lab-down
lab-down: ## Stop the laboratory and remove its containers
	$(PYTHON) docker/lab.py down

.PHONY: lock
lock: $(READY) ## Resolve the dependencies anew into constraints.txt (for maintainers; see docs/decisions/0001)
	$(PIP) install --quiet uv
	{ printf '%s\n' \
	    '# Every package that is installed, with the hashes it may have. Written by `make lock`; do not edit.' \
	    '# Why it looks like this: docs/decisions/0001-lock-file.md'; \
	  $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --all-extras --universal --generate-hashes \
	    --no-header --no-emit-index-url --no-emit-find-links; } > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

.PHONY: clean
clean: ## Remove the virtual environment, caches and build results
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The set-up in two floors. A bare Debian has no ensurepip: there, as root, its package is fetched.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'dialerd needs Python 3.11 or later; name one with PYTHON=' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	    || { echo 'Python cannot make a virtual environment: install python3-venv' >&2; exit 1; }; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv; \
	  $(PYTHON) -m venv --clear $(VENV); }

# The build tools come first, since the next step builds two source packages with them and must fetch nothing itself.
$(READY): constraints.txt pyproject.toml | $(BIN)/pip
	awk '/^[a-z]/ { wanted = /^(packaging|setuptools|setuptools-scm|vcs-versioning)==/ } wanted' constraints.txt > $(VENV)/build-tools.txt
	$(INSTALL) --require-hashes -r $(VENV)/build-tools.txt
	$(INSTALL) --require-hashes --no-build-isolation -r constraints.txt
	$(INSTALL) --no-build-isolation --editable .
	$(PIP) check
	touch $@
