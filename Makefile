# Each target works from a bare clone: it makes .venv, installs the exact versions of requirements/ and goes on.
#   make demo            train on the reviews that ship
#   make test            run the tests; seven to eleven minutes on two cores
#   make test-long       run the long tests: real data, quick configurations, a browser
#   make torture         kill a run at each of its file operations in turn, and compare how it ends when it is resumed
#   make fuzz COUNT=     try so many damaged and odd inputs with every reader (10,000 by default)
#   make notebooks       execute notebooks/src/*.py and write notebooks/*.ipynb; make notebooks NAMES=05 for one
#   make site            build the documents as a site, into site/
#   make catalogue       update the catalogue of Chinese messages
#   make hashes          write requirements/*-hashes.txt anew after a change of the locks; needs uv and the network
#   make audit           look for published vulnerabilities of the locked versions; needs pip-audit and the network
#   make demo VENV=      use the current Python and its own Paddle instead (AI Studio, GPU)

VENV ?= .venv
IN_RANGE = -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))'
PYTHON ?= $(firstword $(foreach name,python3 python3.11 python3.12 python3.10,\
	$(shell $(name) $(IN_RANGE) 2>/dev/null && echo $(name))))
ifeq ($(strip $(PYTHON)),)
$(error no Python 3.10, 3.11 or 3.12 found; install one, or name it: make demo PYTHON=/path/to/python)
endif
LOCK = requirements/py$(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])').txt

ifeq ($(strip $(VENV)),)
RUN = $(PYTHON)
INSTALLED = current-python
else
RUN = $(VENV)/bin/python
INSTALLED = $(VENV)/.installed
endif

.PHONY: install demo test test-long torture fuzz lint notebooks site catalogue hashes audit current-python

install: $(INSTALLED)

# In this mode of an editable install, type checkers find the package too.
$(VENV)/.installed: $(LOCK) setup.py
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement $(LOCK)
	$(VENV)/bin/python -m pip install --quiet --no-deps --config-settings editable_mode=compat --editable .
	touch $@

# The lock is only a constraint here: what the machine has, such as paddlepaddle-gpu, stays as it is.
current-python:
	$(PYTHON) -m pip install --quiet --constraint $(LOCK) --editable '.[dev]'

demo: $(INSTALLED)
	$(RUN) -m paddle_tasks train configs/sentiment.yaml run_dir=runs/demo

# Two processes with one thread each: what a test computes is too small to be faster with two threads.
PYTEST = PADDLE_TASKS_THREADS=1 $(RUN) -m pytest --numprocesses 2 --dist loadfile

test: $(INSTALLED)
	$(PYTEST) -m "not long"

test-long: $(INSTALLED)
	$(PYTEST) -m long

torture: $(INSTALLED)
	PADDLE_TASKS_TORTURE=1 $(PYTEST) -m "long or not long" tests/workflows/test_torture.py

COUNT ?= 10000
fuzz: $(INSTALLED)
	PADDLE_TASKS_FUZZ=$(COUNT) $(PYTEST) -m fuzz

lint: $(INSTALLED)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m mypy --platform win32 --cache-dir .mypy_cache/win32

notebooks: $(INSTALLED)
	$(RUN) notebooks/build.py $(NAMES)

site: $(INSTALLED)
	$(RUN) -m mkdocs build --quiet

# Brings the catalogue of Chinese messages in step with the code, and names the messages without a translation.
catalogue: $(INSTALLED)
	$(RUN) -m tests.catalogue

# Checksums of every published file of each locked version, so that pip can refuse any other.
hashes:
	for version in 3.10 3.11 3.12; do \
		name=requirements/py$$(echo $$version | tr -d .); \
		uv pip compile $$name.txt --no-deps --generate-hashes --no-annotate --no-header --python-version $$version \
			--python-platform linux --quiet --output-file $$name-hashes.tmp && \
		{ echo "# The versions of $$(basename $$name).txt with the SHA-256 checksums of their files, made by \`make hashes\`:"; \
		  echo "#   pip install --require-hashes --no-deps -r $$name-hashes.txt"; cat $$name-hashes.tmp; } \
			> $$name-hashes.txt && rm $$name-hashes.tmp || exit 1; \
	done

audit:
	pip-audit --strict --no-deps --disable-pip --requirement $(LOCK)
