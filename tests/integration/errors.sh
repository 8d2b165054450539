#!/bin/bash
# What goes wrong: the exit code, one line that says what, where and what to do, nothing lost, and
# no secret in anything that is printed or logged.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
SMALL=$SANDBOX/small # an engine whose disk is nearly full
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
OUT=$SANDBOX/out
SEEN=$SANDBOX/seen # all that was printed, for the search for secrets
SECRETS=$SANDBOX/secrets

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 5 "$STATE.log"
}

# expect CODE PATTERN COMMAND...: the command fails with one of the codes ("5" or "[56]"), with
# nothing on stdout and, besides progress ("IMAGE -> TARGET: ..."), one line on stderr that matches.
expect() {
	local codes=$1 pattern=$2 code
	shift 2
	set +e
	timeout -k 5 60 "$@" >"$OUT" 2>"$OUT.err" </dev/null
	code=$?
	set -e
	cat "$OUT" "$OUT.err" >>"$SEEN"
	echo "exit code $code: $(cat "$OUT.err")"
	[[ $code =~ ^$codes$ ]] || fail "exit code $code instead of $codes from: $*"
	sed -i '/^[^ ]* -> [^ ]*: /d' "$OUT.err"
	# What says how far it got, every few seconds, is not the error.
	grep -v -- ' -> .*: .*, [0-9.]*s$' "$OUT.err" >"$OUT.error" || true
	assert_lines "$OUT.error" 1
	assert_grep "$pattern" "$OUT.error"
	assert_lines "$OUT" 0
}

# The same for dray, with the paired client's directory and the source engine.
expect_client() {
	local codes=$1 pattern=$2
	shift 2
	expect "$codes" "$pattern" env DRAY_CONFIG_DIR="$CONFIG" \
		DOCKER_HOST="$(engine_address "$A")" "$DRAY" "$@"
}

# expect_pairing CODE PATTERN TOKEN: with a config directory of its own, which stays without target.
expect_pairing() {
	local codes=$1 pattern=$2 config
	config=$(mktemp -d "$SANDBOX/config.XXXXXX")
	echo "$3" >"$SANDBOX/token"
	# shellcheck disable=SC2016 # for the inner shell
	expect "$codes" "$pattern" env DRAY_CONFIG_DIR="$config" \
		bash -c 'exec "$0" pair other <"$1"' "$DRAY" "$SANDBOX/token"
	! DRAY_CONFIG_DIR=$config "$DRAY" targets 2>&1 | grep -q other || fail "kept as a target"
}

invite() {
	local token
	token=$(receiver_invite "$STATE" "$@")
	echo "$token" >>"$SECRETS"
	echo "$token"
}

assert_works() {
	push_json "$CONFIG" "$A" "$OUT" t/busybox:1 --to b
	assert_equal "$(images_id "$B" t/busybox:1)" "$(images_id "$A" t/busybox:1)" "ID on the target"
}

prepare() {
	engine_start "$A" && engine_start "$B" || exit 1
	images_busybox "$A" t/busybox:1
	mkdir "$SANDBOX/large"
	images_binary "$SANDBOX/large/binary" 80
	images_tar "$SANDBOX/large" "$SANDBOX/large.tar"
	images_stack "$A" t/large:1 large "$SANDBOX/large.tar"
	rm -r "$SANDBOX/large" "$SANDBOX/large.tar"
	receiver_start "$STATE" "$B" && receiver_pair "$STATE" "$CONFIG" b || exit 1
	touch "$SEEN" "$SECRETS"
}
prepare

# --- the command line ---

