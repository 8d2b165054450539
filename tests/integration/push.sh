#!/bin/bash
# Pushes between two live engines: what arrives, what crosses the wire, what is printed.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
# Made outside the sandbox, which has no network.
[ -n "${SANDBOX:-}" ] || images_debian_tar >/dev/null || exit 1
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
OUT=$SANDBOX/out

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 5 "$STATE.log"
}

push() {
	push_json "$CONFIG" "$A" "$OUT" "$@" --to b
}

# Arrived means: the same ID and layers, the same history, a complete archive when saved again.
assert_arrived() {
	local image=$1
	assert_equal "$(images_id "$B" "$image")" "$(images_id "$A" "$image")" "ID of $image"
	assert_equal "$(images_layers "$B" "$image")" "$(images_layers "$A" "$image")" "its layers"
	assert_equal "$(images_history "$B" "$image")" "$(images_history "$A" "$image")" "its history"
	engine_docker "$B" save -o "$SANDBOX/saved.tar" "$image"
	assert_equal "$("$SUPPORT/saved_layers" "$SANDBOX/saved.tar")" "$(images_layers "$A" "$image")" \
		"the layers as saved on the target"
	rm "$SANDBOX/saved.tar"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag on the target"
}

assert_same_content() {
	assert_equal "$(images_content "$B" "$1")" "$(images_content "$A" "$1")" \
		"what a container of $1 sees"
}

# A cold push sends every layer; what it says it sent is what passed over the wire.
push_cold() {
	local image=$1 skipped=${2:-0} wire
	wire=$(sandbox_wire_bytes)
	push "$image"
	wire=$(($(sandbox_wire_bytes) - wire))
	echo "$image: $(result "$OUT" bytes_total) bytes, $(result "$OUT" bytes_sent) sent," \
		"$wire on the wire, $(result "$OUT" seconds) s"
	assert_equal "$(result "$OUT" ok)" true "ok"
	assert_equal "$(result "$OUT" kind)" image "kind"
	assert_equal "$(result "$OUT" name)" "$image" "name"
	assert_equal "$(result "$OUT" mode)" layers "mode"
	assert_equal "$(result "$OUT" id)" "$(images_id "$A" "$image")" "id"
	assert_equal "$(result "$OUT" layers)" "$(images_layers "$A" "$image" | wc -l)" "layers"
	assert_equal "$(result "$OUT" layers_skipped)" "$skipped" "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" "$wire" "bytes_sent"
	assert_at_most "$wire" $((wire / 20 + 200000 + $(result "$OUT" bytes_sent))) \
		"bytes on the wire"
	assert_arrived "$image"
}

# Nothing is to be done, and next to nothing is.
assert_settled() {
	assert_equal "$(result "$OUT" layers_skipped)" "$(result "$OUT" layers)" "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" 16384 "bytes sent"
	assert_at_most "$(result "$OUT" seconds)" 1 "seconds"
}

# --- the images ---

make_images() {
	images_busybox "$A" t/busybox:1
	images_debian "$A" t/debian:1
	images_library_tree "$SANDBOX/library" 20500
	images_tar "$SANDBOX/library" "$SANDBOX/library.tar"
	images_stack "$A" t/library:1 books "$SANDBOX/library.tar"
	rm -r "$SANDBOX/library" "$SANDBOX/library.tar"
	mkdir "$SANDBOX/large"
	images_binary "$SANDBOX/large/binary" 120
	images_tar "$SANDBOX/large" "$SANDBOX/large.tar"
	images_stack "$A" t/large:1 large "$SANDBOX/large.tar"
	rm -r "$SANDBOX/large" "$SANDBOX/large.tar"
	images_library_tree "$SANDBOX/tree" 3000 20501
	images_app "$A" t/app:1 t/busybox:1 "$SANDBOX/tree" "application 1"
	images_rebuild_tree "$SANDBOX/tree" 1000
	images_app "$A" t/app:2 t/busybox:1 "$SANDBOX/tree" "application 2"
	tar -C /etc -cf "$SANDBOX/repeated.tar" services protocols
	images_stack "$A" t/repeats:1 repeats - "$SANDBOX/repeated.tar" - "$SANDBOX/repeated.tar" - -
}

engine_start "$A" && engine_start "$B" && make_images &&
	receiver_start "$STATE" "$B" && receiver_pair "$STATE" "$CONFIG" b || exit 1

# --- the cases ---

test_dry_run_says_what_would_be_sent_and_changes_nothing() {
	push t/app:1 --dry-run
	assert_at_least "$(result "$OUT" bytes_total)" 1000000 "bytes_total"
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
	dray_push "$CONFIG" "$A" t/app:1 --to b --dry-run >"$OUT" 2>"$OUT.err"
	assert_grep '[0-9](\.[0-9]+)? ?(kB|MB|GB)' "$OUT"
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
}

test_a_busybox_image_arrives_with_the_same_id_and_runs() {
	push_cold t/busybox:1
	assert_same_content t/busybox:1
}

test_a_debian_system_arrives_with_the_same_id_and_runs() {
	push_cold t/debian:1
	assert_same_content t/debian:1
	assert_equal "$(engine_docker "$B" run --rm --network none t/debian:1 cat /etc/debian_version)" \
		"$(engine_docker "$A" run --rm --network none t/debian:1 cat /etc/debian_version)" "output"
}

