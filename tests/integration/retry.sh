#!/bin/bash
# Links, receivers and engines that fail while an image is pushed: the agent says what it waits for,
# goes on when it can, gives up when the time is over, and stops at once when it is told to. And two
# agents at once.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config # of the agent that meets the receiver through the proxy
DIRECT=$SANDBOX/direct # of one that does not
OUT=$SANDBOX/out
IMAGE=t/cargo:1
LAYER_MB=16
RATE=12000000 # bytes a second: what is on its way, and lost by a cut, is little

after_failure() {
	echo "--- the proxy's last lines:"
	tail -n 8 "$PROXY_LOG"
	echo "--- drayd's last lines:"
	tail -n 12 "$STATE.log"
	echo "--- the agent's last lines:"
	tail -n 8 "$OUT.err"
}

# --- the link ---

# Bytes up, away from the agents, of all connections.
proxy_bytes() {
	sed -n 's/^\(fault\|end\) .* up=\([0-9]*\) .*/\2/p' "$PROXY_LOG" |
		awk '{ n += $1 } END { printf "%d\n", n }'
}

# --- the agent ---

# agent_start OPTION...: a push that goes on behind the script, through the proxy.
agent_start() {
	DRAY_CONFIG_DIR=$CONFIG env --default-signal=INT "$DRAY" push --json \
		-H "$(engine_address "$A")" "$IMAGE" --to b "$@" >"$OUT" 2>"$OUT.err" </dev/null &
	agent=$!
}

# agent_end CODE: within a minute.
agent_end() {
	local code=0
	engine_await_end "$agent" 600 || fail "the agent does not end"
	wait "$agent" || code=$?
	cat "$OUT.err"
	assert_equal "$code" "$1" "exit code"
}

# await_line PATTERN FILE: at most 20 s.
await_line() {
	local i
	for ((i = 0; i < 400; i++)); do
		! grep -qE -- "$1" "$2" || return 0
		sleep 0.05
	done
	fail "no line that matches '$1': $(tail -n 5 "$2")"
}

milliseconds() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# json_field EVENT NUMBER FIELD: of the NUMBERth event of that kind (from 1, or -1: the last).
json_field() {
	python3 - "$OUT" "$@" <<-'END'
		import json, sys
		events = [e for e in map(json.loads, open(sys.argv[1])) if e["event"] == sys.argv[2]]
		at = int(sys.argv[3])
		print(events[at - 1 if at > 0 else at][sys.argv[4]])
	END
}

# --- what must hold ---

# Right, alone, and nothing under way.
assert_arrived() {
	local image=${1:-$IMAGE} i
	assert_equal "$(images_id "$B" "$image")" "$(images_id "$A" "$image")" "ID on the target"
	assert_equal "$(images_layers "$B" "$image")" "$(images_layers "$A" "$image")" "layers"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag on the target"
	for ((i = 0; i < 50; i++)); do
		[ -n "$(find "$STATE/loads" -name '*.json' 2>/dev/null)" ] || return 0
		sleep 0.1
	done
	fail "left in the journal: $(ls "$STATE/loads")"
}

assert_runs() {
	assert_equal "$(engine_docker "$B" run --rm --network none "$1" sha256sum /1 /2 /3)" \
		"$(engine_docker "$A" run --rm --network none "$1" sha256sum /1 /2 /3)" "content"
}

# As if there had been no push before.
start_over() {
	local image
	receiver_stop "$STATE"
	for image in $(engine_docker "$B" images --format '{{.Repository}}:{{.Tag}}'); do
		engine_docker "$B" image rm --force "$image" >/dev/null 2>&1 || true
	done
	rm -rf "$STATE/domains"
	receiver_start "$STATE" "$B"
}

# --- preparation ---

# random_layer NAME MEGABYTES: a tar with a file /NAME that cannot be compressed.
random_layer() {
	mkdir "$SANDBOX/layer"
	head -c "$(($2 << 20))" /dev/urandom >"$SANDBOX/layer/$1"
	images_tar "$SANDBOX/layer" "$SANDBOX/$1.tar"
	rm -r "$SANDBOX/layer"
}

