# Two commands for a fresh Debian machine, both repeatable: `make up` and `make test`.
# What they use and where they put things: scripts/house.sh.

.PHONY: help up down test

help:
	@echo 'make up     build Dure, fetch its models, gather the example records, ask a first question, keep serving'
	@echo 'make down   stop that server'
	@echo 'make test   install what the tests need and run them all'

up:
	@bash scripts/up.sh

down:
	@bash scripts/down.sh

test:
	@bash scripts/test.sh