test_a_library_of_twenty_thousand_files_on_a_shared_base_arrives() {
	push_cold t/library:1 1
	assert_equal "$(engine_docker "$B" run --rm --network none t/library:1 \
		sh -c 'find /usr -type f | wc -l')" 20500 "files in a container"
}

test_a_large_binary_arrives() {
	push_cold t/large:1 1
	assert_equal "$(engine_docker "$B" run --rm --network none t/large:1 sha256sum /binary)" \
		"$(engine_docker "$A" run --rm --network none t/large:1 sha256sum /binary)" "its digest"
}

test_an_image_that_the_engine_built_in_steps_arrives() {
	push_cold t/app:1 1
	assert_equal "$(engine_docker "$B" run --rm --network none t/app:1)" "application 1" "output"
	assert_same_content t/app:1
}

test_repeated_and_empty_layers_arrive() {
	push_cold t/repeats:1 1
	assert_same_content t/repeats:1
}

test_a_rebuilt_top_layer_costs_a_small_part_of_itself() {
	local layer
	layer=$(images_field "$A" t/app:2 '{{.Size}}')
	push t/app:2
	echo "$(result "$OUT" bytes_sent) bytes for a layer of about $layer"
	assert_equal "$(result "$OUT" layers_skipped)" $(($(result "$OUT" layers) - 1)) "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" $((layer / 20)) "bytes sent"
	assert_arrived t/app:2
	assert_same_content t/app:2
	assert_equal "$(engine_docker "$B" run --rm --network none t/app:2)" "application 2" "output"
}

test_a_second_push_sends_nothing_and_reads_nothing_from_the_engine() {
	local saves
	saves=$(engine_saves_asked "$A")
	push t/library:1 --read api
	assert_settled
	push t/app:2 --read api
	assert_settled
	assert_equal "$(engine_saves_asked "$A")" "$saves" "archives asked of the source engine"
}

test_a_new_tag_of_a_known_image_is_only_a_tag() {
	local saves
	saves=$(engine_saves_asked "$A")
	engine_docker "$A" tag t/app:2 registry.example:5000/team/app:stable
	push registry.example:5000/team/app:stable
	assert_settled
	assert_equal "$(engine_saves_asked "$A")" "$saves" "archives asked of the source engine"
	assert_equal "$(images_id "$B" registry.example:5000/team/app:stable)" \
		"$(images_id "$A" t/app:2)" "ID of the new tag"
	assert_equal "$(images_id "$B" t/app:2)" "$(images_id "$A" t/app:2)" "ID of the old tag"
}

test_a_tag_that_moves_to_another_image_moves_on_the_target() {
	engine_docker "$A" tag t/app:1 t/moving:latest
	push t/moving
	engine_docker "$A" tag t/app:2 t/moving:latest
	push t/moving
	assert_equal "$(images_id "$B" t/moving:latest)" "$(images_id "$A" t/app:2)" "ID of the tag"
	assert_equal "$(images_id "$B" t/app:1)" "$(images_id "$A" t/app:1)" "ID of the older image"
}

test_an_image_deleted_on_the_target_comes_back() {
	engine_docker "$B" rmi --force "$(images_id "$B" t/large:1)" >/dev/null
	push t/large:1
	assert_arrived t/large:1
	assert_at_most "$(result "$OUT" bytes_sent)" $(($(result "$OUT" bytes_total) / 50)) \
		"bytes sent (the receiver's store still has them)"
}

test_a_restarted_receiver_still_knows_everything() {
	receiver_stop "$STATE"
	receiver_start "$STATE" "$B"
	push t/library:1
	assert_settled
}

test_quiet_prints_the_id_alone() {
	dray_push "$CONFIG" "$A" -q t/app:1 --to b >"$OUT" 2>"$OUT.err"
	assert_equal "$(cat "$OUT")" "$(images_id "$A" t/app:1)" "stdout"
	assert_equal "$(cat "$OUT.err")" "" "stderr"
}

test_results_go_to_stdout_and_progress_to_stderr() {
	engine_docker "$B" rmi --force "$(images_id "$B" t/busybox:1)" >/dev/null 2>&1 || true
	dray_push "$CONFIG" "$A" t/library:1 --to b >"$OUT" 2>"$OUT.err"
	assert_lines "$OUT" 1
	assert_grep 't/library:1' "$OUT"
	# A pipe gets lines, no bars.
	! grep -q $'[\r\033]' "$OUT" "$OUT.err" || fail "control characters in a pipe"
	push t/library:1
	assert_equal "$(wc -l <"$OUT")" "$(grep -c '^{.*}$' "$OUT")" "lines that are objects"
}

test_the_receiver_can_be_asked_for_its_keys() {
	timeout -k 5 20 "$DRAYD" keys --state "$STATE" >"$OUT"
	assert_grep 'key-of-b' "$OUT"
	DRAY_CONFIG_DIR=$CONFIG timeout -k 5 20 "$DRAY" targets >"$OUT"
	assert_grep "^b( |$)" "$OUT"
	assert_grep "127.0.0.1:$DRAY_PORT" "$OUT"
}

run_cases push "$@"
