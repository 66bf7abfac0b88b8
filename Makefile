# The front door. `make help` lists what there is.
#
# The build itself is Meson's; these targets install what is missing, configure, and call it.

SHELL := /bin/sh
DEPENDENCIES := tools/install-dependencies
# Where `make install` puts things; read when a build folder is first configured.
PREFIX ?= /usr/local
# How long each part of `make fuzz` goes on; how far `make soak` does, in seeds or in seconds.
SECONDS_EACH ?= 60
SOAK_SEEDS ?= 10000
SOAK_SECONDS ?=
TOPOLOGY ?= fig3

.PHONY: all dependencies build demo demo-drtm check lab bench lint format fuzz soak install clean help

all: build

dependencies:
	@$(DEPENDENCIES) build

build: dependencies build/build.ninja
	@ninja -C build

# --wipe mends a folder that was left half configured.
build/build.ninja:
	@meson setup --prefix $(PREFIX) build || meson setup --wipe --prefix $(PREFIX) build

SANITIZERS := -Db_sanitize=address,undefined -Db_lundef=false
build-clang/build.ninja:
	@CC=clang meson setup $(SANITIZERS) build-clang || \
		CC=clang meson setup --wipe $(SANITIZERS) build-clang

demo:
	@$(DEPENDENCIES) build lab
	@$(MAKE) --no-print-directory build
	@lab/demo $(DEMO_OPTIONS)

demo-drtm:
	@$(DEPENDENCIES) build lab
	@$(MAKE) --no-print-directory build
	@lab/demo drtm $(DEMO_OPTIONS)

lab:
	@$(DEPENDENCIES) build lab
	@$(MAKE) --no-print-directory build
	@lab/ivip-lab up $(TOPOLOGY)
	@lab/ivip-lab show $(TOPOLOGY)

check:
	@$(DEPENDENCIES) build test lab lint
	@tools/check

lint:
	@$(DEPENDENCIES) build test lint
	@$(MAKE) --no-print-directory build-clang/build.ninja
	@ninja --quiet -C build-clang
	@tools/lint build-clang

format:
	@$(DEPENDENCIES) lint
	@git ls-files '*.c' '*.h' | xargs clang-format -i

bench:
	@$(DEPENDENCIES) build bench
	@for program in bench/run*; do $$program || exit 1; done

fuzz:
	@$(DEPENDENCIES) build test
	@tools/fuzz --seconds $(SECONDS_EACH) $(FUZZ_OPTIONS)

soak:
	@$(DEPENDENCIES) build
	@$(MAKE) --no-print-directory build
	@tools/soak $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS),--seeds $(SOAK_SEEDS))

install: build
	@meson install -C build

clean:
	@rm -rf build build-clang build-fuzz build-bench

help:
	@echo 'make            build build/ivip (installs missing Debian packages when run as root)'
	@echo 'sudo make demo  bring up a mini-Internet, move real packets through it, measure'
	@echo 'sudo make demo-drtm   the same for query servers found through DNS, and their faults'
	@echo 'sudo make lab   bring it up and keep it up (TOPOLOGY=fig3); take it down with'
	@echo '                sudo build/ivip lab down'
	@echo 'sudo make check build with gcc, clang and the sanitizers, run every test'
	@echo 'make lint       clang-format, clang-tidy, cppcheck, direction of imports, file lengths'
	@echo 'make bench      measure; the mapping engine beside DPDK'
	@echo 'make fuzz       each fuzzer for SECONDS_EACH=60 of processor time; FUZZ_OPTIONS=--keep'
	@echo 'make soak       the simulator with SOAK_SEEDS=10000 new seeds, or for SOAK_SECONDS=N'
	@echo 'make format     apply the style'
	@echo 'make install    under PREFIX=/usr/local'
	@echo 'make clean      remove the build folders'
