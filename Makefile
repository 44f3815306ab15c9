# SPDX-License-Identifier: Apache-2.0
# cleanroom: `make help` lists the targets. V=1 shows commands, VARIANT=asan|release, CC=clang.

VERSION := 0.1.0
PREFIX  ?= /usr/local
VARIANT ?= release
CC      ?= gcc
BUILD   ?= build/$(VARIANT)
Q       := $(if $(V),,@)

PKGS     := libcurl jansson yaml-0.1 libxml-2.0 libarchive
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes \
            -Wmissing-prototypes -Wwrite-strings -Wvla -Wformat=2 -Wundef
STD      := -std=gnu17 -D_GNU_SOURCE -Iinclude -Irunner -include cleanroom/banned.h
VARIANT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
VARIANT_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
                   -fno-sanitize-recover=all
LDVARIANT_release := -pie -Wl,-z,relro,-z,now
LDVARIANT_asan    := -fsanitize=address,undefined
# Only by ci/fuzz, with clang.
VARIANT_fuzz   := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
LDVARIANT_fuzz := -fsanitize=fuzzer,address,undefined

# Not evaluated until something is compiled, so that `make demo` works before the packages are there.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
# libcurl is loaded when it is needed: runner/loop/libcurl.c.
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(filter-out libcurl,$(PKGS))))$(PKG_LIBS)
ALL_CFLAGS = $(STD) $(WARNINGS) $(VARIANT_$(VARIANT)) $(PKG_CFLAGS) -DVERSION='"$(VERSION)"' $(CFLAGS)

