# shellcheck shell=bash
# What the scripts share: where things are, and how what is missing gets installed. Sourced, not run.
#
# Everything that is built, fetched or kept lies outside the checkout:
#   DURE_CACHE        what may be deleted at any time        [~/.cache/dure]
#   CARGO_TARGET_DIR  what cargo builds                      [$DURE_CACHE/target]
#   DURE_DATA         the data folder of `make up`           [~/.local/share/dure]
#   DURE_LISTEN       where its server listens               [127.0.0.1:7400]

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export DURE_CACHE=${DURE_CACHE:-$HOME/.cache/dure}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$DURE_CACHE/target}
export DURE_DATA=${DURE_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/dure}
DURE_LISTEN=${DURE_LISTEN:-127.0.0.1:7400}
DURE=$CARGO_TARGET_DIR/release/dure
RUST_MIN=1.95

say() { printf '\n==> %s\n' "$*"; }
fail() { printf 'dure: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif has sudo; then sudo "$@"
  else fail "not root, and no sudo: ask for it, or have somebody run: $*"
  fi
}

# Names the Debian packages whose work nobody on this machine does yet.
missing_packages() {
  has g++ || echo g++
  has cmake || echo cmake
  has make || echo make
  has clang || echo clang
  compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || echo libclang-dev
  has pkg-config || echo pkg-config
  has git || echo git
  has zstd || echo zstd
  has python3 || echo python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  has ip || [ -x /sbin/ip ] || echo iproute2
}

# The same for what only the tests need: what runs on Node, a browser for the console, and for the ledger Go's own verifier
# and failing calls.
missing_test_packages() {
  has node || echo nodejs
  has npm || echo npm
  has chromium || echo chromium
  has strace || echo strace
  has go || echo golang-go
  [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || echo golang-golang-x-mod-dev
}

# With the names of further lists.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages; "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  has apt-get || fail "install these first (this is no Debian): ${missing[*]}"
  say "installing with apt: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# True if the cargo that is found first is new enough.
rust_is_here() {
  has cargo && has rustc || return 1
  local version
  version=$(rustc --version 2>/dev/null | cut -d' ' -f2) || return 1
  [ "$(printf '%s\n%s\n' "$RUST_MIN" "$version" | sort -V | head -n1)" = "$RUST_MIN" ]
}

install_rust() {
  case ":$PATH:" in *":$HOME/.cargo/bin:"*) ;; *) PATH=$HOME/.cargo/bin:$PATH ;; esac
  rust_is_here && return 0
  if ! has rustup && has apt-cache && [ -n "$(apt-cache madison rustup 2>/dev/null)" ]; then
    say "installing rustup with apt"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rustup
  fi
  if has rustup; then
    say "installing the stable Rust toolchain with rustup"
    rustup toolchain install stable --profile minimal --component clippy,rustfmt
    rustup default stable
  fi
  rust_is_here || fail "Rust $RUST_MIN or newer is needed, and this Debian has no rustup package:
      install it as https://rustup.rs says (one command, no root needed), then run this again"
}

build() {
  say "building dure (the first time takes some ten minutes; it goes to $CARGO_TARGET_DIR)"
  # Cargo's own job count is the processors that this process may use.
  cargo build --release --locked --package dure --jobs "$(nproc)" --manifest-path "$ROOT/Cargo.toml"
}

# Fetches the default models into a data folder. One that is there in the catalogue's version is left as it is.
pull_models() {
  local key
  for key in chat embedding; do
    "$DURE" --data "$1" model pull "$(python3 "$ROOT/scripts/setting.py" "$ROOT/settings.toml" models "$key")"
  done
}

dure() { "$DURE" --data "$DURE_DATA" "$@"; }

# The number of the process that owns the data folder, if one does. The text of the lock file outlives its owner, so
# it counts only while that process holds the file open.
server_pid() {
  local lock=$DURE_DATA/dure.lock pid
  [ -f "$lock" ] || return 1
  pid=$(sed -n 's/.*"pid":\([0-9]\{1,\}\).*/\1/p' "$lock")
  [ -n "$pid" ] && [ -d "/proc/$pid/fd" ] || return 1
  find "/proc/$pid/fd" -lname "$(readlink -f "$lock")" 2>/dev/null | grep -q . || return 1
  echo "$pid"
}

server_address() { sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$DURE_DATA/dure.lock" 2>/dev/null; }

stop_server() {
  local pid
  pid=$(server_pid) || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  local tries
  for tries in $(seq 150); do
    server_pid >/dev/null || return 0
    sleep 0.1
  done
  fail "the server (process $pid) does not end after $((tries / 10)) s; it can be ended with: kill -9 $pid"
}
