#!/bin/bash
# Pushes between engines of different versions: this machine's Docker and those of Debian's suites
# (tests/support/engine_roots.sh), each as source and as target; names, layers and sizes of every kind.
#
#   engines.sh [--full] [WORD...]
#
# --full: also what takes minutes and 40 GB of disk: a file over 8 GB, an image of 3 GB.
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

FULL=
if [ "${1:-}" = --full ]; then
	FULL=yes
	shift
fi
OUT=$SANDBOX/out
REGISTRY_PORT=5000

# --- engines and receivers, by the names old, mid, new and small ---

# mid2 and new2: a second one of the same version. small: one with next to no disk.
declare -A SUITE_OF=([old]='' [mid]=trixie [mid2]=trixie [new]=sid [new2]=sid [small]=sid)
declare -A PORT_OF=([old]=7750 [mid]=7751 [mid2]=7752 [new]=7753 [new2]=7754 [small]=7755)
declare -A VERSION_OF=()

engine_of() {
	echo "$SANDBOX/$1"
}

state_of() {
	echo "$SANDBOX/state-$1"
}

config_of() {
	echo "$SANDBOX/config-$1"
}

on() {
	local name=$1
	shift
	engine_docker "$(engine_of "$name")" "$@"
}

id_on() {
	images_id "$(engine_of "$1")" "$2"
}

missing() {
	[[ " $ENGINES_MISSING " = *" ${SUITE_OF[$1]:-none} "* ]]
}

# need NAME...: leaves the case out when one of these engines cannot be had.
need() {
	local name
	for name; do
		! missing "$name" || skip "Debian's mirror cannot be reached for ${SUITE_OF[$name]}"
	done
}

# The engine NAME with a receiver and a key for it.
start() {
	local name=$1 DRAY_PORT=${PORT_OF[$1]}
	engine_start "$(engine_of "$name")" ${SUITE_OF[$name]:+--suite "${SUITE_OF[$name]}"} &&
		receiver_start "$(state_of "$name")" "$(engine_of "$name")" "$DRAY_PORT" &&
		receiver_pair "$(state_of "$name")" "$(config_of "$name")" there || return
	VERSION_OF[$name]=$(on "$name" version --format '{{.Server.Version}}')
	VERSION_OF[$name]=${VERSION_OF[$name]%%[+~-]*}
}

after_failure() {
	echo "--- the receivers' last lines:"
	tail -qn 2 "$SANDBOX"/state-*.log
}

# push FROM TO IMAGE ARGUMENT...
push() {
	local from=$1 to=$2
	shift 2
	push_json "$(config_of "$to")" "$(engine_of "$from")" "$OUT" "$@" --to there
}

# refuse CODES PATTERN FROM TO IMAGE: the push fails so, with one line that matches.
refuse() {
	local codes=$1 pattern=$2 from=$3 to=$4 image=$5 code=0
	DRAY_CONFIG_DIR=$(config_of "$to") timeout -k 5 60 "$DRAY" push -q \
		-H "$(engine_address "$(engine_of "$from")")" --to there -- "$image" >"$OUT" 2>"$OUT.err" ||
		code=$?
	echo "'$image': exit code $code: $(cat "$OUT.err")"
	[[ $code =~ ^[$codes]$ ]] || fail "exit code $code for '$image'"
	assert_lines "$OUT" 0
	assert_lines "$OUT.err" 1
	assert_grep "$pattern" "$OUT.err"
}

# assert_arrived FROM TO IMAGE: the same ID and layers, and a complete archive when saved again.
assert_arrived() {
	local from to image=$3
	from=$(engine_of "$1")
	to=$(engine_of "$2")
	assert_equal "$(images_id "$to" "$image")" "$(images_id "$from" "$image")" "ID of $image"
	assert_equal "$(images_layers "$to" "$image")" "$(images_layers "$from" "$image")" "its layers"
	assert_equal "$(images_history "$to" "$image")" "$(images_history "$from" "$image")" "its history"
	engine_docker "$to" save -o "$SANDBOX/saved.tar" "$image"
	assert_equal "$("$SUPPORT/saved_layers" "$SANDBOX/saved.tar")" "$(images_layers "$from" "$image")" \
		"the layers as saved on the target"
	rm "$SANDBOX/saved.tar"
	assert_equal "$(images_dangling "$to")" 0 "images without a tag on the target"
}

