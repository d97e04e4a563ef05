# Two commands do everything: make run, make test.
# The first Python that runs and is new enough; a version manager's stub that does neither is passed over.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
PORT ?= 8000

# Tests start hundreds of processes: each would read every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install install-test run test check docs bench soak screenshots looks lock clean

help: ## List what one can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

install: ## Make the environment, the cxm program and the front end
	@$(PYTHON) tools/install.py

install-test: ## The same, with what the tests need
	@$(PYTHON) tools/install.py --test

run: install ## Install, build and start with the demo company; prints URL and sign-in
	@$(BIN)/cxm serve --demo --data data/demo --port $(PORT)

test: install-test ## Everything: format, lint, types, contracts, docs, and all tests
	@# What "check" looks at and no test does, beside the tests: one of two cores has time while tests wait.
	@$(MAKE) --no-print-directory -j 2 lint pytest

.PHONY: lint pytest
pytest:
	@# Tests of whole processes contend for two cores: what failed beside others is tried once more, alone, and is said.
	@$(BIN)/pytest -n 3 --dist loadfile || { echo "Again, one after another, what failed:"; $(BIN)/pytest --last-failed --last-failed-no-failures=none; }

lint:
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pyright --pythonpath $(BIN)/python

check: install-test lint ## Format, lint, types, import contracts, template lint, house rules
	@$(BIN)/python tools/house_rules.py
	@$(BIN)/python tools/generate_docs.py --check

docs: install ## Write the generated references anew
	@$(BIN)/python tools/generate_docs.py

bench: install-test ## The figures of docs/benchmarks.md, measured on this machine
	@$(BIN)/python -m bench

soak: install-test ## The long runs: a thousand kills, a million mentions
	@$(BIN)/pytest -m soak -o addopts="-q --strict-markers --import-mode=importlib -p no:cacheprovider -p tests.engine"

screenshots: install-test ## Every page in every look, with a demo and empty, into .screenshots
	@$(BIN)/python tools/screenshots.py

looks: install-test ## Take the present look of the gallery for the right one, after one has looked at it
	@ACCEPT_LOOKS=1 $(BIN)/pytest -q cxm/design/tests/test_looks.py

lock: ## Write the hash-locked requirements anew (needs uv)
	@uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --universal --python-version 3.11 -q -o requirements/run.txt
	@uv pip compile pyproject.toml --extra test --generate-hashes --no-emit-index-url --universal --python-version 3.11 -q -c requirements/run.txt -o requirements/test.txt

clean: ## Forget the environment and everything built
	@rm -rf .venv node_modules cxm/design/static/built
