#!/usr/bin/env bash
# Stops the server that owns the data folder, and no other.
# shellcheck source=scripts/house.sh
. "$(dirname "$0")/house.sh"

if pid=$(server_pid); then
  stop_server
  echo "stopped (process $pid); the data stays in $DURE_DATA"
else
  echo "no server owns $DURE_DATA"
fi