assert_same_content() {
	assert_equal "$(images_content "$(engine_of "$2")" "$3")" \
		"$(images_content "$(engine_of "$1")" "$3")" "what a container of $3 sees"
}

# --- every pair ---

# t/SOURCE:1 and :2, built there, alike but for a rebuilt top layer, and like no other source's.
make_apps() {
	local name=$1 tree=$SANDBOX/tree-$1
	images_library_tree "$tree" 400
	echo "built on $name" >"$tree/source"
	images_app "$(engine_of "$name")" "t/$name:1" t/busybox:1 "$tree" "first of $name"
	images_rebuild_tree "$tree" 100
	images_app "$(engine_of "$name")" "t/$name:2" t/busybox:1 "$tree" "second of $name"
	rm -r "$tree"
}

pair_cold() {
	local from=$1 to=$2 image=t/$1:1
	push "$from" "$to" "$image"
	assert_equal "$(result "$OUT" id)" "$(id_on "$from" "$image")" "id"
	assert_equal "$(result "$OUT" layers_skipped)" 1 "layers skipped (the base is there)"
	assert_arrived "$from" "$to" "$image"
	assert_equal "$(on "$to" run --rm --network none "$image")" "first of $from" "output"
}

pair_warm() {
	local from=$1 to=$2 image=t/$1:2
	push "$from" "$to" "$image" --read api
	assert_equal "$(result "$OUT" layers_skipped)" $(($(result "$OUT" layers) - 1)) "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" $(($(result "$OUT" bytes_total) / 10)) "bytes sent"
	assert_arrived "$from" "$to" "$image"
	assert_same_content "$from" "$to" "$image"
}

pair_again() {
	local from=$1 to=$2 image=t/$1:2 saves
	saves=$(engine_saves_asked "$(engine_of "$from")")
	push "$from" "$to" "$image" --read api
	assert_equal "$(result "$OUT" layers_skipped)" "$(result "$OUT" layers)" "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" 16384 "bytes sent"
	assert_at_most "$(result "$OUT" seconds)" 1 "seconds"
	assert_equal "$(engine_saves_asked "$(engine_of "$from")")" "$saves" \
		"archives asked of the source engine"
}

version() {
	echo "${VERSION_OF[$1]:-Debian ${SUITE_OF[$1]}\'s}"
}

run_pairs() {
	local pair from to label step
	local -A says=([cold]="an image arrives" [warm]="a rebuilt top layer costs little"
		[again]="a second push sends nothing")
	for pair in "old mid" "mid old" "mid new" "new mid" "old new" "new old" "mid mid2" "new new2"; do
		read -r from to <<<"$pair"
		label="from $(version "$from") to $(version "$to")"
		for step in cold warm again; do
			case_wanted "$label ${says[$step]}" "$@" || continue
			run_case "engines/$label ${says[$step]}" run_pair "$step" "$from" "$to"
		done
	done
}

run_pair() {
	need "$2" "$3"
	"pair_$1" "$2" "$3"
}

# --- names ---

# tags_on NAME IMAGE: one a line.
tags_on() {
	on "$1" image inspect --format '{{range .RepoTags}}{{println .}}{{end}}' "$2" | sed '/^$/d' | sort
}

test_tags_of_every_legal_shape_arrive() {
	local name long path id
	need new
	id=$(echo names | images_one_file old t/names:1)
	long=$(printf 'T%.0s' {1..128})
	path=$(printf 'n%.0s' {1..237})
	for name in registry.example:5000/a/b_c/d-e.f:Tag_1.2-X "x:$long" "$path:1" docker.io/library/lib:1 \
		docker.io/hub:1 index.docker.io/library/old:1 library/plain:1 localhost/x localhost:5000/y:UP \
		registry.example:443/no-tag a__b/c---d:_x Registry.Example/up:1 127.0.0.1:5000/ip:1 a/b/c/d/e:1.0; do
		on old tag "$id" "$name"
		push old new "$name"
		assert_equal "$(id_on new "$name")" "$id" "ID of $name"
	done
	on old rmi t/names:1 >/dev/null
	assert_equal "$(tags_on new "$id")" "$(tags_on old "$id")" "tags"
	assert_equal "$(tags_on new "$id" | wc -l)" 14 "number of tags"
}

