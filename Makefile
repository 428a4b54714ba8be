# Every command of the project. Nothing needs Docker, a GPU, an installed Redis or a compiler.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin

.PHONY: help demo test serve lint format bench bench-conv bench-regret bench-train bench-edge bench-gpu bench-mnist bench-queue bench-article bench-page gallery screenshots fuzz chaos audit test-edge-arm test-compose lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

# The stamps are files so that a second call costs nothing.
.venv/base.stamp: pyproject.toml
	@test -n "$(PYTHON)" || { echo "convq needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing convq into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

.venv/dev.stamp: .venv/base.stamp
	@echo "installing the development tools into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/base.stamp ## start the local stack, run real jobs through HTTP, write demo-out/index.html
	@$(BIN)/convq demo --out demo-out

test: .venv/dev.stamp ## lint, type-check and run every test
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -m "not stack" -n auto --maxprocesses 4 --dist loadfile
	@$(BIN)/python -m pytest -m stack $$(grep -rl mark.stack tests)

serve: .venv/base.stamp ## the local stack, kept running, data kept in convq-data/
	@$(BIN)/convq serve --data convq-data

lint: .venv/dev.stamp ## ruff, mypy and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: .venv/dev.stamp ## apply the formatter
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.venv/bench.stamp: .venv/dev.stamp
	@echo "installing the tools to compare with into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

bench: bench-conv bench-regret bench-train ## measure everything, write bench/results/

bench-conv: .venv/bench.stamp ## convolutions against SciPy, OpenCV, NumPy and PyTorch
	@$(BIN)/python -m bench.conv_cpu

bench-regret: .venv/dev.stamp ## how often the planner chooses the fastest
	@$(BIN)/python -m bench.regret

bench-train: .venv/bench.stamp ## training and predicting against PyTorch
	@$(BIN)/python -m bench.train

bench-queue: .venv/bench.stamp ## the queue beside Celery, RQ and Dramatiq
	@$(BIN)/python -m bench.queue

bench-edge: .venv/bench.stamp ## bundles against other runtimes; with DATA, what int8 costs
	@$(BIN)/python -m bench.edge.compare
	@test -z "$(DATA)" || $(BIN)/python -m bench.edge.compare --data "$(DATA)"

bench-mnist: .venv/dev.stamp ## handwritten digits; DATA is the .npz with x and y
	@test -n "$(DATA)" || { echo "say where the digits are: make bench-mnist DATA=mnist-train.npz"; exit 1; }
	@$(BIN)/python -m bench.mnist --data "$(DATA)"

bench-article: .venv/bench.stamp ## the other kinds of jobs against the usual tools
	@$(BIN)/python -m bench.article

bench-page: .venv/dev.stamp ## the dashboard with very many jobs, and in a browser that stays open; needs chromium
	@$(BIN)/python -m bench.page
	@$(BIN)/python -m bench.page.day

bench-gpu: .venv/bench.stamp ## the CUDA device against CuPy and PyTorch; needs one, and the extra gpu-cuda12 or -cuda13
	@$(BIN)/python -m bench.gpu
	@$(BIN)/python -m bench.gpu.training

gallery: .venv/base.stamp ## draw the pictures of the documentation and the dashboard's gallery again
	@$(BIN)/python -m convq.gallery docs/images api/dashboard/static/gallery

screenshots: .venv/dev.stamp ## draw the pictures of the dashboard again; needs chromium
	@$(BIN)/python docs/screenshots.py docs/images

fuzz: .venv/dev.stamp ## break files, requests and jobs on purpose: 15 minutes, SEED=1
	@$(BIN)/python -m fuzz --seed $(or $(SEED),1)

chaos: .venv/dev.stamp ## work under fire: kills, freezes, cuts, full disks; about 20 minutes
	@$(BIN)/python -m bench.chaos

audit: .venv/dev.stamp ## look for known vulnerabilities among the installed packages
	@$(BIN)/pip-audit --strict --skip-editable

test-edge-arm: .venv/dev.stamp ## standalone bundles under emulated ARM (QEMU, Debian)
	@$(BIN)/python -m bench.edge.arm

test-compose: .venv/dev.stamp ## the service in containers: upgrade, kills, restarts, S3, TLS; needs Docker
	@CONVQ_TEST_COMPOSE=1 $(BIN)/python -m pytest -v tests/compose

LOCK := uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --override deploy/docker/overrides.in
IN_IMAGE := --extra edge --extra nonuniform --extra onnx --extra otel --extra zarr
lock: ## pin what the images hold to today's versions; needs uv
	@$(LOCK) pyproject.toml $(IN_IMAGE) -o deploy/docker/requirements.txt
	@$(LOCK) pyproject.toml $(IN_IMAGE) --extra gpu-cuda12 deploy/docker/gpu.in -o deploy/docker/requirements-gpu.txt
	@$(LOCK) deploy/docker/build.in -o deploy/docker/requirements-build.txt

clean: ## remove what the commands made
	rm -rf .venv demo-out convq-data
