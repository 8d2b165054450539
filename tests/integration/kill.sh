#!/bin/bash
# kill -9 of each process, and of the target's engine, at random moments of a push: it finishes, the
# image is right, nothing half-done is left, and little is sent twice. The short form of
# tests/fault/run, which says what can be asked for.
exec "$(dirname "$0")/../fault/part" kills "$@"
