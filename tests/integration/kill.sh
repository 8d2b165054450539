#!/bin/bash
# kill -9 of either program at random moments of a push, then the same push again: it finishes, the
# image is right, nothing half-done is left, and little is sent twice.
#
# KILL_MOMENTS (20) says how many, KILL_SEED repeats a run.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
PRISTINE=$SANDBOX/pristine
OUT=$SANDBOX/out
IMAGE=t/cargo:1
KILL_MOMENTS=${KILL_MOMENTS:-20}
KILL_SEED=${KILL_SEED:-$RANDOM}

# What may be sent twice: the records in flight (32 MiB at most, DESIGN: a session's limit), the
# questions and names of a second look at everything, and the headers of TCP.
RESENT_MAX=$(((32 << 20) + (2 << 20)))

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 8 "$STATE.log"
}

# About 110 MB in three layers: many small files, and two parts of a large binary.
make_image() {
	images_library_tree "$SANDBOX/tree" 3000
	images_tar "$SANDBOX/tree" "$SANDBOX/1.tar"
	rm -r "$SANDBOX/tree"
	mkdir "$SANDBOX/2" "$SANDBOX/3"
	images_binary "$SANDBOX/2/second" 45
	images_binary "$SANDBOX/3/third" 40 45
	images_tar "$SANDBOX/2" "$SANDBOX/2.tar"
	images_tar "$SANDBOX/3" "$SANDBOX/3.tar"
	images_stack "$A" "$IMAGE" "cargo" "$SANDBOX/1.tar" "$SANDBOX/2.tar" "$SANDBOX/3.tar"
	rm -r "$SANDBOX/2" "$SANDBOX/3" "$SANDBOX"/[123].tar
}

# Both ends as they were before the first push: the engine without the image, the receiver with
# nothing but its keys.
start_over() {
	receiver_kill "$STATE"
	engine_docker "$B" image rm --force "$(images_id "$B" "$IMAGE" 2>/dev/null)" >/dev/null 2>&1 || true
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target at the start"
	rm -rf "$STATE"
	cp -a "$PRISTINE" "$STATE"
	receiver_start "$STATE" "$B"
}

# Runs a whole push and keeps its time and bytes to compare with.
measure_cold_push() {
	local wire
	start_over
	wire=$(sandbox_wire_bytes)
	push_json "$CONFIG" "$A" "$OUT" "$IMAGE" --to b
	cold_bytes=$(($(sandbox_wire_bytes) - wire))
	cold_seconds=$(result "$OUT" seconds)
	image_id=$(images_id "$A" "$IMAGE")
}

# Between the start of a push and a little after its end.
random_moment() {
	awk -v r="$RANDOM" -v whole="$cold_seconds" 'BEGIN { printf "%.2f", 0.01 + r / 32768 * whole * 1.05 }'
}

# push_and_kill WHO SECONDS: starts a push, kills dray or drayd at that moment, waits for the rest.
push_and_kill() {
	local who=$1 moment=$2 client
	DRAY_CONFIG_DIR=$CONFIG "$DRAY" push -H "$(engine_address "$A")" --json "$IMAGE" --to b \
		>"$OUT" 2>"$OUT.err" &
	client=$!
	sleep "$moment"
	if [ "$who" = dray ]; then
		kill -KILL "$client" 2>/dev/null || true
	else
		receiver_kill "$STATE"
		receiver_start "$STATE" "$B"
	fi
	# A dray whose receiver was killed may give up or go on with the new one: both are right.
	wait "$client" || true
}

assert_whole() {
	assert_equal "$(images_id "$B" "$IMAGE")" "$image_id" "ID on the target"
	assert_equal "$(engine_docker "$B" run --rm --network none "$IMAGE" sha256sum /second /third)" \
		"$content" "digests of its files"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag"
	assert_equal "$(engine_docker "$B" images --quiet | wc -l)" 1 "images on the target"
}

kill_and_rerun() {
	local who=$1 moment wire
	start_over
	moment=$(random_moment)
	wire=$(sandbox_wire_bytes)
	push_and_kill "$who" "$moment"
	push_json "$CONFIG" "$A" "$OUT" "$IMAGE" --to b
	wire=$(($(sandbox_wire_bytes) - wire))
	echo "$who killed after $moment of $cold_seconds s: $wire bytes on the wire, $cold_bytes in a" \
		"push that is left alone"
	assert_whole
	assert_at_most "$wire" $((cold_bytes + cold_bytes / 20 + RESENT_MAX)) "bytes of both pushes"
}

prepare() {
	engine_start "$A" && engine_start "$B" && make_image &&
		receiver_start "$PRISTINE" "$B" && receiver_pair "$PRISTINE" "$CONFIG" b || exit 1
	receiver_stop "$PRISTINE"
	rm -f "$PRISTINE.log"
	content=$(engine_docker "$A" run --rm --network none "$IMAGE" sha256sum /second /third)
	measure_cold_push
}

prepare
echo "kill: seed $KILL_SEED, a whole push takes $cold_seconds s and $cold_bytes bytes"

# One case a moment, dray and drayd in turn.
for ((moment = 1; moment <= KILL_MOMENTS; moment++)); do
	who=dray
	[ $((moment % 2)) = 1 ] || who=drayd
	# The subshell of a case cannot move the generator on.
	RANDOM=$((KILL_SEED + moment))
	run_case "kill/$who killed at moment $moment and run again finishes" kill_and_rerun "$who"
done

test_a_killed_receiver_that_restarts_leaves_no_half_done_image() {
	start_over
	push_and_kill drayd "$(awk -v s="$cold_seconds" 'BEGIN { print s * 0.8 }')"
	local i
	for ((i = 0; i < 50; i++)); do
		[ "$(images_dangling "$B")" != 0 ] || break
		sleep 0.1
	done
	assert_equal "$(images_dangling "$B")" 0 "images without a tag after the restart"
	push_json "$CONFIG" "$A" "$OUT" "$IMAGE" --to b
	assert_whole
}
run_cases kill
