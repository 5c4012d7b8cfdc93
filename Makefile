# `make demo` and `make test` need Python 3.11 or newer, with venv and pip, and make: they set up the rest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
RUNTIME := $(ENVIRONMENT)/.installed
TOOLS := $(ENVIRONMENT)/.installed-dev
DEMO := demo-out

# Two test processes of one thread each do more on two cores than one process of two threads.
PROCESSES ?= 2
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

##@ To use
demo: $(RUNTIME) ## train, score, translate and draw, from data built into the package (three minutes)
	rm -rf -- $(DEMO)
	$(BIN)/regard demo --out $(DEMO)

setup: $(TOOLS) ## make .venv with the package and its tools

##@ To work on it
test: $(TOOLS) ## the tests
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(PROCESSES) --dist worksteal $(TESTS)

check: lint test ## everything that must hold before a change lands

browser: $(TOOLS) ## what the tests of the page need beside chromium; without it they are skipped
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[browser]"

lint: $(TOOLS) ## format, lint, types, and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(TOOLS) ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(TOOLS) ## the quick measurements of benchmarks/ (PEERS=FOLDER: beside other libraries; DATA=FOLDER: on that text)
	@set -e; for file in $(filter-out %_studies.py,$(sort $(wildcard benchmarks/bench_*.py))); do \
		echo "== $$file"; PEERS="$(PEERS)" DATA="$(DATA)" $(BIN)/python "$$file"; done

##@ To release it
licences: $(TOOLS) ## docs/licences.md: what every package that regard needs is under; fails where one is not allowed
	$(BIN)/python release/licences.py

sbom: $(TOOLS) ## dist/sbom.json: the parts list (CycloneDX)
	$(BIN)/python release/sbom.py

audit: $(TOOLS) ## known vulnerabilities; fails where there is one, and where nobody answered
	$(BIN)/python release/audit.py

release: $(TOOLS) ## dist/: wheel and source archive, built twice to the same bytes; parts list; requirements with hashes
	$(BIN)/python release/licences.py --check
	$(BIN)/python release/build.py

##@ To tidy up
clean: ## remove .venv, caches and the demo's output
	rm -rf -- $(ENVIRONMENT) $(DEMO) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf -- {} +

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { print "\n" substr($$0, 5) } \
	/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: audit bench browser check clean demo format help licences lint release sbom setup test

# A name on the path may be a shim that does not run, or lack venv: only trying tells.
define FIND_PYTHON
for candidate in $${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do \
	if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then python=$$candidate; break; fi; \
done; \
if [ -z "$${python:-}" ]; then \
	echo "Python: got none of 3.11 or newer with venv and pip; expected one on the path;" \
		"install it (Debian, Ubuntu: python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1; \
fi
endef

$(BIN)/python:
	@$(FIND_PYTHON); echo "making $(ENVIRONMENT) with $$("$$python" --version)"; \
	"$$python" -m venv $(ENVIRONMENT) || { rm -rf -- $(ENVIRONMENT); exit 1; }

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing (a minute or two, most of it torch)"
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(TOOLS): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing, with the tools for tests (a minute or two, most of it torch)"
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ $(RUNTIME)
