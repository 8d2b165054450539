#!/bin/bash
# How a push uses its link: lanes and what becomes of them, a limit of the rate, congestion control,
# and compression that follows the link.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
OUT=$SANDBOX/out
IMAGE=t/cargo:1
LAYER_MB=12
LOST_MAX=8000000 # bytes of a connection in the kernel's hands: a proxy that is slow lets them fill up

after_failure() {
	echo "--- the proxy's last lines:"
	tail -n 20 "$PROXY_LOG"
	echo "--- drayd's last lines:"
	tail -n 12 "$STATE.log"
	echo "--- the agent's last lines:"
	tail -n 8 "$OUT.err"
}

# Connections that carried more than a handshake and a goodbye.
connections_used() {
	sed -n 's/^\(fault\|end\) .* up=\([0-9]*\) .*/\2/p' "$PROXY_LOG" | awk '$1 > 100000' | wc -l
}

# As if there had been no push before.
start_over() {
	receiver_stop "$STATE"
	engine_docker "$B" image rm --force "$IMAGE" t/binary:1 >/dev/null 2>&1 || true
	rm -rf "$STATE/domains"
	receiver_start "$STATE" "$B"
}

# push IMAGE OPTION...: and it arrives.
push() {
	push_json "$CONFIG" "$A" "$OUT" "$@" --to b
	assert_equal "$(images_id "$B" "$1")" "$(images_id "$A" "$1")" "ID on the target"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag on the target"
}

retries() {
	grep -c '"event":"retry"' "$OUT" || true
}

prepare() {
	local name
	engine_start "$A" && engine_start "$B" || exit 1
	for name in 1 2; do
		mkdir "$SANDBOX/layer"
		head -c "$((LAYER_MB << 20))" /dev/urandom >"$SANDBOX/layer/$name"
		images_tar "$SANDBOX/layer" "$SANDBOX/$name.tar"
		rm -r "$SANDBOX/layer"
	done
	images_stack "$A" "$IMAGE" cargo "$SANDBOX"/[12].tar
	mkdir "$SANDBOX/layer"
	images_binary "$SANDBOX/layer/binary" 60
	images_tar "$SANDBOX/layer" "$SANDBOX/binary.tar"
	images_stack "$A" t/binary:1 binary "$SANDBOX/binary.tar"
	rm -r "$SANDBOX/layer"
	receiver_start "$STATE" "$B" && proxy_start || exit 1
	receiver_invite "$STATE" linked --address "127.0.0.1:$PROXY_PORT" |
		DRAY_CONFIG_DIR=$CONFIG timeout -k 5 20 "$DRAY" pair b 2>/dev/null || exit 1
	proxy_stop
}
prepare

# --- lanes ---

test_as_many_lanes_as_were_asked_for_carry_the_segments() {
	start_over
	proxy_start --rate 4000000
	push "$IMAGE" --lanes 4
	proxy_stop
	assert_equal "$(connections_used)" 4 "connections that carried segments"
	assert_equal "$(retries)" 0 "retries"
}

test_a_near_link_needs_one_connection() {
	start_over
	proxy_start
	push "$IMAGE"
	proxy_stop
	assert_equal "$(connections_used)" 1 "connections that carried segments"
}

# The first connection is the session's own and is spared.
test_lanes_that_die_hand_their_segments_to_the_others() {
	start_over
	proxy_start --rate 4000000 --at up:90000000:cut --at up:400000:cut --at up:2500000:reset \
		--at up:1300000:cut
	push "$IMAGE" --lanes 4
	proxy_stop
	assert_equal "$(grep -c '^fault' "$PROXY_LOG")" 3 "faults"
	assert_equal "$(retries)" 0 "retries"
	assert_at_most "$(result "$OUT" bytes_sent)" $((2 * (LAYER_MB << 20) + 3 * LOST_MAX)) "bytes sent"
}

test_lanes_that_cannot_be_opened_are_done_without() {
	local began
	start_over
	proxy_start --at up:90000000:cut --at up:10:cut --at down:10:reset --at up:200:stall \
		--at up:10:cut --at up:10:cut --at up:10:cut
	began=$EPOCHSECONDS
	push "$IMAGE" --lanes 4
	proxy_stop
	assert_equal "$(connections_used)" 1 "connections that carried segments"
	assert_equal "$(retries)" 0 "retries"
	# The one that stalls is not waited for until its silence counts.
	assert_at_most $((EPOCHSECONDS - began)) 40 "seconds"
}

