# Each target does all its own set-up in .venv; nothing but Python >= 3.11 (with venv) and make has to be there.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
NEEDED := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
# The first of these that runs, is new enough and can make environments; PYTHON=… overrides.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c '$(NEEDED)' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: demo test check test-all torture torture-docs wheel bench bench-gateways bench-openclaw picture clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.package
	@$(BIN)/switchlog demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -q -n auto -m "not slow"

check: $(VENV)/.test $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Everything that make test leaves out, and with all extras what it doesn't, with the branch coverage of the two rooms that
# people trust. What is traced takes twice the time: the heavy tests run apart, and the property tests with a quarter of
# their examples (make test has them all).
test-all: $(VENV)/.gateways
	HYPOTHESIS_PROFILE=brief $(BIN)/python -m pytest -q -n auto -m "not slow and not once" --cov --cov-report=term --cov-fail-under=95
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m slow

# Minutes of crashes, kills, flipped bits and hostile input, as a table; TORTURE=long takes an hour.
torture: $(VENV)/.test
	@cd tests && ../$(BIN)/python -m torture

# The same, and its figures into the page of the guarantees.
torture-docs: $(VENV)/.test
	@cd tests && ../$(BIN)/python -m torture --write ../docs/guarantees.md

# The built wheel, and not this tree, in an empty environment.
wheel: $(VENV)/.test
	$(BIN)/python -m pytest -q tests/test_wheel.py

# Every promise of speed beside the real peers, into docs/benchmarks.md: some ten minutes, and 6 GB for so long.
# BENCH=--quick is a look; more in the page itself.
bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(BENCH)

# What a kill and a restart cost real gateways, with and without; minutes, most of them LiteLLM's proxy starting.
bench-gateways: $(VENV)/.gateways
	$(BIN)/python -m benchmarks.gateways
	$(BIN)/python -m benchmarks.gateway_cost

# The real OpenClaw 2026.3.28 with our lines in its live transcript; five minutes, and npm for the first one.
bench-openclaw: $(VENV)/.package
	$(BIN)/python -m benchmarks.openclaw

picture: $(VENV)/.package
	$(BIN)/python docs/picture.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*

$(VENV)/.python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "switchlog needs Python >= 3.11 with venv: apt install python3 python3-venv, brew install python, or python.org" >&2; \
		exit 1; fi
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.package: $(VENV)/.python pyproject.toml
	@echo "installing switchlog into $(VENV) …"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.package
	@$(PIP) --editable '.[test]'
	@touch $@

# The real clients and gateways: some 700 MB, which only the tests of everything need.
$(VENV)/.gateways: $(VENV)/.test
	@echo "installing the clients and gateways that switchlog is tested with …"
	@$(PIP) --editable '.[test,gateways]'
	@touch $@

# The peers. Where they can't be installed, those that are there are measured, and the next run tries again.
$(VENV)/.bench: $(VENV)/.package
	@echo "installing the peers that switchlog is measured beside …"
	@if $(PIP) --editable '.[bench]'; then touch $@; else echo "they could not be: measured are those that are there"; fi

$(VENV)/.check: $(VENV)/.package
	@$(PIP) --editable '.[check]'
	@touch $@
