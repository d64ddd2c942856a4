# make docs   the documentation as a site, in site/
# make demo   the whole job on simulated hips       make test   the tests
# make check  ruff, mypy, import layers             make mutants ROOM=labelppl/metrics   mutation testing
# Each sets up its own virtual environment first.
# make lines  which lines of each room the tests execute
# make studies  the three papers' studies in their quick form, in out/   (VOTES, XRAYS: tables of your own copies)
# make torture  broken inputs, kills, full disks: all of them, with counts by kind

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
DEMO := demo
ROOM := labelppl/metrics
SAMPLE := 150
# CIFAR-10H's votes and MedMNIST's pneumonia, where they are at hand.
VOTES := $(wildcard ../shared/data/cifar10h/cifar10h.csv)
XRAYS := $(wildcard ../shared/data/pneumonia/pneumonia.csv)

.PHONY: demo studies test torture check docs mutants lines matrix clean

demo: $(VENV)/.runtime
	rm -rf $(DEMO)
	$(BIN)/labelppl simulate hip --out $(DEMO)
	cd $(DEMO) && ../$(BIN)/labelppl distill --model hip.py --image-size 48
	$(BIN)/labelppl report --run $(DEMO)/runs/hip

studies: $(VENV)/.runtime
	$(BIN)/python examples/probabilistic_labels.py --quick --out out/probabilistic_labels
	$(BIN)/python examples/beyond_hard_labels.py --quick --out out/beyond_hard_labels $(VOTES:%=--data %)
	$(BIN)/python examples/online_label_smoothing.py --quick --out out/online_label_smoothing $(XRAYS:%=--data %)

test: $(VENV)/.development
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests

check: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy labelppl cli
	$(BIN)/lint-imports

# LABELPPL_KILLS: how often the long commands are killed.
torture: $(VENV)/.development
	LABELPPL_TORTURE=1 LABELPPL_KILLS=200 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -s tests/torture tests/jobs/test_kills.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/torture/mutated_images.py 20000

matrix:
	$(PYTHON) tests/matrix.py

docs: $(VENV)/.development
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

mutants: $(VENV)/.development
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutants.py $(ROOM) --sample $(SAMPLE)

lines: $(VENV)/.development
	$(BIN)/python -m coverage erase
	OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest tests
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python tests/lines_by_room.py

$(VENV)/.runtime: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.development: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs,timm,dicom,export,track]'
	touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) $(DEMO) site