# Docker 20.10 knows no IPv6 addresses in names.
test_a_name_that_the_target_engine_refuses_is_an_error_and_leaves_nothing() {
	local name='[::1]:5000/v6:1' id
	need new
	images_stack "$(engine_of new)" "$name" v6
	id=$(id_on new "$name")
	refuse 1 'invalid reference' new old "$name"
	! on old image inspect "$id" >/dev/null 2>&1 || fail "the image stayed on the target"
	assert_equal "$(images_dangling "$(engine_of old)")" 0 "images without a tag"
	push new new2 "$name"
	assert_equal "$(id_on new2 "$id")" "$id" "ID"
}

test_names_that_are_none_are_refused() {
	local name long path
	long=$(printf 'T%.0s' {1..129})
	path=$(printf 'n%.0s' {1..256})
	for name in T/App:1 a//b x: "x:$long" "$path" -x '' ' ' 'x y' ../x /x x/ :1 x@sha256:zz x@md5:abc \
		$'x\ny' $'x\e[31m' é a___b a..b x:-a http://host/x '@sha256:0'; do
		refuse 2 'is no image name: ' old new "$name"
	done
	# These could be names, but are nobody's.
	for name in sha256:zz "x@$(id_on old t/busybox:1)" "x:1@$(id_on old t/busybox:1)" ffff0000ffff; do
		refuse 4 'no image ' old new "$name"
	done
}

test_an_image_goes_by_one_of_its_tags_or_by_its_id_with_all_of_them() {
	local id tags
	need new
	echo several | images_one_file old t/several:one
	on old tag t/several:one t/several:two
	on old tag t/several:one registry.example/several:three
	id=$(id_on old t/several:one)
	push old new t/several:two
	tags=$(on new image inspect --format '{{.RepoTags}}' "$id")
	assert_equal "$tags" "[t/several:two]" "tags"
	push old new "$id"
	assert_equal "$(on new image inspect --format '{{len .RepoTags}}' "$id")" 3 "tags"
	assert_equal "$(id_on new registry.example/several:three)" "$id" "ID"
}

test_an_image_goes_by_every_form_of_its_id() {
	local id form
	need new
	echo forms | images_one_file old t/forms:1
	id=$(id_on old t/forms:1)
	for form in "${id#sha256:}" "${id:7:12}" "${id:0:19}" "$id"; do
		push old new "$form"
		assert_equal "$(result "$OUT" id)" "$id" "id"
		assert_equal "$(id_on new t/forms:1)" "$id" "ID"
		on new rmi t/forms:1 >/dev/null
	done
}

test_an_image_without_a_tag_goes_by_its_id() {
	local id
	need new
	id=$(echo untagged | images_one_file old '')
	push old new "${id:7:12}"
	assert_equal "$(id_on new "$id")" "$id" "ID"
	assert_equal "$(images_dangling "$(engine_of new)")" 1 "images without a tag"
	push old new "$id"
	assert_equal "$(result "$OUT" layers_skipped)" 1 "layers skipped"
	on new rmi "$id" >/dev/null
	on old rmi "$id" >/dev/null
}

# The digest is that of a registry's manifest: an engine knows it once it has pushed there.
test_an_image_goes_by_its_digest_with_the_tags_of_that_name() {
	local at=127.0.0.1:$REGISTRY_PORT/team/digest digest id
	need new
	"$SUPPORT/registry" "$REGISTRY_PORT" &
	for _ in {1..50}; do
		! receiver_listens "$REGISTRY_PORT" || break
		sleep 0.1
	done
	echo digest | images_one_file old t/digest:1
	id=$(id_on old t/digest:1)
	on old tag t/digest:1 "$at:one"
	on old push "$at:one" >/dev/null
	kill $!
	digest=$(on old image inspect --format '{{index .RepoDigests 0}}' "$id")
	assert_equal "${digest%@*}" "$at" "name with the digest"
	push old new "$digest"
	assert_equal "$(on new image inspect --format '{{.RepoTags}}' "$id")" "[$at:one]" "tags"
	push old new "$at:one@${digest#*@}"
	assert_equal "$(on new image inspect --format '{{.RepoTags}}' "$id")" "[$at:one]" "tags"
	refuse 4 'no image ' old new "$at@sha256:$(printf '0%.0s' {1..64})"
}

# --- layers ---

# images_one_file NAME TAG: an image of one layer with one file, standard input; prints its ID.
images_one_file() {
	local dir
	dir=$(mktemp -d "$SANDBOX/one.XXXXXX")
	cat >"$dir/file"
	tar -C "$dir" -c file | on "$1" import - ${2:+"$2"}
	rm -r "$dir"
}

