"""Reads a list of things as JSON and says by its exit code whether one has this name.

`--installed` reads one model instead, and says whether it is installed.
"""

import json
import sys


def main() -> int:
    value = json.load(sys.stdin)
    if sys.argv[1] == "--installed":
        return 0 if value.get("installed") else 1
    return 0 if any(thing.get("name") == sys.argv[1] for thing in value) else 1


if __name__ == "__main__":
    sys.exit(main())
