# Every target works on a fresh clone with only Python >= 3.11, git and make.
PYTHON ?= python3
BIN := .venv/bin
UV := .build/uv/bin/uv
INSTALLED := .venv/.installed
export UV_PYTHON_DOWNLOADS := never

.PHONY: demo frontend test test-frontend test-python lint lint-code lint-playbooks bench drills docs wheels clean install requirements
.DEFAULT_GOAL := help

help:
	@echo "make demo    install, environment up, campaign smoke, report; then says where to look"
	@echo "make frontend build the platform's pages, which the web server of an environment serves"
	@echo "make test    all tests that this machine can run; skipped ones are named with the reason"
	@echo "make lint    formatting, style, types, layers, playbooks"
	@echo "make bench   benchmarks: ratios against a reference in the same run"
	@echo "make drills  fault drills: kill -9 of everything, defects that must be found (long)"
	@echo "make wheels  both distributions into dist, the platform's with its pages; docs/install.md says how to install them"
	@echo "make docs    check the manual's links and generated parts"
	@echo "make clean   remove what the targets made (environments must be down)"

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv .build/uv || { echo "python3-venv is missing (Debian: apt-get install python3-venv)"; exit 2; }
	@.build/uv/bin/pip install --quiet --disable-pip-version-check uv

$(INSTALLED): pyproject.toml observastack/pyproject.toml uv.lock | $(UV)
	@echo "installing into .venv …"
	@$(UV) sync --quiet --frozen --all-extras --all-packages --python "$$(command -v $(PYTHON))"
	@touch $@

install: $(INSTALLED)
	@$(MAKE) --no-print-directory frontend FRONTEND_MODE=--lenient

# Sources and what decides about the build: a bundle is built again only when one of them is newer.
FRONTEND := observastack/frontend
FRONTEND_SOURCES := $(shell find $(FRONTEND) \( -name node_modules -o -name dist \) -prune -o -type f -print 2>/dev/null)

$(FRONTEND)/dist/index.html: $(FRONTEND_SOURCES)
	@PYTHON="$(PYTHON)" .ci/frontend build $(FRONTEND_MODE)

frontend: $(FRONTEND)/dist/index.html

demo: install
	@$(BIN)/testbed up && $(BIN)/testbed run smoke --report report; code=$$?; \
	echo; \
	[ -f report/report.html ] && echo "the report:       $(CURDIR)/report/report.html"; \
	echo "the same again:   $(BIN)/testbed run smoke"; \
	echo "control center:   $(BIN)/testbed tui"; \
	echo "take it all down: $(BIN)/testbed down"; \
	exit $$code

test: test-frontend test-python

test-frontend:
	@.ci/frontend test

# Three workers: most tests wait for processes. A file stays on one worker, its servers are shared.
test-python: install
	@$(BIN)/python -m pytest -n 3 --dist loadfile

# Side by side: what reads Python, and what reads playbooks (ansible-lint takes as long as mypy without a cache).
lint: $(INSTALLED)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint-code lint-playbooks

DOCKERFILES := $(filter-out %.dockerignore,$(wildcard observastack/images/Dockerfile*))

lint-code:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint --config .hadolint.yaml $(DOCKERFILES)
	@.ci/frontend lint

lint-playbooks:
	@$(BIN)/yamllint --strict .ansible-lint .yamllint playbooks inventories runners/shipped observastack/*.yaml observastack/alerting
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint -q --nocolor

bench: $(INSTALLED)
	@$(BIN)/python -m tests.perf

# What the images install by hash: from uv.lock, whenever that changed.
requirements: $(INSTALLED)
	@$(UV) export --quiet --frozen --no-dev --no-emit-workspace --no-annotate --no-header --package observastack > observastack/images/requirements.txt
	@$(UV) export --quiet --frozen --no-dev --no-emit-workspace --no-annotate --no-header --package observastack-testbed > observastack/images/requirements-runner.txt

drills: install
	@$(BIN)/python -m tests.drills

docs: $(INSTALLED)
	@$(BIN)/python -m pytest -q tests/unit/test_docs.py

# Strict where install is lenient: what is handed on has the pages, or is not made.
wheels: $(UV)
	@$(MAKE) --no-print-directory frontend
	@rm -rf dist
	@$(UV) build --quiet --all-packages --out-dir dist --python "$$(command -v $(PYTHON))"
	@ls -1 dist/*.whl

clean:
	@if [ -x $(BIN)/testbed ] && [ -d .testbed/env ]; then $(BIN)/testbed down --force || true; fi
	rm -rf $(FRONTEND)/node_modules $(FRONTEND)/dist
	rm -rf .venv .build .testbed report dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
