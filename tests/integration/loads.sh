#!/bin/bash
# Loads that are interrupted at the target: by the end of either process of drayd, of the engine, or
# by a stop; and two agents that push the same image at once. In every case the client hears why or
# goes on by itself, nothing half-done is left, and the same push succeeds afterwards. And that lower
# layers are applied while upper ones arrive, in images that nobody finds afterwards.
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
STACK=t/stack:1 # of several layers that are large enough each
OTHER=t/other:1 # the same ones, and another on top
WAIT_SECONDS=60 # PREFIX_WAIT_SECONDS in server/engine/engine_prefix.h

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 12 "$STATE.log"
}

# Some 150 MB, so that a load takes a while.
make_image() {
	mkdir "$SANDBOX/1" "$SANDBOX/2"
	images_binary "$SANDBOX/1/first" 80
	images_binary "$SANDBOX/2/second" 70 80
	images_tar "$SANDBOX/1" "$SANDBOX/1.tar"
	images_tar "$SANDBOX/2" "$SANDBOX/2.tar"
	images_stack "$A" "$IMAGE" "cargo" "$SANDBOX/1.tar" "$SANDBOX/2.tar"
	rm -r "$SANDBOX"/[12] "$SANDBOX"/[12].tar
	image_id=$(images_id "$A" "$IMAGE")
}

make_stack() {
	local i tars=()
	for i in 1 2 3 4 5; do
		mkdir "$SANDBOX/$i"
		images_binary "$SANDBOX/$i/part-$i" 20 $((150 + 20 * i))
		images_tar "$SANDBOX/$i" "$SANDBOX/$i.tar"
		tars+=("$SANDBOX/$i.tar")
	done
	# One occurs twice, one is empty.
	images_stack "$A" "$STACK" "stack" "${tars[@]:0:4}" - "${tars[1]}"
	images_stack "$A" "$OTHER" "other" "${tars[@]}"
	rm -r "$SANDBOX"/[1-5] "$SANDBOX"/[1-5].tar
}

child() {
	pgrep -P "$(cat "$STATE.pid")" -f "^drayd $1-process" || true
}

journal_entries() {
	find "$STATE/loads" -name '*.json' | wc -l
}

journal_holds() {
	[ "$(journal_entries)" = "$1" ]
}

# The store is emptied, too: the push is to take its time.
start_over() {
	receiver_stop "$STATE"
	engine_docker "$B" image rm --force "$image_id" "$STACK" "$OTHER" >/dev/null 2>&1 || true
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target at the start"
	rm -rf "$STATE/domains" "$STATE/loads"
	: >"$STATE.log"
	receiver_start "$STATE" "$B"
}

# begin_push: in the background, until the engine's load of it is under way. dray dies with its `timeout`.
begin_push() {
	DRAY_CONFIG_DIR=$CONFIG timeout -k 5 "$PUSH_TIMEOUT" setpriv --pdeathsig KILL \
		"$DRAY" push -H "$(engine_address "$A")" --json "$IMAGE" --to b >"$OUT" 2>"$OUT.err" &
	client=$!
	await 100 "no load begins" journal_holds 1
	sleep 0.2
}

# end_push TEXT: the client has gone on by itself, or ended with this text.
end_push() {
	local code=0
	wait "$client" || code=$?
	echo "the push ended with code $code: $(tail -n 1 "$OUT.err")"
	[ "$code" = 0 ] || assert_grep "$1" "$OUT.err"
}

assert_nothing_left() {
	await 250 "the journal still has an entry" journal_holds 0
	assert_equal "$(images_dangling "$B")" 0 "images without a tag"
}

assert_push_succeeds() {
	local image=${1:-$IMAGE}
	push_json "$CONFIG" "$A" "$OUT" "$image" --to b
	assert_equal "$(images_id "$B" "$image")" "$(images_id "$A" "$image")" "ID on the target"
	assert_nothing_left
	assert_equal "$(engine_docker "$B" images --all --quiet | wc -l)" 1 "images on the target"
}