test_wrong_usage_is_code_2_and_says_what_is_wrong() {
	expect_client 2 'push|IMAGE' push
	expect_client 2 'to' push t/busybox:1
	expect_client 2 'frobnicate' frobnicate
	expect_client 2 'frobnicate' push t/busybox:1 --to b --frobnicate
	expect_client 2 'compress' push t/busybox:1 --to b --compress banana
	expect_client 2 'host|ftp' push t/busybox:1 --to b -H ftp://somewhere
	expect 2 'frobnicate' "$DRAYD" frobnicate
	expect 2 'listen|nonsense' "$DRAYD" serve --state "$SANDBOX/none" --listen nonsense
	expect 2 'listen|70000' "$DRAYD" serve --state "$SANDBOX/none" --listen 127.0.0.1:70000
	expect 2 'name' "$DRAYD" invite --state "$STATE"
	expect 2 'allow|fly' "$DRAYD" invite --state "$STATE" --name x --allow fly
	expect 2 'expires|soon' "$DRAYD" invite --state "$STATE" --name x --expires soon
}

# An option that would be ignored is worse than one that is refused.
test_an_option_that_is_not_enforced_is_refused() {
	expect_client 2 'mode' push t/busybox:1 --to b --mode flat
	expect 2 'metrics' "$DRAYD" serve --state "$SANDBOX/none" --metrics 127.0.0.1:1
	expect 2 'quota' "$DRAYD" invite --state "$STATE" --name x --quota 1G
	expect 2 'append-only' "$DRAYD" invite --state "$STATE" --name x --append-only
	expect_client 2 'compose' migrate --compose shop --to b
	expect_client 2 'all' backup --all --to b
	expect_client 2 'volume:NAME' backup t/busybox:1 --to b
}

test_help_goes_to_stdout_and_is_no_error() {
	local words
	for words in "--help" "push --help" "pair --help" "targets --help"; do
		# shellcheck disable=SC2086 # a list of words
		"$DRAY" $words >"$OUT" 2>"$OUT.err"
		assert_grep 'dray' "$OUT"
		assert_lines "$OUT.err" 0
	done
	for words in "--help" "serve --help" "invite --help" "keys --help" "revoke --help"; do
		# shellcheck disable=SC2086
		"$DRAYD" $words >"$OUT" 2>"$OUT.err"
		assert_grep 'drayd' "$OUT"
		assert_lines "$OUT.err" 0
	done
}

# --- the source ---

test_an_unknown_image_is_code_4() {
	expect_client 4 't/nothing:1' push t/nothing:1 --to b
	expect_client 4 'sha256:0000' push "sha256:$(printf '0%.0s' {1..64})" --to b
	assert_works
}

test_an_unknown_target_is_named() {
	expect_client 2 'nowhere' push t/busybox:1 --to nowhere
	expect_client 2 'nowhere' push t/busybox:1 --to b,nowhere
}

test_a_source_engine_that_is_not_running_is_code_6() {
	expect_client 6 "$SANDBOX/no.sock" push t/busybox:1 --to b -H "unix://$SANDBOX/no.sock"
}

test_a_failure_with_json_is_a_result_that_is_not_ok() {
	local code=0
	dray_push "$CONFIG" "$A" --json t/nothing:1 --to b >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 4 "exit code"
	tail -n 1 "$OUT" | grep -q '"event": *"result"' || fail "no result: $(cat "$OUT")"
	tail -n 1 "$OUT" | grep -q '"ok": *false' || fail "not ok:false: $(cat "$OUT")"
}

# --- pairing ---

test_a_text_that_is_no_token_is_refused() {
	expect_pairing '[25]' 'token' "certainly not a token"
	expect_pairing '[25]' 'token' ""
}

test_an_altered_token_is_refused() {
	local token changed
	token=$(invite altered)
	# Another letter in the middle: the check in the token must see it.
	changed=A
	[ "${token:60:1}" != A ] || changed=B
	expect_pairing '[25]' 'token' "${token:0:60}$changed${token:61}"
	expect_pairing '[25]' 'token' "${token:0:60}"
}

test_a_used_token_is_refused() {
	local token
	token=$(invite used)
	echo "$token" | DRAY_CONFIG_DIR=$SANDBOX/first timeout -k 5 20 "$DRAY" pair first
	expect_pairing 5 'token|invite' "$token"
	assert_works
}

