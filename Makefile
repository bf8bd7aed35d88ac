# Everything that a person or CI does here, by one name each.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= gcr-migrate-demo
SIZE ?= 10000 100000
LIMIT ?= 3600
FILES ?= 100000
GIGABYTES ?= 2
IMAGES ?= 100000
SHOTS ?= build/screenshots
# What one process of the tests has compiled the others read, though the shell may not want it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo test test-slow test-all check lint types contracts dependencies format docs lock clean screenshots bench-copy bench-inventory bench-memory bench-pages bench-refs bench-workers

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/installed ## make .venv with the locked dependencies and the tool

.venv/dependencies: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	touch $@

# Editable: the tests and the checks always see the sources as they are.
.venv/installed: .venv/dependencies pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: install ## run the whole migration on a sandbox of this machine
	$(BIN)/gcr-migrate demo $(DEMO)

test: install ## run the tests that are quick; those that need a missing program say so and skip
	$(BIN)/python -m pytest -n 5

test-slow: install ## run those that CI runs after them: whole stories, faults, kills, memory
	$(BIN)/python -m pytest -n 5 -m "slow and not long"

test-all: install ## run all tests, the whole of each large table too
	$(BIN)/python -m pytest -n 5 -m ""

check: lint types contracts dependencies test ## all that is quick of what CI demands

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

contracts: install
	$(BIN)/lint-imports

dependencies: install
	$(BIN)/deptry .

format: install ## put the sources into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install ## write again what is generated: reference, schemas, README's output
	$(BIN)/python -m scripts.docs

screenshots: install ## make pictures of HTML reports in a browser: SHOTS=folder; one goes into docs
	$(BIN)/python -m scripts.screenshots $(SHOTS)

bench-copy: install ## measure whole copies beside other tools, which it builds with Go: COPY=options
	$(BIN)/python -m benchmarks.copying $(COPY)

bench-inventory: install ## measure inventory and plan on giants: SIZE="10000 100000", LIMIT=seconds a run
	$(BIN)/python -m benchmarks.inventory --limit $(LIMIT) $(SIZE)

bench-memory: install ## measure memory of apply with large blobs and a slow target: MEMORY=options
	$(BIN)/python -m benchmarks.memory $(MEMORY)

bench-refs: install ## measure refs scan on a large tree: FILES=number, GIGABYTES=number
	$(BIN)/python -m benchmarks.scanning --files $(FILES) --gigabytes $(GIGABYTES)

bench-pages: install ## measure the HTML report in a browser: IMAGES=number
	$(BIN)/python -m benchmarks.pages $(IMAGES)

bench-workers: install ## measure what several worker processes cost over TLS: WORKERS=options
	$(BIN)/python -m benchmarks.workers $(WORKERS)

COMPILE := $(BIN)/pip-compile --quiet --extra otel --all-build-deps --generate-hashes --strip-extras \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --no-annotate --no-header

lock: install ## resolve the dependencies again, and those of the image as a part of them
	$(COMPILE) --upgrade --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file image.lock pyproject.toml

clean: ## remove what can be made again
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(DEMO)
