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
	[[ $code =~ ^$wanted$ ]] || fail "exit code $code, not $wanted"
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

# --- by a user who may not read the engine's files ---

# push_as_nobody TO IMAGE ARGUMENT...: leaves the exit code in `code`.
push_as_nobody() {
	local to=$1
	shift
	chmod 666 "$C/docker.sock"
	chmod 755 "$SANDBOX"
	cp -r "$SANDBOX/config-$to" "$SANDBOX/config-nobody"
	cp "$DRAY" "$SANDBOX/dray"
	chown -R nobody "$SANDBOX/config-nobody"
	code=0
	DRAY_CONFIG_DIR=$SANDBOX/config-nobody timeout -k 5 60 setpriv --reuid nobody --clear-groups \
		"$SANDBOX/dray" push --json -H "$(engine_address "$C")" --to there "$@" >"$OUT" 2>"$OUT.err" || code=$?
	rm -r "$SANDBOX/config-nobody"
}

test_without_the_right_to_the_files_the_engine_tells_what_the_image_is() {
	local saves code
	forget old
	push old t/app:1
	saves=$(engine_saves_asked "$C")
	push_as_nobody old t/forms:1
	assert_equal "$code" 0 "exit code"
	assert_asked 2
	assert_arrived old t/forms:1
	# Also what is there already is known.
	push_as_nobody old t/app:2
	assert_equal "$code" 0 "exit code"
	assert_equal "$(result "$OUT" layers_skipped)" $(($(result "$OUT" layers) - 1)) "layers skipped"
	assert_arrived old t/app:2
	push_as_nobody old t/app:2 --read direct
	assert_equal "$code" 0 "exit code of a push that reads nothing"
	push_as_nobody old t/gzip:1 --read direct
	assert_equal "$code" 1 "exit code"
	assert_grep 'cannot read the files of the engine at .*: Permission denied$' "$OUT.err"
}

# --- files that are not what they should be ---

# with_other THERE INSTEAD COMMAND...: runs it where INSTEAD stands in the place of THERE.
with_other() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -c 'mount --bind "$1" "$0" && shift && exec "$@"' "$@"
}

# falls_back REASON INSTEAD: the agent, and only that, sees INSTEAD as a layer's file.
falls_back() {
	local saves code=0
	forget old
	saves=$(engine_saves_asked "$C")
	DRAY_CONFIG_DIR=$SANDBOX/config-old with_other "$(layer_file t/gzip:1 2)" "$2" timeout -k 5 60 "$DRAY" \
		push --json -H "$(engine_address "$C")" t/gzip:1 --to there >"$OUT" 2>"$OUT.err" || code=$?
	cat "$OUT.err"
	assert_equal "$code" 0 "exit code"
	assert_equal "$(grep -c "cannot read the engine's files, so the engine is asked" "$OUT.err")" 1 "lines that say so"
	assert_grep "engine is asked for the image: layer sha256:[0-9a-f]{64}: $1; trying again in 0.0s" "$OUT.err"
	assert_asked 1
	assert_arrived old t/gzip:1
}

test_a_blob_that_is_damaged_is_noticed_and_the_engine_asked() {
	local copy=$SANDBOX/copy
	cp "$(layer_file t/gzip:1 2)" "$copy"
	printf changed | dd of="$copy" bs=1 seek=3000 conv=notrunc status=none
	falls_back "its blob (cannot be decompressed: .*|does not hash to its name)" "$copy"
	head -c 2000 "$(layer_file t/gzip:1 2)" >"$copy"
	falls_back "its blob cannot be decompressed: .*" "$copy"
	gzip -dc "$(layer_file t/gzip:1 2)" | head -c -512 | gzip >"$copy"
	falls_back "its blob does not hash to its name" "$copy"
	: >"$copy"
	falls_back "its blob does not hash to its name" "$copy"
}

# --- content that the store says it has but lacks ---

# A layer that two images have, stored in two forms.
test_a_layer_that_is_lost_is_taken_from_another_image_that_has_it() {
	local saves lost
	forget old
	lost=$(layer_file t/lost:1 2)
	mv "$lost" "$SANDBOX/kept"
	saves=$(engine_saves_asked "$C")
	push old t/lost:1
	assert_asked 0
	mv "$SANDBOX/kept" "$lost"
	assert_arrived old t/lost:1
}

test_a_layer_that_is_nowhere_is_an_error_that_says_what_to_do() {
	local lost twin way
	forget old
	lost=$(layer_file t/lost:1 2)
	twin=$(layer_file t/twin:1 2)
	mv "$lost" "$SANDBOX/kept"
	mv "$twin" "$SANDBOX/kept-twin"
	for way in auto direct; do
		refuse 4 "does not have what it was unpacked from any more \(blob sha256:${lost##*/}\): pull or load" \
			old t/lost:1 --read "$way"
	done
	refuse 1 "does not give its blob sha256:${lost##*/}, and if it has lost that, pull or load" \
		old t/lost:1 --read api
	mv "$SANDBOX/kept" "$lost"
	mv "$SANDBOX/kept-twin" "$twin"
	push old t/lost:1
	assert_arrived old t/lost:1
}

# A target that has it needs it of nobody.
test_a_layer_that_is_lost_and_there_already_is_not_missed() {
	local lost
	forget old
	push old t/twin:1
	lost=$(layer_file t/lost:1 2)
	mv "$lost" "$SANDBOX/kept"
	push old t/lost:1
	mv "$SANDBOX/kept" "$lost"
	assert_arrived old t/lost:1
	assert_equal "$(result "$OUT" layers_skipped)" 2 "layers skipped"
}

# --- what is said about such an image ---

test_plan_layers_and_doctor_are_right_about_it() {
	forget old
	push old t/app:1
	DRAY_CONFIG_DIR=$SANDBOX/config-old "$DRAY" plan push -H "$(engine_address "$C")" --json t/app:2 --to there >"$OUT"
	assert_equal "$(result "$OUT" id)" "$(stored t/app:2 config)" "id in the plan"
	assert_equal "$(result "$OUT" layers_to_read)" 1 "layers to read"
	DRAY_CONFIG_DIR=$SANDBOX/config-old "$DRAY" layers -H "$(engine_address "$C")" -q t/app:2 --to there >"$OUT"
	assert_equal "$(cat "$OUT")" "$(images_layers "$C" t/app:2 | tail -n 1)" "layers that the target lacks"
	"$DRAY" doctor -H "$(engine_address "$C")" >"$OUT" 2>&1
	cat "$OUT"
	assert_grep "direct reads .*$BLOBS can be read" "$OUT"
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
	images_library_tree "$SANDBOX/lost" 40 900
	images_tar "$SANDBOX/lost" "$SANDBOX/lost.tar"
	for name in lost:gzip twin:zstd; do
		"$SUPPORT/oci_image" "t/${name%:*}:1" "echo $name" "gzip:$(images_busybox_tar)" \
			"${name#*:}:$SANDBOX/lost.tar" | engine_docker "$C" load --quiet >/dev/null || return
	done
	images_app "$C" t/app:1 t/busybox:1 "$tree" "first"
	images_rebuild_tree "$tree" 100
	images_app "$C" t/app:2 t/busybox:1 "$tree" "second"
}

prepare || exit 1
run_cases containerd "$@"
