# SPDX-License-Identifier: GPL-2.0-only
# The usual targets; what they do stands in tools/. `make help` shows the lines with two and three #,
# and these, the variables on the command line or exported:
#   TARGET   test: some of cpython, unix, pico (emulated), unix-esp32, /dev/ttyACM0; demo: one
#   BOARD    whose firmware: RPI_PICO (default), ESP32_GENERIC or another folder of boards/
#   PORT     demo, pico: where the page is served, 8000
#   K        test: the tests to pick, as K=websocket
#   V=1      the output of long steps as it comes, instead of into build/*/log
#   MICROPYTHON=next   unix, firmware: what Debian's next release has, into build/mp-VERSION/
#   PYTHON   what makes .venv and runs the build scripts, /usr/bin/python3
#   WIFI_SSID, WIFI_PSK   test, demo: the Wi-Fi that a board on a serial port joins
#   ARGS, CHECK, DEVICE, ERASE, N, ONLY, PYTHONS, SUITES, TIME, VARIANT   for single targets: above
#   PYMONGOOSE_CACHE, MONGOOSE_DIR, MICROPYTHON_DIR ...   folders: CONTRIBUTING.md

override PYTHON := $(or $(PYTHON),/usr/bin/python3)
PORT ?= 8000
VENV := .venv/bin
BUILD := build
export VERBOSE := $(V)
export PYTHON
# A bare environment has none, and the cache is in it.
export HOME := $(or $(HOME),$(shell getent passwd "$$(id -u)" | cut -d: -f6),/)

# What must be built for a target; a serial port's board brings its own firmware.
builds = $(filter cpython cpython-poll unix unix-next,$(1)) $(if $(filter pico,$(1)),firmware rig) \
    $(if $(filter pico-next,$(1)),firmware-next rig)
# With MICROPYTHON=next these are meant.
nexts = $(if $(filter next,$(MICROPYTHON)),$(patsubst unix,unix-next,$(patsubst pico,pico-next,$(1))),$(1))

# What make test takes when no TARGET is named: the emulated Pico too, if its tools are there.
ifneq ($(filter test,$(MAKECMDGOALS)),)
TEST_TARGETS := $(call nexts,$(or $(TARGET),cpython unix $(shell tools/deps/apt-needs.sh --have pico rig && echo pico)))
endif

HIL_TARGETS = $(or $(TARGET),cpython unix pico)

# What the goals of this run need: groups of tools/deps/apt-packages.txt, and names of deps.py. All is
# checked, asked for and fetched at once, before the first of them begins.
emulated = $(if $(filter pico%,$(1)),pico rig)
clang = $(if $(findstring clang,$(CC)),fuzz)
a_board = $(if $(filter ESP32%,$(BOARD)),,pico)
needs_demo = $(call emulated,$(TARGET))
needs_test = test $(call emulated,$(TEST_TARGETS))
needs_test-long = test $(call emulated,$(or $(TARGET),pico))
needs_soak = $(call emulated,$(TARGET))
needs_sanitize = test $(clang)
needs_test-esp32 = test
needs_test-hil = $(call emulated,$(HIL_TARGETS))
needs_fuzz = fuzz
needs_countdown = fuzz
needs_check = check
needs_check-esp32 = esp32
needs_check-boards = pico
needs_bench = bench
needs_picture = test
needs_firmware = $(a_board)
needs_size = $(a_board)
needs_flash = $(a_board)
needs_pico = pico rig
needs_rig = pico rig
needs_release = pico
needs_apt-test = test
needs_apt-check = check
needs_apt-esp32 = esp32
needs_apt-fuzz = fuzz
needs_apt-bench = bench
needs_apt-rig = pico rig
needs_apt-pico = pico
GOALS := $(or $(MAKECMDGOALS),help)
NEEDS = $(sort build $(foreach goal,$(GOALS),$(needs_$(goal))))

sources_cpython := mongoose mbedtls
sources_unix := mongoose mbedtls micropython
sources_pico := mongoose mbedtls micropython lwip pico-sdk tinyusb
sources_page := uplot
sources_demo = $(sources_page) $(sources_$(or $(TARGET),unix))
sources_test = $(sources_page) axe cymongoose-tests $(foreach target,$(TEST_TARGETS),$(sources_$(target)))
sources_test-hil = $(foreach target,$(HIL_TARGETS),$(sources_$(target)))
sources_picture = $(sources_unix) $(sources_page)
sources_check := mongoose mbedtls lwip
sources_check-boards := $(sources_pico)
sources_fuzz := mongoose mbedtls
sources_countdown := mongoose mbedtls
sources_firmware = $(if $(a_board),$(sources_pico))
sources_release = $(sources_pico)
sources_release-ci := mongoose mbedtls
sources_wheels := mongoose mbedtls
sources_size = $(sources_firmware)
SOURCES = $(sort $(foreach goal,$(GOALS),$(sources_$(goal))))

