# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# two frameworks on few cores: a thread each, or they wait for one another
export OMP_NUM_THREADS ?= 1
export TF_NUM_INTRAOP_THREADS ?= 1

.PHONY: demo test suite lint types bench references clean

demo: $(VENV)/all
	$(BIN)/gandem demo

test: $(VENV)/dev lint suite

suite: $(VENV)/dev
	GANDEM_TEST_REQUIRES='torch keras' $(BIN)/python -m pytest -n 2 --dist loadscope -q

lint: $(VENV)/dev types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# mypy names modules after folders, and the root folder may be called anything
types: $(VENV)/dev
	mkdir -p .types && ln -sfn .. .types/gandem
	MYPYPATH=.types $(BIN)/mypy -p gandem.core -p gandem.cli -p gandem.testing

bench: $(VENV)/dev
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/checkpoints.py

# what backends are held to; read the tables before you commit them
references: $(VENV)/dev
	$(BIN)/python -m gandem.testing.make_references
	$(BIN)/python -m gandem.testing.make_references torch

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gandem needs Python 3.11 or newer; say which with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

$(VENV)/all: $(VENV)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@

$(VENV)/dev: $(VENV)/all
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .types build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
