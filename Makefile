# make live   the live app: ask the embedded model in the browser, and watch its maps grow
# make demo   the main job: maps, pictures and words of two texts, from the embedded model
# make test   everything that has to hold; sets up what is missing
# make check  the same
# make bench  what the work costs beside the least that it can cost -> benchmarks/RESULTS.md; bench-quick
# make long   what takes longer: 20 kills of each long command, every kill of a stage, more draws
# make screenshots   the pictures of a page in the docs, taken in Chromium
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help live test check gate long bench bench-quick demo clean fonts browser screenshots

# The environment is ready once it was made from these files, for this folder.
LOCK := $(shell { cat constraints.txt pyproject.toml; pwd; } | cksum | cut -d ' ' -f 1)
READY := .venv/.ready-$(LOCK)
PY := .venv/bin/python
FONTS := fonts-noto-core fonts-noto-cjk fonts-symbola

help:
	@sed -n '1,/^SHELL/s/^# //p' Makefile

# A folder that an interrupted installation left behind is made anew.
.venv: $(READY)
$(READY): constraints.txt pyproject.toml
	@for python in python3.11 python3.12 python3.13 python3 python none; do \
	  [ $$python != none ] || { echo "make: Python 3.11 or newer is needed" >&2; exit 1; }; \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if [ -e .venv/.installing ] || ! $(PY) -c '' 2>/dev/null; then \
	  $$python -m venv --clear .venv; \
	fi; \
	touch .venv/.installing; \
	echo "installing into .venv (a minute or more, once)"; \
	$(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	rm -f .venv/.ready-* .venv/.installing; \
	touch $(READY)

# Pictures are tested with the fonts that other scripts and emoji need.
fonts:
	@lacking=""; \
	for font in $(FONTS); do \
	  dpkg -s $$font >/dev/null 2>&1 || lacking="$$lacking $$font"; \
	done; \
	if [ -z "$$lacking" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing fonts:$$lacking"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$lacking; } \
	    >/dev/null || echo "fonts not installed; tests that need them are skipped:$$lacking"; \
	else \
	  echo "fonts not installed; tests that need them are skipped:$$lacking (Debian's names)"; \
	fi

# Pages are tested in Chromium.
browser:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing chromium"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } \
	    >/dev/null || echo "chromium not installed; tests in a browser are skipped"; \
	else \
	  echo "chromium not installed; tests in a browser are skipped"; \
	fi

test: $(READY) fonts browser gate
check: test

# What continuous integration runs: format, lint, types, then tests with the examples of the docs.
gate: $(READY) fonts browser
	$(PY) -m ruff format --check --quiet .
	$(PY) -m ruff check --quiet .
	$(PY) -m mypy
	OMP_NUM_THREADS=1 $(PY) -m pytest -v --no-header -n 2 --dist worksteal

# Run before a large change is called done; the dated output is kept.
long: $(READY)
	LAYERGRAM_LONG=1 OMP_NUM_THREADS=1 $(PY) -m pytest -v --no-header -p no:cacheprovider \
	  tests/test_kills.py tests/storage tests/engine tests/execution tests/app -k 'not unequal_texts' \
	  | tee benchmarks/long-$$(date +%Y-%m-%d).txt

# Other libraries are measured beside; one that is not to be had is named in the table.
bench: $(READY)
	$(PY) benchmarks/bench.py --peers install

bench-quick: $(READY)
	$(PY) benchmarks/bench.py --quick --peers none

live: $(READY)
	.venv/bin/layergram serve

demo: $(READY)
	@echo "1. a text"; \
	.venv/bin/layergram map 'A and B = 8 + 5 = 13 \boxed{13} the correct choice is (D) 13. The final answer is \boxed{(D)}' \
	  --out demo/text
	@echo; echo "2. the model's own answer"; \
	.venv/bin/layergram map --prompt 'What is the capital of France?' --out demo/answer

screenshots: $(READY) browser
	$(PY) docs/make_screenshots.py

clean:
	rm -rf .venv benchmarks/.venv demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
