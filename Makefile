# The two commands that matter: `make run` and `make test`. Both start from nothing but Python >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help run test lint format bench micro load isolation openfiles chaos screenshots lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/run.stamp ## start the gateway with a demo site on http://127.0.0.1:8080
	@$(BIN)/python -m gateway demo
	@exec $(BIN)/python -m gateway serve

WAITING := tests/e2e tests/process tests/chaos tests/loadtest tests/unit/delivery

# Two halves beside each other: one mostly waits for browsers, processes and senders, the other computes.
test: $(VENV)/dev.stamp sdk-js/node_modules/.stamp ## install what the tests need, run them all
	@bash tests/install.sh
	cd sdk-js && npm test --silent
	@mkdir -p .make
	@$(BIN)/pytest -p no:cacheprovider $(WAITING) > .make/waiting.log 2>&1 & \
	waiting=$$!; $(BIN)/pytest $(WAITING:%=--ignore=%); computed=$$?; \
	wait $$waiting; waited=$$?; cat .make/waiting.log; \
	exit $$(( computed || waited ))

lint: $(VENV)/dev.stamp sdk-js/node_modules/.stamp ## ruff, mypy --strict, tsc, and the built scripts byte for byte
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd sdk-js && npm run --silent check

format: $(VENV)/dev.stamp ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.stamp ## CPU per message against a local HTTP/2 sink, next to other senders (BENCH="--full --write")
	@bash tests/install.sh nginx
	@PYTHON=$(PYTHON) bash loadtest/install.sh
	$(BIN)/python -m loadtest.bench $(BENCH)

micro: $(VENV)/dev.stamp ## CPU of each step of one push beside its budget
	@bash tests/install.sh nginx
	$(BIN)/python -m loadtest.micro

load: $(VENV)/dev.stamp ## Locust's users against a gateway and a fake push service for a minute
	@bash tests/install.sh nginx
	$(BIN)/python -m loadtest.load

isolation: $(VENV)/dev.stamp ## latencies of everybody else beside a blast to a million
	@bash tests/install.sh nginx
	$(BIN)/python -m loadtest.isolation

openfiles: $(VENV)/dev.stamp ## ten thousand connections at a limit of 1,024 open files
	@bash tests/install.sh nginx
	$(BIN)/python -m loadtest.openfiles

chaos: $(VENV)/dev.stamp ## kills and faults in the middle of broadcasts (CHAOS="--rounds 20 --database postgres")
	@bash tests/install.sh nginx
	$(BIN)/python -m loadtest.chaos $(CHAOS)

screenshots: $(VENV)/dev.stamp ## take the documentation's pictures anew, in a real browser
	SCREENSHOTS=docs $(BIN)/pytest -q tests/e2e/test_demo.py tests/e2e/test_admin_*.py -k chromium

lock: $(VENV)/dev.stamp ## pin the dependencies of pyproject.toml anew
	$(BIN)/pip install --quiet pip-tools
	bash deploy/lock.sh

clean: ## remove what was installed, never the data
	rm -rf $(VENV) sdk-js/node_modules

# A half-made virtual environment is made again: the stamp is written last.
$(VENV)/run.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (try: make PYTHON=python3.12 run)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

sdk-js/node_modules/.stamp: sdk-js/package-lock.json
	@command -v npm >/dev/null || { echo "npm (Node >= 20) is needed to check and test sdk-js"; exit 1; }
	cd sdk-js && npm ci --silent --no-audit --no-fund
	@touch $@
