# shellcheck shell=bash
# The two programs under test: receivers, pairing, pushes and their results. Needs SANDBOX, SUPPORT
# and the functions of `engine` and cases.sh. DRAY_BUILD names the build directory.

DRAY_BUILD=${DRAY_BUILD:-$SUPPORT/../../build-ci}
DRAY=$DRAY_BUILD/client/dray
DRAYD=$DRAY_BUILD/server/drayd
DRAY_PORT=7747 # the sandbox's network is its own, so it is free
PUSH_TIMEOUT=120

dray_require() {
	local program
	for program in "$DRAY" "$DRAYD"; do
		[ -x "$program" ] && continue
		echo "$program is missing: build first (meson setup build-ci; ninja -C build-ci)" >&2
		exit 1
	done
}

# --- the receiver ---

# receiver_start STATE ENGINE [PORT]: drayd beside that engine; waits until it listens.
receiver_start() {
	local state=$1 engine=$2 port=${3:-$DRAY_PORT} i pid tied
	mkdir -p "$state"
	mapfile -t tied < <(engine_tie)
	"${tied[@]}" "$DRAYD" serve --state "$state" --listen "127.0.0.1:$port" \
		-H "$(engine_address "$engine")" >>"$state.log" 2>&1 </dev/null &
	pid=$!
	disown # it may be killed; the shell need not comment on it
	echo "$pid" >"$state.pid"
	for ((i = 0; i < 100; i++)); do
		! receiver_listens "$port" || return 0
		[ -d "/proc/$pid" ] || break
		sleep 0.1
	done
	echo "drayd does not listen:"
	tail -n 5 "$state.log"
	return 1
}

# Looks instead of connecting: a connection would count as a peer that says nothing.
receiver_listens() {
	awk -v port=":$(printf %04X "$1")" '$4 == "0A" && index($2, port) { found = 1 }
		END { exit !found }' /proc/net/tcp
}

receiver_end() {
	local state=$1 signal=$2 pid
	[ -e "$state.pid" ] || return 0
	pid=$(cat "$state.pid")
	kill "-$signal" "$pid" 2>/dev/null || true
	engine_await_end "$pid" 100
	rm -f "$state.pid"
}

receiver_stop() {
	receiver_end "$1" TERM
}

receiver_kill() {
	receiver_end "$1" KILL
}

# receiver_invite STATE NAME [OPTION...]: prints the token.
receiver_invite() {
	local state=$1 name=$2
	shift 2
	timeout -k 5 20 "$DRAYD" invite --state "$state" --name "$name" \
		--address "127.0.0.1:$DRAY_PORT" "$@" 2>>"$state.log"
}

# receiver_pair STATE CONFIG TARGET [OPTION...]: lets a client with that config directory in.
receiver_pair() {
	local state=$1 config=$2 target=$3
	shift 3
	receiver_invite "$state" "key-of-$target" "$@" |
		DRAY_CONFIG_DIR=$config timeout -k 5 20 "$DRAY" pair "$target" >/dev/null 2>"$config.pair.log" ||
		fail "pairing: $(cat "$config.pair.log")"
}

# --- the client ---

# dray_push CONFIG ENGINE ARGUMENT...
dray_push() {
	local config=$1 engine=$2
	shift 2
	DRAY_CONFIG_DIR=$config timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" push -H "$(engine_address "$engine")" "$@"
}

# push_json CONFIG ENGINE OUT IMAGE ARGUMENT...: pushes with --json, demands success, leaves stdout
# in OUT and stderr in OUT.err, and checks every line of OUT.
push_json() {
	local config=$1 engine=$2 out=$3
	shift 3
	dray_push "$config" "$engine" --json "$@" >"$out" 2>"$out.err" ||
		fail "push $1: exit code $?: $(tail -n 3 "$out.err")"
	"$SUPPORT/result" "$out" ok >/dev/null
}

# result OUT FIELD: a field of the result line that push_json left.
result() {
	"$SUPPORT/result" "$1" "$2"
}
