#!/bin/bash
# Pushes from a Docker that keeps its images in containerd's store, where layers are compressed and an
# image's ID is not its config's digest: out of the store's files, and through the engine.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
# Made outside the sandbox, which has no network.
if [ -z "${SANDBOX:-}" ]; then
	engine_root sid >/dev/null
	case $? in
	0) ;;
	"$ENGINE_NO_MIRROR")
		report skip "containerd: Debian's mirror cannot be reached for sid"
		exit 0
		;;
	*) exit 1 ;;
	esac
fi
sandbox_enter "$@"

C=$SANDBOX/containerd
BLOBS=$C/data/containerd/daemon/io.containerd.content.v1.content/blobs/sha256
OUT=$SANDBOX/out
declare -A PORT_OF=([old]=7750 [new]=7753)

after_failure() {
	echo "--- the agent's last lines:"
	tail -n 5 "$OUT.err"
	echo "--- the receivers' last lines:"
	tail -qn 2 "$SANDBOX"/state-*.log
}

on() {
	local name=$1
	shift
	engine_docker "$SANDBOX/$name" "$@"
}

# push TO IMAGE ARGUMENT...
push() {
	local to=$1
	shift
	push_json "$SANDBOX/config-$to" "$C" "$OUT" "$@" --to there
}

# refuse CODE PATTERN TO IMAGE ARGUMENT...: the push fails so, with one line that matches.
refuse() {
	local code=0 wanted=$1 pattern=$2 to=$3
	shift 3
	dray_push "$SANDBOX/config-$to" "$C" -q --to there "$@" >"$OUT" 2>"$OUT.err" || code=$?
	echo "exit code $code: $(cat "$OUT.err")"
	assert_equal "$code" "$wanted" "exit code"
	assert_lines "$OUT.err" 1
	assert_grep "$pattern" "$OUT.err"
	assert_equal "$(images_dangling "$SANDBOX/$to")" 0 "images without a tag on the target"
}

# The receiver and its engine as they were at first.
forget() {
	local to=$1 image
	receiver_stop "$SANDBOX/state-$to"
	for image in $(on "$to" images --format '{{.Repository}}:{{.Tag}}'); do
		[ "$image" = t/busybox:1 ] || on "$to" image rm --force "$image" >/dev/null
	done
	rm -rf "$SANDBOX/state-$to/domains"
	receiver_start "$SANDBOX/state-$to" "$SANDBOX/$to" "${PORT_OF[$to]}"
}

# --- looking into the store ---

# stored IMAGE WHAT: the digests of its config, manifest or layers.
stored() {
	"$SUPPORT/stored_image" "$BLOBS" "$(images_id "$C" "$1")" | sed -n "s/^$2 //p"
}

# The file of an image's Nth layer, from 1 up, the lowest first.
layer_file() {
	echo "$BLOBS/$(stored "$1" layer | sed -n "$2s/^sha256://p")"
}

# assert_arrived TO IMAGE: under its config's digest, with all its layers, also when saved again.
assert_arrived() {
	local to=$SANDBOX/$1 image=$2
	assert_equal "$(images_id "$to" "$image")" "$(stored "$image" config)" "ID of $image"
	assert_equal "$(result "$OUT" id)" "$(stored "$image" config)" "id in the result"
	assert_equal "$(images_layers "$to" "$image")" "$(images_layers "$C" "$image")" "its layers"
	assert_equal "$(images_steps "$to" "$image")" "$(images_steps "$C" "$image")" "its history"
	engine_docker "$to" save -o "$SANDBOX/saved.tar" "$image"
	assert_equal "$("$SUPPORT/saved_layers" "$SANDBOX/saved.tar")" "$(images_layers "$C" "$image")" \
		"the layers as saved on the target"
	rm "$SANDBOX/saved.tar"
	assert_equal "$(images_dangling "$to")" 0 "images without a tag on the target"
	assert_equal "$(on "$1" run --rm --network none "$image")" \
		"$(engine_docker "$C" run --rm --network none "$image")" "its output"
}

# Without the sizes: this store counts what layers take on its disk.
images_steps() {
	engine_docker "$1" history --no-trunc --human=false --format '{{.CreatedAt}}|{{.CreatedBy}}|{{.Comment}}' "$2"
}

