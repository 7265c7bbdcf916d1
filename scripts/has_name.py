"""Reads a list of things as JSON and says by its exit code whether one has this name."""

import json
import sys


def main() -> int:
    value = json.load(sys.stdin)
    return 0 if any(thing.get("name") == sys.argv[1] for thing in value) else 1


if __name__ == "__main__":
    sys.exit(main())
