#!/usr/bin/env bash
# Installs the bundle that this file came in. Needs no network, and no root unless the folder does.
#
#   ./install.sh [--prefix DIR] [--data DIR]
#     --prefix DIR   where the program goes                    [/opt/dure as root, else ~/.local/lib/dure]
#     --data DIR     the data folder that gets the models      [$DURE_DATA, or ~/.local/share/dure]
#
# The same bundle again changes nothing; a newer one takes the old one's place, and the data stays.
set -euo pipefail

usage() { sed -n '4,6s/^#//p' "$0" >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" = 0 ]; then prefix=/opt/dure; else prefix=$HOME/.local/lib/dure; fi
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

for model in "$here"/models/*.gguf; do
  [ -e "$model" ] || continue
  name=$(basename "$model" .gguf)
  echo "installing the model $name into $data"
  "$prefix/dure" --data "$data" model import "$model" --name "$name"
done

cat <<END
installed. To begin:
  $prefix/dure --data $data corpus create records --class open --licence cc0-1.0 --purpose answering
  $prefix/dure --data $data corpus add records $prefix/examples/records
  $prefix/dure --data $data ask records "염소 누출 대응 훈련은 몇 월에 하나요?"
  $prefix/dure --data $data key create first
  $prefix/dure --data $data up
END
