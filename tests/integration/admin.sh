#!/bin/bash
# The commands of drayd beside a serve that works, and without one: the same answers, no push
# disturbed, and nobody let in who should not be.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
OUT=$SANDBOX/out
OWN=192.0.2.9 # this sandbox's one address that is not loopback's
NOBODY=65534

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 12 "$STATE.log"
}

# drayd COMMAND OPTION...: on the state, within 30 s.
drayd() {
	local command=$1
	shift
	timeout -k 5 30 "$DRAYD" "$command" --state "$STATE" "$@"
}

# expect CODE COMMAND OPTION...: leaves stdout in OUT, stderr in OUT.err.
expect() {
	local expected=$1 code=0
	shift
	drayd "$@" >"$OUT" 2>"$OUT.err" </dev/null || code=$?
	echo "drayd $*: exit code $code: $(cat "$OUT.err")"
	assert_equal "$code" "$expected" "exit code of drayd $*"
}

# field NAME: of the result line in OUT.
field() {
	tail -n 1 "$OUT" | python3 -c 'import json, sys
result = json.loads(sys.stdin.read())
assert result["event"] == "result", result
print(json.dumps(result[sys.argv[1]]))' "$1"
}

sessions() {
	expect 0 stats --json >/dev/null
	field sessions
}

# begin_push CONFIG IMAGE: in the background, when it returns the receiver has the session. Its
# number is in $pushing, what it says in CONFIG.push.
begin_push() {
	DRAY_CONFIG_DIR=$1 timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" push -H "$(engine_address "$A")" "$2" \
		--to b >"$1.push" 2>&1 &
	pushing=$!
	await 100 "no session begins: $(cat "$1.push")" has_a_session
}

has_a_session() {
	[ "$(sessions)" != 0 ]
}

