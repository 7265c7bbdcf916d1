#!/usr/bin/env bash
# Proves that a release installs and answers with no route out: in a network namespace of its own that has loopback
# alone, with an empty home, from the bundle only, with the real default models.
#
#   bash tests/closed-network.sh [BUNDLE]      [a bundle that `cargo xtask dist` makes now]
#
# DURE_MODELS_DATA names the data folder that the models for the bundle come from.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

inside() {
  local bundle=$1 work=$2 python=$3
  ip link set lo up
  [ "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ')" = lo ] || { echo "there is more than loopback here"; exit 1; }
  [ "$(tail -n +2 /proc/net/route | wc -l)" = 0 ] || { echo "there is a route out"; exit 1; }
  cd "$work"
  tar --zstd -xf "$bundle"
  local unpacked=(./dure-*)
  "${unpacked[0]}/install.sh" --prefix "$work/opt/dure" --data "$work/data"
  rm -rf "${unpacked[0]}"
  dure() { "$work/opt/dure/dure" --data "$work/data" "$@"; }
  dure corpus create records --class open --licence cc0-1.0 --purpose answering
  dure corpus add records "$work/opt/dure/examples/records"
  dure key create first --json >key.json
  "$python" "$here/closed_network.py" "$work"
}

# shellcheck disable=SC2317  # reached by the re-execution below
if [ "${1:-}" = --inside ]; then
  inside "$2" "$3" "$4"
  exit
fi

root=$(cd "$here/.." && pwd)
export DURE_CACHE=${DURE_CACHE:-$HOME/.cache/dure}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$DURE_CACHE/target}
bundle=${1:-}
if [ -z "$bundle" ]; then
  # The last line names the archive, after its sum.
  bundle=$(cd "$root" && cargo xtask dist --data "${DURE_MODELS_DATA:-$DURE_CACHE/models-data}" | tail -n1)
  bundle=${bundle#*  }
fi
bundle=$(readlink -f "$bundle")

isolate=(unshare --net)
[ "$(id -u)" = 0 ] || isolate=(unshare --map-root-user --net)
if ! "${isolate[@]}" true 2>/dev/null; then
  echo "closed-network: this machine lets nobody make a network namespace: $("${isolate[@]}" true 2>&1 || true)" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "==> a machine with no route out installs $(basename "$bundle") and answers"
"${isolate[@]}" --pid --fork --kill-child --mount-proc \
  env -i HOME="$work" LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin bash "$here/closed-network.sh" --inside "$bundle" "$work" \
  "$(python3 -c 'import sys; print(sys.executable)')"
