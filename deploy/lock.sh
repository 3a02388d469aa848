#!/usr/bin/env bash
# Pins every dependency with its hashes, build back end included, and no addresses. Called by `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."
compile=(.venv/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --all-build-deps
    --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links)
"${compile[@]}" --output-file requirements.lock pyproject.toml
"${compile[@]}" --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