.DEFAULT_GOAL := help
.PHONY: help demo test test-long cpython unix firmware flash size pico rig deps wheel wheels release release-ci bench figures picture docs docs-links
.PHONY: check format clean ready cpython-poll unix-next firmware-next pico-firmware
.PHONY: test-hil sanitize soak apt-build apt-test apt-check apt-bench apt-pico apt-rig apt-esp32 apt-fuzz check-esp32 check-boards test-esp32
.PHONY: fuzz countdown abuse

### Every day

demo: ## Serve a live page on 127.0.0.1:8000. TARGET=unix, cpython, pico or /dev/ttyUSB0.
demo: $(call builds,$(or $(TARGET),unix)) $(if $(filter-out unix cpython,$(TARGET)),.venv/test.stamp)
	@tools/board/demo.sh $(or $(TARGET),unix) $(PORT)

test: ## Run the tests. TARGET="cpython unix pico"; K=websocket picks some.
test: $(call builds,$(TEST_TARGETS)) .venv/test.stamp | apt-test
	@$(if $(TARGET)$(filter pico%,$(TEST_TARGETS)),,echo "test: not on the emulated Pico: make test TARGET=pico installs its tools (600 MB to fetch, 4 GB on the disk) and runs there")
	@$(VENV)/python tools/test/suite.py "$(TEST_TARGETS)" tests $(if $(K),-k "$$K")

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

unix: ## Build MicroPython's unix port with pymongoose: build/unix/micropython.
unix: | apt-build
	@tools/build/unix.sh

firmware: ## Build a board's firmware: build/firmware/BOARD/firmware.*
firmware: | $(if $(filter ESP32%,$(BOARD)),apt-build,apt-pico)
	@tools/build/firmware.sh $(or $(BOARD),RPI_PICO) $(VARIANT)

flash: ## Put it onto a board. DEVICE=port or drive; ERASE=1: an ESP32's files go, too.
flash: .venv/flash.stamp
	@case "$(BOARD)" in \
	ESP32*) tools/board/flash-esp32.sh "$(BOARD)" "$(VARIANT)" "$(DEVICE)" "$(ERASE)" ;; \
	*) $(MAKE) firmware .venv/test.stamp && tools/board/flash_rp2.py $(or $(BOARD),RPI_PICO) $(DEVICE) ;; \
	esac

pico: ## Run the RP2040 firmware in an emulated Pico: serial and HTTP addresses.
pico: rig $(if $(findstring --firmware,$(ARGS)),,pico-firmware)
	@$(PYTHON) boards/rig/rig.py --port $(PORT) $(if $(MICROPYTHON), \
	    --firmware $(shell MICROPYTHON=$(MICROPYTHON) $(PYTHON) tools/deps/deps.py --results)/firmware/RPI_PICO/firmware.uf2) $(ARGS)

# Only what is missing: a board is started often.
pico-firmware: | apt-pico
	@firmware=$$($(PYTHON) tools/deps/deps.py --results)/firmware/RPI_PICO/firmware.uf2; \
	[ -e "$$firmware" ] || tools/build/firmware.sh RPI_PICO

docs: ## Build the documentation's site: build/docs/index.html. Warnings are errors.
docs: .venv/docs.stamp
	@echo "docs: building the site (half a minute)"
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

help: ## Say what the targets do.
	@sed -n -e 's/^### \(.*\)/\n\1/p' -e 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@printf '\nVariables:\n'; sed -n 's/^#   \([A-Z]\)/  \1/p' Makefile

### Now and then

test-long: ## Run those too that a slow target leaves out. TARGET=pico.
test-long: $(call builds,$(call nexts,$(or $(TARGET),pico))) .venv/test.stamp | apt-test
	@$(VENV)/python tools/test/suite.py "$(call nexts,$(or $(TARGET),pico))" tests --long $(if $(K),-k "$$K")

sanitize: ## Run the tests on builds with ASan, UBSan and TSan. CC=clang, else gcc.
sanitize: .venv/build.stamp .venv/test.stamp | apt-test $(clang:%=apt-%)
	@tools/test/sanitize.sh $(if $(K),"$$K")

fuzz: ## Fuzz the core in memory. ONLY=http_server,dns; TIME= seconds of all, 60.
fuzz: | apt-fuzz
	@tools/test/fuzz.sh fuzz "$(ONLY)" $(or $(TIME),60)

countdown: ## Have everything fail once that can fail in the core: memory, system.
countdown: | apt-fuzz
	@tools/test/fuzz.sh countdown

abuse: ## Hostile clients beside a healthy one, a minute each. TIME= seconds; ALONE=1.
abuse: $(call builds,$(or $(TARGET),cpython unix)) .venv/test.stamp
	@$(VENV)/python tests/abuse.py $(addprefix --target ,$(or $(TARGET),cpython unix)) $(if $(TIME),-t $(TIME)) $(if $(ALONE),--alone)