# 125 is the most that these engines take.
test_an_image_of_125_layers_arrives_and_its_last_layer_alone_later() {
	local i layers=()
	need mid new
	for ((i = 1; i < 125; i++)); do
		mkdir -p "$SANDBOX/deep"
		echo "layer $i" >"$SANDBOX/deep/layer-$i"
		layers+=("$SANDBOX/deep-$i.tar")
		images_tar "$SANDBOX/deep" "$SANDBOX/deep-$i.tar"
		rm -r "$SANDBOX/deep"
	done
	images_stack "$(engine_of mid)" t/deep:124 deep "${layers[@]:0:123}"
	images_stack "$(engine_of mid)" t/deep:125 deep "${layers[@]}"
	! images_stack "$(engine_of mid)" t/deep:126 deep "${layers[@]}" - 2>"$OUT" ||
		fail "the engine takes 126 layers"
	rm "${layers[@]}"
	push mid new t/deep:124
	assert_equal "$(result "$OUT" layers)" 124 "layers"
	push mid new t/deep:125 --read api
	assert_equal "$(result "$OUT" layers_skipped)" 124 "layers skipped"
	assert_arrived mid new t/deep:125
	assert_equal "$(on new run --rm --network none t/deep:125 sh -c 'cat /layer-* | wc -l')" 124 "files"
}

test_empty_and_repeated_layers_arrive() {
	need new
	tar -C /etc -cf "$SANDBOX/again.tar" services protocols
	tar -C /etc -cf "$SANDBOX/single.tar" hostname
	images_stack "$(engine_of old)" t/repeats:1 repeats - - "$SANDBOX/again.tar" - \
		"$SANDBOX/single.tar" "$SANDBOX/again.tar" "$SANDBOX/single.tar" - -
	push old new t/repeats:1 --read api
	assert_equal "$(result "$OUT" layers)" 10 "layers"
	assert_arrived old new t/repeats:1
	assert_same_content old new t/repeats:1
	push new old t/repeats:1
	assert_equal "$(result "$OUT" layers_skipped)" 10 "layers skipped"
}

# By the engine's archive, as some of the others here; direct.sh has the same by the engine's files.
# What `find` and `sha256sum` do not see of the odd files is in the archive that was saved.
test_layers_with_all_that_a_tar_may_hold_arrive() {
	local from to
	need mid new
	"$SUPPORT/odd_layers" "$SANDBOX"
	for from in old mid new; do
		images_stack "$(engine_of "$from")" "t/odd-$from:1" "$from" "$SANDBOX/odd-1.tar" "$SANDBOX/odd-2.tar"
		to=old
		[ "$from" != old ] || to=new
		push "$from" "$to" "t/odd-$from:1" --read api
		assert_arrived "$from" "$to" "t/odd-$from:1"
		assert_same_content "$from" "$to" "t/odd-$from:1"
	done
}

test_layers_without_files_and_an_image_without_layers_arrive() {
	need new
	: | tar -cT - | on old import - t/hollow:1 >/dev/null
	push old new t/hollow:1 --read api
	assert_arrived old new t/hollow:1
	printf 'FROM scratch\nLABEL a=b\n' >"$SANDBOX/Dockerfile"
	tar -C "$SANDBOX" -c Dockerfile | on old build --quiet --tag t/nothing:1 - >/dev/null
	push old new t/nothing:1
	assert_equal "$(result "$OUT" layers)" 0 "layers"
	assert_equal "$(id_on new t/nothing:1)" "$(id_on old t/nothing:1)" "ID"
}

# --- room ---

start_small() {
	mkdir -p "$(engine_of small)/data"
	mount -t tmpfs -o size=60m tmpfs "$(engine_of small)/data"
	start small
}

