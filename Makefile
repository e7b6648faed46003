# pgsluice - `make help` lists the targets.

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang-14
PYTHON ?= /usr/bin/python3
V ?=
Q := $(if $(V),,@)
BUILD ?= build
OPT ?= -O2 -g
SANITIZE ?=
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)

# libev has no pkg-config file in Debian
PKG := libpq openssl libconfig jansson libcurl libzstd zlib ldap lber pam libsystemd

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wswitch-enum -Werror
HARDEN := -fPIE -fstack-protector-strong -fcf-protection $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
# gcc sees overflows that are not there in code that a sanitizer has rewritten; `make lint` decides about warnings
ifneq ($(SANITIZE),)
WARN += -Wno-error
endif
ifneq ($(shell uname -m),x86_64)
HARDEN := $(filter-out -fcf-protection,$(HARDEN))
endif
CFLAGS += -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(HARDEN) $(SANITIZE) -I. $(shell pkg-config --cflags $(PKG) 2>/dev/null) -MMD -MP -pthread
LDFLAGS += -pie -Wl,-z,relro,-z,now -rdynamic $(SANITIZE) -pthread
LIBS := -lev $(shell pkg-config --libs $(PKG) 2>/dev/null) -lm

GATEWAY_SRC := $(wildcard gateway/*.c gateway/*/*.c router/*.c conf/*.c)
BACKUP_SRC := $(wildcard backup/*.c gateway/base/*.c conf/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

.PHONY: all
all: $(BUILD)/pgsluice $(BUILD)/pgsluice-backup ## build both programs into build/

# Archives, so that a program takes only what it calls: the runner has no use for most of conf/.
$(BUILD)/gateway.a: $(call object,$(filter-out gateway/main.c,$(GATEWAY_SRC)))
$(BUILD)/backup.a: $(call object,$(filter-out backup/main.c,$(BACKUP_SRC)))
$(BUILD)/%.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/pgsluice: $(BUILD)/obj/gateway/main.o $(BUILD)/gateway.a
$(BUILD)/pgsluice-backup: $(BUILD)/obj/backup/main.o $(BUILD)/backup.a
$(BUILD)/pgsluice $(BUILD)/pgsluice-backup:
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

# tests/unit/test_NAME.c may call everything in the gateway, test_backup_NAME.c everything in the runner.
$(BUILD)/unit/test_backup_%: $(BUILD)/obj/tests/unit/test_backup_%.o $(BUILD)/backup.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

$(BUILD)/unit/test_%: $(BUILD)/obj/tests/unit/test_%.o $(BUILD)/gateway.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

.PHONY: deps
deps: ## install the Debian packages needed to build, test and measure (as root or through sudo)
	@.ci/deps

# Recipes call make again because pkg-config has its answers only after the packages are there.
.PHONY: demo up down
demo: ## 500 clients, a verified backup and a dump on the wrong port, all at once, on a private PostgreSQL
	@.ci/deps demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(PYTHON) -B tests/demo/demo.py run

up: ## start the demo's PostgreSQL and pgsluice and leave them running, to look around
	@.ci/deps demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(PYTHON) -B tests/demo/demo.py up

down: ## end what `make up` started
	@$(PYTHON) -B tests/demo/demo.py down

.PHONY: check
check: ## everything: packages, build, lint, unit and integration tests, and again under sanitizers
	@.ci/deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory -j$(JOBS) unit-programs
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory asan SELECT='$(ASAN_SELECT)'

.PHONY: unit unit-programs
unit-programs: $(UNIT_BIN)
unit: $(UNIT_BIN) ## run the C unit tests
	@for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done

# SELECT is handed to pytest: make integration SELECT='-k cancel'
SELECT ?=
ASAN_SELECT ?= -m "not slow"
export UBSAN_OPTIONS ?= print_stacktrace=1
# A machine of continuous integration may stand still at any moment, and some tests wait for time to pass: there a
# test has a second and a third try, named in the summary. Not after pgsluice itself died or printed a finding, and not for the
# tests that look for mixed answers (pytest.mark.flaky(reruns=0)).
SECOND_TRY = $(if $(CI),--reruns 2 --only-rerun '^(?!AssertionError: pgsluice )' -rR)
PYTEST = $(PYTHON) -B -m pytest -q -p no:cacheprovider $(SECOND_TRY) tests/integration

# Unit programs that need a directory, services or a PostgreSQL around them, which integration tests provide.
SURROUNDED := ldap pam lookup_live lookup_live_troubles

.PHONY: integration
integration: ## run the integration tests against a PostgreSQL of their own (SELECT='-k cancel' picks some)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all $(SURROUNDED:%=$(BUILD)/unit/test_%)
	PGSLUICE=$(abspath $(BUILD))/pgsluice PGSLUICE_BACKUP=$(abspath $(BUILD))/pgsluice-backup $(PYTEST) $(SELECT)

.PHONY: soak-state
soak-state: ## random programs of session-state statements for SECONDS, from a random seed, with their throughput
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all
	PGSLUICE=$(abspath $(BUILD))/pgsluice SOAK_SECONDS=$(or $(SECONDS),600) $(PYTEST)/test_state_random.py -k long_time

.PHONY: soak-overload
soak-overload: ## CROWD=5000 clients, storms, a reader that does not read and half logins on max_connections = 50, for SECONDS
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all
	PGSLUICE=$(abspath $(BUILD))/pgsluice CROWD=$(or $(CROWD),5000) SOAK_SECONDS=$(or $(SECONDS),60) $(PYTEST)/test_overload.py -s

.PHONY: check-clients check-suites
check-clients: ## drivers and frameworks of other languages through the gateway; their packages go into build/clients
	@.ci/deps clients
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all
	@tests/clients/install
	PGSLUICE=$(abspath $(BUILD))/pgsluice $(PYTEST:integration=clients) $(SELECT)
check-suites: ## the drivers' and frameworks' own test suites, directly and pooled, compared (SELECT='pgx Django' picks some)
	@.ci/deps clients
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all
	@tests/clients/install suites
	PGSLUICE=$(abspath $(BUILD))/pgsluice $(PYTHON) -B tests/clients/suites.py $(SELECT)

.PHONY: check-failover soak-ledger
check-failover: ## a Patroni cluster with etcd on loopback: switch-over, and kill -9 of the leader, under load
	@.ci/deps failover
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all
	PGSLUICE=$(abspath $(BUILD))/pgsluice $(PYTEST:integration=failover) $(SELECT)
soak-ledger: ## PostgreSQL restarted and killed for SECONDS under 64 clients that remember what was acknowledged
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all
	PGSLUICE=$(abspath $(BUILD))/pgsluice SOAK_SECONDS=$(or $(SECONDS),600) $(PYTEST)/test_ledger.py

# SUITES is handed to tests/postgres/run.py: make check-postgres SUITES='--suite parallel --tests "temp guc" --pool 4'
SUITES ?=
.PHONY: check-postgres
check-postgres: ## PostgreSQL's own test suites, directly and through the pooled port (SUITES='--suite serial')
	@.ci/deps postgres
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD) all
	@tests/postgres/install
	@PGSLUICE=$(abspath $(BUILD))/pgsluice $(PYTHON) -B tests/postgres/run.py $(SUITES)

# A variant is the whole tree built once more, in a directory of its own.
variant = $(MAKE) --no-print-directory BUILD=build/$(1) OPT='-O1 -g -fno-omit-frame-pointer' SANITIZE='$(2)'

.PHONY: asan tsan
asan: ## all tests with AddressSanitizer and UndefinedBehaviorSanitizer
	@$(call variant,asan,-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined) -j$(JOBS) all unit-programs
	@$(call variant,asan,-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined) unit integration
tsan: ## integration tests with ThreadSanitizer
	@$(call variant,tsan,-fsanitize=thread) -j$(JOBS) all
	@$(call variant,tsan,-fsanitize=thread) integration
comma := ,

.PHONY: cover
cover: ## line coverage of the unit tests, by gcov, into build/cover
	@$(MAKE) --no-print-directory BUILD=build/cover OPT='-O0 -g' SANITIZE=--coverage -j$(JOBS) unit-programs
	@$(MAKE) --no-print-directory BUILD=build/cover OPT='-O0 -g' SANITIZE=--coverage unit
	@cd build/cover && find obj -name '*.gcda' -not -path 'obj/tests/*' -exec gcov -r -s $(CURDIR) {} + 2>/dev/null | \
	  awk -F"[':% ]+" '/^File/{f=$$2} /^Lines/{printf "%6.1f %%  %s\n", $$3, f}' | sort -k3

.PHONY: lint
lint: ## warnings as errors under gcc and clang, and the house rules of tests/lint
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/clang CC=$(CLANG) all unit-programs
	@tests/lint/run

# One program per tests/fuzz/fuzz_NAME.c; findings and the grown corpus stay in build/fuzz.
FUZZ_SECONDS ?= 30
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_variant = $(call variant,fuzz,-fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=undefined) CC=$(CLANG)

$(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/gateway.a
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

.PHONY: fuzz
fuzz: ## run every fuzzer for FUZZ_SECONDS
	@$(fuzz_variant) -j$(JOBS) $(FUZZ_NAMES:%=build/fuzz/fuzz_%)
	@for f in $(FUZZ_NAMES); do \
	  echo "== fuzz_$$f, $(FUZZ_SECONDS) s"; mkdir -p build/fuzz/corpus/$$f tests/fuzz/corpus/$$f; \
	  build/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$f- build/fuzz/corpus/$$f tests/fuzz/corpus/$$f >build/fuzz/$$f.log 2>&1 \
	    || { tail -40 build/fuzz/$$f.log; exit 1; }; \
	  sed -n 's/^stat::number_of_executed_units: */   executions: /p' build/fuzz/$$f.log; done

.PHONY: bench
bench: ## compare with PgBouncer and with no proxy (ROUNDS=, SECONDS=), table and build/bench.json
	@.ci/deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(PYTHON) -B tests/bench/bench.py $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(BENCH)

UNIT_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
.PHONY: install
install: all ## install programs, sample configurations and systemd units (PREFIX=, DESTDIR=)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pgsluice $(UNIT_DIR)
	install -m 755 $(BUILD)/pgsluice $(BUILD)/pgsluice-backup $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard conf/files/*.conf conf/files/*.md) $(DESTDIR)$(PREFIX)/share/pgsluice
	install -m 644 $(wildcard conf/files/systemd/*) $(UNIT_DIR)
	sed -i 's,/usr/local/,$(PREFIX)/,' $(addprefix $(UNIT_DIR)/,$(notdir $(wildcard conf/files/systemd/*)))

.PHONY: clean
clean: ## remove everything that was built
	rm -rf build

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' Makefile

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
