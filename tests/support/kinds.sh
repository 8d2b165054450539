# shellcheck shell=bash
# Engines that go by the name of what they are, with a receiver for each and what is demanded of an image
# that went from one to another. The script has OPTIONS_OF and PORT_OF by name, and THIRD, the name of the
# engine to which what has arrived goes on. Needs what load.sh reads, and OUT.

engine_of() {
	echo "$SANDBOX/$1"
}

state_of() {
	echo "$SANDBOX/state-$1"
}

on() {
	local name=$1
	shift
	engine_docker "$(engine_of "$name")" "$@"
}

start_engine() {
	local options
	read -ra options <<<"${OPTIONS_OF[$1]}"
	engine_start "$(engine_of "$1")" "${options[@]}"
}

# The receiver of the engine NAME, and a key for it.
start_receiver() {
	local name=$1 DRAY_PORT=${PORT_OF[$1]}
	receiver_start "$(state_of "$name")" "${2:-$(engine_of "$name")}" "$DRAY_PORT" &&
		receiver_pair "$(state_of "$name")" "$SANDBOX/config-$name" there
}

start() {
	start_engine "$1" && start_receiver "$1"
}

# push FROM TO IMAGE ARGUMENT...
push() {
	local from=$1 to=$2
	shift 2
	push_json "$SANDBOX/config-$to" "$(engine_of "$from")" "$OUT" "$@" --to there
}

# The name that an engine is to be asked for: Podman knows whole names only.
name_on() {
	case $1 in
	*podman | *rootless) echo "docker.io/$2" ;;
	*) echo "$2" ;;
	esac
}

id_on() {
	images_id "$(engine_of "$1")" "$(name_on "$1" "$2")"
}

run_on() {
	on "$1" run --rm --network none "$(name_on "$1" "$2")"
}

# What each step was and when: engines count sizes and word comments in their own ways.
history_on() {
	images_history "$(engine_of "$1")" "$(name_on "$1" "$2")" | sed 's/|[^|]*$//; s/|[^|]*$//'
}

dangling_on() {
	images_dangling "$(engine_of "$1")"
}

# --- what arrived ---

# assert_arrived FROM TO IMAGE: the same image, of which the target can make a whole archive again.
assert_arrived() {
	local from=$1 to=$2 image=$3 layers
	layers=$(images_layers "$(engine_of "$from")" "$(name_on "$from" "$image")")
	assert_equal "$(images_layers "$(engine_of "$to")" "$(name_on "$to" "$image")")" "$layers" "its layers"
	assert_equal "$(history_on "$to" "$image")" "$(history_on "$from" "$image")" "its history"
	on "$to" save -o "$SANDBOX/saved.tar" "$(name_on "$to" "$image")"
	assert_equal "$("$SUPPORT/saved_layers" "$SANDBOX/saved.tar")" "$layers" "the layers as saved on the target"
	assert_equal "$(dangling_on "$to")" 0 "images without a tag on the target"
	assert_equal "$(find "$(state_of "$to")/loads" -name '*.json' | wc -l)" 0 "entries in the journal of loads"
}

# assert_goes_on TO IMAGE ID: what assert_arrived saved, in a third engine.
assert_goes_on() {
	on "$THIRD" load -q -i "$SANDBOX/saved.tar" >/dev/null
	assert_equal "$(id_on "$THIRD" "$2")" "$3" "ID in the third engine"
	on "$THIRD" rmi "$2" >/dev/null
}
