#!/bin/bash
# Several images and several targets in one push: what is read, what crosses, who waits for whom, and
# what comes of the rest when one of them fails.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
C=$SANDBOX/C
STATE=$SANDBOX/state     # of the receiver beside B
STATE_C=$SANDBOX/state-c # and of the one beside C
CONFIG=$SANDBOX/config   # knows b, c, and c as `slow` over a link that has a rate
OUT=$SANDBOX/out
C_PORT=7748
# shellcheck disable=SC2034 # proxy.sh reads it
PROXY_TO=$C_PORT
SLOW=3000000 # bytes a second
SHARED_MB=16
OWN_MB=2
LARGE_MB=60 # a layer; two of them are more than a window

after_failure() {
	echo "--- the receivers' last lines:"
	tail -n 6 "$STATE.log" "$STATE_C.log"
	echo "--- the agent's last lines:"
	tail -n 6 "$OUT" "$OUT.err"
}

# --- the agent ---

# push_all CODE ARGUMENT...: with --json, which has to end with that code.
push_all() {
	local expected=$1 code=0
	shift
	dray_push "$CONFIG" "$A" --json "$@" >"$OUT" 2>"$OUT.err" || code=$?
	cat "$OUT.err"
	assert_equal "$code" "$expected" "exit code"
}

# field IMAGE TARGET FIELD: of the result of that pair, "-" where it has none.
field() {
	python3 - "$OUT" "$@" <<-'END'
		import json, sys
		lines = [json.loads(line) for line in open(sys.argv[1])]
		found = [e for e in lines if e["event"] == "result"
		         and (e["name"], e["target"]) == (sys.argv[2], sys.argv[3])]
		if len(found) != 1:
		    sys.exit(f"{len(found)} results of {sys.argv[2]} at {sys.argv[3]}")
		print(str(found[0].get(sys.argv[4], "-")).lower())
	END
}

# sum FIELD: over all results.
sum() {
	python3 - "$OUT" "$1" <<-'END'
		import json, sys
		lines = [json.loads(line) for line in open(sys.argv[1])]
		print(sum(e[sys.argv[2]] for e in lines if e["event"] == "result"))
	END
}

saves() {
	engine_saves_asked "$A"
}

# arrived ENGINE IMAGE
assert_arrived() {
	assert_equal "$(images_id "$1" "$2")" "$(images_id "$A" "$2")" "ID of $2 in ${1##*/}"
	assert_equal "$(images_layers "$1" "$2")" "$(images_layers "$A" "$2")" "its layers"
	assert_equal "$(images_dangling "$1")" 0 "images without a tag in ${1##*/}"
}

assert_missing() {
	! images_id "$1" "$2" >/dev/null 2>&1 || fail "$2 is in ${1##*/}"
}

# As if there had been no push before.
start_over() {
	local engine image
	receiver_stop "$STATE"
	receiver_stop "$STATE_C"
	for engine in "$B" "$C"; do
		for image in $(engine_docker "$engine" images --format '{{.Repository}}:{{.Tag}}'); do
			engine_docker "$engine" image rm --force "$image" >/dev/null 2>&1 || true
		done
	done
	rm -rf "$STATE/domains" "$STATE_C/domains"
	receiver_start "$STATE" "$B"
	receiver_start "$STATE_C" "$C" "$C_PORT"
}

# --- the slow link ---

# --- preparation ---

# random_layer NAME MEGABYTES: a tar with a file /NAME that cannot be compressed.
random_layer() {
	mkdir "$SANDBOX/layer"
	head -c "$(($2 << 20))" /dev/urandom >"$SANDBOX/layer/$1"
	images_tar "$SANDBOX/layer" "$SANDBOX/$1.tar"
	rm -r "$SANDBOX/layer"
}

# pair STATE PORT TARGET
pair() {
	receiver_invite "$1" "key-of-$3" --address "127.0.0.1:$2" |
		DRAY_CONFIG_DIR=$CONFIG timeout -k 5 20 "$DRAY" pair "$3" >/dev/null 2>>"$OUT.err"
}

