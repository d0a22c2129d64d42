# Two targets do everything on a fresh machine with Python 3.11 or later: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 3
OTHERS := $(wildcard $(foreach v,3.12 3.13,$(HOME)/.pyenv/versions/$(v).*/bin/python /usr/bin/python$(v) /usr/local/bin/python$(v)))

ELSEWHERE := tests/unit tests/playbook tests/integration/dataplane tests/integration/supervise \
  $(addprefix tests/integration/test_,cli_mesh.py control_api.py control_daemon.py control_reload.py upgrade.py)

# A process that finds itself compiled starts in two thirds of the time, and tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test setup lint unit slow others coverage bench config clean

demo: setup
	@$(BIN)/python examples/demo.py

test: setup lint unit slow others

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# In the order of the folders, so that the files that take long do not come last.
UNIT := pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" --durations=10

unit: setup
	$(BIN)/python -m $(UNIT)

# The same, which takes half as long again.
coverage: setup
	$(BIN)/python -m $(UNIT) --cov --cov-report=term:skip-covered

# What measures, or wants the machine for itself, runs after the others; and no more at once than there are cores.
slow: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow and not alone" --durations=10
	$(BIN)/python -m pytest -m "slow and alone" --durations=10

# What depends on the Python again under every other supported one that is here. Further examples tell nothing of it.
others: export HYPOTHESIS_PROFILE := few
others: setup
	@for python in $(OTHERS); do \
	  venv=$(VENV)-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "== $$python"; \
	  test -x $$venv/bin/pytest || { $$python -m venv --without-pip $$venv \
	    && $(BIN)/python -m pip --python $$venv install --quiet --editable . --group test; } || exit 1; \
	  $$venv/bin/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not slow" $(ELSEWHERE) || exit 1; \
	done

# What editors and readers get of the tables in minimesh/spec: the schema, the reference file, the table of keys.
config: setup
	$(BIN)/python -m minimesh.spec.publish

bench: setup
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/report.py

clean:
	rm -rf $(VENV) $(VENV)-3.* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
