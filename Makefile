# The two commands of a newcomer: `make demo` and `make test`. Everything lives in .venv; nothing is installed outside.
PYTHON ?= python3
DATA ?= ../shared/data
# MobileNetV2 0.35's weights, where they needn't be downloaded.
WEIGHTS ?= $(wildcard ../shared/weights/mobilenet_v2_0.35_224_imagenet_notop.h5)
BIN = .venv/bin
SOURCES = edge train convert benchmarks pi tests docs examples
BUNDLE = dist/edge-classify-pi.tar.xz

# axe-core, by which a test looks for barriers on the page; its version and hash are in package-lock.json.
AXE = build/axe/node_modules/axe-core/axe.min.js

.PHONY: help demo test test-slow test-all torture axe check docs models locator classifier rivals lock pi-bundle pi-proof deb deb-proof service-proof dist \
  manual clean

help:
	@echo "make demo    classify a few drawn cells with the shipped model"
	@echo "make test    run the tests, without those that take long"
	@echo "make test-slow, make test-all  those that take long (training, an emulated Pi); all of them"
	@echo "make torture  try to break the commands for hours: damaged files, kill -9 (SHARE=0.01: for minutes; SEED=1)"
	@echo "make axe     get axe-core by npm, for the test that looks for barriers on the page"
	@echo "make check   lint and check types"
	@echo "make docs    build the documentation as a site into build/docs; a broken link is an error"
	@echo "make models  train and convert the shipped models again (DATA=folder, an hour); make locator or"
	@echo "             make classifier: one of them"
	@echo "make rivals  install what benchmark runtimes and peers compare with, into .rivals (3 GB)"
	@echo "make pi-bundle  write dist/edge-classify-pi.tar.xz: all that a Raspberry Pi without internet needs"
	@echo "             (SIGN=KEY: with a signature by this secret key of minisign)"
	@echo "make pi-proof   install it on emulated Raspberry Pis and compare their answers with this machine's"
	@echo "make deb     write dist/edge-classify_VERSION_ARCH.deb for arm64 and amd64 (ARCHS=amd64: for one of them)"
	@echo "make deb-proof  install, upgrade and remove it on emulated Raspberry Pis"
	@echo "make service-proof  run the package's service under a real systemd (as root)"
	@echo "make dist    write wheel and sdist into dist, and the list of the wheel's parts (CycloneDX)"
	@echo "make manual  write man pages and shell completion into build/share"
	@echo "make lock    write requirements/*.txt anew from pyproject.toml and requirements/edge.in"

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12 demo" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

# The edge part alone, as on a Pi.
.venv/edge: .venv/made requirements/edge.txt requirements/edge.in pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/edge.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# With training, conversion, benchmarks and what develops them.
.venv/dev: .venv/made requirements/dev.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@ .venv/edge .venv/release

demo: .venv/edge
	@$(BIN)/python -m edge.simulator demo
	@echo
	@rm -rf demo/annotated
	@$(BIN)/edge-classify demo/drawn-*.png --no-review --annotate demo/annotated
	@echo
	@echo "The cells are drawn by edge/simulator. They show that the tool runs, not how well it reads blood."
	@echo "Without --no-review most of these drawings are left for you to look at: they are unlike the blood that the model learned from."
	@echo "Annotated pictures: demo/annotated. Next, with pictures of your own:"
	@echo "  . $(BIN)/activate    # once in each terminal; then the commands have their short names"
	@echo "  edge-classify PICTURE_OR_FOLDER"
	@echo "  edge-classify --help"

# In two processes, a file's tests in one of them; what trains or emulates a Raspberry Pi is in test-slow.
PYTEST = $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
test: .venv/dev
	$(PYTEST) -m "not slow"

test-slow: .venv/dev
	$(PYTEST) -m slow

test-all: test test-slow

axe: $(AXE)
$(AXE): tests/edge/page/axe/package.json tests/edge/page/axe/package-lock.json
	@mkdir -p build/axe
	cp $^ build/axe
	cd build/axe && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier
	@touch $@

# The report is build/torture.md, and build/torture.json for programs. Each failure is printed with what repeats it.
SHARE ?= 1
SEED ?= 0
PATIENCE ?= 1
JOBS ?= 1
torture: .venv/dev
	@mkdir -p build
	PYTHONPATH=. $(BIN)/python tests/torture/runner.py --share $(SHARE) --seed $(SEED) --patience $(PATIENCE) \
	  --jobs $(JOBS) --json build/torture.json --report build/torture.md