prepare() {
	engine_start "$A" && engine_start "$B" && make_image && make_stack && receiver_start "$STATE" "$B" &&
		receiver_pair "$STATE" "$CONFIG" b || exit 1
}

prepare

# --- processes that die ---

test_a_killed_engine_process_hands_its_load_back() {
	start_over
	begin_push
	kill -KILL "$(child engine)"
	end_push "engine process"
	assert_grep 'the engine process is gone: 1 jobs handed back' "$STATE.log"
	assert_nothing_left
	assert_push_succeeds
}

test_a_killed_network_process_leaves_nothing_in_the_engine() {
	start_over
	begin_push
	# The client in the same moment: nobody goes on, and nobody saw it leave.
	kill -KILL "$(child net)" "$client"
	wait "$client" || true
	assert_nothing_left
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
	assert_grep 'the network process is gone: 1 of its jobs broken off' "$STATE.log"
	assert_push_succeeds
}

test_a_network_process_that_is_back_at_once_is_served_while_the_old_load_is_cleaned_up() {
	start_over
	begin_push
	kill -KILL "$(child net)"
	end_push "."
	assert_push_succeeds
}

test_both_processes_killed_leave_nothing() {
	start_over
	begin_push
	kill -KILL "$(child engine)" "$(child net)"
	end_push "."
	assert_nothing_left
	assert_push_succeeds
}

# --- the engine dies ---

test_a_killed_engine_is_named_and_its_load_cleaned_up_when_it_is_back() {
	start_over
	begin_push
	engine_kill "$B"
	sleep 1
	assert_equal "$(journal_entries)" 1 "journal entries while the engine is away"
	engine_start "$B"
	end_push "engine at unix://$B/docker.sock"
	assert_nothing_left
	assert_grep 'unfinished loads are cleaned up' "$STATE.log"
	assert_push_succeeds
}

# As an upgrade of the engine does. It may still say something before it goes.
test_an_engine_that_is_restarted_in_a_load_is_a_matter_of_time() {
	start_over
	begin_push
	engine_stop "$B"
	engine_start "$B"
	end_push "engine at unix://$B/docker.sock"
	assert_nothing_left
	assert_push_succeeds
}

test_an_engine_that_is_away_is_a_matter_of_time() {
	start_over
	engine_stop "$B"
	DRAY_CONFIG_DIR=$CONFIG timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" push -H "$(engine_address "$A")" \
		--json "$IMAGE" --to b >"$OUT" 2>"$OUT.err" &
	client=$!
	sleep 1
	engine_start "$B"
	end_push "cannot reach the engine at unix://$B/docker.sock"
	assert_push_succeeds
}

# --- stops ---

test_a_stop_lets_a_push_finish() {
	start_over
	begin_push
	receiver_stop "$STATE"
	wait "$client" || fail "the push ended with $?: $(cat "$OUT.err")"
	assert_equal "$(images_id "$B" "$IMAGE")" "$image_id" "ID on the target"
	assert_nothing_left
	receiver_start "$STATE" "$B"
}

test_a_second_signal_stops_at_once_and_hands_the_push_back() {
	local pid
	start_over
	begin_push
	pid=$(cat "$STATE.pid")
	kill -TERM "$pid"
	sleep 0.2
	kill -TERM "$pid"
	engine_await_end "$pid" 100
	rm "$STATE.pid"
	assert_nothing_left
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
	receiver_start "$STATE" "$B"
	end_push "the receiver is stopping"
	assert_push_succeeds
}

# --- two at once ---

