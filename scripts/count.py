"""Adds up what the test runners counted in the logs that are named, and prints one line."""

import re
import sys

NEXTEST = re.compile(r"Summary \[.*\] +\d+ tests? run: (.*)")
CARGO = re.compile(r"^test result: \w+\. (.*?); finished")
PYTEST = re.compile(r"^=* ?(.*\d+ (?:passed|failed|skipped|error).*) in [\d.]+s.* ?=*$")
NODE = re.compile(r"^(?:#|ℹ) ((?:pass|fail|skipped) \d+)$")
PLAIN = re.compile(r"^(\d+ passed, \d+ failed)$")
COUNT = re.compile(r"(\d+) (passed|failed|skipped|ignored|errors?|timed out)")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def add(path: str, totals: dict[str, int]) -> None:
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            line = ESCAPES.sub("", line).strip()
            found = NEXTEST.search(line) or CARGO.search(line) or PYTEST.search(line) or PLAIN.search(line)
            node = NODE.search(line)
            counted = [node.group(1).split()[::-1]] if node else COUNT.findall(found.group(1)) if found else []
            for number, what in counted:
                kind = {"passed": "passed", "pass": "passed", "skipped": "skipped", "ignored": "skipped"}.get(what, "failed")
                totals[kind] += int(number)


def main() -> None:
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sys.argv[1:]:
        add(path, totals)
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")


if __name__ == "__main__":
    main()
