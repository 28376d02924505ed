# The front door. `make run` and `make test` do everything on a fresh Debian or Ubuntu with Rust.
# What they do is in `xtask/` and `tools/install.sh`; `cargo xtask help` lists the rest.

CARGO ?= cargo

.PHONY: help run demo test bench check images deb install install-test clean

help: ## Show this list.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: install ## Build and start agent and router on embedded defaults.
	@$(CARGO) build --release --locked --package cli
	@exec ./target/release/saker run $(ARGS)

demo: install ## Replay recorded events through the whole path; needs no root.
	@$(CARGO) build --release --locked --package cli
	@exec ./target/release/saker demo $(ARGS)

test: install install-test ## Run every test.
	@$(CARGO) xtask test

bench: install ## Measure; prints the figures of docs/benchmarks.md.
	@$(CARGO) xtask bench

check: install ## Format, lints, crate directions, docs: what CI checks beside the tests.
	@$(CARGO) xtask check

images: install ## Make the container images, without a container engine.
	@$(CARGO) xtask images

deb: install ## Make the Debian package.
	@$(CARGO) xtask deb

install: ## Install what the build needs (Debian packages).
	@./tools/install.sh build

install-test: ## Install what the tests need (servers, drivers).
	@./tools/install.sh test

clean: ## Remove what was built.
	@$(CARGO) clean