# assert_asked SAVES: since `saves` was set.
assert_asked() {
	assert_equal "$(($(engine_saves_asked "$C") - saves))" "$1" "archives asked of the source engine"
}

# --- every form in which a layer is stored ---

every_form_arrives() {
	local to=$1 way=$2 asked=$3 saves image
	forget "$to"
	for image in t/gzip:1 t/forms:1 t/app:1; do
		saves=$(engine_saves_asked "$C")
		push "$to" "$image" --read "$way"
		assert_asked "$asked"
		assert_arrived "$to" "$image"
		! grep "trying again" "$OUT.err" || fail "$image took more than one try"
	done
	assert_equal "$(images_content "$SANDBOX/$to" t/app:1)" "$(images_content "$C" t/app:1)" \
		"what a container sees"
}

test_layers_of_every_form_arrive_on_20_10_from_the_files() {
	every_form_arrives old direct 0
}

test_layers_of_every_form_arrive_on_20_10_through_the_engine() {
	every_form_arrives old api 1
}

test_layers_of_every_form_arrive_on_28_from_the_files() {
	every_form_arrives new auto 0
}

test_layers_of_every_form_arrive_on_28_through_the_engine() {
	every_form_arrives new api 1
}

# --- what is there already ---

a_rebuilt_top_layer_costs_little() {
	local way=$1
	forget old
	push old t/app:1
	push old t/app:2 --read "$way"
	assert_equal "$(result "$OUT" layers_skipped)" $(($(result "$OUT" layers) - 1)) "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" $(($(result "$OUT" bytes_total) / 10)) "bytes sent"
	assert_arrived old t/app:2
}

test_a_rebuilt_top_layer_costs_little_from_the_files() {
	a_rebuilt_top_layer_costs_little direct
}

test_a_rebuilt_top_layer_costs_little_through_the_engine() {
	a_rebuilt_top_layer_costs_little api
}

test_a_second_push_sends_nothing_and_asks_the_engine_for_nothing() {
	local saves
	forget old
	push old t/app:1
	saves=$(engine_saves_asked "$C")
	push old t/app:1 --read api
	assert_equal "$(result "$OUT" layers_skipped)" "$(result "$OUT" layers)" "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" 16384 "bytes sent"
	assert_asked 0
}

# --- the run ---

prepare() {
	local name tree=$SANDBOX/tree
	engine_start "$C" --store containerd && engine_start "$SANDBOX/old" &&
		engine_start "$SANDBOX/new" --suite sid || return
	for name in old new; do
		images_busybox "$SANDBOX/$name" t/busybox:1 &&
			receiver_start "$SANDBOX/state-$name" "$SANDBOX/$name" "${PORT_OF[$name]}" || return
		DRAY_PORT=${PORT_OF[$name]} receiver_pair "$SANDBOX/state-$name" "$SANDBOX/config-$name" there || return
	done
	"$SUPPORT/odd_layers" "$SANDBOX"
	images_library_tree "$tree" 400
	images_tar "$tree" "$SANDBOX/tree.tar"
	tar -C /etc -cf "$SANDBOX/small.tar" services protocols
	images_busybox "$C" t/busybox:1
	"$SUPPORT/oci_image" t/gzip:1 'echo gzip' "gzip:$(images_busybox_tar)" "gzip:$SANDBOX/odd-1.tar" \
		"gzip:$SANDBOX/odd-2.tar" | engine_docker "$C" load --quiet >/dev/null &&
		"$SUPPORT/oci_image" t/forms:1 'echo forms' "members:$(images_busybox_tar)" \
			"zstd:$SANDBOX/tree.tar" "raw:$SANDBOX/small.tar" "gzip:$SANDBOX/odd-1.tar" \
			"members:$SANDBOX/small.tar" | engine_docker "$C" load --quiet >/dev/null || return
	images_app "$C" t/app:1 t/busybox:1 "$tree" "first"
	images_rebuild_tree "$tree" 100
	images_app "$C" t/app:2 t/busybox:1 "$tree" "second"
}

prepare || exit 1
run_cases containerd "$@"
