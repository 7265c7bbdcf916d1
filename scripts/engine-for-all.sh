#!/usr/bin/env bash
# Makes way for an engine that runs on any processor: where an earlier build made one for this machine alone, it is
# removed. The native crate configures its build once, and does not look again at what the environment says.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
if grep -qs '^GGML_THIS_MACHINE:[A-Z]*=ON' "$target"/release/build/llama-cpp-sys-2-*/out/build/CMakeCache.txt; then
  echo "==> the engine was built for this machine alone: it is built again, for all"
  cargo clean --release --package llama-cpp-sys-2
fi
