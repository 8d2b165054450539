# shellcheck shell=bash
# A place for a test script from which nothing escapes: network, PID and mount namespaces of its
# own (every port is free, loopback's counters count only the test, all processes and mounts end
# with the script) and a directory, SANDBOX, that is deleted afterwards.
#
# Usage, as the first thing that a script does: `sandbox_enter "$@"`. It runs the script again
# inside and exits with its code.

SANDBOX_PARENT=${TMPDIR:-/var/tmp}

sandbox_enter() {
	if [ -n "${SANDBOX:-}" ]; then
		ip link set lo up
		return
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "${0##*/}: run it as root: it starts Docker engines" >&2
		exit 1
	fi
	sandbox_sweep
	SANDBOX=$(mktemp -d "$SANDBOX_PARENT/dray-test.XXXXXX")
	export SANDBOX
	echo $$ >"$SANDBOX/owner"
	trap sandbox_leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
		/bin/bash "$0" "$@" &
	sandbox_pid=$!
	wait "$sandbox_pid"
	exit $?
}

sandbox_leave() {
	local code=$?
	if [ -n "${sandbox_pid:-}" ]; then
		local inner
		inner=$(pgrep -P "$sandbox_pid" || true)
		kill -KILL "$sandbox_pid" 2>/dev/null || true
		engine_await_end "$sandbox_pid" 100
		[ -z "$inner" ] || engine_await_end "$inner" 100
	fi
	sandbox_delete "$SANDBOX"
	exit "$code"
}

# The engines have ended with the sandbox; their cgroups and files remain.
sandbox_delete() {
	local engine
	for engine in "$1"/*/kind; do
		[ ! -e "$engine" ] || engine_remove_cgroups "${engine%/kind}"
	done
	rm -rf --one-file-system "$1"
}

# What a run left that was killed hard: its processes died with it, its directory did not.
sandbox_sweep() {
	local dir
	for dir in "$SANDBOX_PARENT"/dray-test.*; do
		[ -e "$dir/owner" ] || continue
		kill -0 "$(cat "$dir/owner")" 2>/dev/null || sandbox_delete "$dir"
	done
}

# Bytes that have passed over loopback, both directions, with all headers.
sandbox_wire_bytes() {
	awk '$1 == "lo:" { print $2 }' /proc/net/dev
}
