#!/usr/bin/env bash
# Installs the bundle that this file came in. Needs no network, and no root unless the folder does.
#
#   ./install.sh [--prefix DIR] [--data DIR]
#     --prefix DIR   where the program goes                    [/opt/dure as root, else ~/.local/lib/dure]
#                    (there, `dure`, its manual pages and completions are linked to where shells look for them)
#     --data DIR     the data folder that gets the models      [$DURE_DATA, or ~/.local/share/dure]
#
# The same bundle again changes nothing; a newer one takes the old one's place, and the data stays.
set -euo pipefail

usage() { sed -n '4,7s/^#//p' "$0" >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" = 0 ]; then prefix=/opt/dure; else prefix=$HOME/.local/lib/dure; fi
known=$prefix
data=${DURE_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/dure}
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -gt 1 ] || usage; prefix=$2; shift 2 ;;
    --data) [ $# -gt 1 ] || usage; data=$2; shift 2 ;;
    *) usage ;;
  esac
done

echo "checking the bundle's sums"
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS)

echo "installing to $prefix"
mkdir -p "$(dirname "$prefix")"
prefix=$(cd "$(dirname "$prefix")" && pwd)/$(basename "$prefix")
new=$prefix.new
rm -rf "$new"
mkdir "$new"
# Everything but the weights, which go into the data folder once, by content.
for part in "$here"/*; do
  [ "$(basename "$part")" = models ] || cp -R "$part" "$new/"
done
if [ -d "$prefix" ]; then
  [ -f "$prefix/sbom.cdx.json" ] || { echo "install.sh: $prefix is there, and is no Dure" >&2; exit 1; }
  rm -rf "$prefix.old"
  mv "$prefix" "$prefix.old"
fi
mv "$new" "$prefix"
rm -rf "$prefix.old"

# Links one file into a folder; what somebody else put there stays.
link() {
  mkdir -p "$2"
  [ -e "$2/$(basename "$1")" ] && [ ! -L "$2/$(basename "$1")" ] || ln -sfn "$1" "$2/"
}

dure=$prefix/dure
if [ "$prefix" = "$known" ]; then
  bin=/usr/local/bin share=/usr/local/share
  [ "$(id -u)" = 0 ] || { bin=$HOME/.local/bin share=${XDG_DATA_HOME:-$HOME/.local/share}; }
  link "$prefix/dure" "$bin"
  for part in man/man1 bash-completion/completions zsh/site-functions fish/vendor_completions.d; do
    for file in "$prefix/share/$part"/*; do link "$file" "$share/$part"; done
  done
  case ":$PATH:" in *":$bin:"*) dure=dure ;; esac
fi

for model in "$here"/models/*.gguf; do
  [ -e "$model" ] || continue
  name=$(basename "$model" .gguf)
  echo "installing the model $name into $data"
  "$prefix/dure" --data "$data" model import "$model" --name "$name"
done

cat <<END
installed. To begin:
  export DURE_DATA=$data
  $dure corpus create records --class open --licence cc0-1.0 --purpose answering
  $dure corpus add records $prefix/examples/records
  $dure ask records "염소 누출 대응 훈련은 몇 월에 하나요?"
  $dure key create first
  $dure up
The book: $prefix/book/index.html (한국어: $prefix/book/ko/index.html)
END