prepare() {
	local name
	engine_start "$A" && engine_start "$B" || exit 1
	for name in 1 2 3; do
		random_layer "$name" "$LAYER_MB"
	done
	images_stack "$A" "$IMAGE" cargo "$SANDBOX"/[123].tar
	receiver_start "$STATE" "$B" && proxy_start || exit 1
	receiver_pair "$STATE" "$DIRECT" b
	receiver_invite "$STATE" linked --address "127.0.0.1:$PROXY_PORT" |
		DRAY_CONFIG_DIR=$CONFIG timeout -k 5 20 "$DRAY" pair b 2>/dev/null || exit 1
	proxy_stop
	touch "$OUT" "$OUT.err"
}
prepare

# --- a target that is not there ---

test_a_receiver_that_comes_up_later_is_waited_for() {
	receiver_stop "$STATE"
	proxy_start
	CONFIG=$DIRECT agent_start
	sleep 3
	receiver_start "$STATE" "$B"
	agent_end 0
	proxy_stop
	assert_grep "b: cannot connect to 127.0.0.1:$DRAY_PORT: .*refused; trying again in .*s \(for at most .* more\)" \
		"$OUT.err"
	assert_arrived
	assert_runs "$IMAGE"
}

test_giving_up_says_why_and_how_long_it_was_tried() {
	local began code=0
	receiver_stop "$STATE"
	began=$(milliseconds)
	dray_push "$DIRECT" "$A" "$IMAGE" --to b --retry-for 3s >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 6 "exit code"
	assert_at_least $(($(milliseconds) - began)) 2900 "milliseconds"
	assert_at_most $(($(milliseconds) - began)) 4500 "milliseconds"
	tail -n 1 "$OUT.err" >"$OUT.last"
	assert_grep 'refused; gave up after [3-9] tries, 3.0s without a session' "$OUT.last"
	assert_lines "$OUT" 0
	receiver_start "$STATE" "$B"
}

test_without_time_to_retry_the_first_failure_is_the_last() {
	local code=0
	receiver_stop "$STATE"
	dray_push "$DIRECT" "$A" "$IMAGE" --to b --retry-for 0 >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 6 "exit code"
	assert_lines "$OUT.err" 1
	! grep -q 'again\|gave up' "$OUT.err" || fail "$(cat "$OUT.err")"
	receiver_start "$STATE" "$B"
}

test_retries_are_events_of_json() {
	receiver_stop "$STATE"
	CONFIG=$DIRECT agent_start --retry-for 2s
	agent_end 6
	receiver_start "$STATE" "$B"
	assert_grep 'refused' <(json_field retry 1 reason)
	assert_equal "$(json_field retry 1 code)" unreachable "code"
	assert_equal "$(json_field retry 1 target)" b "target"
	assert_at_least "$(json_field retry 1 wait)" 0.7 "wait"
	assert_at_most "$(json_field retry 1 wait)" 1 "wait"
	assert_at_least "$(json_field retry 1 left)" 1.9 "left"
	assert_at_most "$(json_field retry 2 left)" 1.3 "left"
	assert_equal "$(json_field result -1 ok)" False "ok"
	assert_equal "$(json_field result -1 code)" unreachable "code"
}

test_quiet_says_nothing_but_the_id() {
	receiver_stop "$STATE"
	(
		sleep 0.6
		receiver_start "$STATE" "$B"
	) &
	dray_push "$DIRECT" "$A" -q "$IMAGE" --to b >"$OUT" 2>"$OUT.err"
	wait
	assert_equal "$(cat "$OUT")" "$(images_id "$A" "$IMAGE")" "stdout"
	assert_lines "$OUT.err" 0
}

test_a_signal_ends_the_waiting_at_once() {
	local signal began
	receiver_stop "$STATE"
	for signal in INT TERM; do
		CONFIG=$DIRECT agent_start
		sleep 2.2 # the third wait, of some 2 s
		began=$(milliseconds)
		kill "-$signal" "$agent"
		agent_end 130
		assert_at_most $(($(milliseconds) - began)) 400 "milliseconds until the end"
	done
	receiver_start "$STATE" "$B"
}

# --- names ---

# with_names SOURCES: where names of hosts are looked up, until the case ends.
with_names() {
	echo "hosts: $1" >"$SANDBOX/nsswitch.conf"
	echo "nameserver 192.0.2.1" >"$SANDBOX/resolv.conf"
	mount --bind "$SANDBOX/nsswitch.conf" /etc/nsswitch.conf
	mount --bind "$SANDBOX/resolv.conf" /etc/resolv.conf
}