test_an_expired_token_is_refused() {
	local token
	token=$(invite late --expires 1s)
	sleep 2.1
	expect_pairing 5 'expired|token|invite' "$token"
}

test_the_name_of_a_key_is_used_once() {
	expect '[12]' 'key-of-b' "$DRAYD" invite --state "$STATE" --address 127.0.0.1 --name key-of-b
}

# --- the connection ---

test_a_receiver_that_is_not_there_is_code_6() {
	receiver_stop "$STATE"
	expect_client 6 "127.0.0.1:$DRAY_PORT" push t/busybox:1 --to b --retry-for 0s
	receiver_start "$STATE" "$B"
	assert_works
}

test_another_receiver_at_the_address_is_not_trusted() {
	receiver_stop "$STATE"
	receiver_start "$SANDBOX/impostor" "$B"
	expect_client '[56]' "127.0.0.1:$DRAY_PORT|key" push t/busybox:1 --to b --retry-for 0s
	receiver_stop "$SANDBOX/impostor"
	receiver_start "$STATE" "$B"
	assert_works
}

# As health checks, port scans and strangers do; all of them, and the good client, are one source.
test_connections_that_fail_keep_no_good_client_out() {
	for _ in {1..10}; do
		exec 9<>"/dev/tcp/127.0.0.1/$DRAY_PORT"
		exec 9>&-
	done
	sleep 1.2 # two handshakes of a source a second
	for _ in {1..10}; do
		exec 9<>"/dev/tcp/127.0.0.1/$DRAY_PORT"
		head -c 136 /dev/zero >&9
		exec 9>&-
	done
	sleep 1.2
	push_json "$CONFIG" "$A" "$OUT" t/busybox:1 --to b --retry-for 0s
	assert_grep 'no session: ' "$STATE.log"
}

test_a_revoked_key_is_refused_with_code_5() {
	invite leaver >"$SANDBOX/token"
	DRAY_CONFIG_DIR=$SANDBOX/leaver "$DRAY" pair b <"$SANDBOX/token" >/dev/null
	push_json "$SANDBOX/leaver" "$A" "$OUT" t/busybox:1 --to b
	"$DRAYD" revoke --state "$STATE" leaver
	CONFIG=$SANDBOX/leaver expect_client 5 'revoked|refused|key' push t/busybox:1 --to b
	assert_works
}

test_a_key_for_some_names_cannot_push_others() {
	invite team --image 'team/*' >"$SANDBOX/token"
	DRAY_CONFIG_DIR=$SANDBOX/team "$DRAY" pair b <"$SANDBOX/token" >/dev/null
	CONFIG=$SANDBOX/team expect_client 5 't/large:1' push t/large:1 --to b
	assert_equal "$(engine_docker "$B" images --quiet t/large)" "" "the image on the target"
	engine_docker "$A" tag t/busybox:1 team/tool:1
	push_json "$SANDBOX/team" "$A" "$OUT" team/tool:1 --to b
}

test_a_receiver_that_dies_for_good_is_code_6() {
	local code=0
	(
		sleep 0.4
		receiver_kill "$STATE"
	) &
	dray_push "$CONFIG" "$A" t/large:1 --to b --retry-for 2s >"$OUT" 2>"$OUT.err" || code=$?
	wait
	receiver_start "$STATE" "$B"
	cat "$OUT.err"
	assert_equal "$code" 6 "exit code"
	assert_works
}

offers_made() {
	grep -c ': offers ' "$STATE.log" || true
}

# await_offer NUMBER: until more than so many offers were made.
await_offer() {
	local i
	for ((i = 0; i < 500; i++)); do
		[ "$(offers_made)" = "$1" ] || return 0
		sleep 0.01
	done
	fail "no offer"
}

