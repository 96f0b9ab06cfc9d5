# Two commands matter: `make demo` shows a cluster at work, `make test` proves the code.
# Both install what is missing (Debian or Ubuntu, as root) and may run again and again.

PYTHON := .venv/bin/python
SHELL := bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo test check unit integration e2e soak wire bench bench-api bench-scheduler bench-controllers bench-node bench-failover bench-network bench-authz install format lock down

demo: install
	deploy/demo.sh

test: install check unit integration e2e

# A daemon whose bytecode is there starts half a second earlier, whatever its user may write.
install: .venv/installed
	deploy/packages.sh
	$(PYTHON) -m compileall -q apiserver cli controller_manager deploy kubelet nameserver proxy scheduler wherry

.venv/installed: requirements.lock pyproject.toml
	deploy/packages.sh python
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch .venv/installed

check: .venv/installed
	ruff format --check .
	ruff check .
	mypy
	lint-imports

unit: .venv/installed
	pytest -n auto tests/unit

integration: install
	pytest tests/integration

e2e: install
	pytest tests/e2e

# Random requests for SECONDS (ten minutes), half of them grown from the OpenAPI document by
# schemathesis, and random roles against a plain model; WHERRY_FUZZ_SEED=N repeats a run. Beside it,
# up to 100 random pods on a real node while everything is killed, then as long all controllers'
# workloads while their leaders are; WHERRY_SOAK_SEED=N repeats those.
soak: install
	WHERRY_FUZZ_SECONDS=$(or $(SECONDS),600) pytest -s tests/integration/apiserver/test_fuzz.py \
		tests/unit/apiserver/authz/test_rbac_fuzz.py & fuzz=$$!; \
	WHERRY_SOAK_SECONDS=$(or $(SECONDS),600) pytest -s tests/e2e/test_node_soak.py \
		tests/integration/controller_manager/test_soak.py; pods=$$?; \
	wait $$fuzz && exit $$pods
	WHERRY_FAILOVER_SOAK_SECONDS=$(or $(SECONDS),600) pytest -s tests/e2e/test_failover_soak.py

# The recorded requests beside the project asked of ours: the score, and what misses it.
wire: install
	$(PYTHON) -m tests.integration.apiserver.wire

bench: bench-api bench-scheduler bench-controllers bench-node bench-failover bench-network

bench-api: install
	$(PYTHON) tests/bench/bench_api.py

bench-scheduler: install
	$(PYTHON) tests/bench/bench_scheduler.py

bench-controllers: install
	$(PYTHON) -m tests.bench.bench_controllers

bench-failover: install
	$(PYTHON) -m tests.bench.bench_failover

bench-node: install
	$(PYTHON) tests/bench/bench_node.py

# Services, pods' traffic, changes' way to the rules on three machines, DNS against dnsmasq.
bench-network: install
	$(PYTHON) -m tests.bench.bench_network

bench-authz: .venv/installed
	$(PYTHON) -m tests.bench.bench_authz

format: .venv/installed
	ruff format .
	ruff check --fix .

lock:
	pip-compile --quiet --generate-hashes --allow-unsafe --extra dev --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file requirements.lock pyproject.toml

# `make down PURGE=1` removes every trace of the cluster.
down:
	wherry down $(if $(PURGE),--purge)