test_two_agents_push_the_same_image_at_once() {
	local second=$SANDBOX/config2 other
	start_over
	receiver_pair "$STATE" "$second" c
	DRAY_CONFIG_DIR=$second timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" push -H "$(engine_address "$A")" \
		--json "$IMAGE" --to c >"$OUT.2" 2>"$OUT.2.err" &
	other=$!
	push_json "$CONFIG" "$A" "$OUT" "$IMAGE" --to b
	wait "$other" || fail "the other push ended with $?: $(cat "$OUT.2.err")"
	assert_equal "$(images_id "$B" "$IMAGE")" "$image_id" "ID on the target"
	assert_nothing_left
	assert_equal "$(engine_docker "$B" images --all --quiet | wc -l)" 1 "images on the target"
	assert_equal "$(grep -c 'loaded and tagged' "$STATE.log")" 2 "pushes that the receiver finished"
}

test_one_of_two_pushes_of_an_image_that_is_broken_off_leaves_the_other_alone() {
	local second=$SANDBOX/config2 other
	start_over
	begin_push
	DRAY_CONFIG_DIR=$second timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" push -H "$(engine_address "$A")" \
		--json "$IMAGE" --to c >"$OUT.2" 2>"$OUT.2.err" &
	other=$!
	sleep 0.7
	kill -INT "$client"
	wait "$other" || fail "the other push ended with $?: $(cat "$OUT.2.err")"
	wait "$client" || true
	assert_equal "$(images_id "$B" "$IMAGE")" "$image_id" "ID on the target"
	assert_nothing_left
}

# --- lower layers that are applied while upper ones arrive ---

prefixes() {
	engine_docker "$B" images --all --quiet --filter label=dray.partial | wc -l
}

has_prefix() {
	[ "$(prefixes)" -gt 0 ]
}

has_no_prefix() {
	! has_prefix
}

# In the background over a slow link, until the engine has applied some of the layers.
begin_stack() {
	DRAY_CONFIG_DIR=$CONFIG timeout -k 5 "$PUSH_TIMEOUT" setpriv --pdeathsig KILL \
		"$DRAY" push -H "$(engine_address "$A")" --json --limit-rate 2M --lanes 1 "$STACK" --to b \
		>"$OUT" 2>"$OUT.err" &
	client=$!
	await 300 "no layer is applied before all have come" has_prefix
	! grep -q '"phase":"applying"' "$OUT" || fail "all had come before a layer was applied"
}

test_lower_layers_are_applied_while_upper_ones_arrive() {
	start_over
	begin_stack
	wait "$client" || fail "the push ended with $?: $(cat "$OUT.err")"
	assert_nothing_left
	assert_equal "$(images_layers "$B" "$STACK")" "$(images_layers "$A" "$STACK")" "layers"
	assert_equal "$(images_history "$B" "$STACK")" "$(images_history "$A" "$STACK")" "history"
	assert_equal "$(images_content "$B" "$STACK")" "$(images_content "$A" "$STACK")" "content"
	assert_equal "$(engine_docker "$B" save "$STACK" | engine_docker "$B" load --quiet)" \
		"Loaded image: $STACK" "the image, saved and loaded"
	assert_equal "$(engine_docker "$B" images --all --quiet | wc -l)" 1 "images on the target"
}

test_small_layers_and_the_last_one_make_no_call_of_their_own() {
	start_over
	assert_push_succeeds
	assert_equal "$(engine_docker "$B" images --all --quiet | wc -l)" 1 "images on the target"
}

# drayd dies as a whole and the store is lost: what is there can only be the engine's.
test_a_push_that_was_cut_off_finds_what_the_engine_had_applied() {
	start_over
	begin_stack
	kill -KILL "$client"
	wait "$client" || true
	receiver_kill "$STATE"
	rm -rf "$STATE/domains"
	receiver_start "$STATE" "$B"
	assert_push_succeeds "$STACK"
	[ "$(result "$OUT" layers_skipped)" -gt 0 ] || fail "the layers that were applied came again"
}

test_what_was_applied_for_a_push_that_does_not_come_again_goes_after_a_while() {
	start_over
	begin_stack
	kill -KILL "$client"
	wait "$client" || true
	sleep 5
	has_prefix || fail "what was applied is gone at once"
	await $((WAIT_SECONDS * 10 + 250)) "what was applied is still there" has_no_prefix
	assert_nothing_left
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
}