# hold_push CONFIG: begins a push, stops its process in the middle and prints its number.
hold_push() {
	local client offers
	offers=$(offers_made)
	DRAY_CONFIG_DIR=$1 "$DRAY" push -q -H "$(engine_address "$A")" t/large:1 --to b \
		--limit-rate 100k >/dev/null 2>"$1.held" &
	client=$!
	await_offer "$offers"
	kill -STOP "$client"
	echo "$client"
}

test_a_key_has_four_sessions_at_once_and_a_fifth_waits() {
	local held=()
	for _ in 1 2 3 4; do
		held+=("$(hold_push "$CONFIG")")
	done
	expect_client 6 'sessions' push t/busybox:1 --to b --retry-for 0s
	(
		sleep 1.5
		kill -KILL "${held[@]}"
	) &
	push_json "$CONFIG" "$A" "$OUT" t/busybox:1 --to b
	wait
	assert_grep 'sessions already; trying again' "$OUT.err"
}

test_revoking_a_key_ends_its_session() {
	local held code=0 offers
	offers=$(offers_made)
	invite lodger >"$SANDBOX/token"
	DRAY_CONFIG_DIR=$SANDBOX/lodger "$DRAY" pair b <"$SANDBOX/token" >/dev/null
	DRAY_CONFIG_DIR=$SANDBOX/lodger "$DRAY" push -q -H "$(engine_address "$A")" t/large:1 --to b \
		--limit-rate 100k >/dev/null 2>"$OUT.err" &
	held=$!
	await_offer "$offers"
	kill -STOP "$held"
	"$DRAYD" revoke --state "$STATE" lodger
	sleep 1.5
	kill -CONT "$held"
	wait "$held" || code=$?
	assert_equal "$code" 5 "exit code"
	assert_grep 'revoked' "$OUT.err"
	assert_works
}

test_an_interrupted_push_is_code_130_and_leaves_nothing() {
	local client code=0
	DRAY_CONFIG_DIR=$CONFIG env --default-signal=INT "$DRAY" push -H "$(engine_address "$A")" \
		t/large:1 --to b >"$OUT" 2>"$OUT.err" &
	client=$!
	sleep 0.4
	kill -INT "$client"
	wait "$client" || code=$?
	assert_equal "$code" 130 "exit code"
	sleep 1
	assert_equal "$(engine_docker "$B" images --quiet t/large)" "" "the image on the target"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag"
	assert_works
}

# --- trying again ---

test_a_receiver_that_comes_up_later_is_waited_for() {
	receiver_stop "$STATE"
	(
		sleep 1.5
		receiver_start "$STATE" "$B"
	) &
	push_json "$CONFIG" "$A" "$OUT" t/busybox:1 --to b
	wait
	assert_grep 'trying again in .* more' "$OUT.err"
	assert_grep '"event":"retry"' "$OUT"
}

test_a_push_goes_on_when_its_receiver_was_killed_and_started_again() {
	(
		sleep 0.4
		receiver_kill "$STATE"
		sleep 0.5
		receiver_start "$STATE" "$B"
	) &
	push_json "$CONFIG" "$A" "$OUT" t/large:1 --to b
	wait
	assert_grep 'trying again' "$OUT.err"
	assert_equal "$(images_id "$B" t/large:1)" "$(images_id "$A" t/large:1)" "ID"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag"
	engine_docker "$B" rmi t/large:1 >/dev/null
}

test_waiting_ends_after_the_given_time_or_at_once_by_a_signal() {
	local client code=0 began=$SECONDS
	receiver_stop "$STATE"
	dray_push "$CONFIG" "$A" t/busybox:1 --to b --retry-for 3s >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 6 "exit code"
	code=0
	assert_equal "$((SECONDS - began >= 3 && SECONDS - began <= 6))" 1 "gave up after about 3 s"
	DRAY_CONFIG_DIR=$CONFIG env --default-signal=INT "$DRAY" push -H "$(engine_address "$A")" \
		t/busybox:1 --to b >"$OUT" 2>"$OUT.err" &
	client=$!
	sleep 2
	began=$SECONDS
	kill -INT "$client"
	wait "$client" || code=$?
	assert_equal "$code" 130 "exit code"
	assert_equal "$((SECONDS - began <= 1))" 1 "ended at once"
	receiver_start "$STATE" "$B"
	assert_works
}

