# Everything here sets itself up: `make test` in a fresh clone makes its own environment first.
#
#   make test PYTHON=python3.12          another interpreter than the python3 on PATH
#   make test ARGS="tests.test_case -v"  a part of the suite

PYTHON ?= python3
ARGS ?=

VERSION := $(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null)
RUN := .venv/bin/python
STRICT := -X dev -W error

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Targets share one environment, and pip does not share.
.NOTPARALLEL:
.PHONY: help demo test test-all test-aiohttp lint types coverage docs bench clean

help:  ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: .venv/for-demo  ## Run the example service's suite, then adopt a suite that nobody here wrote
	cd docs/examples/shop && $(abspath $(RUN)) -m unittest -v
	$(RUN) docs/examples/adopt/compare.py

test: .venv/for-test  ## Run the suite on PYTHON; the last line counts it
	$(RUN) tests/tally.py $(STRICT) -m unittest $(ARGS)

test-all: .venv/for-test  ## Run the suite on every supported Python found, shuffled and under pytest
	$(RUN) -m tests.everywhere

test-aiohttp: .venv/for-test  ## Run the probes on each supported series of aiohttp
	$(RUN) -m tests.aiohttp_series $(ARGS)

lint: .venv/for-lint  ## Check style and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: .venv/for-types  ## Check types, strictly
	$(RUN) -m mypy

coverage: .venv/for-coverage  ## Run the suite and say which lines it missed
	$(RUN) -m coverage erase
	$(RUN) tests/tally.py -X dev -m coverage run -m unittest $(ARGS)
	$(RUN) -m coverage combine --quiet
	$(RUN) -m coverage html --quiet
	$(RUN) -m coverage report

docs: .venv/for-docs  ## Build the documentation; a warning is an error
	$(RUN) -m sphinx -W -n -b html docs docs/_build/html

# An environment of their own: a peer's pytest plugin has no business in our suite's runs.
bench: .venv-bench/for-bench  ## Answer each question in bench/
	@set -e; for script in bench/[!_]*.py; do \
		echo; echo "== $$script"; .venv-bench/bin/python $$script; \
	done

clean:  ## Remove all that was made
	rm -rf .venv .venv-* .tox build dist *.egg-info docs/_build htmlcov .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache .stestr
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made anew when pyproject.toml changes or PYTHON is another version than before;
# otherwise each of its stamps, one an extra, says that nothing is left to do.
.venv/made-$(VERSION) .venv-bench/made-$(VERSION): pyproject.toml
	@test -n "$(VERSION)" || { \
		echo "$(PYTHON) does not start; name a Python 3.11 or newer: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "asynctesting needs Python 3.11 or newer, $(PYTHON) is $(VERSION): make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	@touch $@

.venv/for-%: .venv/made-$(VERSION)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

.venv-bench/for-%: .venv-bench/made-$(VERSION)
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