test_a_stop_leaves_no_layer_that_was_applied() {
	local pid
	start_over
	begin_stack
	pid=$(cat "$STATE.pid")
	kill -TERM "$pid"
	sleep 0.2
	kill -TERM "$pid"
	engine_await_end "$pid" 100
	rm "$STATE.pid"
	assert_nothing_left
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
	receiver_start "$STATE" "$B"
	end_push "the receiver is stopping"
	assert_push_succeeds "$STACK"
}

test_a_push_that_waits_for_another_try_leaves_nothing_at_a_stop() {
	start_over
	begin_stack
	kill -KILL "$client"
	wait "$client" || true
	sleep 2
	receiver_stop "$STATE"
	assert_nothing_left
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
	receiver_start "$STATE" "$B"
}

test_each_process_may_be_killed_when_layers_were_applied() {
	local victim
	for victim in engine net both; do
		start_over
		begin_stack
		case $victim in
		both) kill -KILL "$(child engine)" "$(child net)" ;;
		*) kill -KILL "$(child "$victim")" ;;
		esac
		end_push "."
		assert_push_succeeds "$STACK"
		echo "$victim: killed and done"
	done
}

test_an_engine_may_be_killed_when_layers_were_applied() {
	start_over
	begin_stack
	engine_kill "$B"
	engine_start "$B"
	end_push "engine at unix://$B/docker.sock"
	assert_push_succeeds "$STACK"
}

test_layers_that_somebody_prunes_meanwhile_are_loaded_again() {
	start_over
	begin_stack
	engine_docker "$B" image prune --force >/dev/null
	wait "$client" || fail "the push ended with $?: $(cat "$OUT.err")"
	assert_grep 'not (there|in the engine) any more' "$OUT.err"
	assert_nothing_left
	assert_push_succeeds "$STACK"
}

# The second push has another key, and may not build on what the first one's will take along.
test_a_push_of_an_image_with_the_same_layers_does_not_lose_them_with_the_first() {
	local second=$SANDBOX/config3 first
	start_over
	receiver_pair "$STATE" "$second" d
	begin_stack
	first=$client
	push_json "$second" "$A" "$OUT.2" "$OTHER" --to d &
	other=$!
	sleep 1
	kill -INT "$first"
	wait "$other" || fail "the other push ended with $?: $(cat "$OUT.2.err")"
	wait "$first" || true
	assert_equal "$(images_content "$B" "$OTHER")" "$(images_content "$A" "$OTHER")" "content"
	receiver_stop "$STATE"
	assert_nothing_left
	receiver_start "$STATE" "$B"
}

# Room for the layers, but not for the archives besides: the engine fails while it applies.
test_a_load_that_fails_leaves_no_layer_that_was_applied() {
	local small=$SANDBOX/C state=$SANDBOX/state3 code=0
	start_over
	receiver_stop "$STATE"
	mkdir -p "$small/data"
	mount -t tmpfs -o size=118m tmpfs "$small/data"
	engine_start "$small"
	receiver_start "$state" "$small"
	receiver_pair "$state" "$CONFIG" c
	dray_push "$CONFIG" "$A" "$OTHER" --limit-rate 4M --to c >"$OUT" 2>"$OUT.err" || code=$?
	[ "$code" = 1 ] || fail "exit code $code: $(cat "$OUT.err")"
	assert_grep 'no space left' "$OUT.err"
	assert_equal "$(engine_docker "$small" images --all --quiet)" "" "images on the target"
	assert_equal "$(find "$state/loads" -name '*.json')" "" "entries of the journal"
	receiver_stop "$state"
	engine_stop "$small"
	umount "$small/data"
	engine_remove "$small"
	receiver_start "$STATE" "$B"
}
run_cases loads "$@"
