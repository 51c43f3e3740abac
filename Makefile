PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup setup-dev check test fuzz chaos wheel bench clean

# One environment in the project's folder. The stamps make a second call do nothing until a requirement changes.
setup: .venv/.installed

setup-dev: .venv/.installed-dev

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ .venv/.installed

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

# Seconds for each of the two readers; another SEED is another run.
SECONDS ?= 120
SEED ?= 0

fuzz: setup-dev
	PYTHONPATH=.:tests $(BIN)/python -m hostile.fuzz --target audio --seconds $(SECONDS) --seed $(SEED)
	PYTHONPATH=.:tests $(BIN)/python -m hostile.fuzz --target manifest --seconds $(SECONDS) --seed $(SEED)

chaos: setup-dev
	$(BIN)/python -m pytest tests/chaos -m "" -s --durations=0

wheel: setup-dev
	$(BIN)/python -m build --wheel

bench: setup-dev
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/annotate.py

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis findings
