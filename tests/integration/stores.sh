#!/bin/bash
# Pushes to engines that keep images in other ways than Docker's classic store: Docker with the containerd
# image store, and Podman, root's and a user's.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

# Made outside the sandbox, which has no network.
if [ -z "${SANDBOX:-}" ]; then
	engine_root sid >/dev/null
	case $? in
	0) STORES_MISSING= ;;
	"$ENGINE_NO_MIRROR") STORES_MISSING=sid ;;
	*) exit 1 ;;
	esac
	export STORES_MISSING
fi
sandbox_enter "$@"

dray_require
OUT=$SANDBOX/out
REGISTRY_PORT=5000
THIRD=classic # to which what has arrived goes on

# --- engines and receivers ---

# shellcheck source=tests/support/kinds.sh
. "$SUPPORT/kinds.sh"

declare -A OPTIONS_OF=([old]='' [classic]='--suite sid' [containerd]='--store containerd' [podman]=--podman
	[rootless]=--rootless)
declare -A PORT_OF=([classic]=7751 [containerd]=7752 [podman]=7753 [rootless]=7754 [spoiled]=7755)

need() {
	local name
	for name; do
		[[ ! $name =~ ^(classic|containerd)$ || -z $STORES_MISSING ]] ||
			skip "Debian's mirror cannot be reached for $STORES_MISSING"
	done
}

after_failure() {
	echo "--- the receivers' last lines:"
	tail -qn 3 "$SANDBOX"/state-*.log
}

# What of an engine can outlive it: processes, mounts and cgroups that name its directory.
remains_of() {
	local dir=$1
	pgrep -fl -- "$dir/" || true
	grep -F "$dir" /proc/self/mountinfo || true
	find /sys/fs/cgroup -maxdepth 3 -name "$(engine_cgroup "$dir")" || true
}

# --- each of them, without dray ---

# starts_loads_runs_ends NAME: and what it was given is there after a restart.
starts_loads_runs_ends() {
	local name=$1 dir=$SANDBOX/$1-alone options
	need "$name"
	read -ra options <<<"${OPTIONS_OF[$name]}"
	engine_start "$dir" "${options[@]}"
	images_stack "$dir" docker.io/t/alone:1 alone "$(images_busybox_tar)"
	assert_equal "$(engine_docker "$dir" run --rm --network none docker.io/t/alone:1)" alone "what it prints"
	engine_stop "$dir"
	engine_start "$dir"
	assert_equal "$(engine_docker "$dir" run --rm --network none docker.io/t/alone:1)" alone "after a restart"
	engine_remove "$dir"
	assert_equal "$(remains_of "$dir")" "" "what remains"
	[ ! -e "$dir" ] || fail "its directory remains"
}

test_docker_with_the_containerd_store_starts_loads_runs_and_ends() {
	starts_loads_runs_ends containerd
}

test_podman_starts_loads_runs_and_ends() {
	starts_loads_runs_ends podman
}

test_podman_of_a_user_starts_loads_runs_and_ends() {
	starts_loads_runs_ends rootless
}

# --- images on their way ---

# t/old:1 and :2 on the old engine, alike but for a rebuilt top layer. The targets have the base from elsewhere.
make_images() {
	local tree=$SANDBOX/tree name
	images_library_tree "$tree" 400
	images_busybox "$(engine_of old)" t/busybox:1
	images_app "$(engine_of old)" t/old:1 t/busybox:1 "$tree" "first"
	images_rebuild_tree "$tree" 100
	images_app "$(engine_of old)" t/old:2 t/busybox:1 "$tree" "second"
	echo 'to be spoiled on its way' >"$tree/spoiled"
	images_app "$(engine_of old)" t/spoiled:2 t/busybox:1 "$tree" "spoiled"
	rm -r "$tree"
	for name in containerd podman rootless; do
		[ ! -e "$(engine_of "$name")/kind" ] ||
			images_busybox "$(engine_of "$name")" "$(name_on "$name" t/busybox:1)"
	done
}

