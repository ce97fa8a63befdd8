# SPDX-License-Identifier: GPL-2.0-only
# The usual targets; what they do stands in tools/. Variables, on the command line or exported:
#   TARGET  which Python: unix (MicroPython on this machine) or cpython; test takes several
#   PYTHON  the Python that makes .venv and runs the build scripts
#   ONLY, ARGS  bench: which kinds of figures, and more options (ARGS=--help)
#   BOARD   which board's firmware: a folder of boards/
#   WIFI_SSID, WIFI_PSK  test, demo: the Wi-Fi that a board on a serial port joins
#   MICROPYTHON  next: what Debian's next release has; its results lie in build/mp-VERSION/
#   PYMONGOOSE_CACHE, MONGOOSE_DIR, MICROPYTHON_DIR, MBEDTLS_DIR, LWIP_DIR, PICO_SDK_PATH,
#   TINYUSB_DIR, UPLOT_DIR, AXE_DIR  see tools/deps/deps.py

PYTHON ?= /usr/bin/python3
PORT ?= 8000
VENV := .venv/bin
BUILD := build
export PYTHON

# What must be built for a target; a serial port's board brings its own firmware.
builds = $(filter cpython cpython-poll unix unix-next,$(1)) $(if $(filter pico,$(1)),firmware rig) \
    $(if $(filter pico-next,$(1)),firmware-next rig)
# With MICROPYTHON=next these are meant.
nexts = $(if $(filter next,$(MICROPYTHON)),$(patsubst unix,unix-next,$(patsubst pico,pico-next,$(1))),$(1))

# What make test takes when no TARGET is named: the emulated Pico too, if its tools are there.
ifneq ($(filter test,$(MAKECMDGOALS)),)
TEST_TARGETS := $(call nexts,$(or $(TARGET),cpython unix $(shell tools/deps/apt-needs.sh --have pico rig && echo pico)))
endif

.DEFAULT_GOAL := help
.PHONY: help demo test test-long cpython unix firmware flash size pico rig deps wheel bench figures picture docs
.PHONY: check format clean cpython-poll unix-next firmware-next
.PHONY: sanitize soak apt-build apt-test apt-check apt-bench apt-pico apt-rig apt-esp32 check-esp32 test-esp32

help: ## Say what the targets do.
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

demo: ## Serve examples/dashboard.py. TARGET=unix (default), cpython, pico (emulated), a board's serial port (WIFI_SSID= WIFI_PSK=). PORT=8000.
demo: $(call builds,$(or $(TARGET),unix)) $(if $(filter-out unix cpython,$(TARGET)),.venv/test.stamp)
	@tools/board/demo.sh $(or $(TARGET),unix) $(PORT)

test: ## Run the tests. TARGET="cpython unix" (and pico, if its tools are there), cpython-poll, unix-next, pico-next, /dev/ttyACM0, /dev/ttyUSB0 WIFI_SSID= WIFI_PSK=; K=expression picks.
test: $(call builds,$(TEST_TARGETS)) .venv/test.stamp | apt-test
	@$(if $(TARGET)$(filter pico%,$(TEST_TARGETS)),,echo "test: not on the emulated Pico: make test TARGET=pico installs its tools (about 450 MB) and runs there")
	@$(VENV)/python tools/test/suite.py "$(TEST_TARGETS)" tests $(if $(K),-k "$(K)")

test-long: ## Run all tests of a slow target, those too that make test leaves out. TARGET=pico.
test-long: $(call builds,$(call nexts,$(or $(TARGET),pico))) .venv/test.stamp | apt-test
	@$(VENV)/python tools/test/suite.py "$(call nexts,$(or $(TARGET),pico))" tests --long $(if $(K),-k "$(K)")

sanitize: ## Run the tests on builds with ASan and UBSan, over epoll and over poll(), and with TSan. K= as above.
sanitize: .venv/build.stamp .venv/test.stamp | apt-test
	@tools/test/sanitize.sh $(if $(K),"$(K)")

soak: ## Open and close 200,000 connections on each target. TARGET= as above, N=connections.
soak: $(call builds,$(or $(TARGET),cpython unix)) .venv/test.stamp
	@$(VENV)/python tests/soak.py $(addprefix --target ,$(TARGET)) $(if $(N),-n $(N))

cpython: ## Build the CPython package and install it into .venv.
cpython: .venv/build.stamp
	@tools/build/cpython.sh

# With the backend that waits by poll(), as where there is no epoll.
cpython-poll: .venv/build.stamp
	@tools/build/cpython.sh $(BUILD)/cpython-poll "-O2 -DNDEBUG -DPMG_IO_POLL=1"
unix-next: | apt-build
	@MICROPYTHON=next tools/build/unix.sh
