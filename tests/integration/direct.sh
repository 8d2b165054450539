#!/bin/bash
# Layers that are read from the engine's own files: of each version's engine, byte for byte what it
# would save; and when the files are not what they should be, the engine is asked instead.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
# Made outside the sandbox, which has no network.
if [ -z "${SANDBOX:-}" ]; then
	ENGINES_MISSING=
	for suite in trixie sid; do
		engine_root "$suite" >/dev/null
		case $? in
		0) ;;
		"$ENGINE_NO_MIRROR") ENGINES_MISSING+=" $suite" ;;
		*) exit 1 ;;
		esac
	done
	export ENGINES_MISSING
fi
sandbox_enter "$@"

A=$SANDBOX/old
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
SLOW=$SANDBOX/slow # the config directory of an agent with a slow link
OUT=$SANDBOX/out
LINE="cannot read the engine's files, so the engine is asked for the image: "

after_failure() {
	echo "--- the agent's last lines:"
	tail -n 5 "$OUT.err"
	echo "--- drayd's last lines:"
	tail -n 5 "$STATE.log"
}

# --- pushes ---

# push ENGINE IMAGE ARGUMENT...
push() {
	local from=$1
	shift
	push_json "$CONFIG" "$from" "$OUT" "$@" --to b
}

# with_other THERE INSTEAD COMMAND...: runs it where INSTEAD stands in the place of THERE.
with_other() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -c 'mount --bind "$1" "$0" && shift && exec "$@"' "$@"
}

# push_with_other THERE INSTEAD IMAGE ARGUMENT...: only the agent sees it, the engine does not. Leaves
# its exit code in `code`.
push_with_other() {
	local there=$1 instead=$2
	shift 2
	code=0
	DRAY_CONFIG_DIR=$CONFIG with_other "$there" "$instead" timeout -k 5 60 "$DRAY" push --json \
		-H "$(engine_address "$A")" "$@" --to b >"$OUT" 2>"$OUT.err" || code=$?
}

forget() {
	local image
	receiver_stop "$STATE"
	for image in $(engine_docker "$B" images --format '{{.Repository}}:{{.Tag}}'); do
		[ "$image" = t/busybox:1 ] || engine_docker "$B" image rm --force "$image" >/dev/null
	done
	rm -rf "$STATE/domains"
	receiver_start "$STATE" "$B"
}

# assert_arrived ENGINE IMAGE: also when the target saves it again.
assert_arrived() {
	assert_equal "$(images_id "$B" "$2")" "$(images_id "$1" "$2")" "ID of $2"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag on the target"
	engine_docker "$B" save -o "$SANDBOX/saved.tar" "$2"
	assert_equal "$("$SUPPORT/saved_layers" "$SANDBOX/saved.tar")" "$(images_layers "$1" "$2")" \
		"the layers as saved on the target"
	rm "$SANDBOX/saved.tar"
}

# assert_asked ENGINE SAVES: since `saves` was set.
assert_asked() {
	assert_equal "$(($(engine_saves_asked "$1") - saves))" "$2" "archives asked of the source engine"
}

# assert_fell_back REASON: with one line, and arrived.
assert_fell_back() {
	cat "$OUT.err"
	assert_equal "$code" 0 "exit code"
	assert_equal "$(grep -c "$LINE" "$OUT.err")" 1 "lines that say so"
	grep "$LINE" "$OUT.err" >"$OUT.line"
	assert_grep "layer sha256:[0-9a-f]{64}: .*$1.*; trying again in 0.0s" "$OUT.line"
	assert_arrived "$A" t/sabotage:1
	assert_asked "$A" 1
}

# --- where the engine in A keeps the top layer of an image ---

record_of() {
	local top
	top=$(images_layers "$A" "$1" | tail -n 1)
	dirname "$(grep -lx "$top" "$A"/data/image/overlay2/layerdb/sha256/*/diff | head -n 1)"
}

files_of() {
	echo "$A/data/overlay2/$(cat "$(record_of "$1")/cache-id")/diff"
}

# --- every kind of layer, every engine ---

