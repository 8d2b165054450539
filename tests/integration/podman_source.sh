#!/bin/bash
# Podman as the source of pushes, root's and a user's, to Dockers of two versions: what arrives is what
# was there, under the name that was meant, and a second push sends next to nothing.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
# Made outside the sandbox, which has no network.
if [ -z "${SANDBOX:-}" ]; then
	engine_root sid >/dev/null
	case $? in
	0) ENGINES_MISSING= ;;
	"$ENGINE_NO_MIRROR") ENGINES_MISSING=sid ;;
	*) exit 1 ;;
	esac
	export ENGINES_MISSING
fi
sandbox_enter "$@"

CONFIG=$SANDBOX/config
OUT=$SANDBOX/out
declare -A PORT_OF=([old]=7747 [new]=7748)

after_failure() {
	echo "--- the last lines of dray and of the receivers:"
	tail -n 5 "$OUT" "$OUT.err" "$SANDBOX"/state-*.log
}

# --- engines, by the names root, user, old and new ---

engine_of() {
	echo "$SANDBOX/$1"
}

need() {
	[[ $1 != new || -z $ENGINES_MISSING ]] || skip "Debian's mirror cannot be reached for $ENGINES_MISSING"
}

# push FROM TO IMAGE ARGUMENT...
push() {
	local from=$1 to=$2
	shift 2
	push_json "$CONFIG" "$(engine_of "$from")" "$OUT" "$@" --to "$to"
}

# ask FROM CODE ARGUMENT...: dray beside that engine.
ask() {
	local from=$1 expected=$2 code=0
	shift 2
	DRAY_CONFIG_DIR=$CONFIG DOCKER_HOST=$(engine_address "$(engine_of "$from")") timeout -k 5 60 \
		"$DRAY" "$@" >"$OUT" 2>"$OUT.err" </dev/null || code=$?
	assert_equal "$code" "$expected" "exit code of $*: $(cat "$OUT.err")"
}

# What the image is made of and how it was made: steps' sizes are counted by each engine in its own way.
history_of() {
	engine_docker "$(engine_of "$1")" history --no-trunc --format '{{.CreatedBy}}' "$2"
}

# api FROM METHOD PATH: Podman's own.
api() {
	curl --silent --show-error --fail --unix-socket "$(engine_of "$1")/docker.sock" -X "$2" \
		"http://podman/v4.0.0/libpod$3"
}

api_history() {
	curl --silent --fail --unix-socket "$(engine_of "$1")/docker.sock" -o /dev/null \
		"http://docker/v1.41/images/$2/history"
}

# name_image FROM IMAGE REPOSITORY TAG: names as Podman itself gives them.
name_image() {
	api "$1" POST "/images/$2/tag?repo=$3&tag=$4"
}

assert_arrived() {
	local from to image=$3
	from=$(engine_of "$1") to=$(engine_of "$2")
	assert_equal "$(images_id "$to" "$image")" "$(images_id "$from" "$image")" "ID of $image"
	assert_equal "$(images_layers "$to" "$image")" "$(images_layers "$from" "$image")" "its layers"
	assert_equal "$(history_of "$2" "$image")" "$(history_of "$1" "$image")" "its history"
	engine_docker "$to" save -o "$SANDBOX/saved.tar" "$image"
	assert_equal "$("$SUPPORT/saved_layers" "$SANDBOX/saved.tar")" "$(images_layers "$from" "$image")" \
		"the layers as saved on the target"
	rm "$SANDBOX/saved.tar"
	assert_equal "$(images_dangling "$to")" 0 "images without a tag on the target"
}

make_images() {
	local name from=1
	for name in root user; do
		images_library_tree "$SANDBOX/tree" 3000 $from
		images_busybox "$(engine_of $name)" t/busybox:1
		images_app "$(engine_of $name)" "t/$name:1" t/busybox:1 "$SANDBOX/tree" "$name 1"
		images_rebuild_tree "$SANDBOX/tree" 1000
		images_app "$(engine_of $name)" "t/$name:2" t/busybox:1 "$SANDBOX/tree" "$name 2"
		rm -r "$SANDBOX/tree"
		from=3001
	done
}

start_receiver() {
	DRAY_PORT=${PORT_OF[$1]} receiver_start "$SANDBOX/state-$1" "$(engine_of "$1")" "${PORT_OF[$1]}" &&
		DRAY_PORT=${PORT_OF[$1]} receiver_pair "$SANDBOX/state-$1" "$CONFIG" "$1"
}

engine_start "$(engine_of root)" --podman && engine_start "$(engine_of user)" --rootless &&
	engine_start "$(engine_of old)" && start_receiver old || exit 1
if [ -z "$ENGINES_MISSING" ]; then
	engine_start "$(engine_of new)" --suite sid && start_receiver new || exit 1
fi
make_images || exit 1

# --- from each to each: cold, no-op, warm ---

# What a container of the image has in /app.
app_of() {
	# shellcheck disable=SC2016 # for the container's shell
	engine_docker "$(engine_of "$1")" run --rm --network none --entrypoint /bin/sh "docker.io/$2" -c '
		find /app | sort | tr "\n" "\0" >/tmp/names
		{
			xargs -0 stat -c "%N %a %u:%g %Y" </tmp/names
			find /app -type f | sort | tr "\n" "\0" | xargs -0 sha256sum
		} | sha256sum'
}

