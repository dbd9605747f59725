# Tiltyard's tasks. Everything runs in the private environment .venv, made by uv from uv.lock;
# uv itself is installed with pip into .uv/ where it is missing. Nothing here needs root or a GPU.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
export UV_PYTHON_DOWNLOADS ?= never
RUN := $(UV) run --frozen --all-extras

# A test's time limit is for what hangs, not for slow machines. Four share two cores: many wait for sockets.
# Files come in their order: sorted by number of tests, the few long ones would come last, alone.
PYTEST := pytest -n 4 --dist loadfile --no-loadscope-reorder --timeout=600
# The fast ones: no engine, no browser, nothing slow, no bad days (real processes dying in real ways).
FAST := --ignore=tests/baddays -m "not engine and not browser and not slow"
# Test files are rewritten for their assertions, a third of the fast ones' time: once is enough.
test test-fast: export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-fast test-bfcl check format docs bench bench-peers audit clean

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet uv

.venv/.ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --all-extras --compile-bytecode --quiet
	$(RUN) python -m compileall -q src
	@touch $@

demo: .venv/.ready
	@$(RUN) tiltyard demo

test: .venv/.ready
	$(RUN) $(PYTEST)

test-fast: .venv/.ready
	$(RUN) $(PYTEST) $(FAST)

# Our rules for BFCL's items against BFCL's own checker; the package is fetched once and never installed.
BFCL := 2026.3.23

.cache/bfcl-$(BFCL)/bfcl_eval:
	$(PYTHON) -m pip download --quiet --no-deps --dest .cache/wheels bfcl-eval==$(BFCL)
	$(PYTHON) -m zipfile -e .cache/wheels/bfcl_eval-$(BFCL)-py3-none-any.whl .cache/bfcl-$(BFCL)

test-bfcl: .venv/.ready .cache/bfcl-$(BFCL)/bfcl_eval
	TILTYARD_BFCL=.cache/bfcl-$(BFCL) $(RUN) pytest -p no:xdist -s tests/suites/tools/test_bfcl_reference.py

check: .venv/.ready
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) mypy --platform darwin --no-warn-unreachable
	$(RUN) mypy --platform win32 --no-warn-unreachable
	$(RUN) pytest tests/test_architecture.py tests/test_docs.py

format: .venv/.ready
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

docs: .venv/.ready
	$(RUN) python docs/generate.py

bench: .venv/.ready
	$(RUN) python -m benchmarks

bench-peers: .venv/.ready
	$(RUN) python -m benchmarks.peers
	$(RUN) python -m benchmarks.graded_peers

audit: .venv/.ready
	$(UV) export --frozen --all-extras --no-emit-project --quiet --output-file .venv/requirements.txt
	$(UV) tool run pip-audit --strict --progress-spinner off --requirement .venv/requirements.txt

clean:
	rm -rf .venv .uv build dist demo .mypy_cache .ruff_cache .pytest_cache
