# Two commands do everything on a fresh machine: `make demo` and `make test`.
# `make test-all` adds the slow tests, the examples, one framework at a time, and speed ratios.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# two frameworks on few cores: a thread each, or they wait for one another
export OMP_NUM_THREADS ?= 1
export TF_NUM_INTRAOP_THREADS ?= 1
# tests of plugins find theirs, those of gandem itself choose for themselves
unexport GANDEM_PLUGINS

EXAMPLES := gandem-jax gandem-infogan gandem-hf
EXAMPLE_FILES := $(EXAMPLES:%=examples/%/pyproject.toml)
INSTALL_EXAMPLES := $(EXAMPLES:%=--editable 'examples/%[test]')

.PHONY: demo test test-all fast slow costs kills browser examples $(EXAMPLES) lint types bench
.PHONY: references clean speed one-framework without-torch without-tensorflow

demo: $(VENV)/all
	$(BIN)/gandem compare dcgan --backends torch,keras --set width=32 --set learning_rate=3e-4 \
	  --data digits --steps 280 --precision float64 --seeds 1 --num-samples 2000 --parity-steps 20 \
	  --out runs/demo

test: $(VENV)/dev lint fast

test-all: test slow examples one-framework speed

# without them tests would be skipped
REQUIRES := torch keras chromium distributed submitit scipy jinja2 psutil

fast slow costs: export GANDEM_TEST_REQUIRES = $(REQUIRES)
PYTEST_OPTIONS := -n 2 --dist loadscope -q

fast: $(VENV)/dev browser
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) -m 'not slow'

slow: $(VENV)/dev browser
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) -m slow

# seconds, processes and framework imports per test file: make costs TIER='not slow'
TIER := slow or not slow
costs: $(VENV)/dev browser
	$(BIN)/python tests/tools/costs.py $(PYTEST_OPTIONS) -m '$(TIER)'

# pages are tested in one: Debian's as root, or else whatever is there, or Playwright's own
browser: $(VENV)/dev
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	{ test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -qqy --no-install-recommends chromium; } || \
	$(BIN)/playwright install chromium

# packages of strangers, as it were: the tests of each in its own folder, by its own settings
examples: $(VENV)/examples
	$(MAKE) --jobs 2 $(EXAMPLES)

$(EXAMPLES): $(VENV)/examples
	cd examples/$@ && $(abspath $(BIN))/python -m pytest -q

# who has one framework has all the rest, and its tests are not skipped with those of the other
one-framework: .venv-without-torch/made .venv-without-tensorflow/made
	$(MAKE) --jobs 2 without-torch without-tensorflow

without-torch .venv-without-torch/made: HAS := keras
without-torch: LACKS := torch
without-tensorflow .venv-without-tensorflow/made: HAS := torch
without-tensorflow: LACKS := keras
without-%: ALONE = $(CURDIR)/.venv-$@/bin/python
# a taste of the suite, and no pairs of backends: all of it runs where all of them are
without-%: TASTE := versions or loss or optimizer or untouched

without-torch without-tensorflow: without-%: .venv-without-%/made
	$(ALONE) -c "$$BACKENDS_ARE" $(HAS) example/jax
	GANDEM_TEST_REQUIRES=$(HAS) $(ALONE) -m pytest -q tests/backends/test_missing_backend.py -k '$(LACKS) or requires'
	$(ALONE) -m pytest -q tests/backends/test_backend_$(HAS).py -k '$(TASTE)'
	cd examples/gandem-jax && $(ALONE) -m pytest -q -k '$(TASTE)'
	cd examples/gandem-infogan && $(ALONE) -m pytest -q -k 'not path and not handed_over'
	cd examples/gandem-hf && $(ALONE) -m pytest -q

define BACKENDS_ARE
import sys
from gandem.core.training import installed_backends
there = sorted(installed_backends())
sys.exit(there != sorted(sys.argv[1:]) and f"expected the backends {sys.argv[1:]}, found {there}")
endef
export BACKENDS_ARE

lint: $(VENV)/dev types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# mypy names modules after folders, and the root folder may be called anything
types: $(VENV)/dev
	mkdir -p .types && ln -sfn .. .types/gandem
	MYPYPATH=.types $(BIN)/mypy -p gandem.core -p gandem.cli -p gandem.commands -p gandem.testing

# trainings killed at random moments and resumed must end as undisturbed ones
KILLS := --kills 200
kills: $(VENV)/dev
	$(BIN)/python tests/tools/kill_runs.py $(KILLS)

# on an otherwise idle machine: a busy one makes all figures wide
bench: $(VENV)/dev
	$(BIN)/python benchmarks/speed
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/plugins.py
	$(BIN)/python benchmarks/checkpoints.py

# a look at the ratios, which nothing is held to: a machine that tests is busy
speed: $(VENV)/dev
	$(BIN)/python benchmarks/speed --quick

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

$(VENV)/examples: $(VENV)/dev $(EXAMPLE_FILES)
	$(BIN)/python -m pip install --quiet $(INSTALL_EXAMPLES)
	touch $@

.venv-without-%/made: pyproject.toml $(EXAMPLE_FILES)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --no-compile --editable '.[$(HAS),check]' $(INSTALL_EXAMPLES)
	touch $@

clean:
	rm -rf $(VENV) .venv-without-* .types build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