# An image is called by its config, but with the containerd store by its manifest.
assert_named() {
	local to=$1 image=$2
	assert_equal "$(result "$OUT" id)" "$(id_on old "$image")" "id"
	assert_equal "$(result "$OUT" target_id)" "$(id_on "$to" "$image")" "the target's id"
	if [ "$to" = containerd ]; then
		assert_grep "the engine there calls it $(id_on "$to" "$image")" "$OUT.err"
	else
		assert_equal "$(result "$OUT" target_id)" "$(result "$OUT" id)" "the target's id"
	fi
}

arrives_cold() {
	local to=$1
	push old "$to" t/old:1
	assert_equal "$(result "$OUT" layers_skipped)" 1 "layers skipped (the base is there)"
	assert_named "$to" t/old:1
	assert_arrived old "$to" t/old:1
	assert_equal "$(run_on "$to" t/old:1)" first "output"
	assert_goes_on "$to" t/old:1 "$(id_on old t/old:1)"
}

arrives_warm() {
	local to=$1
	push old "$to" t/old:2
	assert_equal "$(result "$OUT" layers_skipped)" $(($(result "$OUT" layers) - 1)) "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" $(($(result "$OUT" bytes_total) / 10)) "bytes sent"
	assert_named "$to" t/old:2
	assert_arrived old "$to" t/old:2
	assert_equal "$(run_on "$to" t/old:2)" second "output"
	# Podman's containers have files of their own in them.
	[ "$to" != containerd ] || assert_equal "$(images_content "$(engine_of "$to")" t/old:2)" \
		"$(images_content "$(engine_of old)" t/old:2)" "what a container sees"
	assert_goes_on "$to" t/old:2 "$(id_on old t/old:2)"
}

arrives_again() {
	local to=$1 asked
	asked=$(engine_saves_asked "$(engine_of old)")
	push old "$to" t/old:2
	assert_equal "$(result "$OUT" layers_skipped)" "$(result "$OUT" layers)" "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" 16384 "bytes sent"
	assert_equal "$(engine_saves_asked "$(engine_of old)")" "$asked" "archives asked of the source engine"
	assert_named "$to" t/old:2
}

# A tag of its own is the only thing that a second push of the image brings.
arrives_as_another_tag() {
	local to=$1
	on old tag t/old:2 t/moved:1
	push old "$to" t/moved:1
	assert_equal "$(id_on "$to" t/moved:1)" "$(id_on "$to" t/old:2)" "ID"
	on old tag t/old:1 t/moved:1
	push old "$to" t/moved:1
	assert_equal "$(id_on "$to" t/moved:1)" "$(id_on "$to" t/old:1)" "ID after the tag moved"
	assert_equal "$(dangling_on "$to")" 0 "images without a tag"
}

# A layer that is spoiled between the receiver and its engine: the engine's own way of failing.
spoiled_fails() {
	local to=$1 socket=$SANDBOX/spoiled.sock before code=0
	"$SUPPORT/spoiler" "$socket" "$(engine_of "$to")/docker.sock" 'to be spoiled on its way' &
	await 50 "the spoiler does not listen" test -S "$socket"
	start_receiver spoiled "unix://$socket"
	on old tag t/old:1 t/spoiled:1
	push old spoiled t/spoiled:1
	before=$(id_on "$to" t/spoiled:1)
	on old tag t/spoiled:2 t/spoiled:1
	dray_push "$SANDBOX/config-spoiled" "$(engine_of old)" -q t/spoiled:1 --to there >"$OUT" 2>"$OUT.err" || code=$?
	kill $!
	receiver_stop "$(state_of spoiled)"
	cat "$OUT.err"
	assert_equal "$code" 1 "exit code"
	assert_lines "$OUT.err" 1
	assert_at_most "$(wc -c <"$OUT.err")" 700 "bytes of the message"
	assert_equal "$(id_on "$to" t/spoiled:1)" "$before" "ID of the tag"
	assert_equal "$(dangling_on "$to")" 0 "images without a tag"
	assert_equal "$(find "$(state_of spoiled)/loads" -name '*.json' | wc -l)" 0 "entries in the journal of loads"
	rm -r "$(state_of spoiled)" "$SANDBOX/config-spoiled"
	push old "$to" t/spoiled:2
	assert_equal "$(run_on "$to" t/spoiled:2)" spoiled "output after all"
}

