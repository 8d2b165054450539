# shellcheck shell=bash
# A link that can be broken and slowed down, before a receiver: tests/support/fault_proxy, one at a
# time. Needs SANDBOX, DRAY_BUILD and the functions of `engine` and cases.sh.

PROXY_PORT=7801 # the sandbox's network is its own, so it is free
PROXY_LOG=${SANDBOX:-}/proxy.log
PROXY_TO= # the receiver's port; empty: DRAY_PORT

# proxy_start OPTION...
proxy_start() {
	local i
	"$DRAY_BUILD/tests/support/fault_proxy" --listen "127.0.0.1:$PROXY_PORT" \
		--to "127.0.0.1:${PROXY_TO:-$DRAY_PORT}" "$@" >"$PROXY_LOG" 2>&1 &
	echo $! >"$SANDBOX/proxy.pid"
	disown
	for ((i = 0; i < 50; i++)); do
		! grep -q '^listening' "$PROXY_LOG" || return 0
		sleep 0.1
	done
	fail "the proxy does not listen: $(cat "$PROXY_LOG")"
}

# When it has said what there is to say of connections that have just ended.
proxy_stop() {
	sleep 0.2
	kill "$(cat "$SANDBOX/proxy.pid")"
	engine_await_end "$(cat "$SANDBOX/proxy.pid")" 50
}