# Sends the image for the first time: nothing of it is anywhere on the target.
forget_on_target() {
	local images
	mapfile -t images < <(engine_docker "$B" images --all --quiet | sort -u)
	[ ${#images[@]} = 0 ] || engine_docker "$B" image rm --force "${images[@]}" >/dev/null
}

assert_works() {
	push_json "$CONFIG" "$A" "$OUT" t/busybox:1 --to b
	assert_equal "$(images_id "$B" t/busybox:1)" "$(images_id "$A" t/busybox:1)" "ID on the target"
}

net_process() {
	pgrep -P "$(cat "$STATE.pid")" -f '^drayd net-process' || true
}

prepare() {
	ip link add lan0 type veth peer name lan1 && ip address add "$OWN/24" dev lan0 &&
		ip link set lan0 up || exit 1
	engine_start "$A" && engine_start "$B" || exit 1
	images_busybox "$A" t/busybox:1
	local i
	for i in 1 2; do
		mkdir "$SANDBOX/large"
		images_binary "$SANDBOX/large/binary" 60 $((60 * (i - 1)))
		images_tar "$SANDBOX/large" "$SANDBOX/large.tar"
		images_stack "$A" "t/large:$i" large "$SANDBOX/large.tar"
		rm -r "$SANDBOX/large" "$SANDBOX/large.tar"
	done
	receiver_start "$STATE" "$B" && receiver_pair "$STATE" "$CONFIG" b || exit 1
	(assert_works) || exit 1
}
prepare

# --- each command, with and without a serve ---

test_every_command_answers_beside_a_serve_and_the_same_without_one() {
	local command
	for command in "keys --json" "stats --json" "check --json" "check --read-data --json" \
		"prune --dry-run --json"; do
		# shellcheck disable=SC2086 # a list of words
		expect 0 $command
		assert_equal "$(field ok)" true "ok of $command"
		grep -v '"result"' "$OUT" >"$SANDBOX/beside.${command// /}" || true
	done
	assert_grep 'info: check, asked for by user 0' "$STATE.log"
	receiver_stop "$STATE"
	for command in "keys --json" "stats --json" "check --json" "check --read-data --json" \
		"prune --dry-run --json"; do
		# shellcheck disable=SC2086
		expect 0 $command
		grep -v '"result"' "$OUT" >"$SANDBOX/alone" || true
		# What a receiver that stops releases may then be given up.
		[[ $command = prune* ]] || [[ $command = stats* ]] ||
			cmp "$SANDBOX/beside.${command// /}" "$SANDBOX/alone"
	done
	receiver_start "$STATE" "$B"
	assert_works
}

test_the_text_for_people_has_the_same_numbers() {
	local chunks
	expect 0 stats --json
	chunks=$(field chunks)
	expect 0 stats
	assert_grep "^key-of-b: .* in $chunks chunks" "$OUT"
	assert_grep '^free: [0-9.]+[kMGT]?B$' "$OUT"
	expect 0 check
	assert_grep '^key-of-b: .*: no damage$' "$OUT"
	expect 0 keys
	assert_grep '^key-of-b$' "$OUT"
}

test_help_names_every_option() {
	local command
	for command in "check read-data" "check rebuild-index" "prune dry-run" "stats json"; do
		"$DRAYD" "${command% *}" --help >"$OUT"
		assert_grep "--${command#* }" "$OUT"
	done
	"$DRAYD" --help >"$OUT"
	assert_grep '^  check ' "$OUT"
	assert_grep '^  prune ' "$OUT"
	assert_grep '^  stats ' "$OUT"
	expect 2 check --frobnicate
	expect 2 prune everything
	expect 2 stats --state
}

test_a_state_that_is_none_is_code_4_and_stays_none() {
	local command
	for command in keys check prune stats "revoke x"; do
		# shellcheck disable=SC2086
		STATE=$SANDBOX/none expect 4 $command
		assert_grep "$SANDBOX/none" "$OUT.err"
	done
	[ ! -e "$SANDBOX/none" ] || fail "$SANDBOX/none was made"
	STATE=$SANDBOX/none expect 4 check --json
	assert_equal "$(field ok)" false "ok"
}

# --- invitations ---

# says ADDRESS: the last invitation does, and a client that has only the token gets there.
says() {
	assert_grep "connect to $1;" "$OUT.err"
}

test_a_token_says_the_port_on_which_serve_listens() {
	receiver_stop "$STATE"
	receiver_start "$STATE" "$B" 7750
	expect 0 invite --name porter
	says "127.0.0.1:7750"
	DRAY_CONFIG_DIR=$SANDBOX/porter timeout -k 5 20 "$DRAY" pair b <"$OUT"
	receiver_stop "$STATE"
	expect 0 invite --name porter2
	says "$OWN:7747"
	receiver_start "$STATE" "$B"
	expect 0 revoke porter
	expect 0 revoke porter2
}

test_a_token_of_a_serve_that_listens_everywhere_says_this_hosts_address() {
	local pid state=$SANDBOX/everywhere
	"$DRAYD" serve --state "$state" --listen :7751 -H "$(engine_address "$B")" \
		>"$state.log" 2>&1 </dev/null &
	pid=$!
	echo $pid >"$state.pid"
	await 50 "it does not listen" receiver_listens6 7751
	STATE=$state expect 0 invite --name porter
	says "$OWN:7751"
	receiver_stop "$state"
}

receiver_listens6() {
	awk -v port=":$(printf %04X "$1")" '$4 == "0A" && index($2, port) { found = 1 }
		END { exit !found }' /proc/net/tcp /proc/net/tcp6
}

test_a_token_is_in_no_log() {
	local token
	expect 0 invite --name secret
	token=$(cat "$OUT")
	[ ${#token} -gt 100 ] || fail "no token: $token"
	! grep -qF -- "${token:20:40}" "$OUT.err" "$STATE.log" || fail "the token was logged"
	expect 0 keys --json
	! grep -qF -- "${token:20:40}" "$OUT" || fail "keys shows the token"
	expect 0 invite --name secret
	assert_grep 'earlier invitation' "$OUT.err"
	expect 0 revoke secret
	expect 4 revoke secret
}

# --- beside a push ---

test_revoking_a_key_ends_its_push_at_once_with_code_5() {
	local code=0
	receiver_invite "$STATE" lodger |
		DRAY_CONFIG_DIR=$SANDBOX/lodger timeout -k 5 20 "$DRAY" pair b >/dev/null
	begin_push "$SANDBOX/lodger" t/large:1
	expect 0 revoke lodger
	assert_equal "$(sessions)" 0 "sessions after the revocation"
	wait "$pushing" || code=$?
	cat "$SANDBOX/lodger.push"
	assert_equal "$code" 5 "exit code of the push"
	assert_grep 'revoked' "$SANDBOX/lodger.push"
}

test_checks_go_on_beside_a_push_and_neither_is_harmed() {
	local check
	forget_on_target
	begin_push "$CONFIG" t/large:2
	drayd check --read-data >"$SANDBOX/check" 2>&1 &
	check=$!
	expect 0 check --read-data
	wait "$check" || fail "the other check: $(cat "$SANDBOX/check")"
	expect 0 stats --json
	assert_grep '"event":"session","key":"key-of-b"' "$OUT"
	wait "$pushing" || fail "the push: $(cat "$CONFIG.push")"
	assert_equal "$(images_id "$B" t/large:2)" "$(images_id "$A" t/large:2)" "ID on the target"
	expect 0 check --read-data --json
	assert_equal "$(field damaged_domains)" 0 "damaged domains"
}

test_a_client_that_hangs_up_ends_its_check() {
	local check
	"$DRAYD" check --read-data --state "$STATE" >/dev/null 2>&1 &
	check=$!
	sleep 0.1
	kill -KILL "$check" 2>/dev/null || true
	wait "$check" || true
	expect 0 check
	assert_works
}

# --- what is stored ---

test_damage_is_code_7_and_the_next_push_mends_it() {
	local pack
	receiver_stop "$STATE"
	pack=$(find "$STATE/domains/key-of-b" -name '*.pack' -size +1M | sort | head -n 1)
	printf 'damage' | dd of="$pack" bs=1 seek=700000 conv=notrunc status=none
	receiver_start "$STATE" "$B"
	expect 7 check --read-data --json
	assert_equal "$(field ok)" false "ok"
	assert_equal "$(field code)" '"corrupt"' "code"
	assert_equal "$(field damaged_domains)" 1 "damaged domains"
	assert_grep '"event":"problem","domain":"key-of-b"' "$OUT"
	assert_grep 'next push' "$OUT.err"
	forget_on_target
	push_json "$CONFIG" "$A" "$OUT" t/large:2 --to b
	assert_equal "$(images_id "$B" t/large:2)" "$(images_id "$A" t/large:2)" "ID on the target"
}

test_an_index_is_made_anew_beside_a_serve() {
	local before
	expect 0 stats --json
	before=$(field chunks)
	expect 0 check --rebuild-index --json
	expect 0 stats --json
	assert_equal "$(field chunks)" "$before" "chunks"
	assert_works
}

test_a_prune_frees_what_it_said_it_would() {
	local would
	expect 0 prune --dry-run --json
	would=$(field bytes_freed)
	assert_at_least "$would" 1000000 "bytes that it would free"
	expect 0 prune --json
	assert_equal "$(field bytes_freed)" "$would" "bytes freed"
	expect 0 prune --json
	assert_equal "$(field bytes_freed)" 0 "bytes freed by another one"
	forget_on_target
	assert_works
}

# --- whom it hears ---

test_a_hostile_client_harms_nobody() {
	timeout -k 5 30 python3 - "$STATE/admin.sock" <<-'END' &
		import socket, sys, time
		def client(data):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(sys.argv[1])
		    s.settimeout(5)
		    try:
		        s.sendall(data)
		    except OSError:
		        pass
		    return s
		held = [client(d) for d in (
		    b"\0" * 100, b"{" * 200000, b"\n" * 5000,
		    b'{"command":"keys","parameters":{"json":true}}\n' * 50,
		    b'{"command":"check","parameters":{"read-data":true}}\n')]
		time.sleep(3)
	END
	sleep 0.5
	expect 0 keys
	assert_works
	expect 0 check
	wait $! || fail "the hostile client itself failed"
}

test_too_many_clients_are_told_to_try_again() {
	timeout -k 5 30 python3 - "$STATE/admin.sock" <<-'END' &
		import socket, sys, time
		held = [socket.socket(socket.AF_UNIX) for i in range(8)]
		for s in held:
		    s.connect(sys.argv[1])
		time.sleep(1.5)
	END
	local held=$!
	sleep 0.5
	expect 6 keys
	assert_grep 'try again' "$OUT.err"
	wait "$held"
	expect 0 keys
}

test_another_user_is_refused() {
	local mode code
	cp "$DRAYD" "$SANDBOX/drayd"
	chmod 0755 "$SANDBOX/drayd"
	chmod 0711 "$SANDBOX"
	for mode in 0700 0711; do
		chmod "$mode" "$STATE"
		code=0
		timeout -k 5 20 setpriv --reuid $NOBODY --regid $NOBODY --clear-groups "$SANDBOX/drayd" \
			keys --state "$STATE" >"$OUT" 2>"$OUT.err" || code=$?
		cat "$OUT.err"
		assert_equal "$code" 5 "exit code with mode $mode"
		assert_lines "$OUT" 0
	done
	chmod 0700 "$STATE" "$SANDBOX"
	assert_equal "$(stat -c %a "$STATE/admin.sock")" 600 "mode of the socket"
}

# --- a serve that dies, starts, or is stuck ---

test_commands_right_after_the_network_process_was_killed_are_answered() {
	local command
	for command in keys stats check "invite --name x" "revoke x"; do
		kill -KILL "$(net_process)"
		# shellcheck disable=SC2086
		expect 0 $command
		await 50 "no new network process" net_is_up
	done
	assert_works
}

net_is_up() {
	[ -n "$(net_process)" ] && receiver_listens "$DRAY_PORT"
}

test_a_killed_serve_leaves_a_socket_that_hinders_nobody() {
	# All at once: a network process that loses its supervisor still removes the socket.
	kill -STOP "$(cat "$STATE.pid")"
	kill -KILL "$(net_process)"
	receiver_kill "$STATE"
	await 50 "the children go on" no_child
	# A network process that is stopped in order removes its socket; one that is killed does not.
	[ -S "$STATE/admin.sock" ] || python3 -c "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])" "$STATE/admin.sock"
	expect 0 keys
	expect 0 check
	receiver_start "$STATE" "$B"
	expect 0 stats
	receiver_stop "$STATE"
	[ ! -e "$STATE/admin.sock" ] || fail "the socket is still there after a clean stop"
	receiver_start "$STATE" "$B"
	assert_works
}

no_child() {
	! pgrep -f "^drayd (net|engine)-process --state $STATE" >/dev/null
}

# Whoever has the lock is waited for 5 s; a key is revoked even then.
test_a_serve_that_does_not_answer_is_said() {
	local state=$SANDBOX/stuck check code=0
	STATE=$state expect 0 invite --name guest
	: >"$state/lock"
	flock "$state/lock" sleep 8 &
	sleep 0.2
	STATE=$state drayd check >"$SANDBOX/check" 2>&1 &
	check=$!
	STATE=$state expect 0 revoke guest
	assert_grep 'does not answer' "$OUT.err"
	wait "$check" || code=$?
	assert_equal "$code" 6 "exit code of the check"
	assert_grep "$state.*try again" "$SANDBOX/check"
}

test_a_root_leaves_nothing_of_its_own_in_another_users_state() {
	local state=$SANDBOX/theirs
	STATE=$state expect 0 invite --name guest
	chown -R $NOBODY "$state"
	chmod 0711 "$SANDBOX"
	STATE=$state expect 0 invite --name guest2
	STATE=$state expect 0 check
	chmod 0700 "$SANDBOX"
	assert_equal "$(find "$state" ! -user $NOBODY)" "" "files of another user"
}

run_cases admin "$@"
