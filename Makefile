# The two commands: `make demo` shows it, `make test` proves it. `make bench` measures.
# `make fuzz` searches for inputs the codecs do not stand.
CARGO ?= cargo
export PATH := $(CURDIR)/target/tools/bin:$(PATH):/usr/sbin:/sbin

.PHONY: demo test bench fuzz mysql56 mysql9

demo:
	@scripts/install-deps --for demo
	$(CARGO) build --release --quiet -p pyxbackup-cli -p xtask
	@target/release/xtask demo

test: mysql56 mysql9
	@scripts/install-deps --for test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	cargo-deny --all-features check --hide-inclusion-graph bans licenses sources
	$(CARGO) build --workspace --all-targets --quiet
	$(CARGO) test --workspace --quiet

# Servers that the tests start, from elsewhere than the system's own packages.
mysql56:
	@scripts/install-mysql 5.6

mysql9:
	@scripts/install-mysql 9

bench:
	@scripts/install-deps --for bench
	$(CARGO) build --release --quiet -p pyxbackup-cli -p xtask
	@target/release/xtask bench

fuzz:
	@scripts/install-deps --for fuzz
	@CARGO="$(CARGO)" scripts/fuzz
