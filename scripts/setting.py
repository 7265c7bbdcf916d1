"""Prints one default from settings.toml: `setting.py FILE SECTION NAME`."""

import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    print(tomllib.load(file)[sys.argv[2]][sys.argv[3]])
