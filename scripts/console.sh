#!/usr/bin/env bash
# Checks the console's code: types, texts in both languages, Markdown, what is vendored, and how much a browser fetches.
# Works on a copy in the cache, so that no package lands in the checkout.
# shellcheck source=scripts/house.sh
. "$(dirname "$0")/house.sh"

PLACE=$DURE_CACHE/console
mkdir -p "$PLACE"
find "$PLACE" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name made-from -exec rm -rf {} +
(cd "$ROOT/console" && find . -mindepth 1 -maxdepth 1 ! -name node_modules -exec cp -R {} "$PLACE/" \;)

sum=$(sha256sum <"$PLACE/package-lock.json" | cut -d' ' -f1)
if [ "$(cat "$PLACE/made-from" 2>/dev/null)" != "$sum" ]; then
  npm ci --silent --ignore-scripts --prefix "$PLACE"
  echo "$sum" >"$PLACE/made-from"
fi
cd "$PLACE"
node checks/vendor.mjs check
npm run --silent check
node checks/size.mjs