without_names() {
	umount /etc/nsswitch.conf /etc/resolv.conf
}

# A paired target whose address was changed to a name.
name_target() {
	rm -rf "$SANDBOX/named"
	cp -r "$DIRECT" "$SANDBOX/named"
	sed -i "s/127\.0\.0\.1:/$1:/" "$SANDBOX/named/targets/b.json"
}

test_a_host_that_does_not_exist_is_not_waited_for() {
	local code=0 began
	name_target no-such-host
	with_names files
	began=$(milliseconds)
	dray_push "$SANDBOX/named" "$A" "$IMAGE" --to b >"$OUT" 2>"$OUT.err" || code=$?
	without_names
	assert_equal "$code" 6 "exit code"
	assert_grep "b: cannot find the address of no-such-host:$DRAY_PORT" "$OUT.err"
	assert_at_most $(($(milliseconds) - began)) 2000 "milliseconds"
}

test_a_name_that_cannot_be_looked_up_just_now_is_waited_for() {
	name_target receiver.example
	with_names dns # and no network that leads to the name server
	CONFIG=$SANDBOX/named agent_start
	await_line 'receiver.example:.*; trying again' "$OUT.err"
	without_names
	with_names files
	cp /etc/hosts "$SANDBOX/hosts"
	echo "127.0.0.1 receiver.example" >>"$SANDBOX/hosts"
	mount --bind "$SANDBOX/hosts" /etc/hosts
	agent_end 0
	umount /etc/hosts
	without_names
}

# --- a link that breaks ---

test_a_push_over_a_link_that_is_reset_five_times_arrives() {
	local sent clean retries
	start_over
	proxy_start --rate "$RATE" --at up:2000000:reset --at up:9000000:reset --at up:300:reset \
		--at up:5000000:reset --at up:14000000:reset
	agent_start --lanes 1
	agent_end 0
	sleep 0.2
	proxy_stop
	assert_equal "$(grep -c '^fault' "$PROXY_LOG")" 5 "resets"
	retries=$(grep -c '"event":"retry"' "$OUT")
	assert_equal "$retries" 5 "retries"
	sent=$(proxy_bytes)
	clean=$((3 * LAYER_MB << 20))
	echo "$sent bytes over the link for $clean of layers"
	assert_at_most "$sent" $((clean + 5 * (5 << 20))) "bytes over the link"
	assert_at_least "$(result "$OUT" bytes_sent)" $((clean)) "bytes sent, of all tries"
	assert_at_most "$(result "$OUT" bytes_sent)" $((sent + 5 * (4 << 20))) "bytes sent"
	assert_equal "$(result "$OUT" layers_skipped)" 0 "layers that were there before"
	assert_arrived
	assert_runs "$IMAGE"
}

test_progress_never_goes_back() {
	sed -n 's/.*: sending \([0-9.]*\)\([kMG]*B\) of .*/\1 \2/p' "$OUT.err" |
		awk '{ n = $1 * ($2 == "kB" ? 1e3 : $2 == "MB" ? 1e6 : $2 == "GB" ? 1e9 : 1) }
			n < last { print "after", last, "came", n } { last = n; lines++ }
			END { if (lines < 1) print "no lines of progress" }' >"$SANDBOX/back"
	assert_lines "$SANDBOX/back" 0
}

# However long it takes: each time something arrives, patience begins anew.
test_a_link_that_keeps_failing_but_moves_on_is_not_given_up() {
	local faults=()
	start_over
	for _ in 1 2 3 4 5 6 7 8; do
		faults+=(--at up:4000000:cut)
	done
	proxy_start --rate "$RATE" "${faults[@]}"
	agent_start --retry-for 1s
	agent_end 0
	proxy_stop
	assert_arrived
}

# More than a minute of it, after which silence would count as an end.
test_a_link_of_64_kilobytes_a_second_is_slow_and_nothing_else() {
	local began took
	start_over
	head -c $((4300 << 10)) /dev/urandom >"$SANDBOX/slow"
	tar -C "$SANDBOX" -c slow | engine_docker "$A" import - t/slow:1 >/dev/null
	proxy_start --rate 65536
	began=$(milliseconds)
	IMAGE=t/slow:1 agent_start --retry-for 0 --lanes 1
	engine_await_end "$agent" 300 || true
	agent_end 0
	took=$(($(milliseconds) - began))
	proxy_stop
	echo "$took ms"
	assert_at_least "$took" 65000 "ms at 64 KiB/s"
	assert_at_most "$took" 85000 "ms at 64 KiB/s"
	! grep -q '"event":"retry"' "$OUT" || fail "the link was taken for a broken one"
	assert_arrived t/slow:1
}