soak: ## 200,000 connections (N=); MQTT with 300 restarts. TARGET=pico: MQTT alone.
soak: $(call builds,$(or $(TARGET),cpython unix)) .venv/test.stamp
	@$(if $(filter pico%,$(TARGET)),,$(VENV)/python tests/soak.py $(addprefix --target ,$(TARGET)) $(if $(N),-n $(N)))
	@$(VENV)/python tests/soak_mqtt.py $(addprefix --target ,$(TARGET))
	@$(VENV)/python -m pytest -q --long $(addprefix --target ,$(TARGET)) tests/mqtt/test_mqtt_cuts.py

rig: | apt-rig
	@tools/build/rig.sh

size: ## What takes how much flash and RAM. ARGS=--switches, per feature; --update.
size: firmware
	@tools/board/size.py $(or $(BOARD),RPI_PICO) $(ARGS)

check-esp32: ## Compile for ESP32 without ESP-IDF. ARGS=--stack, --size or --update.
check-esp32: | apt-esp32
	@$(PYTHON) tools/check/esp32.py $(ARGS)

check-boards: ## Compile for boards with Wi-Fi or Ethernet without their drivers.
check-boards: | apt-pico
	@$(PYTHON) tools/check/boards.py $(ARGS)

test-esp32: ## Run the suite on a unix build with an ESP32's socket layer.
test-esp32: .venv/test.stamp | apt-test
	@tools/test/esp32.sh $(if $(K),"$$K")

test-hil: ## Run the HIL kit as a user has it. TARGET="cpython unix pico".
test-hil: cpython $(call builds,$(HIL_TARGETS)) | $(if $(call emulated,$(HIL_TARGETS)),apt-rig)
	@tools/test/hil.sh "$(HIL_TARGETS)"

docs-links: ## Ask for each address that the documentation links to: needs the network.
docs-links: .venv/docs.stamp
	@$(VENV)/python -m sphinx -E -q -b linkcheck docs $(BUILD)/docs-links

deps: ## Bring the third-party sources into the cache; say what is where.
deps: | apt-build
	@$(PYTHON) tools/deps/deps.py --anew

wheel: ## Build the source distribution and the wheel: build/dist/.
wheel: .venv/build.stamp
	@$(VENV)/python -m build --no-isolation --outdir $(BUILD)/dist

release: ## Gather a release: build/release/. CHECK=1: twice, and compare.
release: .venv/build.stamp .venv/docs.stamp .venv/release.stamp | apt-build apt-pico
	@$(VENV)/python tools/release/release.py $(if $(CHECK),--check) $(addprefix --python ,$(PYTHONS)) $(ARGS)

wheels: ## As root: wheels in chroots of SUITES="bookworm trixie sid", for a release.
wheels: .venv/build.stamp .venv/release.stamp
	@$(VENV)/python tools/release/release.py --only sdist --out $(BUILD)/wheels
	@tools/release/chroots.sh $(BUILD)/wheels $(SUITES)

# The source distribution and one wheel, built from it without a network, and tried.
release-ci: .venv/build.stamp .venv/release.stamp
	@tools/release/try.sh

bench: ## Measure beside the peers: a table and build/bench.json. ONLY=instructions,cpu.
bench: cpython unix | apt-bench
	@$(PYTHON) benchmarks/bench.py $(if $(ONLY),--only "$(ONLY)") $(ARGS)

figures: ## Put the last make bench into docs/figures/ and benchmarks/README.md.
figures: | apt-build
	@$(PYTHON) benchmarks/report.py
	@$(BUILD)/bench-venv/bin/python benchmarks/plot.py

picture: ## Put a picture of the demo page into docs/figures/.
picture: unix .venv/test.stamp | apt-test
	@$(VENV)/python tests/picture.py

# Folders, which make would call made. The likely meaning is said.
.PHONY: tests benchmarks boards examples shared tools typings
tests benchmarks boards examples shared tools typings:
	@echo "make: $@ is a folder; make test runs the tests, make help says what else there is" >&2; exit 2

# Each is a place in the order; what it stands for is asked for with all the rest.
apt-build apt-test apt-check apt-esp32 apt-bench apt-rig apt-pico apt-fuzz: | ready
	@:

ready:
	@PORT=$(PORT) tools/deps/ready.sh "$(GOALS)" "$(NEEDS)" "$(SOURCES)"

.venv/%.stamp: | apt-build
	@tools/deps/venv.sh $*
.venv/build.stamp: tools/deps/requirements-build.txt
.venv/check.stamp: tools/deps/requirements-check.txt
.venv/flash.stamp: tools/deps/requirements-flash.txt
.venv/release.stamp: tools/deps/requirements-release.txt
.venv/test.stamp: tests/requirements.txt
.venv/docs.stamp: docs/requirements.txt
