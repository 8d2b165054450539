#!/bin/bash
# The engine port between two live engines, without a network: see live_engine.c, which says what is
# checked, a line for each case.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

LIVE=$DRAY_BUILD/tests/integration/live_engine
if [ ! -x "$LIVE" ]; then
	echo "$LIVE is missing: build first" >&2
	exit 1
fi
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B

# Small files, a large one, and equal layers, on a base that the target has, too. The top layer
# must occur once: it is the one that is sent damaged.
make_images() {
	images_busybox "$A" t/busybox:1
	images_library_tree "$SANDBOX/tree" 2000
	images_tar "$SANDBOX/tree" "$SANDBOX/tree.tar"
	mkdir "$SANDBOX/large"
	images_binary "$SANDBOX/large/binary" 20
	images_tar "$SANDBOX/large" "$SANDBOX/large.tar"
	tar -C /etc -cf "$SANDBOX/services.tar" services
	images_stack "$A" t/live:1 live "$SANDBOX/services.tar" "$SANDBOX/tree.tar" \
		"$SANDBOX/services.tar" "$SANDBOX/large.tar"
	images_busybox "$B" other:1
}

# Its lines are "ok    SENTENCE" and "FAIL  SENTENCE"; what else it says is shown when it failed.
report_cases() {
	local outcome sentence
	while read -r outcome sentence; do
		[[ $outcome != ok && $outcome != FAIL ]] || report "$outcome" "engine/$sentence"
	done <"$1"
}

engine_start "$A" && engine_start "$B" && make_images || exit 1
LIVE_ENGINE_KILL=$(pgrep -P "$(cat "$B/namespace.pid")")
export LIVE_ENGINE_KILL
mkdir "$SANDBOX/state"
timeout 300 "$LIVE" "$(engine_address "$A")" "$(engine_address "$B")" t/live:1 "$SANDBOX/state" \
	>"$SANDBOX/out" 2>"$SANDBOX/err" </dev/null
code=$?
report_cases "$SANDBOX/out"
if [ "$code" != 0 ]; then
	tail -n 30 "$SANDBOX/err"
	echo "live_engine ended with exit code $code"
fi
exit "$code"