# goes FROM TO
goes() {
	local from=$1 to=$2
	need "$to"
	push "$from" "$to" "t/$from:1"
	assert_at_most "$(result "$OUT" layers_skipped)" 1 "layers that were there, which may be the base"
	assert_arrived "$from" "$to" "t/$from:1"
	assert_equal "$(engine_docker "$(engine_of "$to")" run --rm --network none "t/$from:1")" "$from 1" \
		"what it prints"
	assert_equal "$(app_of "$to" "t/$from:1")" "$(app_of "$from" "t/$from:1")" "what a container sees"
	push "$from" "$to" "t/$from:1"
	assert_equal "$(result "$OUT" layers_skipped)" "$(result "$OUT" layers)" "layers that were there"
	assert_at_most "$(result "$OUT" bytes_sent)" 16384 "bytes sent for nothing"
	push "$from" "$to" "t/$from:2"
	assert_at_most "$(result "$OUT" bytes_sent)" 1000000 "bytes sent for times and three files"
	assert_arrived "$from" "$to" "t/$from:2"
	assert_equal "$(engine_docker "$(engine_of "$to")" run --rm --network none "t/$from:2")" "$from 2" \
		"what it prints"
	engine_docker "$(engine_of "$to")" rmi "t/$from:1" "t/$from:2" >/dev/null
}

test_an_image_of_roots_podman_goes_to_docker_20() {
	goes root old
}

test_an_image_of_roots_podman_goes_to_docker_28() {
	goes root new
}

test_an_image_of_a_users_podman_goes_to_docker_20() {
	goes user old
}

test_an_image_of_a_users_podman_goes_to_docker_28() {
	goes user new
}

# --- names ---

test_what_podman_finds_by_a_short_name_arrives_under_the_name_that_was_meant() {
	local id
	name_image root docker.io/t/busybox:1 localhost/own 1
	name_image root docker.io/t/busybox:1 docker.io/library/official 1
	name_image root docker.io/t/busybox:1 quay.io/org/bar 2
	id=$(images_id "$(engine_of root)" docker.io/t/busybox:1)
	engine_docker "$(engine_of old)" rmi -f t/busybox:1 >/dev/null 2>&1 || true
	push root old own:1
	push root old official:1
	push root old bar:2
	assert_equal "$(engine_docker "$(engine_of old)" images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' |
		grep "$id" | sort | tr '\n' ' ')" "official:1 $id own:1 $id quay.io/org/bar:2 $id " \
		"names on the target"
	push root old localhost/own:1
	assert_equal "$(images_id "$(engine_of old)" localhost/own:1)" "$id" "ID under the whole name"
	ask root 4 push no/such:1 --to old
}

test_a_plan_and_the_layers_are_told_of_podmans_images() {
	ask root 0 layers t/root:2
	assert_lines "$OUT" 9
	assert_grep 'LABEL org.example.purpose=test' "$OUT"
	assert_grep '[0-9.]+MB +ADD file:' "$OUT"
	ask root 0 plan push t/root:1 --to old
	assert_grep 'its name there: docker.io/t/root:1' "$OUT"
}

# --- what Podman cannot do ---

# Podman 4.3 fails when it is asked for the history of such an image.
test_an_image_with_a_history_without_times_goes_all_the_same() {
	local layer=$SANDBOX/timeless.tar
	tar -C /etc -cf "$layer" services
	"$SUPPORT/odd_history" timeless docker.io/t/timeless:1 "$layer" |
		engine_docker "$(engine_of root)" load --quiet >/dev/null
	! api_history root docker.io/t/timeless:1 || echo "this Podman tells it"
	push root old t/timeless:1
	assert_equal "$(images_id "$(engine_of old)" t/timeless:1)" \
		"$(images_id "$(engine_of root)" docker.io/t/timeless:1)" "ID"
	ask root 0 layers t/timeless:1
}

test_doctor_says_what_podman_is_and_what_it_cannot_do() {
	ask root 0 doctor
	assert_grep 'Podman 4' "$OUT"
	assert_grep 'image store +Podman' "$OUT"
}

test_podmans_socket_is_taken_where_there_is_no_docker() {
	local code=0
	mount -t tmpfs tmpfs /run
	mkdir /run/podman
	ln -s "$(engine_of root)/docker.sock" /run/podman/podman.sock
	DRAY_CONFIG_DIR=$CONFIG timeout -k 5 60 "$DRAY" push t/root:1 --to old --quiet >"$OUT" 2>"$OUT.err" \
		</dev/null || code=$?
	umount /run
	assert_equal "$code" 0 "exit code: $(cat "$OUT.err")"
	assert_lines "$OUT.err" 1
	assert_grep 'there is no Docker here .* taking Podman.s unix:///run/podman/podman.sock' "$OUT.err"
	assert_equal "$(cat "$OUT")" "$(images_id "$(engine_of root)" docker.io/t/root:1)" "ID"
}

run_cases podman_source "$@"