# --- the receiver and its engine ---

test_a_port_that_is_taken_is_named() {
	expect 1 "$DRAY_PORT" "$DRAYD" serve --state "$SANDBOX/second" \
		--listen "127.0.0.1:$DRAY_PORT" -H "$(engine_address "$B")"
}

test_a_state_that_another_receiver_uses_is_refused() {
	expect 1 "$STATE" "$DRAYD" serve --state "$STATE" --listen 127.0.0.1:7748 \
		-H "$(engine_address "$B")"
	assert_works
}

test_a_state_that_cannot_be_written_is_named() {
	mkdir -p "$SANDBOX/frozen"
	mount -t tmpfs -o ro tmpfs "$SANDBOX/frozen"
	expect 1 "$SANDBOX/frozen" "$DRAYD" serve --state "$SANDBOX/frozen/state" \
		--listen 127.0.0.1:7748 -H "$(engine_address "$B")"
	expect 1 "$SANDBOX/frozen" env DRAYD_STATE_DIR="$SANDBOX/frozen" "$DRAYD" serve \
		--listen 127.0.0.1:7748 -H "$(engine_address "$B")"
	umount "$SANDBOX/frozen"
}

test_a_target_engine_that_is_not_running_is_said_and_survived() {
	engine_stop "$B"
	expect_client 6 "$B/docker.sock" push t/large:1 --to b --retry-for 0s
	engine_start "$B"
	assert_works
}

# The engine says it in the body of a reply whose status is 200.
test_an_engine_without_room_is_an_error_and_keeps_nothing() {
	mkdir -p "$SMALL/data"
	mount -t tmpfs -o size=40m tmpfs "$SMALL/data"
	engine_start "$SMALL"
	receiver_stop "$STATE"
	receiver_start "$STATE" "$SMALL"
	expect_client 1 'no space|are free' push t/large:1 --to b
	assert_equal "$(engine_docker "$SMALL" images --all --quiet)" "" "images on the target"
	push_json "$CONFIG" "$A" "$OUT" t/busybox:1 --to b
	assert_equal "$(images_id "$SMALL" t/busybox:1)" "$(images_id "$A" t/busybox:1)" "ID"
	receiver_stop "$STATE"
	receiver_start "$STATE" "$B"
	engine_kill "$SMALL"
	umount "$SMALL/data"
}

# --- at the end: what all of that printed ---

test_no_secret_was_printed_or_logged() {
	local secret file
	cat "$SANDBOX"/*.log >>"$SEEN"
	while read -r secret; do
		! grep -qF -- "$secret" "$SEEN" || fail "a token was printed or logged"
	done <"$SECRETS"
	# Any long word of the files that only their owner may read.
	find "$STATE" "$CONFIG" -type f -perm 600 -size -64 ! -name '*.db*' ! -name '*.pack' |
		while read -r file; do
			grep -aoE 'sk1:[A-Z2-7a-z-]{40,}|psk[=: ]*[A-Z2-7a-z-]{40,}' "$file" || true
		done | sed -E 's/^(sk1:|psk[=: ]*)//' >"$SANDBOX/words"
	[ -s "$SANDBOX/words" ] || fail "found no secrets to look for"
	! grep -noF -f "$SANDBOX/words" "$SEEN" | cut -c1-14 | grep . ||
		fail "a key was printed or logged, in these lines"
	! grep -noE 'dray-(invite|sk)1:[a-z2-7A-Z-]{20}' "$SEEN" | cut -c1-40 | grep . ||
		fail "a token or key was printed or logged, in these lines"
}

run_cases errors "$@"
