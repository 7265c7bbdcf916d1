#!/usr/bin/env bash
# From a fresh machine to a first cited answer; what is there already is left as it is.
# shellcheck source=scripts/house.sh
. "$(dirname "$0")/house.sh"

CORPUS=records
ROUTE=records
KEY_NAME=first
KEY_FILE=$DURE_DATA/first.key
LOG=$DURE_DATA/server.log
QUESTION='염소 누출 대응 훈련은 몇 월에 하나요?'

# Whether the list that `dure NOUN list --json` prints has this name.
has_name() { dure "$1" list --json | python3 "$ROOT/scripts/has_name.py" "$2"; }

make_corpus() {
  has_name corpus "$CORPUS" || {
    say "making the corpus $CORPUS"
    dure corpus create "$CORPUS" --class open --residency KR --licence cc0-1.0 --purpose answering
  }
  say "gathering examples/records (the same files again change nothing)"
  dure corpus add "$CORPUS" "$ROOT/examples/records"
  has_name route "$ROUTE" || dure route create "$ROUTE" --corpus "$CORPUS"
}

make_key() {
  [ -s "$KEY_FILE" ] && has_name key "$KEY_NAME" && return 0
  local name=$KEY_NAME
  # A key whose file was lost cannot be shown again: another one takes its place.
  has_name key "$name" && name="$KEY_NAME-$(date +%s)"
  say "making the key $name"
  (umask 077 && dure key create "$name" --administrator --json | python3 "$ROOT/scripts/key_of.py" >"$KEY_FILE.new")
  mv "$KEY_FILE.new" "$KEY_FILE"
}

start_server() {
  local pid tries
  server_pid >/dev/null && return 0
  say "starting the server (its log: $LOG)"
  (umask 077 && : >>"$LOG")
  setsid "$DURE" --data "$DURE_DATA" up --listen "$DURE_LISTEN" >>"$LOG" 2>&1 </dev/null &
  pid=$!
  disown
  for tries in $(seq 600); do
    [ "$(server_pid)" = "$pid" ] && [ -n "$(server_address)" ] && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$LOG" >&2
  fail "the server did not start within $((tries / 10 + 1)) s; the end of its log is above"
}

# A server of another build would answer for the old program, and cannot be asked what only the new one knows.
stop_older_server() {
  local pid
  pid=$(server_pid) || return 0
  [ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$DURE")" ] && return 0
  say "the server that runs is of another build: stopping it"
  stop_server
}

# So that `dure` is a command; a program of that name that somebody else put there stays.
link_program() {
  local dir=$HOME/.local/bin
  [ "$(id -u)" = 0 ] && dir=/usr/local/bin
  [ -e "$dir/dure" ] && [ ! -L "$dir/dure" ] && return 0
  [ "$(readlink "$dir/dure")" = "$DURE" ] && return 0
  say "linking $dir/dure to the program"
  mkdir -p "$dir"
  ln -sfn "$DURE" "$dir/dure"
  case ":$PATH:" in *":$dir:"*) ;; *) say "not on your PATH yet; a new login has it, or: export PATH=$dir:\$PATH" ;; esac
}

# So that `man dure` and the Tab key know it.
teach_shell() {
  local share=${XDG_DATA_HOME:-$HOME/.local/share}
  [ "$(id -u)" = 0 ] && share=/usr/local/share
  mkdir -p "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
  "$DURE" completions bash >"$share/bash-completion/completions/dure"
  "$DURE" completions zsh >"$share/zsh/site-functions/_dure"
  "$DURE" completions fish >"$share/fish/vendor_completions.d/dure.fish"
  "$DURE" man "$share/man/man1"
}

install_packages
install_rust
build
link_program
teach_shell
(umask 077 && mkdir -p "$DURE_DATA")
stop_older_server
pull_models "$DURE_DATA"
make_key
start_server
make_corpus

say "the first question: $QUESTION"
dure ask "$CORPUS" "$QUESTION"

ADDRESS=$(server_address)
cat <<END

==> Dure serves http://$ADDRESS/v1
    console    http://$ADDRESS/     (sign in with the key)
    key        $(cat "$KEY_FILE")     (kept in $KEY_FILE)
    model      $ROUTE     (the example records, cited; \`dure model list\` shows plain models)
    data       $DURE_DATA
    try        curl -s http://$ADDRESS/v1/chat/completions -H "Authorization: Bearer \$(cat $KEY_FILE)" \\
                 -d '{"model": "$ROUTE", "messages": [{"role": "user", "content": "회의를 녹음한 파일은 언제 삭제하나요?"}]}'
    ask        dure --data $DURE_DATA ask $CORPUS "How many waterworks employees can Haesol send to Port Ellery per year?"
    stop       make down
END