# make_images ENGINE: layers with all that a tar may hold, made by load, import, build and commit.
make_images() {
	local engine=$1 name=${1##*/} tree=$SANDBOX/tree-${1##*/}
	engine_start "$engine" ${2:+--suite "$2"} && images_busybox "$engine" t/busybox:1 || return
	images_stack "$engine" "t/odd-$name:1" odd "$SANDBOX/odd-1.tar" "$SANDBOX/odd-2.tar" - \
		"$SANDBOX/odd-1.tar" "$SANDBOX/paths.tar"
	images_library_tree "$tree" 2000
	echo "$name" >"$tree/name"
	images_app "$engine" "t/app-$name:1" t/busybox:1 "$tree" app
	rm -r "$tree"
	# shellcheck disable=SC2016 # for the container's shell
	engine_docker "$engine" run --name made --network none t/busybox:1 sh -c '
		rm /bin/ls; rm -r /tmp; mkfifo /pipe; ln /etc/passwd /hard; ln -s /nowhere /soft
		printf "raw\377name" | xargs touch; truncate -s 3000000 /hole; echo end >>/hole
		mkdir -m 1777 /tmp; mknod /node c 1 3; chown 5:6 /etc/passwd; echo x >>/etc/passwd' &&
		engine_docker "$engine" commit made "t/made-$name:1" >/dev/null &&
		engine_docker "$engine" rm made >/dev/null
}

# Names that hide in directories that are links, that begin at the root, and that go up and down.
make_paths() {
	python3 - "$SANDBOX/paths.tar" <<-'END'
		import io, sys, tarfile
		with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as tar:
		    def add(name, content=b"", kind=tarfile.REGTYPE, link=""):
		        entry = tarfile.TarInfo(name)
		        entry.type, entry.linkname, entry.size, entry.mode = kind, link, len(content), 0o755
		        tar.addfile(entry, io.BytesIO(content))
		    add("real", kind=tarfile.DIRTYPE)
		    add("link", kind=tarfile.SYMTYPE, link="real")
		    add("link/through", b"through a link")
		    add("/rooted", b"from the root")
		    add("./real/../up-and-down", b"up and down")
		    add("a" * 150 + "/" + "b" * 90, b"long")
		    add("caf\udce9 \udcff", b"of no encoding")
	END
}

# arrives_directly NAME IMAGE...
arrives_directly() {
	local name=$1 engine=$SANDBOX/$1 saves image
	[[ " $ENGINES_MISSING " != *" ${SUITE_OF[$name]:-none} "* ]] ||
		skip "Debian's mirror cannot be reached for ${SUITE_OF[$name]}"
	shift
	forget
	saves=$(engine_saves_asked "$engine")
	for image; do
		push "$engine" "$image" --read direct
		assert_arrived "$engine" "$image"
		assert_equal "$(result "$OUT" id)" "$(images_id "$engine" "$image")" "id"
	done
	assert_asked "$engine" 0
}

test_layers_of_every_kind_arrive_from_the_files_of_20_10() {
	arrives_directly old t/odd-old:1 t/app-old:1 t/made-old:1
}

test_layers_of_every_kind_arrive_from_the_files_of_26() {
	arrives_directly mid t/odd-mid:1 t/app-mid:1 t/made-mid:1
}

test_layers_of_every_kind_arrive_from_the_files_of_28() {
	arrives_directly new t/odd-new:1 t/app-new:1 t/made-new:1
}

# --- the choice ---

test_the_files_are_read_where_that_is_possible_and_the_engine_is_asked_when_told_to() {
	local saves
	saves=$(engine_saves_asked "$A")
	forget
	push "$A" t/app-old:1
	assert_asked "$A" 0
	forget
	push "$A" t/app-old:1 --read auto
	assert_asked "$A" 0
	forget
	push "$A" t/app-old:1 --read api
	assert_asked "$A" 1
	assert_arrived "$A" t/app-old:1
}

# push_as_nobody ARGUMENT...: as a user who may use the engine but not its files.
push_as_nobody() {
	chmod 666 "$A/docker.sock"
	chmod 755 "$SANDBOX"
	cp -r "$CONFIG" "$SANDBOX/config-nobody"
	cp "$DRAY" "$SANDBOX/dray"
	chown -R nobody "$SANDBOX/config-nobody"
	code=0
	DRAY_CONFIG_DIR=$SANDBOX/config-nobody timeout -k 5 60 setpriv --reuid nobody --clear-groups \
		"$SANDBOX/dray" push -H "$(engine_address "$A")" t/app-old:1 --to b "$@" \
		>"$OUT" 2>"$OUT.err" || code=$?
	rm -r "$SANDBOX/config-nobody"
}

test_without_the_right_to_the_files_the_engine_is_asked_and_nothing_is_said() {
	local saves code
	saves=$(engine_saves_asked "$A")
	forget
	push_as_nobody
	sed -i '/^t.app-old:1 -> b: /d' "$OUT.err"
	assert_equal "$code: $(cat "$OUT.err")" "0: " "exit code and stderr"
	assert_asked "$A" 1
	assert_arrived "$A" t/app-old:1
	forget
	push_as_nobody --read direct
	assert_equal "$code" 1 "exit code"
	assert_lines "$OUT.err" 1
	assert_grep "cannot read the files of the engine at .*/old/docker.sock: .*: Permission denied$" "$OUT.err"
	assert_asked "$A" 1
}

test_another_storage_driver_is_said_where_files_are_demanded() {
	local other=$SANDBOX/vfs code=0
	engine_start "$other" --storage-driver vfs
	images_library_tree "$SANDBOX/vfs-tree" 10
	images_tar "$SANDBOX/vfs-tree" "$SANDBOX/vfs.tar"
	images_import "$other" t/vfs:1 <"$SANDBOX/vfs.tar"
	forget
	dray_push "$CONFIG" "$other" t/vfs:1 --to b --read direct >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 1 "exit code"
	assert_lines "$OUT.err" 1
	assert_grep 'its storage driver is vfs, not overlay2' "$OUT.err"
	push "$other" t/vfs:1
	! grep 'files' "$OUT.err" || fail "that the engine is asked is said"
	assert_arrived "$other" t/vfs:1
	engine_remove "$other"
}

test_a_word_that_is_no_way_of_reading_is_wrong_usage() {
	local code=0
	dray_push "$CONFIG" "$A" t/app-old:1 --to b --read files >"$OUT" 2>"$OUT.err" || code=$?
	assert_equal "$code" 2 "exit code"
	assert_grep '--read takes auto, direct or api' "$OUT.err"
}

# --- files that are not what they should be ---

# prepare_sabotage: a changed copy of the top layer's directory is to be in $SANDBOX/copy.
prepare_sabotage() {
	forget
	saves=$(engine_saves_asked "$A")
	rm -rf "$SANDBOX/copy"
	cp -a "$(files_of t/sabotage:1)" "$SANDBOX/copy"
}

test_a_file_that_was_changed_is_noticed_and_the_engine_asked() {
	local saves code
	prepare_sabotage
	printf changed | dd of="$SANDBOX/copy/2" bs=1 seek=1000 conv=notrunc status=none
	push_with_other "$(files_of t/sabotage:1)" "$SANDBOX/copy" t/sabotage:1
	assert_fell_back 'other bytes .* than it is named for'
}

test_a_file_that_is_gone_or_longer_is_noticed_and_the_engine_asked() {
	local saves code
	prepare_sabotage
	rm "$SANDBOX/copy/3"
	# Asking the engine is no retry that needs patience.
	push_with_other "$(files_of t/sabotage:1)" "$SANDBOX/copy" t/sabotage:1 --retry-for 0
	assert_fell_back 'its file \./3: No such file'
	prepare_sabotage
	echo >>"$SANDBOX/copy/1"
	push_with_other "$(files_of t/sabotage:1)" "$SANDBOX/copy" t/sabotage:1
	assert_fell_back 'its file \./1: another size'
}

test_damaged_records_are_noticed_and_the_engine_asked() {
	local saves code records
	records=$(record_of t/sabotage:1)/tar-split.json.gz
	prepare_sabotage
	head -c 400 "$records" >"$SANDBOX/split"
	push_with_other "$records" "$SANDBOX/split" t/sabotage:1
	assert_fell_back 'tar-split'
	prepare_sabotage
	zcat "$records" | sed 's/"name":".\/1"/"name":"..\/..\/id"/' | gzip >"$SANDBOX/split"
	push_with_other "$records" "$SANDBOX/split" t/sabotage:1
	assert_fell_back 'its file \.\./\.\./id: No such file'
	prepare_sabotage
	zcat "$records" | sed 's/"type":1/"type":3/' | gzip >"$SANDBOX/split"
	push_with_other "$records" "$SANDBOX/split" t/sabotage:1
	assert_fell_back 'unknown type'
}

test_where_files_are_demanded_the_engine_is_not_asked() {
	local saves code
	prepare_sabotage
	rm "$SANDBOX/copy/3"
	push_with_other "$(files_of t/sabotage:1)" "$SANDBOX/copy" t/sabotage:1 --read direct
	assert_equal "$code" 1 "exit code"
	assert_grep "cannot read the engine's files: layer .*: its file \./3: No such file" "$OUT"
	assert_asked "$A" 0
	assert_equal "$(images_dangling "$B")" 0 "images without a tag on the target"
}

# Nobody can help then: the engine reads the same files.
test_damage_that_the_engine_has_itself_is_an_error_and_leaves_nothing() {
	local saves code=0 file
	prepare_sabotage
	file=$(files_of t/sabotage:1)/3
	mv "$file" "$SANDBOX/kept"
	dray_push "$CONFIG" "$A" t/sabotage:1 --to b >"$OUT" 2>"$OUT.err" || code=$?
	mv "$SANDBOX/kept" "$file"
	cat "$OUT.err"
	assert_equal "$code" 1 "exit code"
	assert_equal "$(grep -c "$LINE" "$OUT.err")" 1 "lines that say so"
	assert_asked "$A" 1
	assert_equal "$(engine_docker "$B" images --quiet | wc -l)" 1 "images on the target"
	push "$A" t/sabotage:1
	assert_arrived "$A" t/sabotage:1
}

# --- in the middle ---

# agent_start IMAGE: a push over the slow link that goes on behind the script, in the middle of the
# layer's bytes.
agent_start() {
	local i
	DRAY_CONFIG_DIR=$SLOW env --default-signal=INT "$DRAY" push --json \
		-H "$(engine_address "$A")" "$1" --to b >"$OUT" 2>"$OUT.err" </dev/null &
	agent=$!
	for ((i = 0; i < 100; i++)); do
		! grep -q '"phase":"sending"' "$OUT" || break
		sleep 0.05
	done
	sleep 1
	kill -0 "$agent" || fail "it is over already: $(cat "$OUT.err")"
}

agent_end() {
	local code=0
	engine_await_end "$agent" "$2" || fail "the agent does not end"
	wait "$agent" || code=$?
	cat "$OUT.err"
	assert_equal "$code" "$1" "exit code"
}

test_a_push_that_was_killed_in_the_middle_goes_on_when_it_is_run_again() {
	local agent
	forget
	agent_start t/sabotage:1
	kill -KILL "$agent"
	agent_end 137 50
	push "$A" t/sabotage:1
	assert_arrived "$A" t/sabotage:1
}

test_an_interrupted_push_ends_at_once() {
	local agent
	forget
	agent_start t/sabotage:1
	kill -INT "$agent"
	agent_end 130 20
	assert_equal "$(images_dangling "$B")" 0 "images without a tag on the target"
}

test_an_image_that_is_removed_in_the_middle_is_an_error_and_leaves_nothing() {
	local agent
	forget
	agent_start t/removed:1
	engine_docker "$A" rmi t/removed:1 >/dev/null
	agent_end 1 600
	assert_equal "$(grep -c "$LINE" "$OUT.err")" 1 "lines that say so"
	assert_grep "the engine says: .*no such file" "$OUT"
	assert_equal "$(images_dangling "$B")" 0 "images without a tag on the target"
	assert_equal "$(engine_docker "$B" images --quiet | wc -l)" 1 "images on the target"
}

test_the_engine_is_not_needed_while_its_files_are_read() {
	local agent
	forget
	agent_start t/sabotage:1
	engine_stop "$A"
	agent_end 0 600
	engine_start "$A"
	assert_arrived "$A" t/sabotage:1
}

# --- the run ---

declare -A SUITE_OF=([mid]=trixie [new]=sid)

# images_random NAME COUNT: as many files of 8 MB that cannot be compressed.
images_random() {
	local name
	mkdir "$SANDBOX/random"
	for ((name = 1; name <= $2; name++)); do
		head -c 8000000 /dev/urandom >"$SANDBOX/random/$name"
	done
	images_tar "$SANDBOX/random" "$SANDBOX/random.tar"
	images_stack "$A" "$1" random "$SANDBOX/random.tar"
	rm -r "$SANDBOX/random" "$SANDBOX/random.tar"
}

prepare() {
	local name
	"$SUPPORT/odd_layers" "$SANDBOX"
	make_paths
	make_images "$SANDBOX/old" || return
	for name in mid new; do
		[[ " $ENGINES_MISSING " = *" ${SUITE_OF[$name]} "* ]] ||
			make_images "$SANDBOX/$name" "${SUITE_OF[$name]}" || return
	done
	images_random t/sabotage:1 6
	images_random t/removed:1 24
	engine_start "$B" && images_busybox "$B" t/busybox:1 && receiver_start "$STATE" "$B" &&
		proxy_start --rate 8000000 || return
	receiver_pair "$STATE" "$CONFIG" b
	receiver_invite "$STATE" slow --address "127.0.0.1:$PROXY_PORT" |
		DRAY_CONFIG_DIR=$SLOW timeout -k 5 20 "$DRAY" pair b 2>/dev/null
}

prepare || exit 1
run_cases direct "$@"
