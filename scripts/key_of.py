"""Prints the secret that `dure key create NAME --json` told."""

import json
import sys

print(json.load(sys.stdin)["key"])