firmware-next: | apt-pico
	@MICROPYTHON=next tools/build/firmware.sh $(or $(BOARD),RPI_PICO)

unix: ## Build MicroPython's unix port with pymongoose: build/unix/micropython. MICROPYTHON=next: Debian's next, in build/mp-VERSION/.
unix: | apt-build
	@tools/build/unix.sh

pico: ## Run the RP2040 firmware in an emulated Pico: serial and HTTP addresses. PORT=8000.
pico: rig
	@$(PYTHON) boards/rig/rig.py --port $(PORT) $(if $(MICROPYTHON), \
	    --firmware $(shell MICROPYTHON=$(MICROPYTHON) $(PYTHON) tools/deps/deps.py --results)/firmware/RPI_PICO/firmware.uf2) $(ARGS)

rig: | apt-rig
	@tools/build/rig.sh

firmware: ## Build a board's firmware: build/firmware/BOARD/firmware.*. BOARD=RPI_PICO (default), ESP32_GENERIC ...
firmware: | $(if $(filter ESP32%,$(BOARD)),apt-build,apt-pico)
	@tools/build/firmware.sh $(or $(BOARD),RPI_PICO) $(VARIANT)

flash: ## Put the firmware onto a board, and verify it. BOARD= as above, DEVICE=serial port, or an RP2's drive. ERASE=1: of an ESP32, its files too.
flash: .venv/flash.stamp
	@case "$(BOARD)" in \
	ESP32*) tools/board/flash-esp32.sh "$(BOARD)" "$(VARIANT)" "$(DEVICE)" "$(ERASE)" ;; \
	*) $(MAKE) firmware .venv/test.stamp && tools/board/flash.py $(or $(BOARD),RPI_PICO) $(DEVICE) ;; \
	esac

size: ## Say what of the firmware takes how much flash and RAM. BOARD=; ARGS=--switches, per feature; --update, into docs/size.md.
size: firmware
	@tools/board/size.py $(or $(BOARD),RPI_PICO) $(ARGS)

check-esp32: ## Compile for ESP32 without ESP-IDF. ARGS=--stack, --size or --update.
check-esp32: | apt-esp32
	@$(PYTHON) tools/check/esp32.py $(ARGS)

test-esp32: ## Run the suite on a unix build with an ESP32's socket layer. K= as above.
test-esp32: .venv/test.stamp | apt-test
	@tools/test/esp32.sh $(if $(K),"$(K)")

deps: ## Bring the third-party sources into the cache; say what is where.
deps: | apt-build
	@$(PYTHON) tools/deps/deps.py

wheel: ## Build the source distribution and the wheel: build/dist/.
wheel: .venv/build.stamp
	@$(VENV)/python -m build --no-isolation --outdir $(BUILD)/dist

bench: ## Measure beside the peers: a table and build/bench.json. ONLY=instructions,cpu picks kinds.
bench: cpython unix | apt-bench
	@$(PYTHON) benchmarks/bench.py $(if $(ONLY),--only "$(ONLY)") $(ARGS)

figures: ## Put the last make bench into docs/figures/ and benchmarks/README.md.
	@$(PYTHON) benchmarks/report.py
	@$(BUILD)/bench-venv/bin/python benchmarks/plot.py

picture: ## Put a picture of the demo page into docs/figures/.
picture: unix .venv/test.stamp | apt-test
	@$(VENV)/python tests/picture.py

docs: ## Build the documentation's site: build/docs/index.html. Warnings are errors.
docs: .venv/docs.stamp
	@$(VENV)/python -m sphinx -W --keep-going -E -q -b html docs $(BUILD)/docs
	@echo "docs: $(BUILD)/docs/index.html"

check: ## Check format, style, spelling and types; lint the C.
check: .venv/check.stamp | apt-check
	@tools/check/check.sh

format: ## Format the C and Python sources in place.
format: .venv/check.stamp
	@tools/check/check.sh --format

clean: ## Remove what was built; the cache of sources stays.
	rm -rf $(BUILD) .venv

apt-build:
	@tools/deps/apt-needs.sh build
apt-test:
	@tools/deps/apt-needs.sh build test
apt-check:
	@tools/deps/apt-needs.sh build check
apt-esp32:
	@tools/deps/apt-needs.sh build esp32
apt-bench:
	@tools/deps/apt-needs.sh build bench
apt-rig:
	@tools/deps/apt-needs.sh build pico rig
apt-pico:
	@tools/deps/apt-needs.sh build pico

.venv/%.stamp: | apt-build
	@tools/deps/venv.sh $*
.venv/build.stamp: tools/deps/requirements-build.txt
.venv/check.stamp: tools/deps/requirements-check.txt
.venv/flash.stamp: tools/deps/requirements-flash.txt
.venv/test.stamp: tests/requirements.txt
.venv/docs.stamp: docs/requirements.txt
