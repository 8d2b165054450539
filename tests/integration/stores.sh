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

# --- engines, by name ---

declare -A OPTIONS_OF=([containerd]='--store containerd' [podman]=--podman [rootless]=--rootless)

engine_of() {
	echo "$SANDBOX/$1"
}

on() {
	local name=$1
	shift
	engine_docker "$(engine_of "$name")" "$@"
}

need() {
	[[ $1 = podman || $1 = rootless || -z $STORES_MISSING ]] ||
		skip "Debian's mirror cannot be reached for $STORES_MISSING"
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
	local name=$1 dir="$SANDBOX/$1-alone" options
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

run_cases stores "$@"