make_images() {
	local i
	random_layer shared "$SHARED_MB"
	random_layer one "$OWN_MB"
	random_layer two "$OWN_MB"
	random_layer large1 "$LARGE_MB"
	random_layer large2 "$LARGE_MB"
	images_stack "$A" t/one:1 one "$SANDBOX/shared.tar" "$SANDBOX/one.tar"
	images_stack "$A" t/two:1 two "$SANDBOX/shared.tar" "$SANDBOX/two.tar"
	images_stack "$A" t/large:1 large "$SANDBOX"/large[12].tar
	images_stack "$A" t/small:1 small "$SANDBOX/two.tar"
	for i in 1 2 3; do # these have nothing in common
		random_layer "single$i" 12
		images_import "$A" "t/single$i:1" <"$SANDBOX/single$i.tar"
	done
	rm "$SANDBOX"/*.tar
}

prepare() {
	engine_start "$A" && engine_start "$B" && engine_start "$C" && make_images &&
		receiver_start "$STATE" "$B" && receiver_start "$STATE_C" "$C" "$C_PORT" || return
	pair "$STATE" "$DRAY_PORT" b && pair "$STATE_C" "$C_PORT" c || return
	sed "s/:$C_PORT/:$PROXY_PORT/" "$CONFIG/targets/c.json" >"$CONFIG/targets/slow.json"
	chmod 600 "$CONFIG/targets/slow.json"
}
prepare || exit 1

# --- what is asked for ---

test_wrong_arguments_are_refused_before_anything_starts() {
	local n
	n=$(saves)
	push_all 2 t/one:1 --to b,b
	assert_grep 'b is named twice' "$OUT.err"
	push_all 2 t/one:1 --to b,
	push_all 2 t/one:1 --to ,b
	push_all 2 --to b
	push_all 2 t/one:1 --to b,nowhere
	assert_grep 'nowhere' "$OUT.err"
	assert_lines "$OUT" 0
	push_all 2 t/one:1 'not an image' --to b
	assert_lines "$OUT" 0
	assert_missing "$B" t/one:1
	assert_equal "$(saves)" "$n" "archives asked of the source engine"
}

test_a_dry_run_of_many_changes_nothing() {
	push_all 0 t/one:1 t/two:1 --to b,c --dry-run
	assert_equal "$(grep -c '"event":"result"' "$OUT")" 4 "results"
	assert_missing "$B" t/one:1
	dray_push "$CONFIG" "$A" t/one:1 t/two:1 --to b,c --dry-run >"$OUT" 2>"$OUT.err"
	assert_lines "$OUT" 4
	assert_grep '^t/two:1 .*: c has 0 of 3 layers' "$OUT"
}

# --- what crosses ---

test_a_layer_that_two_images_share_crosses_once() {
	local wire
	wire=$(sandbox_wire_bytes)
	push_all 0 t/one:1 t/two:1 --to b
	wire=$(($(sandbox_wire_bytes) - wire))
	echo "$(sum bytes_sent) bytes sent, $wire on the wire"
	assert_arrived "$B" t/one:1
	assert_arrived "$B" t/two:1
	assert_at_least "$(field t/one:1 b bytes_sent)" $(((SHARED_MB + OWN_MB) << 20)) "of the first"
	assert_at_most "$(field t/two:1 b bytes_sent)" $(((OWN_MB + 1) << 20)) "of the second"
	assert_equal "$(field t/two:1 b layers_skipped)" 2 "layers of the second that were there"
	assert_at_most "$(sum bytes_sent)" "$wire" "bytes_sent of both"
	assert_at_most "$wire" $((wire / 20 + 200000 + $(sum bytes_sent))) "bytes on the wire"
	# The last line is a result, and there is one for each.
	assert_equal "$(tail -n 2 "$OUT" | grep -c '"event":"result"')" 2 "results at the end"
}

test_a_push_of_many_that_are_there_sends_nothing() {
	local n
	n=$(saves)
	push_all 0 t/one:1 t/two:1 t/one:1 --to b
	assert_at_most "$(tail -n 1 "$OUT" | python3 -c 'import json, sys
print(json.loads(sys.stdin.read())["bytes_sent"])')" 16384 "bytes sent"
	assert_equal "$(saves)" "$n" "archives asked of the source engine"
}

test_one_image_is_read_once_for_two_targets() {
	local n
	start_over
	n=$(saves)
	push_all 0 t/one:1 --read api --to b,c
	assert_equal "$(saves)" $((n + 1)) "archives asked of the source engine"
	assert_arrived "$B" t/one:1
	assert_arrived "$C" t/one:1
	assert_at_least "$(field t/one:1 b bytes_sent)" $(((SHARED_MB + OWN_MB) << 20)) "sent to b"
	assert_at_least "$(field t/one:1 c bytes_sent)" $(((SHARED_MB + OWN_MB) << 20)) "sent to c"
}

test_each_target_gets_what_it_lacks() {
	local n
	engine_docker "$C" image rm --force t/one:1 >/dev/null
	receiver_stop "$STATE_C"
	rm -rf "$STATE_C/domains"
	receiver_start "$STATE_C" "$C" "$C_PORT"
	n=$(saves)
	push_all 0 t/one:1 t/two:1 --to b,c
	assert_arrived "$B" t/two:1
	assert_arrived "$C" t/two:1
	assert_at_most "$(field t/one:1 b bytes_sent)" 16384 "sent to b of the first"
	assert_at_most "$(field t/two:1 b bytes_sent)" $(((OWN_MB + 1) << 20)) "sent to b of the second"
	assert_at_least "$(field t/one:1 c bytes_sent)" $((SHARED_MB << 20)) "sent to c of the first"
	assert_at_most "$(saves)" $((n + 3)) "archives asked of the source engine"
}

test_results_are_lines_for_people_too() {
	dray_push "$CONFIG" "$A" t/one:1 t/two:1 --to b,c >"$OUT" 2>"$OUT.err"
	assert_lines "$OUT" 4
	assert_grep '^t/one:1 -> b sha256:.*: 3 of 3 layers were there' "$OUT"
	assert_grep '^t/two:1 -> c sha256:' "$OUT"
	! grep -q $'[\r\033]' "$OUT" "$OUT.err" || fail "control characters in a pipe"
	dray_push "$CONFIG" "$A" -q t/one:1 t/two:1 --to b,c >"$OUT" 2>"$OUT.err"
	assert_equal "$(cat "$OUT")" "$(for i in t/one:1 t/one:1 t/two:1 t/two:1; do
		images_id "$A" $i
	done)" "the IDs"
	assert_equal "$(cat "$OUT.err")" "" "stderr"
}

# --- who waits for whom ---

test_the_next_image_is_sent_while_the_engine_applies_the_one_before() {
	local i
	push_all 0 t/single1:1 t/single2:1 t/single3:1 --to b,c
	for i in 1 2 3; do
		assert_arrived "$B" "t/single$i:1"
		assert_arrived "$C" "t/single$i:1"
		assert_at_least "$(field "t/single$i:1" b bytes_sent)" $((12 << 20)) "bytes of $i"
		assert_at_most "$(field "t/single$i:1" b bytes_sent)" $((13 << 20)) "bytes of $i"
	done
	python3 - "$OUT" <<-'END'
		import json, sys
		phases = [(e["name"], e["phase"]) for e in map(json.loads, open(sys.argv[1]))
		          if e["event"] == "phase" and e["target"] == "b"]
		for one, two in ("1", "2"), ("2", "3"):
		    began = phases.index((f"t/single{two}:1", "sending"))
		    assert phases.index((f"t/single{one}:1", "applying")) < began, phases
		    assert began < phases.index((f"t/single{one}:1", "done")), phases
	END
}

test_a_slow_target_holds_up_nobody_and_gets_all_the_same() {
	local n fast slow
	start_over
	proxy_start --rate "$SLOW"
	n=$(saves)
	push_all 0 t/large:1 --read api --lanes 1 --to b,slow
	proxy_stop
	fast=$(field t/large:1 b seconds)
	slow=$(field t/large:1 slow seconds)
	echo "$fast s and $slow s"
	assert_arrived "$B" t/large:1
	assert_arrived "$C" t/large:1
	assert_equal "$(saves)" $((n + 2)) "archives asked of the source engine"
	assert_at_least "$slow" $(((2 * LARGE_MB << 20) / SLOW - 2)) "seconds of the slow one"
	assert_at_most "$fast" "$(awk -v s="$slow" 'BEGIN { print s * 0.6 }')" "seconds of the fast one"
	assert_grep 't/large:1 -> slow: slower than the others' "$OUT.err"
	# What it had when it was left behind was not sent again.
	assert_at_most "$(field t/large:1 slow bytes_sent)" $((2 * (LARGE_MB + 6) << 20)) "sent to the slow"
}

test_progress_events_tell_how_far_it_is() {
	python3 - "$OUT" <<-'END'
		import json, sys
		events = [json.loads(line) for line in open(sys.argv[1])]
		for target in "b", "slow":
		    mine = [e for e in events if e["target"] == target]
		    phases = [e["phase"] for e in mine if e["event"] == "phase"]
		    assert phases[-1] == "done" and "sending" in phases and "applying" in phases, phases
		    done = [e["bytes_done"] for e in mine if e["event"] == "progress"]
		    assert done == sorted(done), done
		    assert all(e["bytes_done"] <= e["bytes_total"] for e in mine
		               if e["event"] == "progress"), mine
		    assert all(e["layers"] == 3 for e in mine if e["event"] == "progress"), mine
		slow = [e for e in events if e["target"] == "slow" and e["event"] == "progress"]
		assert len(slow) >= 10, len(slow)
		assert any(0 < e["bytes_per_second"] < 20e6 for e in slow), slow
	END
}

# --- what fails ---

test_one_target_that_is_away_leaves_the_others_theirs() {
	start_over
	receiver_stop "$STATE_C"
	push_all 3 t/one:1 t/two:1 --to c,b --retry-for 3s
	receiver_start "$STATE_C" "$C" "$C_PORT"
	assert_arrived "$B" t/one:1
	assert_arrived "$B" t/two:1
	assert_equal "$(field t/one:1 c ok) $(field t/two:1 c ok)" "false false" "at c"
	assert_equal "$(field t/one:1 c code)" unreachable "code"
	assert_at_most "$(field t/two:1 b seconds)" 20 "seconds"
	assert_equal "$(grep -c 'gave up after' "$OUT.err")" 1 "lines that say so"
}

test_a_target_that_comes_later_is_caught_up() {
	start_over
	receiver_stop "$STATE_C"
	(
		sleep 4
		receiver_start "$STATE_C" "$C" "$C_PORT"
	) &
	push_all 0 t/one:1 t/two:1 --to b,c
	wait
	assert_arrived "$C" t/one:1
	assert_arrived "$C" t/two:1
}

test_a_link_that_breaks_in_the_middle_of_many_is_mended() {
	local i
	start_over
	proxy_start --rate 12000000 --at up:8000000:reset --at up:16000000:cut --at up:1000000:cut
	push_all 0 t/single1:1 t/single2:1 t/one:1 t/single3:1 --lanes 1 --to b,slow
	proxy_stop
	assert_equal "$(grep -c '^fault' "$PROXY_LOG")" 3 "faults"
	for i in t/single1:1 t/single2:1 t/one:1 t/single3:1; do
		assert_arrived "$B" "$i"
		assert_arrived "$C" "$i"
	done
}

test_all_targets_away_is_that_failure() {
	receiver_stop "$STATE"
	receiver_stop "$STATE_C"
	push_all 6 t/one:1 t/two:1 --to b,c --retry-for 0
	receiver_start "$STATE" "$B"
	receiver_start "$STATE_C" "$C" "$C_PORT"
}

test_an_unknown_image_leaves_the_others_theirs() {
	start_over
	push_all 3 t/one:1 t/nothing:1 t/two:1 --to b,c
	assert_arrived "$B" t/two:1
	assert_arrived "$C" t/two:1
	assert_equal "$(field t/nothing:1 b code)" not-found "code"
	assert_equal "$(grep -c 'no image t/nothing:1' "$OUT.err")" 1 "lines that say so"
	push_all 4 t/nothing:1 t/nothing:2 --to b
}

test_an_image_that_the_target_refuses_leaves_the_others_theirs() {
	local CONFIG=$SANDBOX/config-of-narrow
	receiver_pair "$STATE" "$CONFIG" narrow --image 't/o*'
	push_all 3 t/two:1 t/one:1 t/small:1 --to narrow
	assert_equal "$(field t/two:1 narrow code)" refused "code"
	assert_equal "$(field t/one:1 narrow ok)" true "ok"
	assert_grep 't/small:1 -> narrow: .*may not push t/small:1' "$OUT.err"
	push_all 5 t/two:1 t/small:1 --to narrow
}

test_an_interruption_tells_what_was_done() {
	local agent code=0 i
	start_over
	proxy_start --rate "$SLOW"
	DRAY_CONFIG_DIR=$CONFIG env --default-signal=INT "$DRAY" push --json -H "$(engine_address "$A")" \
		t/one:1 --to b,slow >"$OUT" 2>"$OUT.err" </dev/null &
	agent=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q '"target":"b","phase":"done"' "$OUT" || break
		sleep 0.05
	done
	kill -INT "$agent"
	wait "$agent" || code=$?
	proxy_stop
	assert_equal "$code" 130 "exit code"
	assert_equal "$(field t/one:1 b ok) $(field t/one:1 slow ok)" "true false" "results"
	assert_arrived "$B" t/one:1
}

test_a_killed_push_of_many_goes_on_when_it_is_run_again() {
	local agent
	start_over
	DRAY_CONFIG_DIR=$CONFIG "$DRAY" push --json -H "$(engine_address "$A")" t/one:1 t/large:1 t/two:1 \
		--to b,c >"$OUT" 2>"$OUT.err" </dev/null &
	agent=$!
	sleep 2.5
	kill -KILL "$agent"
	wait "$agent" 2>/dev/null || true
	push_all 0 t/one:1 t/large:1 t/two:1 --to b,c
	for image in t/one:1 t/large:1 t/two:1; do
		assert_arrived "$B" "$image"
		assert_arrived "$C" "$image"
	done
}

run_cases many "$@"