test_an_image_for_which_the_engine_has_no_room_is_refused_before_anything_is_sent() {
	local wire used
	need small
	start_small
	mkdir "$SANDBOX/large"
	images_binary "$SANDBOX/large/binary" 65
	images_tar "$SANDBOX/large" "$SANDBOX/large.tar"
	images_stack "$(engine_of old)" t/no-room:1 large "$SANDBOX/large.tar"
	rm -r "$SANDBOX/large" "$SANDBOX/large.tar"
	used=$(du -s "$(engine_of small)/data/overlay2" | cut -f1)
	wire=$(sandbox_wire_bytes)
	refuse 1 'engine needs at least [0-9.]+MB in .*/small/data for the 2 layers it lacks, but only [0-9.]+MB are free' \
		old small t/no-room:1
	assert_at_most $(($(sandbox_wire_bytes) - wire)) 20000 "bytes on the wire"
	assert_equal "$(du -s "$(engine_of small)/data/overlay2" | cut -f1)" "$used" "kB on the target"
	# What is there already needs no room.
	push old small t/busybox:1
	assert_arrived old small t/busybox:1
	refuse 1 'for the 1 layer it lacks' old small t/no-room:1
}

# --- what takes long ---

full_only() {
	[ -n "$FULL" ] || skip "takes minutes and up to 40 GB of disk; tests/run --full does"
}

# push_measured FROM TO IMAGE: prints time and the most memory that each process had.
push_measured() {
	local from=$1 to=$2 image=$3 process resident
	command time -o "$SANDBOX/time" -f '%e %M' env DRAY_CONFIG_DIR="$(config_of "$to")" \
		timeout -k 5 3000 "$DRAY" push -q -H "$(engine_address "$(engine_of "$from")")" "$image" --to there
	echo "dray: $(cut -d' ' -f1 "$SANDBOX/time") s, $(cut -d' ' -f2 "$SANDBOX/time") kB at most"
	assert_at_most "$(cut -d' ' -f2 "$SANDBOX/time")" 131072 "kB of dray"
	for process in $(receiver_processes "$(state_of "$to")"); do
		resident=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$process/status")
		echo "drayd ($(tr '\0' ' ' <"/proc/$process/cmdline" | cut -d' ' -f2)): $resident kB at most"
		assert_at_most "$resident" 131072 "kB of a process of drayd"
	done
}

# Its processes: the one that was started, and what that started.
receiver_processes() {
	local pid
	pid=$(cat "$1.pid")
	echo "$pid"
	pgrep -P "$pid" || true
}

test_a_file_of_more_than_8_gigabytes_arrives() {
	local image=t/huge:1 sum
	full_only
	need new
	"$SUPPORT/huge_tar" huge 9000000000 | on old import --change 'CMD ["x"]' - "$image" >/dev/null
	push_measured old new "$image"
	assert_equal "$(id_on new "$image")" "$(id_on old "$image")" "ID"
	assert_equal "$(images_layers "$(engine_of new)" "$image")" \
		"$(images_layers "$(engine_of old)" "$image")" "layers"
	assert_equal "$(images_field "$(engine_of new)" "$image" '{{.Size}}')" 9000000005 "bytes"
	# Read back out of the target: it has what was sent.
	sum=$(on new save "$image" | tar -x --wildcards 'blobs/sha256/*' \
		--to-command='if [ "$TAR_SIZE" -lt 1000000 ]; then cat >/dev/null; else sha256sum; fi' |
		cut -d' ' -f1)
	assert_equal "sha256:$sum" "$(images_layers "$(engine_of old)" "$image")" "the layer as saved"
	on new rmi "$image" >/dev/null
	on old rmi "$image" >/dev/null
}

test_an_image_of_three_gigabytes_arrives() {
	local image=t/big:1 part
	full_only
	need new
	mkdir "$SANDBOX/big"
	images_binary "$SANDBOX/big/binary" 700
	images_library_tree "$SANDBOX/big/library" 40000
	for part in 1 2 3; do
		# Other bytes each time, and no better to compress than before.
		openssl enc -aes-128-ctr -K "$part$part" -iv 00 -in "$SANDBOX/big/binary" \
			-out "$SANDBOX/big/binary-$part" 2>/dev/null
	done
	images_tar "$SANDBOX/big" "$SANDBOX/big.tar"
	rm -r "$SANDBOX/big"
	images_stack "$(engine_of old)" "$image" big "$SANDBOX/big.tar"
	rm "$SANDBOX/big.tar"
	echo "$(images_field "$(engine_of old)" "$image" '{{.Size}}') bytes"
	push_measured old new "$image"
	assert_arrived old new "$image"
}

# --- the run ---

for name in old mid mid2 new new2; do
	missing "$name" && continue
	start "$name" && images_busybox "$(engine_of "$name")" t/busybox:1 || exit 1
done
for name in old mid new; do
	missing "$name" || make_apps "$name" || exit 1
done

run_pairs "$@"
run_cases engines "$@"
