# SPDX-License-Identifier: Apache-2.0
# make demo, make test and make lint install what they need first; see scripts/setup.sh.
VENV ?= .venv
RELAY_VENV ?= .venv-relay
PYTEST_ARGS ?= --numprocesses=auto --maxprocesses=4 --dist=loadfile
RELAY_PYTEST_ARGS ?= --numprocesses=auto --maxprocesses=4 --dist=load

export VENV RELAY_VENV PYTHON PYTHON310 RELAY_TESTS

.PHONY: help demo test test-relay lint setup setup-test clean

help:
	@echo "make demo   install what is needed, then run a model on an emulated Cortex-M4, and search one"
	@echo "make test   install what is needed, then run the tests (PYTEST_ARGS=... to choose)"
	@echo "make test-relay  only the tests that need a TVM with Relay (part of make test)"
	@echo "make lint   install what is needed, then ruff and mypy"
	@echo "make clean  remove the virtual environment and build outputs"
	@echo
	@echo "PYTHON=...  the interpreter to build the virtual environment with (3.11 or newer)"
	@echo "PYTHON310=...  a Python 3.10, for the tests of Relay"
	@echo "VENV=...    where that environment lies (default .venv)"

setup:
	@scripts/setup.sh demo

setup-test:
	@scripts/setup.sh test

demo: setup
	@$(VENV)/bin/python examples/fashion_mnist/demo.py
	@$(VENV)/bin/python examples/fashion_mnist/search.py

test: setup-test
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)
	@scripts/test_relay.sh $(RELAY_PYTEST_ARGS)

test-relay: setup-test
	@scripts/test_relay.sh $(RELAY_PYTEST_ARGS)

lint: setup-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) $(RELAY_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
