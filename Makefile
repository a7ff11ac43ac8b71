# SPDX-License-Identifier: Apache-2.0
# make demo, make test and make lint install what they need first; see scripts/setup.sh.
VENV ?= .venv
PYTEST_ARGS ?= --numprocesses=auto --maxprocesses=4 --dist=loadfile

export VENV PYTHON

.PHONY: help demo test lint setup setup-test clean

help:
	@echo "make demo   install what is needed, then run a model on an emulated Cortex-M4"
	@echo "make test   install what is needed, then run the tests (PYTEST_ARGS=... to choose)"
	@echo "make lint   install what is needed, then ruff and mypy"
	@echo "make clean  remove the virtual environment and build outputs"
	@echo
	@echo "PYTHON=...  the interpreter to build the virtual environment with (3.11 or newer)"
	@echo "VENV=...    where that environment lies (default .venv)"

setup:
	@scripts/setup.sh demo

setup-test:
	@scripts/setup.sh test

demo: setup
	@$(VENV)/bin/python examples/fashion_mnist/demo.py

test: setup-test
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: setup-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
