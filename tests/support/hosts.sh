# shellcheck shell=bash
# Hosts: network namespaces in which an engine has a bridge, published ports and user networks, as on
# a machine of its own. Needs SANDBOX (see sandbox.sh) and the functions of `engine`.
#
#   host_make NAME NUMBER   10.78.0.NUMBER; all hosts reach each other
#   host_in NAME COMMAND... runs a command there
#   host_exec NAME COMMAND... the same, instead of this shell
#   host_engine NAME DIR OPTION...
#   host_remove NAME        with the bridges and rules that engines left in it

HOST_NET=10.78.0

host_make() {
	local name=$1 number=$2
	if ! ip link show hosts >/dev/null 2>&1; then
		mkdir -p /run/netns
		mount -t tmpfs tmpfs /run/netns # the sandbox's own
		ip link add hosts type bridge
		ip link set hosts up
	fi
	ip netns add "$name"
	ip link add "to-$name" type veth peer name eth0 netns "$name"
	ip link set "to-$name" master hosts up
	ip -n "$name" link set lo up
	ip -n "$name" address add "$HOST_NET.$number/24" dev eth0
	ip -n "$name" link set eth0 up
}

# Not `ip netns exec`, which mounts a /sys of its own: without cgroups.
host_in() {
	local name=$1
	shift
	nsenter --net="/run/netns/$name" "$@"
}

# Instead of the shell that calls it.
host_exec() {
	local name=$1
	shift
	exec nsenter --net="/run/netns/$name" "$@"
}

host_engine() {
	local name=$1 dir=$2
	shift 2
	ENGINE_NETNS=/run/netns/$name engine_start "$dir" "$@"
}

host_remove() {
	ip link del "to-$1"
	ip netns del "$1"
}