test_a_lane_that_could_not_be_opened_is_tried_once_more() {
	start_over
	proxy_start --rate 4000000 --at up:90000000:cut --at up:10:cut --at up:10:cut --at up:10:cut
	push "$IMAGE" --lanes 4
	proxy_stop
	assert_equal "$(connections_used)" 4 "connections that carried segments"
	assert_equal "$(retries)" 0 "retries"
}

# With the first connection everything ends, and another try goes on.
test_the_first_connection_takes_its_lanes_along() {
	start_over
	proxy_start --rate 4000000 --at up:1500000:reset
	push "$IMAGE" --lanes 4
	proxy_stop
	assert_equal "$(retries)" 1 "retries"
	assert_at_most "$(result "$OUT" bytes_sent)" $((2 * (LAYER_MB << 20) + 4 * LOST_MAX)) "bytes sent"
}

test_the_receiver_shows_one_session_whatever_its_lanes() {
	local client sessions
	start_over
	DRAY_CONFIG_DIR=$CONFIG "$DRAY" push -q -H "$(engine_address "$A")" "$IMAGE" --to b --lanes 8 \
		--limit-rate 6M >"$OUT" 2>"$OUT.err" &
	client=$!
	proxy_start
	sleep 2
	sessions=$("$DRAYD" stats --state "$STATE" --json |
		python3 -c 'import json, sys; print(json.loads(sys.stdin.readlines()[-1])["sessions"])')
	wait "$client" || fail "the push ended with $?: $(cat "$OUT.err")"
	proxy_stop
	assert_equal "$sessions" 1 "sessions"
}

test_a_lane_that_lies_about_its_session_is_refused() {
	proxy_start
	DRAY_CONFIG_DIR=$CONFIG timeout -k 5 60 "$DRAY_BUILD/tests/support/lane_peer" b >"$OUT" 2>"$OUT.err" ||
		fail "exit code $?: $(cat "$OUT" "$OUT.err")"
	proxy_stop
	assert_equal "$(grep -c '^ok' "$OUT")" 5 "things that hold"
	start_over
	proxy_start
	push "$IMAGE" --lanes 2
	proxy_stop
}

# --- rate and congestion ---

test_the_rate_is_limited_over_all_lanes() {
	local lanes
	for lanes in 1 5; do
		start_over
		proxy_start
		push "$IMAGE" --limit-rate 6M --lanes "$lanes"
		proxy_stop
		# 25 MB at 6 MB/s, and what goes on beside it.
		assert_at_least "$(result "$OUT" seconds)" 3.9 "seconds with $lanes lanes"
		assert_at_most "$(result "$OUT" seconds)" 8 "seconds with $lanes lanes"
	done
}

test_options_of_the_link_are_checked() {
	local option
	for option in --lanes=0 --lanes=17 --lanes=x --lanes= --limit-rate=100 --limit-rate=x \
		--congestion=../bbr --congestion= --compress=20 --compress=best; do
		! dray_push "$CONFIG" "$A" "$IMAGE" --to b "$option" >"$OUT" 2>"$OUT.err" ||
			fail "$option was taken"
		assert_lines "$OUT.err" 1
		assert_grep "${option%%=*}" "$OUT.err"
	done
}

test_a_congestion_control_that_the_kernel_lacks_is_an_error() {
	local code=0
	proxy_start
	dray_push "$CONFIG" "$A" "$IMAGE" --to b --congestion nonesuch >"$OUT" 2>"$OUT.err" || code=$?
	proxy_stop
	assert_equal "$code" 2 "exit code"
	assert_grep 'no congestion control of that name' "$OUT.err"
}

test_the_systems_congestion_controls_are_taken_by_name() {
	local name
	for name in $(cat /proc/sys/net/ipv4/tcp_available_congestion_control) system auto; do
		start_over
		proxy_start
		push "$IMAGE" --congestion "$name" --lanes 2
		proxy_stop
	done
}

# --- compression ---

test_a_slow_link_is_worth_more_compression() {
	local slow
	start_over
	proxy_start --rate 1500000
	push t/binary:1 --lanes 2
	proxy_stop
	slow=$(result "$OUT" bytes_sent)
	start_over
	proxy_start
	push t/binary:1 --compress 1
	proxy_stop
	assert_at_most "$slow" $(($(result "$OUT" bytes_sent) * 95 / 100)) "bytes sent over a slow link"
}

test_without_compression_the_bytes_go_as_they_are() {
	start_over
	proxy_start
	push t/binary:1 --compress none
	proxy_stop
	assert_at_least "$(result "$OUT" bytes_sent)" "$(stat -c %s "$SANDBOX/binary.tar")" "bytes sent"
}

run_cases link "$@"
