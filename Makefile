# The two commands are `make demo` and `make test`; both set everything up first.
PYTHON ?= python3
BIN := .venv/bin
# A file's tests share servers and browsers; those that bound a time run afterwards, alone and untraced.
SIDE_BY_SIDE := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder -m "not clock and not long"
# Tests have small frames, and every processor has its tests: threads within them only hand them on to each other.
TEST := POLARS_MAX_THREADS=1 $(BIN)/pytest

# Some machines forbid Python to keep what it compiled; tests and demo start hundreds of programs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test check format bench torture up

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Rollcall needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh deployments/demo.sh

test: setup
	$(TEST) $(SIDE_BY_SIDE)
	$(BIN)/pytest -m clock

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(TEST) $(SIDE_BY_SIDE) --cov --cov-report=
	$(BIN)/pytest -m clock
	$(BIN)/coverage report --include='tasks/*' --fail-under=95

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

torture: setup
	ROLLCALL_TORTURE=50 $(BIN)/pytest tests/test_crash.py
	$(BIN)/pytest -m long

up: setup
	$(BIN)/rollcall up
