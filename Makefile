# What is run on a checkout; `make help` lists it.  Only Python, pip and make are needed.

PYTHON ?= python3
VENV ?= .venv
WHEEL_VENV ?= .venv-wheel
OTHER_VENV ?= .venv-other
PYTEST_ARGS ?=
# Most tests wait: for a server, a process, an instant.  The longest files come first.
PARALLEL ?= -n 3 --dist loadfile --no-loadscope-reorder
CHAOS_ARGS ?=
UV ?= uv

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# The locks' hashes decide; a machine's own settings add no requirement.
unexport PIP_REQUIRE_VIRTUALENV PIP_USER PIP_TARGET PIP_PREFIX PYTHONPATH PYTHONHOME

BIN = $(VENV)/bin
PIP_INSTALL = -m pip install -qq --require-hashes
PIP_INSTALL_SELF = -m pip install -qq --no-deps --no-build-isolation
WHEEL_TESTED ?= tests/unit tests/integration
# The wheel is tested where the source cannot be imported: beside these, and nothing else.
WHEEL_TESTS = build/wheel-tests
BESIDE_TESTS = tests $(wildcard docs) docker README.md CHANGELOG.md LICENSE Makefile pyproject.toml $(wildcard requirements*.lock)
COMPILE = $(UV) pip compile --universal --python-version 3.11 --generate-hashes --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(VENV)/.runtime ## Install the locked dependencies and the package into .venv

.PHONY: demo
demo: $(VENV)/.runtime ## Record a channel against the simulator, from start to files
	@$(BIN)/recording-tasks demo

.PHONY: test
test: $(VENV)/.dev ## Run all tests; services that are not reachable are skipped
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

.PHONY: test-unit
test-unit: $(VENV)/.dev ## Run the tests that need no service: seconds
	$(BIN)/python -m pytest tests/unit $(PARALLEL) $(PYTEST_ARGS)

.PHONY: test-python
test-python: ## Run the unit tests on another Python: make test-python PYTHON=python3.13
	@$(MAKE) test-unit VENV=$(OTHER_VENV)

.PHONY: test-wheel
test-wheel: $(WHEEL_VENV)/.dev ## Build the wheel, install it alone, run unit and integration tests on it
	rm -rf $(WHEEL_TESTS) dist
	$(WHEEL_VENV)/bin/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	$(WHEEL_VENV)/bin/python $(PIP_INSTALL_SELF) --force-reinstall dist/recording_tasks-*.whl
	mkdir -p $(WHEEL_TESTS)
	cp -R $(BESIDE_TESTS) $(WHEEL_TESTS)
	cd $(WHEEL_TESTS) && $(CURDIR)/$(WHEEL_VENV)/bin/python -P -c \
	  'import recording_tasks, celeryconfig; assert "site-packages" in recording_tasks.__file__'
	cd $(WHEEL_TESTS) && $(CURDIR)/$(WHEEL_VENV)/bin/python -m pytest $(WHEEL_TESTED) $(PARALLEL) $(PYTEST_ARGS)

.PHONY: lint
lint: $(VENV)/.dev ## Check style, format, types, and which room imports which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench
bench: $(VENV)/.dev ## Run the benchmarks (tests/benchmarks/README.md)
	$(BIN)/python -m tests.benchmarks

.PHONY: chaos
chaos: $(VENV)/.dev ## Strike a deployment at random (tests/chaos/README.md); CHAOS_ARGS="--seconds 600"
	$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

.PHONY: lock
lock: ## Bring the locks up to pyproject.toml (needs uv)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --group build -c requirements-dev.lock -o requirements-build.lock

.PHONY: clean
clean: ## Remove what these targets made
	rm -rf $(VENV) $(WHEEL_VENV) $(OTHER_VENV) build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# A virtual environment, whose own pip is locked too.  Where ensurepip is left out of Python (as
# Debian does), its own pip fills the environment.
%/.made: requirements-build.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)"; \
	  echo "Name another one: make PYTHON=python3.13 ..."; exit 1; } >&2
	@echo "making $(@D) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(@D) > /dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(@D)
	@if $(@D)/bin/python -m pip --version > /dev/null 2>&1; \
	then $(@D)/bin/python $(PIP_INSTALL) -r requirements-build.lock; \
	else $(PYTHON) -m pip --python $(@D)/bin/python install -qq --require-hashes \
	  -r requirements-build.lock; fi
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.lock pyproject.toml
	@echo "installing requirements.lock into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) -r requirements.lock
	@$(BIN)/python $(PIP_INSTALL_SELF) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements-dev.lock pyproject.toml
	@echo "installing requirements-dev.lock into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) -r requirements-dev.lock
	@$(BIN)/python $(PIP_INSTALL_SELF) -e .
	@touch $@ $(VENV)/.runtime

$(WHEEL_VENV)/.dev: $(WHEEL_VENV)/.made requirements-dev.lock
	@echo "installing requirements-dev.lock into $(WHEEL_VENV)"
	@$(WHEEL_VENV)/bin/python $(PIP_INSTALL) -r requirements-dev.lock
	@touch $@
