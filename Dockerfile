# syntax=docker/dockerfile:1
# Images of Workflows. Targets: workflows (hello_world, gitlab_pull_request, run_dag),
# agent (adds PlusCoder: push_feature, resolve_issue), task-runner.
#
# The base is an image index of python:3.12-slim (3.12.14, amd64 and arm64). To take a newer one:
#   docker buildx imagetools inspect python:3.12-slim --format '{{.Manifest.Digest}}'
ARG PYTHON_IMAGE=python:3.12-slim@sha256:e5c9fa26ffb76e11e0f054f30dc2523a2f9693f0c36c0cf1e39b27e152d899fc

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Debian's security updates are wanted; what is pinned is the base.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 workflows \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /srv/workflows workflows

# What pip needs stays in this stage; the environment is compiled here, because nobody may write
# bytecode later.
FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build
RUN python -m venv /opt/workflows
COPY requirements-image.txt ./
RUN /opt/workflows/bin/python -m pip install --require-hashes --only-binary :all: -r requirements-image.txt \
    && /opt/workflows/bin/python -m compileall -q /opt/workflows/lib \
    && /opt/workflows/bin/python -m pip uninstall -y pip
COPY workflows /opt/workflows/app/workflows
# found from any folder, and without a build of a wheel; VERSION is what `--version` says
ARG VERSION=0+unknown
RUN site=$(/opt/workflows/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && echo /opt/workflows/app >"$site/workflows.pth" \
    && mkdir "$site/workflows-$VERSION.dist-info" \
    && printf 'Metadata-Version: 2.1\nName: workflows\nVersion: %s\n' "$VERSION" >"$site/workflows-$VERSION.dist-info/METADATA" \
    && /opt/workflows/bin/python -m compileall -q /opt/workflows/app

FROM base AS build-agent
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build
COPY workflows/tasks/agents/pluscoder pluscoder
RUN python -m venv /opt/pluscoder \
    && /opt/pluscoder/bin/python -m pip install --no-deps --require-hashes --only-binary :all: -r pluscoder/lock/requirements.txt \
    && /opt/pluscoder/bin/python pluscoder/tokenizers.py /opt/pluscoder/tiktoken-cache \
    && touch /opt/pluscoder/.env \
    && { /opt/pluscoder/bin/python -m compileall -q /opt/pluscoder/lib || true; }

FROM base AS workflows
COPY --from=build /opt/workflows /opt/workflows
ENV PATH=/opt/workflows/bin:$PATH HOME=/srv/workflows PREFECT_SERVER_ANALYTICS_ENABLED=false
USER 10001:10001
WORKDIR /srv/workflows
ENTRYPOINT ["python", "-m", "workflows"]

FROM workflows AS agent
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build-agent /opt/pluscoder /opt/pluscoder
ENV WORKFLOWS_PLUSCODER=/opt/pluscoder/bin/pluscoder
USER 10001:10001

FROM workflows AS task-runner
ENV PORT=8080
EXPOSE 8080
ENTRYPOINT ["python", "-m", "workflows", "task-runner", "serve"]

# what is built where no target is named
FROM workflows
