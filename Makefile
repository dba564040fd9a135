# The two commands are `make run` and `make test`; `make help` lists the rest.
#
# Works on a fresh Debian 12 with a Rust toolchain, gcc and make. What else is needed is installed
# if it is missing, and only then: see .ci/packages.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test oracle robust ci fmt clippy docs fuzz bless clients packages-run packages-test deny install

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# Debian packages, as `package` or, where another source of the same command will do, `package:command`.
RUN_PACKAGES := libpam0g-dev libclang-dev
TEST_PACKAGES := $(RUN_PACKAGES) $(shell sed 's/\#.*//' .ci/test-packages)

help: ## Lists the commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: packages-run ## Builds and starts the proxy with the embedded policy and no configuration.
	$(CARGO) run --release -- serve $(ARGS)

test: packages-test clients ## Installs what the tests need where it is missing, and runs them all.
	$(CARGO) test --workspace

oracle: ## Holds the decision tree against the naive oracle on a million random cases, or CASES=n.
	CASES=$(or $(CASES),1000000) $(CARGO) test --release -p rustsocks-compiler --test tree -- --ignored

robust: ## The robustness tests at full size: 10,000 silent clients, 100,000 connections and so on.
	ROAD_FULL=1 $(CARGO) test --test road robust

ci: ## What has to pass before a change lands: format, lints, docs, tests, a short fuzz.
	.ci/run

fmt: ## Formats the code.
	$(CARGO) fmt --all

clippy: packages-run ## Runs the lints as CI does.
	$(CARGO) clippy --workspace --all-targets -- -D warnings

docs: packages-run ## Builds the API documentation as CI does.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

fuzz: ## Fuzzes each target for MINUTES (1 if not said).
	.ci/fuzz $(MINUTES)

bless: packages-test ## Writes the golden files anew; read the diff before you commit it.
	UPDATE_EXPECT=1 $(CARGO) test --workspace --no-fail-fast

deny: ## Checks licences, bans and sources of all dependencies; installs cargo-deny if it is missing.
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: installing it with cargo"; $(CARGO) install --locked cargo-deny; }
	cargo-deny --workspace check bans licenses sources

install: packages-run ## Builds and copies the program to PREFIX (/usr/local if not said), with man pages.
	$(CARGO) build --release
	install -D $(TARGET)/release/rustsocks $(or $(PREFIX),/usr/local)/bin/rustsocks
	install -d $(or $(PREFIX),/usr/local)/share/man/man1
	$(TARGET)/release/rustsocks man --dir $(or $(PREFIX),/usr/local)/share/man/man1

clients: packages-test
	@.ci/clients "$(TARGET)/clients"

packages-run:
	@.ci/packages $(RUN_PACKAGES)

packages-test:
	@.ci/packages $(TEST_PACKAGES)