# kill -9 of the receiver as soon as its engine has begun to apply the image.
survives_kills() {
	local to=$1 i pushed
	for i in 1 2 3; do
		images_binary "$SANDBOX/binary" $((20 + i)) $((100 * i))
		mkdir -p "$SANDBOX/killed"
		mv "$SANDBOX/binary" "$SANDBOX/killed/"
		images_app "$(engine_of old)" "t/killed:$i" t/busybox:1 "$SANDBOX/killed" "killed $i"
		rm -r "$SANDBOX/killed"
		dray_push "$SANDBOX/config-$to" "$(engine_of old)" -q "t/killed:$i" --to there >"$OUT" 2>"$OUT.err" &
		pushed=$!
		await 200 "no load began" load_is_journaled "$to"
		sleep "0.$i"
		receiver_kill "$(state_of "$to")"
		receiver_start "$(state_of "$to")" "$(engine_of "$to")" "${PORT_OF[$to]}"
		wait "$pushed" || fail "the push did not go on: $(cat "$OUT.err")"
		assert_equal "$(run_on "$to" "t/killed:$i")" "killed $i" "output"
		assert_arrived old "$to" "t/killed:$i"
	done
}

load_is_journaled() {
	[ -n "$(find "$(state_of "$1")/loads" -name '*.json')" ]
}

declare -A TARGET_IS=([containerd]="docker with the containerd store" [podman]="podman" [rootless]="podman of a user")
declare -A STEP_IS=([arrives_cold]="an image arrives runs and goes on" [arrives_warm]="a rebuilt top layer costs little"
	[arrives_again]="a second push sends nothing" [arrives_as_another_tag]="a tag is only a tag"
	[spoiled_fails]="a spoiled layer fails and moves no tag" [survives_kills]="a killed receiver goes on and leaves nothing")

run_target() {
	need "$1" classic
	"$2" "$1"
}

run_targets() {
	local to step label
	for to in containerd podman rootless; do
		for step in arrives_cold arrives_warm arrives_again arrives_as_another_tag spoiled_fails survives_kills; do
			label="to ${TARGET_IS[$to]} ${STEP_IS[$step]}"
			! case_wanted "$label" "$@" || run_case "stores/$label" run_target "$to" "$step"
		done
	done
}

# --- only the containerd store has this ---

# A registry is given every blob that the manifest names, so the store must have every one.
test_what_arrived_in_the_containerd_store_can_be_pushed_to_a_registry() {
	local at=127.0.0.1:$REGISTRY_PORT/t/old registry
	need containerd
	cat >"$SANDBOX/registry.yml" <<-END
		version: 0.1
		storage: { filesystem: { rootdirectory: $SANDBOX/registry } }
		http: { addr: 127.0.0.1:$REGISTRY_PORT }
	END
	docker-registry serve "$SANDBOX/registry.yml" >/dev/null 2>&1 &
	registry=$!
	await 50 "the registry does not listen" receiver_listens "$REGISTRY_PORT"
	push old containerd t/old:2
	on containerd tag t/old:2 "$at:2"
	on containerd push --quiet "$at:2" >/dev/null
	on classic pull --quiet "$at:2" >/dev/null
	kill "$registry"
	assert_equal "$(id_on classic "$at:2")" "$(id_on old t/old:2)" "ID where it was pulled"
	on classic rmi "$at:2" >/dev/null
	on containerd rmi "$at:2" >/dev/null
}

start_engine old || exit 1
for name in $THIRD containerd podman rootless; do
	[[ $name =~ ^(podman|rootless)$ || -z $STORES_MISSING ]] || continue
	start "$name" || exit 1
done
make_images || exit 1
run_targets "$@"
run_cases stores "$@"
