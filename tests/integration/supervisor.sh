#!/bin/bash
# `drayd serve` as three processes: each of them killed or stopped, what the two that work may
# reach, and what a service manager hears.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
OUT=$SANDBOX/out
HEARD=$SANDBOX/heard
BACK_MAX=2 # seconds until a killed process is back
WATCHDOG=4 # seconds, for the tests of silence

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 12 "$STATE.log"
	[ ! -e "$HEARD" ] || sed 's/^/heard: /' "$HEARD"
}

# --- the processes ---

supervisor() {
	cat "$STATE.pid"
}

# child ROLE ("net" or "engine"): its process, nothing when there is none.
child() {
	pgrep -P "$(supervisor)" -f "^drayd $1-process" || true
}

new_child() {
	local now
	now=$(child "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

await_new_child() {
	await "$((BACK_MAX * 10))" "no new $1 process within $BACK_MAX s" new_child "$1" "$2"
}

serves() {
	receiver_listens "$DRAY_PORT" && [ -n "$(child net)" ] && [ -n "$(child engine)" ]
}

# Something is sent, something is loaded, and it is right.
assert_works() {
	engine_docker "$B" image rm --force t/busybox:1 >/dev/null 2>&1 || true
	push_json "$CONFIG" "$A" "$OUT" t/busybox:1 --to b
	assert_equal "$(images_id "$B" t/busybox:1)" "$(images_id "$A" t/busybox:1)" "ID on the target"
}

# Nothing of an earlier test counts.
start_over() {
	receiver_stop "$STATE"
	: >"$STATE.log"
	receiver_start "$STATE" "$B"
	await 50 "both children run" serves
}

# --- sockets ---

# The inodes of a process's sockets.
sockets_of() {
	find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n'
}

# How many of a process's sockets are at the other end of connections to the engine's socket. The
# engine's ends are listed in the network of who connected.
engine_connections() {
	local peers
	peers=$(nsenter --target "$1" --net ss -xnH state established |
		awk -v path="$B/docker.sock" '$4 == path { print $7 }')
	sockets_of "$1" | grep -cxF -- "${peers:-none}" || true
}

# How many are neither unix sockets of this network, nor of the process's own.
other_sockets() {
	sockets_of "$1" | grep -vxF -- "$(awk '{ print $7 }' /proc/net/unix "/proc/$1/net/unix")" |
		grep -c . || true
}

# --- the service manager ---

listen_as_manager() {
	rm -f "$HEARD" "$1"
	"$SUPPORT/notify_listener" "$1" "$HEARD" &
	echo $! >"$HEARD.pid"
	disown
	await 50 "the listener is there" test -s "$HEARD"
}

heard() {
	grep -c -- " $1" "$HEARD" || true
}

# heard_times WORD COUNT
heard_times() {
	[ "$(heard "$1")" -ge "$2" ]
}

manager_ends() {
	kill "$(cat "$HEARD.pid")"
	rm -f "$HEARD"
}

prepare() {
	engine_start "$A" && engine_start "$B" || exit 1
	images_busybox "$A" t/busybox:1
	receiver_start "$STATE" "$B" && receiver_pair "$STATE" "$CONFIG" b || exit 1
}

prepare

# --- who may reach what ---

test_three_processes_with_names_of_their_own_serve() {
	assert_works
	assert_equal "$(pgrep -c -P "$(supervisor)")" 2 "children"
	assert_equal "$(ps -o comm= -p "$(child net)")" net-process "name of the network process"
	assert_equal "$(ps -o comm= -p "$(child engine)")" engine-process "name of the engine process"
}

test_only_the_engine_process_reaches_the_engine() {
	assert_works
	assert_at_least "$(engine_connections "$(child engine)")" 1 "connections of the engine process"
	assert_equal "$(engine_connections "$(child net)")" 0 "connections of the network process"
	assert_equal "$(engine_connections "$(supervisor)")" 0 "connections of the supervisor"
}

test_only_the_network_process_has_a_network() {
	assert_at_least "$(other_sockets "$(child net)")" 1 "network sockets of the network process"
	assert_equal "$(other_sockets "$(child engine)")" 0 "network sockets of the engine process"
	assert_equal "$(other_sockets "$(supervisor)")" 0 "network sockets of the supervisor"
	[ "$(readlink "/proc/$(child engine)/ns/net")" != "$(readlink /proc/self/ns/net)" ] ||
		fail "the engine process is in this network"
	assert_equal "$(grep -c ':' "/proc/$(child engine)/net/dev")" 1 "its interfaces"
}

test_every_thread_of_both_is_confined() {
	local role pid
	for role in net engine; do
		pid=$(child "$role")
		assert_equal "$(cat "/proc/$pid"/task/*/status | grep '^Seccomp:' | sort -u)" \
			$'Seccomp:\t2' "filter of the $role process"
		assert_equal "$(cat "/proc/$pid"/task/*/status | grep '^NoNewPrivs:' | sort -u)" \
			$'NoNewPrivs:\t1' "new privileges of the $role process"
	done
}

# --- deaths ---

kill_and_push() {
	local role=$1 name=$2 old
	start_over
	for _ in 1 2 3; do
		old=$(child "$role")
		kill -KILL "$old"
		await_new_child "$role" "$old"
		await $((BACK_MAX * 10)) "it serves again within $BACK_MAX s" serves
		assert_works
	done
	assert_equal "$(grep -c "$name was killed by signal 9 (Killed); starting it again" "$STATE.log")" \
		3 "lines that say so"
}

test_the_network_process_is_back_after_each_death() {
	kill_and_push net "the network process"
}

test_the_engine_process_is_back_after_each_death() {
	kill_and_push engine "the engine process"
}

test_a_killed_supervisor_takes_both_along_and_the_next_serve_begins_at_once() {
	local net engine began
	start_over
	net=$(child net)
	engine=$(child engine)
	receiver_kill "$STATE"
	began=$EPOCHREALTIME
	receiver_start "$STATE" "$B"
	assert_at_most "$(seconds_since "$began")" 2 "seconds until the next one listens"
	engine_await_end "$net" 1 || fail "the network process lives on"
	engine_await_end "$engine" 1 || fail "the engine process lives on"
	assert_works
}

# A process that still writes must keep the state to itself.
test_the_state_stays_locked_until_its_last_process_has_ended() {
	local net
	start_over
	for net in "$(child net)" "$(child engine)"; do
		[ "/proc/$net/fd/4" -ef "$STATE/lock" ] || fail "process $net does not hold the lock"
	done
	! flock --nonblock "$STATE/lock" true || fail "the state is not locked"
}

# --- stopping and reloading ---

# stop_with COMMAND...: the command asks drayd to stop; its exit code must be 0, and nothing is left.
stop_with() {
	local pid code=0
	receiver_stop "$STATE"
	"$DRAYD" serve --state "$STATE" --listen "127.0.0.1:$DRAY_PORT" -H "$(engine_address "$B")" \
		>>"$STATE.log" 2>&1 </dev/null &
	pid=$!
	echo "$pid" >"$STATE.pid"
	await 50 "it serves" serves
	sleep 0.3
	"$@" "$pid"
	wait "$pid" || code=$?
	assert_equal "$code" 0 "exit code of $*"
	! pgrep -f "^drayd (net|engine)-process" >/dev/null || fail "a child is left"
	flock --nonblock "$STATE/lock" true || fail "the state is still locked"
}

signal_all() {
	local signal=$1 pid
	for pid in $(child net) $(child engine) "$2"; do
		kill "-$signal" "$pid"
	done
}

test_a_clean_stop_is_code_0_and_leaves_nothing() {
	stop_with kill -TERM
	stop_with kill -INT
}

# As a terminal's Ctrl-C, and a service manager that signals all.
test_a_signal_to_all_three_is_a_clean_stop_too() {
	: >"$STATE.log"
	stop_with signal_all INT
	stop_with signal_all TERM
	! grep -q 'starting it again' "$STATE.log" || fail "a child did not wait for its supervisor"
}

test_a_first_start_that_fails_ends_with_the_child_s_code_and_one_line() {
	local code=0
	start_over
	timeout -k 5 20 "$DRAYD" serve --state "$SANDBOX/second" --listen "127.0.0.1:$DRAY_PORT" \
		-H "$(engine_address "$B")" >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 1 "exit code with a port that is taken"
	assert_lines "$OUT.err" 1
	assert_grep "cannot listen on 127.0.0.1:$DRAY_PORT" "$OUT.err"
	code=0
	timeout -k 5 20 "$DRAYD" serve --state "$SANDBOX/second" --listen 127.0.0.1:7748 \
		-H ftp://somewhere >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 2 "exit code with an engine's address that is none"
	grep -v ' info: ' "$OUT.err" >"$OUT" || true
	assert_lines "$OUT" 1
	assert_grep 'ftp' "$OUT"
	assert_equal "$(pgrep -c -f '^drayd (net|engine)-process.*second' || true)" 0 "children left"
	assert_works
}

# Later than a taken port is found: the supervisor has already told of the engine port by then.
test_a_state_that_cannot_be_used_ends_the_first_start_too() {
	local code=0
	mkdir -p "$SANDBOX/open"
	cp -a "$STATE/key" "$SANDBOX/open/key"
	chmod 0644 "$SANDBOX/open/key"
	timeout -k 5 20 "$DRAYD" serve --state "$SANDBOX/open" --listen 127.0.0.1:7748 \
		-H "$(engine_address "$B")" >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 5 "exit code with a key that others may read"
	grep -v ' info: ' "$OUT.err" >"$OUT" || true
	assert_lines "$OUT" 1
	assert_grep "$SANDBOX/open/key" "$OUT"
	chmod 0600 "$SANDBOX/open/key"
	rm -rf "$SANDBOX/open/domains"
	touch "$SANDBOX/open/domains"
	code=0
	timeout -k 5 20 "$DRAYD" serve --state "$SANDBOX/open" --listen 127.0.0.1:7748 \
		-H "$(engine_address "$B")" >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 1 "exit code with a store that is none"
	grep -v ' info: ' "$OUT.err" >"$OUT" || true
	assert_lines "$OUT" 1
	assert_grep "$SANDBOX/open/domains" "$OUT"
}

test_wrong_options_are_refused_before_anything_is_made() {
	local option
	for option in "--listen nonsense" "--cache lots" "--cache 0" "--no-engine" "argument"; do
		local code=0
		# shellcheck disable=SC2086 # an option and its value
		timeout -k 5 20 "$DRAYD" serve --state "$SANDBOX/third" $option >"$OUT" 2>"$OUT.err" ||
			code=$?
		assert_equal "$code" 2 "exit code with $option"
		assert_lines "$OUT.err" 1
		[ ! -e "$SANDBOX/third" ] || fail "the state was made with $option"
	done
}

test_what_serve_starts_is_no_command_for_people() {
	local command
	for command in net-process engine-process; do
		local code=0
		timeout -k 5 20 "$DRAYD" "$command" --state "$SANDBOX/third" >"$OUT" 2>"$OUT.err" || code=$?
		assert_equal "$code" 2 "exit code of $command"
		assert_grep 'drayd serve' "$OUT.err"
		! "$DRAYD" --help | grep -q "$command" || fail "--help lists $command"
	done
}

# --- a service manager ---

test_a_manager_hears_of_the_start_the_reload_and_the_stop() {
	local socket
	for socket in "$SANDBOX/notify" @dray-supervisor-test; do
		receiver_stop "$STATE"
		listen_as_manager "$socket"
		NOTIFY_SOCKET=$socket WATCHDOG_USEC=3000000 receiver_start "$STATE" "$B"
		await 50 "READY=1" heard_times READY=1 1
		await 50 "WATCHDOG=1 three times" heard_times WATCHDOG=1 3
		kill -HUP "$(supervisor)"
		await 30 "RELOADING=1" heard_times 'RELOADING=1 MONOTONIC_USEC=[0-9]' 1
		await 30 "READY=1 again" heard_times READY=1 2
		assert_equal "$(heard STOPPING=1)" 0 "STOPPING=1 too early"
		receiver_stop "$STATE"
		assert_equal "$(heard STOPPING=1)" 1 "STOPPING=1"
		manager_ends
	done
	receiver_start "$STATE" "$B"
}

test_a_child_that_says_nothing_is_killed_and_replaced() {
	local net engine
	receiver_stop "$STATE"
	: >"$STATE.log"
	WATCHDOG_USEC=${WATCHDOG}000000 receiver_start "$STATE" "$B"
	await 50 "both children run" serves
	net=$(child net)
	engine=$(child engine)
	sleep 1 # they have said something
	kill -STOP "$net" "$engine"
	sleep $((WATCHDOG - 2))
	[ "$(child net) $(child engine)" = "$net $engine" ] || fail "replaced too early"
	await 50 "a new network process" new_child net "$net"
	await 50 "a new engine process" new_child engine "$engine"
	assert_grep "the network process gave no sign of life for $WATCHDOG s; killing it" "$STATE.log"
	assert_grep "the engine process gave no sign of life for $WATCHDOG s; killing it" "$STATE.log"
	await 20 "it serves again" serves
	assert_works
}

# The manager's own limit must not pass while the supervisor mends things.
test_the_watchdog_is_fed_only_while_both_live() {
	local pings
	receiver_stop "$STATE"
	listen_as_manager "$SANDBOX/notify"
	NOTIFY_SOCKET=$SANDBOX/notify WATCHDOG_USEC=1000000 receiver_start "$STATE" "$B"
	await 50 "WATCHDOG=1" heard_times WATCHDOG=1 2
	# Deaths in a row: the next start waits longer and longer.
	for _ in 1 2 3 4 5 6; do
		await 60 "a network process" new_child net 0
		kill -KILL "$(child net)"
	done
	await 10 "no network process" eval '[ -z "$(child net)" ]'
	pings=$(heard WATCHDOG=1)
	sleep 1
	assert_equal "$(heard WATCHDOG=1)" "$pings" "WATCHDOG=1 without a network process"
	await 60 "a network process" new_child net 0
	await 30 "WATCHDOG=1 again" heard_times WATCHDOG=1 $((pings + 1))
	receiver_stop "$STATE"
	manager_ends
}

test_the_unit_file_is_right() {
	command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
	# It wants to see the program.
	sed "s|/usr/bin/drayd|$DRAYD|" "$SUPPORT/../../deploy/systemd/drayd.service" >"$SANDBOX/drayd.service"
	systemd-analyze verify --recursive-errors=no --man=no "$SANDBOX/drayd.service" >"$OUT" 2>&1 ||
		fail "systemd-analyze: $(cat "$OUT")"
	! grep -q drayd.service "$OUT" || fail "systemd-analyze: $(cat "$OUT")"
}
run_cases supervisor "$@"
