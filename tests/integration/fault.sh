#!/bin/bash
# Links that are cut, reset, stalled and silent at random bytes while images are pushed: the agent
# goes on by itself, and nothing is lost. The short form of tests/fault/run, which says what can be
# asked for.
exec "$(dirname "$0")/../fault/part" links "$@"
