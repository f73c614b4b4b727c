# The commands of this project. Each makes its environment first, so a fresh clone needs only Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all test-faults test-pandas2 fuzz lint bench bench-quick format docs lock audit

demo: $(VENV)/installed  ## fit an LSTM on AirPassengers, backtest it, forecast, draw, save
	$(BIN)/python examples/airpassengers.py

test: $(VENV)/installed  ## the quick tests
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not gpu and not faults"

test-all: $(VENV)/installed  ## every test that this machine can run
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-faults: $(VENV)/installed  ## kill, fill the disk, break system calls, hostile files: all of tests/faults
	$(BIN)/python -m pytest -q -n 2 tests/faults

test-pandas2: $(VENV)/installed  ## the tests of tables under the oldest pandas that is supported
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/pandas2 pandas==2.2.3 pytz
	PYTHONPATH=$(VENV)/pandas2 $(BIN)/python -m pytest -q -n 2 tests/test_panel.py tests/test_frequency.py tests/tables

lint: $(VENV)/installed  ## style and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(VENV)/installed  ## put every file into the house style
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

fuzz: .venv-fuzz/installed  ## ten minutes of made-up model files
	OMP_NUM_THREADS=1 .venv-fuzz/bin/python fuzz/loader.py -max_total_time=600 -max_len=30000 -timeout=20 -rss_limit_mb=2000

bench: $(VENV)/installed  ## speed beside the peers; about three hours, and 10 GB of environments before
	@test -n "$$TIMESERIES_DATA" || { echo "Set TIMESERIES_DATA to the folder that holds the data sets."; exit 2; }
	$(BIN)/python benchmarks/peers/make_environments.py
	$(BIN)/python benchmarks/speed.py

bench-quick: $(VENV)/installed  ## speed beside bare PyTorch, without other libraries
	$(BIN)/python benchmarks/speed.py --peers --tasks train predict

lock: $(VENV)/supply-chain  ## write requirements.lock anew; then put its comment back
	$(VENV)/tools/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
		--no-emit-index-url --no-emit-find-links -c constraints.txt -o requirements.lock pyproject.toml

docs: $(VENV)/installed  ## write the pages that are made from the code
	$(BIN)/python docs/settings.py

audit: $(VENV)/supply-chain  ## hold requirements.lock against known advisories; fails if one cannot be looked up
	sed 's/+cpu//' requirements.lock > $(VENV)/audited.txt
	$(VENV)/tools/bin/pip-audit --strict --disable-pip --require-hashes -r $(VENV)/audited.txt

$(VENV)/supply-chain: Makefile
	$(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/bin/python -m pip install --quiet --disable-pip-version-check "pip<26" pip-tools==7.6.2 pip-audit==2.10.1
	touch $@

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

.venv-fuzz/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . atheris==3.0.0
	touch $@
