# On a fresh machine: `make demo` continues a trained GAN on both frameworks, `make test` runs the
# linters and fast tests. `make test-all` adds slow tests, examples, environments with one framework, and speed ratios.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# one thread per framework: on few cores, more threads wait for each other
export OMP_NUM_THREADS ?= 1
export TF_NUM_INTRAOP_THREADS ?= 1
# the tests choose their plugins
unexport GANDEM_PLUGINS

EXAMPLES := gandem-jax gandem-infogan gandem-hf
EXAMPLE_FILES := $(EXAMPLES:%=examples/%/pyproject.toml)
INSTALL_EXAMPLES := $(EXAMPLES:%=--editable 'examples/%[test]')

.PHONY: demo test test-all fast slow costs kills browser examples $(EXAMPLES) lint types bench
.PHONY: mutations references pretrained clean speed one-framework without-torch without-tensorflow

demo: $(VENV)/all
	$(BIN)/gandem compare cdcgan --from cdcgan@mnist --backends torch,keras --set width=32 \
	  --set embedding=16 --set training.ema_decay=0.999 --data digits --steps 100 \
	  --precision float64 --seeds 1 --num-samples 2000 --parity-steps 20 --out runs/demo

test: $(VENV)/dev lint fast

test-all: test slow examples one-framework speed

# the tests of these must not be skipped
REQUIRES := torch torchvision keras h5py tensorboard chromium distributed submitit scipy jinja2 psutil
REQUIRES += huggingface_hub

fast slow costs: export GANDEM_TEST_REQUIRES = $(REQUIRES)
PYTEST_OPTIONS := -n 2 --dist loadscope -q

fast: $(VENV)/dev browser
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) -m 'not slow'

slow: $(VENV)/dev browser
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) -m slow

# print seconds, processes and framework imports per test file: make costs TIER='not slow'
TIER := slow or not slow
costs: $(VENV)/dev browser
	$(BIN)/python tests/tools/costs.py $(PYTEST_OPTIONS) -m '$(TIER)'

# tests of pages use an installed browser, Debian's if run as root, or Playwright's
browser: $(VENV)/dev
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	{ test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -qqy --no-install-recommends chromium; } || \
	$(BIN)/playwright install chromium

# each example is a third-party package: its tests run in its folder with its settings
examples: $(VENV)/examples
	$(MAKE) --jobs 2 $(EXAMPLES)

$(EXAMPLES): $(VENV)/examples
	cd examples/$@ && $(abspath $(BIN))/python -m pytest -q

# the packages work with one framework installed; the main environment tests everything else
one-framework: .venv-without-torch/made .venv-without-tensorflow/made
	$(MAKE) --jobs 2 without-torch without-tensorflow

without-torch .venv-without-torch/made: HAS := keras
without-torch: LACKS := torch
without-tensorflow .venv-without-tensorflow/made: HAS := torch
without-tensorflow: LACKS := keras
without-%: ALONE = $(CURDIR)/.venv-$@/bin/python

without-torch without-tensorflow: without-%: .venv-without-%/made
	$(ALONE) -c "$$CHECK_BACKENDS" $(HAS) example/jax
	GANDEM_TEST_REQUIRES=$(HAS) $(ALONE) -m pytest -q tests/backends/test_missing_backend.py -k '$(LACKS) or requires'
	$(ALONE) -m pytest -q tests/backends/test_backend_$(HAS).py -k versions
	cd examples/gandem-jax && $(ALONE) -m pytest -q -k 'versions or untouched'
	cd examples/gandem-infogan && $(ALONE) -m pytest -q -k 'plugin or trains_on'
	cd examples/gandem-hf && $(ALONE) -m pytest -q -k 'plugin or trains_on'

define CHECK_BACKENDS
import sys
from gandem.core.training import installed_backends
backends = sorted(installed_backends())
sys.exit(backends != sorted(sys.argv[1:]) and f"expected {sys.argv[1:]}, received {backends}")
endef
export CHECK_BACKENDS

lint: $(VENV)/dev types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

TYPED := core cli commands compare download losses metrics optimize parity profiler scaffold terminal testing \
	visualize
# mypy names modules after folders; the root folder may have any name
types: $(VENV)/dev
	mkdir -p .types && ln -sfn .. .types/gandem
	MYPYPATH=.types $(BIN)/mypy $(TYPED:%=-p gandem.%)

# trainings killed at random moments and resumed must end as undisturbed ones
KILLS := --kills 120
kills: $(VENV)/dev
	$(BIN)/python tests/tools/kill_runs.py $(KILLS)

# every reader must read or refuse files that are changed at random, without a traceback
MUTATIONS := --files 10000
mutations: $(VENV)/dev
	$(BIN)/python tests/tools/mutate_files.py $(MUTATIONS)

# run on an idle machine
bench: $(VENV)/dev
	$(BIN)/python benchmarks/speed
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/plugins.py
	$(BIN)/python benchmarks/checkpoints.py

# prints the ratios without checking them, because the machine may be busy
speed: $(VENV)/dev
	$(BIN)/python benchmarks/speed --quick

# write the references of the conformance suite; read the diff of the table before you commit
references: $(VENV)/dev
	$(BIN)/python -m gandem.testing.references.make
	$(BIN)/python -m gandem.testing.references.make torch

# train the pretrained models, or resume their trainings, and write their folders
RUNS := runs/pretrained
pretrained: $(VENV)/all
	$(BIN)/python benchmarks/pretrained.py --runs $(RUNS) $(if $(DATA_DIR),--data-dir $(DATA_DIR))

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gandem needs Python 3.11 or newer; choose one: make PYTHON=python3.12")'
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
