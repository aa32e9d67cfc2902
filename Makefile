# Two commands for a newcomer: `make demo` and `make test`. Everything installs into .venv.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.installed
export PATH := $(abspath $(BIN)):$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PYTHONHASHSEED := 0

.PHONY: help env demo test unit lint ui lock clean

help:
	@echo "make demo   install, run the workflow at scale demo, show the table (at most 10 minutes on 2 cores)"
	@echo "make test   install, run all tests"
	@echo "make env    install only"
	@echo "make ui     MLflow on 127.0.0.1:5000"
	@echo "make lint   ruff, snakefmt, mypy, snakemake --lint"

env: $(STAMP)

# An interrupted installation leaves no stamp, and is then begun anew.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wsol needs Python 3.11 or newer; set PYTHON=python3.11")'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.lock)"
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --compile-bytecode -r requirements.lock
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --no-deps -e .
	cat scripts/activate.sh >> $(BIN)/activate
	touch $@

demo: env
	@wsol run reports/tableB.csv pictures
	@wsol certify --quiet
	@echo; wsol table show reports/tableB.csv
	@echo
	@echo "table     reports/tableB.csv (also .cells.csv, .md, .tex)"
	@echo "pictures  reports/demo/pictures/index.html"
	@echo "logs      logs/ (the whole run: logs/run.log)"
	@echo "MLflow    make ui, then http://127.0.0.1:5000"
	@echo "where a number comes from:  wsol trace reports/tableB.csv --row CAM --column 'synthnet MaxBoxAccV2 ResNet'"

test: unit
	python -m pytest -m system -n 2 --dist loadfile

unit: env
	python -m pytest -m "not system" -n auto --dist loadfile

lint: env
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	python -m wsol.cli.lint_workflow

ui: env
	@wsol ui

lock:
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev --no-header --no-annotate --no-emit-index-url \
	  pyproject.toml -o requirements.lock

clean:
	rm -rf data/demo results logs scratch mlflow .snakemake
