#!/bin/bash
# What `dray push` looks like on a terminal: bars while it works, nothing but results afterwards.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
SCREEN=$SANDBOX/screen # what stood on the terminal last
RATE=3000000 # bytes a second
LAYER_MB=6

after_failure() {
	echo "--- the screen:"
	cat "$SCREEN"
}

# --- the terminal ---

# terminal_open COLUMNS ROWS [NAME=VALUE]...: a shell on a terminal of that size.
terminal_open() {
	local columns=$1 rows=$2
	shift 2
	tmux -S "$SANDBOX/tmux" -f /dev/null new-session -d -x "$columns" -y "$rows" \
		"env DRAY_CONFIG_DIR=$CONFIG LC_ALL=C.UTF-8 PS1=: $* /bin/bash --norc --noprofile"
}

terminal_close() {
	tmux -S "$SANDBOX/tmux" kill-server
}

type_line() {
	tmux -S "$SANDBOX/tmux" send-keys "$1" Enter
}

# look [-e]: with -e, with the codes of its colours.
look() {
	tmux -S "$SANDBOX/tmux" capture-pane -p "$@" | sed 's/[[:space:]]*$//' >"$SCREEN"
}

# await_screen PATTERN [SECONDS]
await_screen() {
	local i
	for ((i = 0; i < ${2:-20} * 10; i++)); do
		look
		! grep -qE -- "$1" "$SCREEN" || return 0
		sleep 0.1
	done
	fail "nothing on the screen matches '$1'"
}

push_on_terminal() {
	type_line "clear; $DRAY push -H $(engine_address "$A") $* --to b"
}

# No line is as wide as the terminal: one that was would wrap.
assert_fits() {
	assert_at_most "$(sed 's/[━─]/-/g' "$SCREEN" | wc -L)" $(($1 - 1)) "columns of the widest line"
}

# --- preparation ---

random_layer() {
	mkdir "$SANDBOX/layer"
	head -c "$(($2 << 20))" /dev/urandom >"$SANDBOX/layer/$1"
	images_tar "$SANDBOX/layer" "$SANDBOX/$1.tar"
	rm -r "$SANDBOX/layer"
}

# Each push is to have something to send.
start_over() {
	local image
	receiver_stop "$STATE"
	for image in $(engine_docker "$B" images --format '{{.Repository}}:{{.Tag}}'); do
		engine_docker "$B" image rm --force "$image" >/dev/null 2>&1 || true
	done
	rm -rf "$STATE/domains"
	receiver_start "$STATE" "$B"
}

prepare() {
	engine_start "$A" && engine_start "$B" || return
	random_layer 1 "$LAYER_MB"
	random_layer 2 "$LAYER_MB"
	images_stack "$A" t/app:1 app "$SANDBOX"/[12].tar
	receiver_start "$STATE" "$B" && receiver_pair "$STATE" "$CONFIG" b || return
	sed -i "s/:$DRAY_PORT/:$PROXY_PORT/" "$CONFIG/targets/b.json"
	proxy_start --rate "$RATE"
}
prepare || exit 1

# --- the cases ---

test_every_layer_has_a_bar_while_it_is_sent() {
	terminal_open 80 24
	push_on_terminal t/app:1
	await_screen '^  [0-9a-f]{12}  ━+─* .*MB / 6\.[0-9]+MB +reading$'
	await_screen '^t/app:1 -> b  ━+─*  [0-9.]+MB of (about )?[0-9.]+MB, [0-9.]+.B/s, .*left$'
	assert_fits 80
	await_screen '^t/app:1 -> b  the engine is applying it, [0-9.]+s$'
	await_screen '0 of 3 layers were there, '
	terminal_close
}

test_only_results_stay_on_the_screen() {
	start_over
	terminal_open 200 50
	push_on_terminal t/app:1
	await_screen '━'
	assert_fits 200
	await_screen '^t/app:1 sha256:.*: 0 of 3 layers were there.* sent in'
	look
	assert_equal "$(grep -vc '^$' "$SCREEN")" 2 "lines: the result and the prompt"
	push_on_terminal t/app:1
	await_screen '^t/app:1 sha256:.*: 3 of 3 layers were there'
	assert_equal "$(grep -vc '^$' "$SCREEN")" 2 "lines of a push that has nothing to do"
	terminal_close
}

test_there_are_colours_unless_they_are_not_wanted() {
	local no_colour
	for no_colour in "" yes; do
		start_over
		terminal_open 80 24 ${no_colour:+NO_COLOR=1}
		push_on_terminal t/app:1
		await_screen '━'
		look -e
		if [ -n "$no_colour" ]; then
			! grep -q $'\033\[3[0-9]m' "$SCREEN" || fail "colours with NO_COLOR"
		else
			grep -q $'\033\[3[0-9]m' "$SCREEN" || fail "no colours"
		fi
		await_screen '^t/app:1 sha256:'
		terminal_close
	done
}

test_where_there_is_no_unicode_bars_are_ascii() {
	start_over
	terminal_open 80 24 LC_ALL=C
	push_on_terminal t/app:1
	await_screen '^  [0-9a-f]{12}  \[=+>? *\] '
	! grep -q '[━─]' "$SCREEN" || fail "letters that are not ASCII"
	await_screen '^t/app:1 sha256:'
	terminal_close
}

test_a_small_terminal_shows_what_is_under_way() {
	start_over
	terminal_open 40 4
	push_on_terminal t/app:1
	await_screen '^  and [0-9]+ more$'
	assert_grep '^t/app:1 -> b  ' "$SCREEN"
	assert_fits 40
	await_screen 'layers were' 30
	terminal_close
}

test_a_terminal_that_is_dumb_gets_lines() {
	start_over
	terminal_open 120 24 TERM=dumb
	push_on_terminal t/app:1
	await_screen '^t/app:1 -> b: sending .* of .*'
	! grep -q '[━─]' "$SCREEN" || fail "bars"
	await_screen '^t/app:1 sha256:'
	terminal_close
}

test_what_goes_wrong_is_said_above_the_bars() {
	start_over
	terminal_open 120 24
	push_on_terminal t/app:1
	await_screen '━'
	receiver_kill "$STATE"
	# The network process may have the time to say that its supervisor is gone.
	await_screen '(connection was lost|receiver is stopping).*trying again'
	await_screen '^t/app:1 -> b  .*waiting to try again|connecting'
	receiver_start "$STATE" "$B"
	await_screen '^t/app:1 sha256:.* layers were there' 40
	terminal_close
}

run_cases terminal "$@"