HEADERS   := $(sort $(wildcard include/cleanroom/*.h runner/*/*.h runner/*/*/*.h providers/*.h tests/unit/*.h))
SOURCES   := $(sort $(wildcard runner/*/*.c runner/*/*/*.c providers/*.c))
SATELLITE_SOURCES := $(filter runner/satellite/%,$(filter-out %/blob.c,$(SOURCES))) \
                     $(wildcard providers/*.c) runner/base/mem.c runner/base/error.c \
                     runner/base/strbuf.c runner/base/vec.c runner/base/clock.c
MAIN      := runner/cli/main.c
LIB       := $(filter-out $(MAIN) runner/satellite/%,$(SOURCES)) runner/satellite/blob.c
UNIT      := $(sort $(wildcard tests/unit/test_*.c))
TESTLIB   := $(filter-out $(UNIT),$(sort $(wildcard tests/unit/*.c)))

LIB_OBJS  := $(LIB:%.c=$(BUILD)/%.o)
MAIN_OBJ  := $(MAIN:%.c=$(BUILD)/%.o)
TESTLIB_OBJS := $(TESTLIB:%.c=$(BUILD)/%.o)
UNIT_BINS := $(UNIT:tests/unit/%.c=$(BUILD)/tests/%)
CLEANROOM := $(BUILD)/cleanroom
SATELLITE := $(BUILD)/satellite

.PHONY: all
all: $(CLEANROOM) ## build build/release/cleanroom

$(CLEANROOM): $(MAIN_OBJ) $(LIB_OBJS)
	@echo "  LD    $@"
	$(Q)$(CC) $(LDVARIANT_$(VARIANT)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/%.o: %.c Makefile
	@echo "  CC    $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Static and without sanitizers in every variant: it runs alone in an image of its own.
$(SATELLITE): $(SATELLITE_SOURCES) $(HEADERS) Makefile
	@echo "  LD    $@ (static)"
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARNINGS) -Os -ffunction-sections -fdata-sections -static -s \
	    -Wl,--gc-sections -o $@ $(SATELLITE_SOURCES)

$(BUILD)/runner/satellite/blob.o: $(SATELLITE)
$(BUILD)/runner/satellite/blob.o: CFLAGS += -DSATELLITE_BIN='"$(SATELLITE)"'

$(BUILD)/tests/test_torture: LDFLAGS += -Wl,--wrap=engine_open,--wrap=janitor_start,--wrap=janitor_leave
$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(TESTLIB_OBJS) $(LIB_OBJS)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDVARIANT_$(VARIANT)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# What the satellite's sinks understand is tested without it, too.
SINK_OBJS := $(addprefix $(BUILD)/runner/satellite/,smtp.o syslog.o proxy.o)
PROBER_OBJS := $(addprefix $(BUILD)/runner/satellite/,prober.o word.o)
$(BUILD)/tests/test_sinks $(BUILD)/fuzz/fuzz_sinks: $(SINK_OBJS)
$(BUILD)/fuzz/fuzz_yaml: $(PROBER_OBJS)
$(BUILD)/fuzz/fuzz_words: $(SINK_OBJS) $(PROBER_OBJS) $(addprefix $(BUILD)/runner/satellite/,sink.o relay.o)

$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(LIB_OBJS)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDVARIANT_$(VARIANT)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# runner/split/ as a program: tests/presets/run asks it and the real test runners.
$(BUILD)/presets/split: $(BUILD)/tests/presets/split.o $(LIB_OBJS)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDVARIANT_$(VARIANT)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# TAP programs like the unit tests, but against the engine that is there.
LIVE_OBJS := $(BUILD)/tests/live/live.o $(TESTLIB_OBJS) \
             $(filter $(addprefix $(BUILD)/runner/,base/% loop/% engine/%),$(LIB_OBJS))
$(BUILD)/tests/live_%: $(BUILD)/tests/live/%.o $(LIVE_OBJS)
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDVARIANT_$(VARIANT)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The floor that `make bench` measures against. Static: it forks, and its libraries would be copied.
$(BUILD)/bench/bare: $(BUILD)/tests/bench/bare.o $(BUILD)/tests/bench/bare_container.o \
        $(filter $(addprefix $(BUILD)/runner/,base/% engine/embedded/seccomp%),$(LIB_OBJS))
	@echo "  LD    $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^

.SECONDARY:

.PHONY: unit
unit: ## unit tests alone, with sanitizers
	$(Q)$(MAKE) --no-print-directory VARIANT=asan unit-run

.PHONY: unit-run
unit-run: $(UNIT_BINS)
	$(Q)tests/unit/run $(UNIT_BINS)

.PHONY: hdr-check
hdr-check: $(HEADERS:%.h=$(BUILD)/hdr/%.ok) ## each header compiles alone

$(BUILD)/hdr/%.ok: %.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-unused-function -fsyntax-only -x c $< && touch $@

.PHONY: check live layers lint fuzz
check: ## everything that must hold: first without any daemon, then on Docker and Podman
	$(Q)ci/setup build embedded rootless images test lint
	$(Q)ci/check

live: ## the live tests alone, on the embedded engine (ci/live rootless|docker|podman)
	$(Q)ci/setup build embedded images test
	$(Q)ci/live

layers: ## each file includes only what stands above it in ci/layers.txt
	$(Q)ci/check-layers

lint: ## clang-tidy, cppcheck, shellcheck
	$(Q)ci/setup build lint
	$(Q)ci/lint

fuzz: ## a minute of fuzzing for every parser (FUZZ_SECONDS=60)
	$(Q)ci/setup build lint
	$(Q)ci/fuzz

.PHONY: demo bench
demo: ## the example app in four shards; needs no daemon (ci/demo rootless|docker|podman)
	$(Q)ci/setup build embedded images
	$(Q)ci/demo

bench: ## measure: bare kernel, both engines, docker-compose; QUICK=1 takes a few minutes
	$(Q)ci/setup build embedded engine images bench
	$(Q)$(MAKE) --no-print-directory VARIANT=release all build/release/bench/bare
	$(Q)ci/engine docker >/dev/null
	$(Q)ci/images --for docker cleanroom-test cleanroom-example/django
	$(Q)tests/bench/run $(if $(QUICK),--quick) $(BENCH)

.PHONY: install uninstall
install: all ## into $(PREFIX) (DESTDIR is honoured)
	install -D -m 755 $(CLEANROOM) $(DESTDIR)$(PREFIX)/bin/cleanroom

uninstall: ## removes what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/cleanroom

.PHONY: print-cflags
print-cflags:
	$(info $(ALL_CFLAGS))@:

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: clean
clean: ## remove build/
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
