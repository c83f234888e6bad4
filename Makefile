# make demo | test | check | docs | help-text | golden | benchmarks | clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

GENERATED := docs/weights.md docs/config.md docs/cli.md docs/warnings.md

.PHONY: demo test check format docs help-text golden clean

$(VENV)/.package: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.package
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.package
	$(BIN)/imbtrain weights data/flights.csv --labels cancelled --format table
	$(BIN)/imbtrain fit configs/quickstart.yaml --run-dir runs/quickstart --overwrite --format table

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check -p "import subprocess, sys" $(GENERATED)

# two processes, not four threads; each has half of the files in order, and so shares their runs;
# what tests start finds its modules compiled
test: export OMP_NUM_THREADS = 1
test: export PYTHONDONTWRITEBYTECODE =
test: check
	$(BIN)/python -m pytest --cov --numprocesses 2 --dist worksteal

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

help-text: $(VENV)/.dev
	$(BIN)/cog -r -p "import subprocess, sys" $(GENERATED)

$(VENV)/.docs: $(VENV)/.package
	$(PIP) install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

golden: $(VENV)/.dev
	IMBTRAIN_GOLDEN=write $(BIN)/python -m pytest tests -k golden
	$(BIN)/imbtrain schema > configs/schema.json

clean:
	rm -rf $(VENV) runs build dist