test_a_receiver_that_is_killed_in_the_middle_is_found_again() {
	start_over
	proxy_start --rate "$RATE"
	agent_start
	await_line '"phase":"sending"' "$OUT"
	sleep 1.5
	receiver_kill "$STATE"
	await_line 'trying again' "$OUT.err"
	receiver_start "$STATE" "$B"
	agent_end 0
	sleep 0.2
	proxy_stop
	assert_at_most "$(proxy_bytes)" $(((3 * LAYER_MB + 6) << 20)) "bytes over the link"
	assert_arrived
	assert_runs "$IMAGE"
}

# --- engines that go away ---

test_the_sources_engine_is_waited_for_when_it_is_restarted() {
	start_over
	proxy_start --rate 6000000
	agent_start --read api
	await_line '"phase":"sending"' "$OUT"
	sleep 0.3
	engine_kill "$A"
	await_line "engine at $(engine_address "$A").*; trying again" "$OUT.err"
	engine_start "$A"
	agent_end 0
	proxy_stop
	assert_arrived
}

test_the_targets_engine_is_waited_for() {
	start_over
	engine_stop "$B"
	CONFIG=$DIRECT agent_start
	await_line 'the target: .*; trying again' "$OUT.err"
	assert_equal "$(json_field retry 1 code)" again "code"
	engine_start "$B"
	agent_end 0
	assert_arrived
}

test_a_target_that_stays_busy_is_given_up_with_code_6() {
	local code=0
	engine_stop "$B"
	dray_push "$DIRECT" "$A" "$IMAGE" --to b --retry-for 1s >"$OUT" 2>"$OUT.err" || code=$?
	engine_start "$B"
	assert_equal "$code" 6 "exit code"
	tail -n 1 "$OUT.err" >"$OUT.last"
	assert_grep 'the target: .*; gave up after' "$OUT.last"
}

# --- pairing over a link that breaks ---

test_pairing_that_was_cut_anywhere_is_mended_by_the_same_token() {
	local at number=0 code token
	for at in up:40 down:20 up:150 down:100 down:250 up:300 down:330 down:360; do
		number=$((number + 1))
		token=$(receiver_invite "$STATE" "cut-$number" --address "127.0.0.1:$PROXY_PORT")
		proxy_start --at "$at:cut"
		code=0
		for _ in 1 2; do
			echo "$token" | DRAY_CONFIG_DIR=$SANDBOX/cut-$number timeout -k 5 20 "$DRAY" pair b \
				2>"$OUT.err" && break
			code=$?
			echo "$at: code $code: $(cat "$OUT.err")"
			assert_grep '[56]' <(echo "$code")
			assert_lines "$OUT.err" 1
		done
		proxy_stop
		proxy_start
		CONFIG=$SANDBOX/cut-$number agent_start --dry-run
		agent_end 0
		proxy_stop
	done
}

# --- two agents at once ---

# Two images with a layer in common, from two sources, and one image from both.
test_two_agents_at_once_push_the_same_image_and_images_that_share_layers() {
	local other=$SANDBOX/other image
	engine_start "$other"
	images_stack "$other" "$IMAGE" cargo "$SANDBOX"/[123].tar
	images_stack "$other" t/kin:1 kin "$SANDBOX"/[13].tar "$SANDBOX/2.tar"
	images_stack "$A" t/kin:1 kin "$SANDBOX"/[13].tar "$SANDBOX/2.tar"
	for _ in 1 2; do
		for image in "$IMAGE" t/kin:1; do
			start_over
			dray_push "$DIRECT" "$A" "$IMAGE" --to b >"$OUT" 2>"$OUT.err" &
			agent=$!
			dray_push "$DIRECT" "$other" "$image" --to b >"$OUT.2" 2>"$OUT.2.err" ||
				fail "$image, the second agent: $(cat "$OUT.2.err")"
			agent_end 0
			assert_arrived "$IMAGE"
			assert_arrived "$image"
			assert_runs "$image"
		done
	done
	engine_kill "$other"
}

run_cases retry "$@"
