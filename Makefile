# Every target does the set-up it needs itself. `make help` lists them.
SHELL := /bin/bash

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## Build, then watch a clip flow through a tree of 24 peers (peer-tree demo)
	@Scripts/bootstrap build
	@Scripts/run

test: ## Everything continuous integration checks
	@Scripts/test

soak: ## Repeat tests beside a load (TESTS="Tests/Interop/test_restart.py SCTPTests" RUNS=20 LOAD=2)
	@Scripts/bootstrap test
	@Scripts/soak --runs "$${RUNS:-20}" --load "$${LOAD:-2}" $${TESTS:?say which: Tests/Interop/test_restart.py SCTPTests}

cluster: ## An etcd, three servers as one, a broadcast with viewers on all; the owner is killed before your eyes
	@Scripts/bootstrap cluster
	@Scripts/cluster

chaos: ## Kill and stop viewers of a tree of 60, and restart its server: nothing may be lost
	@Scripts/bootstrap build
	@Scripts/chaos

bench: ## Benchmarks, beside what they are compared with
	@Scripts/bootstrap bench
	@Scripts/bench

bench-load: ## The signalling server under a full house: 19,000 peers
	@Scripts/bootstrap build
	@Scripts/bench load

fuzz: ## Hostile input into every parser and into live connections, liars among peers (INPUTS=10000000 FRAMES=10000000 SEED=1)
	@Scripts/bootstrap build
	@Scripts/fuzz

sanitize: ## The unit tests with the address sanitizer
	@Scripts/bootstrap build
	@Scripts/sanitize

lint: ## Check the formatting of all Swift code
	@Scripts/lint

format: ## Format all Swift code
	@Scripts/lint --fix

wasm-check: ## Compile and link the core as Embedded Swift for WebAssembly
	@Scripts/wasm-check

web: ## Build the browser client into dist
	@Scripts/bootstrap build
	@Scripts/web

docs: ## Build the documentation into .build/docs
	@Scripts/bootstrap build
	@Scripts/docs

release: ## Build the optimised peer-tree command and say where it is
	@Scripts/bootstrap build
	@Scripts/release

clean: ## Remove everything that was built
	rm -rf .build .build-* .venv Examples/.build Benchmarks/.build

export ONLY ROUNDS MEASURE_SECONDS INPUTS SEED TESTS RUNS LOAD

.PHONY: help run test soak cluster chaos bench bench-load fuzz sanitize lint format wasm-check web docs release clean
.DEFAULT_GOAL := help
