# Every target sets itself up: Python 3.11 or newer, pip and make are all that is needed.
#
#   make train     build the videos, train the small model, measure it, write runs/first-light/report.html
#   make pipeline  videos, questions, checks, episodes, SFT, PPO and a report, offline: runs/pipeline/report.html
#   make test      the default test suite (offline, CPU)
#   make lint      ruff, its formatter and mypy
#   make check     lint, then test
#   make docs      build the documentation as a site in site/
#   make screenshots  draw the pictures of the documentation: the page of a run, in Chromium; RUN=... names the run
#   make tiny      train the small model that is shipped in policies/sage_mm_tiny from scratch
#
# TORCH=... chooses another build of torch, e.g. make train TORCH=torch==2.13.0
# PYTHON=... chooses the interpreter that makes .venv

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH ?=
BIN := .venv/bin
INSTALLED := .venv/.installed
DOCS_INSTALLED := .venv/.docs-installed
VOICE_INSTALLED := .venv/.voice-installed
ifeq ($(TORCH),)
GPU := $(shell command -v nvidia-smi)
endif

.PHONY: train pipeline test lint check tiny docs screenshots install clean
.DEFAULT_GOAL := check

train: install
	$(BIN)/sage-vqa train $(ARGS)

# The real client of google-genai and pyarrow, which it needs, are in `dev`. Without a voice and ears
# the spoken questions are left out, and the report says so.
pipeline: install $(VOICE_INSTALLED)
	$(BIN)/sage-vqa data pipeline $(ARGS)

tiny: install
	$(BIN)/python -m algos.tiny $(ARGS)

# One thread per process: with more, two cores wait on each other. JOBS=0 runs the tests in one.
JOBS ?= 2
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples

check: lint test

# The variable silences a banner of mkdocs-material about its successors; warnings still fail the build.
docs: $(DOCS_INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

RUN ?= runs/first-light
screenshots: install
	$(BIN)/python -m benchmarks.viewer.screenshots $(RUN) $(ARGS)

install: $(INSTALLED)

clean:
	rm -rf .venv

# The file is written last, so that an installation that was cut off is done again.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed, found: $$($(PYTHON) --version 2>&1)"; exit 1; }
# Some systems ship Python without ensurepip: then the environment gets its pip from ours.
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
	    $(PYTHON) -m venv --clear --without-pip .venv && \
	    $(PYTHON) -m pip --python .venv/bin/python install pip; }
# torch comes first, so that nothing below picks another build; without a GPU, the CPU build.
ifneq ($(TORCH),)
	$(BIN)/python -m pip install '$(TORCH)'
else ifneq ($(GPU),)
	$(BIN)/python -m pip install torch==2.13.0
else
	$(BIN)/python -m pip install torch==2.13.0+cpu || $(BIN)/python -m pip install torch==2.13.0
endif
	@grep -v '^torch==' constraints.txt > .venv/constraints.txt
	$(BIN)/python -m pip install -c .venv/constraints.txt -e '.[sage,dev]'
	@touch $@

$(VOICE_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install -c .venv/constraints.txt -e '.[tools,voice]' && touch $@ || \
	    echo "no voice, no ears: spoken questions are left out"

# Apart from the rest, so that tests and training need none of it.
$(DOCS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install -c .venv/constraints.txt -e '.[docs]'
	@touch $@
