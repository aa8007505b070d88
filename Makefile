# For those whose fingers type make. Each target is a command of the program or a session of nox, and nothing else.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

start:      ; hostaway-sync account add $(ID)
sync:       ; hostaway-sync sync-all
run-daemon: ; hostaway-sync serve-webhooks
test:       ; nox
build:      ; nox --session wheel

.PHONY: start sync run-daemon test build
