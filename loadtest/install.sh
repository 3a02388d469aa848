#!/usr/bin/env bash
# Installs the senders that `make bench` compares with and that are no dependencies of ours, each into a place of
# its own. What cannot be installed is named, and skipped by the benchmark.
cd "$(dirname "$0")/.." || exit 1
rust=.make/contenders

if [ ! -e $rust/installed ] || [ loadtest/contenders.lock -nt $rust/installed ]; then
    if "${PYTHON:-python3}" -m venv $rust && $rust/bin/pip install --quiet --require-hashes -r loadtest/contenders.lock; then
        touch $rust/installed
    else
        echo "skipped: webpush-rs cannot be installed here (loadtest/contenders.lock)"
    fi
fi

node=loadtest/node
if ! command -v npm >/dev/null; then
    echo "skipped: node web-push needs npm"
elif [ ! -e $node/node_modules/.stamp ] || [ $node/package-lock.json -nt $node/node_modules/.stamp ]; then
    if (cd $node && npm ci --silent --no-audit --no-fund); then
        touch $node/node_modules/.stamp
    else
        echo "skipped: node web-push cannot be installed here ($node/package-lock.json)"
    fi
fi
exit 0