check: .venv/dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)

docs: .venv/dev
	$(BIN)/python -m sphinx --builder html --fail-on-warning --quiet docs build/docs
	@echo "Written: build/docs/index.html"

models: locator classifier

locator: .venv/dev
	$(BIN)/train locator --data $(DATA) --out runs/locator-large-1 --large
	$(BIN)/train locator --data $(DATA) --out runs/locator-large --large --start runs/locator-large-1 \
	  --drawn 0.4 --rate 1e-3 --epochs 9
	$(BIN)/convert --int8 runs/locator-large --data $(DATA)
	$(BIN)/train locator --data $(DATA) --out runs/locator --teacher runs/locator-large/locator-int8.tflite \
	  --pool 4000 --epochs 25 --drawn 0.3
	$(BIN)/convert --int8 runs/locator --data $(DATA) --out edge/models

# Three networks, which differ in their seed, teach a fourth. It alone is shipped, so a cell costs the time of one network.
SEEDS = 0 1 2
classifier: .venv/dev
	for seed in $(SEEDS); do \
	  $(BIN)/train compact --data $(DATA) --fields all --seed $$seed --out runs/teacher-$$seed \
	    $(if $(WEIGHTS),--weights $(WEIGHTS)) || exit; \
	done
	$(BIN)/train compact --data $(DATA) --fields all --epochs 40 $(SEEDS:%=--teacher runs/teacher-%) --out runs/compact \
	  $(if $(WEIGHTS),--weights $(WEIGHTS))
	$(BIN)/convert --int8 runs/compact --data $(DATA) --out edge/models
	$(BIN)/convert --float32 runs/compact --data $(DATA) --out edge/models

# Each in an environment of its own, since they want other versions of the same packages. pnnx's Python part wants
# PyTorch, its program doesn't; tflite-runtime ended with Python 3.11.
PIP = -m pip install --quiet --disable-pip-version-check
rivals:
	$(PYTHON) -m venv .rivals/runtimes
	.rivals/runtimes/bin/python $(PIP) --editable '.[rivals]'
	.rivals/runtimes/bin/python $(PIP) --no-deps pnnx
	$(PYTHON) -m venv .rivals/mediapipe
	.rivals/mediapipe/bin/python $(PIP) mediapipe
	$(PYTHON) -m venv .rivals/tflite
	-.rivals/tflite/bin/python $(PIP) tflite-runtime 'numpy<2' pillow

# uv, because pip can't lock for other machines than its own.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
  --custom-compile-command "make lock" --constraint requirements/constraints.in pyproject.toml
lock: .venv/made
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(LOCK) --extra count --extra page -o requirements/edge.txt
	$(LOCK) --extra release -o requirements/release.txt
	$(LOCK) --extra train -o requirements/train.txt
	$(LOCK) --extra dev -o requirements/dev.txt

# What bundles and their signatures are made with: the extra `release`.
.venv/release: .venv/edge requirements/release.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/release.txt
	@touch $@

pi-bundle: .venv/release
	@PYTHON=$(BIN)/python pi/bundle $(if $(SIGN),--sign $(SIGN)) $(BUNDLE)

pi-proof: pi-bundle
	@$(BIN)/python -m pi $(BUNDLE) --data $(DATA)

ARCHS ?= arm64 amd64
deb: .venv/release
	@for arch in $(ARCHS); do PYTHON=$(BIN)/python pi/deb $$arch dist || exit; done

deb-proof: ARCHS = arm64
deb-proof: deb
	@$(BIN)/python -m pi.prove_deb "$$(ls -t dist/edge-classify_*_arm64.deb | head -1)"

service-proof: ARCHS = $(shell dpkg --print-architecture)
service-proof: deb
	@$(BIN)/python -m pi.prove_service "$$(ls -t dist/edge-classify_*_$(ARCHS).deb | head -1)"

# Without what an earlier build left, which setuptools would take for a part of the program.
dist: .venv/dev
	rm -rf build/lib build/bdist.*
	$(BIN)/python -c 'from setuptools import build_meta; build_meta.build_sdist("dist"); build_meta.build_wheel("dist")'
	for wheel in dist/*.whl; do $(BIN)/python -m pi.sbom "$${wheel%.whl}.cdx.json" "$$wheel" || exit; done

manual: .venv/dev
	$(BIN)/python -m pi.manual build/share
	@echo "Written: build/share"

clean:
	rm -rf .venv .rivals demo dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache
