# Every task of this repository. Nothing here asks a question or holds an index address:
# pip and uv are told where packages are by their own configuration.

PYTHON ?= python3
CONDA_ENV := workflows-env
ARGS ?=

# The tools come from .venv, or from the conda environment while that is the active one.
BIN := .venv/bin
READY := .venv/.ready
ifeq ($(CONDA_DEFAULT_ENV),$(CONDA_ENV))
BIN := $(CONDA_PREFIX)/bin
READY :=
endif

# A .venv whose interpreter is gone, or that came here with a copied folder, is made again.
ifneq ($(wildcard .venv/bin/python)$(shell cat .venv/.ready 2>/dev/null),.venv/bin/python$(CURDIR))
.venv/.ready: FORCE
endif

# PlusCoder, the coding agent, in an environment of its own, made again like .venv.
PLUSCODER := .venv-pluscoder/.ready
PLUSCODER_DIR := workflows/tasks/agents/pluscoder
ifneq ($(wildcard .venv-pluscoder/bin/python)$(shell head -n 1 $(PLUSCODER) 2>/dev/null),.venv-pluscoder/bin/python$(CURDIR)/.venv-pluscoder)
$(PLUSCODER): FORCE
endif

# What `make infra-check` needs beside terraform and gcloud, in an environment of its own.
INFRA := .venv-infra/.ready
ifneq ($(wildcard .venv-infra/bin/python)$(shell cat $(INFRA) 2>/dev/null),.venv-infra/bin/python$(CURDIR))
$(INFRA): FORCE
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help create-env lock pluscoder lock-pluscoder test test-wheel mutation test-slow test-versions format check \
	docs-check dist release demo bench ui clean FORCE \
	lock-infra infra-init infra-plan infra-apply infra-destroy infra-check build-and-push deploy-jobs \
	verify-deployment publish docker-build docker-run image-check

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.ready: requirements.txt pyproject.toml
	@tools/create_env.sh venv .venv "$(PYTHON)"

ifeq ($(ENV),conda)
create-env:
	@tools/create_env.sh conda $(CONDA_ENV)
else
create-env: .venv/.ready ## Make or repair .venv from the lock (ENV=conda: workflows-env; PYTHON=python3.12)
	@echo "$$(.venv/bin/python --version) in .venv is ready; try .venv/bin/workflows --help"
endif

lock: $(if $(wildcard $(BIN)/uv),,$(READY)) ## Resolve pyproject.toml anew into requirements.txt
	@tools/lock.sh $(BIN)/uv

$(PLUSCODER): $(PLUSCODER_DIR)/lock/requirements.txt $(PLUSCODER_DIR)/tokenizers.py | $(READY)
	@test ! -L .venv-pluscoder || { echo "pluscoder: .venv-pluscoder is a link; remove it first" >&2; exit 1; }
	@$(BIN)/python -m workflows agent install pluscoder --folder .venv-pluscoder
	@touch $@

pluscoder: $(PLUSCODER) ## Make or repair .venv-pluscoder, the coding agent, from its lock
	@echo "PlusCoder in .venv-pluscoder is ready"

lock-pluscoder: $(if $(wildcard $(BIN)/uv),,$(READY)) ## Resolve anew what PlusCoder needs
	@tools/lock.sh $(BIN)/uv pluscoder

test: $(READY) $(PLUSCODER) ## Run the tests (ARGS="-k git -x")
	@tools/test.sh $(BIN)/python $(ARGS)

test-wheel: $(READY) $(PLUSCODER) ## Run the tests against the built wheel, as CI does (COVERAGE=1: with branches)
	@COVERAGE="$(COVERAGE)" tools/wheel_suite.sh $(BIN)/python $(ARGS)

mutation: $(READY) ## Break the code on purpose and see whether tests fail: an hour (N=40; ARGS=change/policy)
	$(BIN)/python -m tools.mutation $(or $(N),40) $(ARGS)

test-slow: $(READY) ## Run the tests that take long: 10,000 messages, the Pub/Sub emulator's retries
	$(BIN)/python -m pytest -m slow $(ARGS)

test-versions: $(READY) ## Run the tests on every Python of 3.11, 3.12 and 3.13 that is here
	@tools/test_versions.sh $(ARGS)

format: $(READY) ## Format the code and apply the safe fixes
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

check: $(READY) ## Format, lint, types, import directions and docs, without changing a file
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/deptry workflows
	$(BIN)/deptry tests tools benchmarks --ignore DEP002,DEP004
	@$(MAKE) --no-print-directory docs-check

docs-check: $(READY) # part of check: generated parts of the docs are up to date
	$(BIN)/python tools/docs.py --check

dist: $(READY) ## Build the wheel and the source archive into dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

release: $(READY) ## Make a release: changelog, tag, artefacts; pushes nothing (VERSION=1.2.3)
	@$(BIN)/python -m tools.release "$(VERSION)"

demo: $(READY) $(PLUSCODER) ## Turn an issue into a merge request on this machine, offline (KEEP=1: stay up)
	$(BIN)/workflows demo $(if $(KEEP),--keep) $(ARGS)

bench: $(READY) ## Run the benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

ui: $(READY) ## Start a local Prefect server with its pages
	$(BIN)/workflows local prefect $(ARGS)

# --- the cloud: docs/deploy.md ---

$(INFRA): requirements-infra.txt | $(READY)
	@tools/create_infra.sh .venv-infra $(BIN)/python

lock-infra: $(if $(wildcard $(BIN)/uv),,$(READY)) ## Resolve tools/terraform anew into requirements-infra.txt
	@tools/lock_infra.sh $(BIN)/uv

infra-check: $(READY) $(INFRA) ## Check infrastructure/ and the Dockerfile without a cloud (INFRA_PROVIDER=registry|stand-in)
	@tools/infra/check.sh $(BIN)/python .venv-infra/bin/python

infra-init: ## Prepare Terraform in infrastructure/ (ARGS=-upgrade)
	@tools/infra/terraform.sh init $(ARGS)

infra-plan: ## Show what Terraform would change (PROJECT=my-project)
	@PROJECT="$(PROJECT)" tools/infra/terraform.sh plan $(ARGS)

infra-apply: ## Make the deployment what infrastructure/ says; Terraform asks first (PROJECT=my-project)
	@PROJECT="$(PROJECT)" tools/infra/terraform.sh apply $(ARGS)

infra-destroy: ## Take the deployment down; Terraform asks first (PROJECT=my-project)
	@PROJECT="$(PROJECT)" tools/infra/terraform.sh destroy $(ARGS)

build-and-push: $(READY) ## Build, test and push the images in Cloud Build; note their digests
	@$(BIN)/python -m tools.infra.build_and_push

deploy-jobs: $(READY) ## Give every job the images built last, by digest, and change nothing else
	@$(BIN)/python -m tools.infra.deploy_jobs

verify-deployment: $(READY) ## Say what of the deployment is missing: topics, functions, jobs, roles
	@$(BIN)/python -m tools.infra.verify_deployment

publish: $(READY) ## Start a workflow by a message (WORKFLOW=hello_world PARAMS='{"git_url": "…"}')
	@$(BIN)/python -m tools.infra.publish "$(WORKFLOW)" '$(PARAMS)'

docker-build: ## Build an image on this machine (TARGET=workflows|agent|task-runner)
	@tools/infra/docker.sh build $(or $(TARGET),workflows)

docker-run: ## Run a workflow in that image (TARGET=workflows ARGS="run hello_world --git-url …")
	@tools/infra/docker.sh run $(or $(TARGET),workflows) $(ARGS)

image-check: $(READY) ## Build the image with buildah and run it; minutes, and root (PYTHON_IMAGE=…)
	@tools/infra/image_check.sh $(BIN)/python

clean: ## Remove the environments and caches that make made
	rm -rf .venv .venvs .venv-pluscoder .venv-infra .venv*.lock build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find workflows tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +
