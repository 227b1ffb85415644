# Everything a fresh machine needs is made by these targets; the environment lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow check clean

demo: $(STAMP)
	$(BIN)/marl run scout_hunt

test: $(STAMP)
	$(BIN)/pytest -m "not slow" -n 2 --dist loadgroup

test-slow: $(STAMP)
	$(BIN)/pytest -m slow -rP --timeout 1800

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info
