#!/bin/bash
# The commands that only look: plan, layers and doctor. What they say before and after a push, of odd
# images and of what is broken, on a terminal and in a pipe.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
OTHER=$SANDBOX/other # a second receiver's
OTHER_PORT=7748
CONFIG=$SANDBOX/config
SMALL=$SANDBOX/small # an engine whose disk is nearly full
OUT=$SANDBOX/out
ESCAPE=$'\033'

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 5 "$STATE.log"
}

# look CODE ARGUMENT...: dray beside engine A ends with that code; leaves OUT and OUT.err.
look() {
	local expected=$1 code=0
	shift
	DRAY_CONFIG_DIR=$CONFIG DOCKER_HOST=$(engine_address "$A") timeout -k 5 60 "$DRAY" "$@" \
		>"$OUT" 2>"$OUT.err" </dev/null || code=$?
	[ "$code" = "$expected" ] ||
		fail "exit code $code instead of $expected from $*: $(cat "$OUT" "$OUT.err")"
}

# look_on_terminal COLUMNS [NAME=VALUE...] ARGUMENT...: the same on a terminal of that width; leaves
# in OUT what it got to see.
look_on_terminal() {
	local columns=$1 variables=()
	shift
	while [[ $1 = *=* ]]; do
		variables+=("$1")
		shift
	done
	# `script` makes the terminal, of the size that stty gives it.
	printf -v command '%q ' env TERM=xterm DRAY_CONFIG_DIR="$CONFIG" \
		DOCKER_HOST="$(engine_address "$A")" "${variables[@]}" "$DRAY" "$@"
	timeout -k 5 60 script --quiet --return --command "stty cols $columns rows 40; exec $command" \
		/dev/null </dev/null | tr -d '\r' >"$OUT"
}

# Every line is an object with an event, the last one a result: FIELD... of that, one a line.
last_line() {
	python3 - "$OUT" "$@" <<-'END'
		import json, sys
		lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
		assert lines and all(isinstance(line["event"], str) for line in lines), lines
		assert lines[-1]["event"] == "result", lines[-1]
		for field in sys.argv[2:]:
		    print(json.dumps(lines[-1][field]))
	END
}

# lines_with FIELD VALUE: how many lines of OUT have that.
lines_with() {
	python3 - "$OUT" "$1" "$2" <<-'END'
		import json, sys
		lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
		print(sum(line.get(sys.argv[2]) == sys.argv[3] for line in lines))
	END
}

assert_plain() {
	! grep -q "$ESCAPE" "$OUT" || fail "an escape sequence: $(cat -v "$OUT" | head -c 1000)"
}

# The longest line in characters.
widest() {
	wc -L <"$OUT"
}

assert_no_image() {
	assert_equal "$(engine_docker "$B" images --all --quiet)" "" "images on the target"
}

# mark CHECK: what the doctor thinks of it, from --json's lines.
mark() {
	python3 - "$OUT" "$1" <<-'END'
		import json, sys
		for line in map(json.loads, open(sys.argv[1], encoding="utf-8")):
		    if line.get("name") == sys.argv[2]:
		        print(line["mark"])
	END
}

# as_nobody ARGUMENT...: dray run by a user without rights, who can reach no file of root's.
as_nobody() {
	install -m 755 "$DRAY" "$SANDBOX/dray"
	mkdir -p "$SANDBOX/home"
	chown nobody "$SANDBOX/home"
	chmod 711 "$SANDBOX" "$A"
	setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all \
		env HOME="$SANDBOX/home" "$SANDBOX/dray" "$@" -H "$(engine_address "$A")" >"$OUT"
}

odd() {
	"$SUPPORT/odd_history" "$1" "t/$1:1" "$(images_busybox_tar)" "$SANDBOX/services.tar" - |
		engine_docker "$A" load --quiet >/dev/null
}

prepare() {
	engine_start "$A" && engine_start "$B" || exit 1
	images_busybox "$A" t/busybox:1
	images_library_tree "$SANDBOX/tree" 200
	images_app "$A" t/app:1 t/busybox:1 "$SANDBOX/tree" "application 1"
	tar -C /etc -cf "$SANDBOX/services.tar" services
	images_stack "$A" t/stack:1 stack "$SANDBOX/services.tar" -
	odd hostile && odd short && odd none && odd nul || exit 1
	receiver_start "$STATE" "$B" && receiver_pair "$STATE" "$CONFIG" b || exit 1
}
prepare

# --- plan ---

test_a_plan_before_a_push_says_all_is_to_be_sent_and_changes_nothing() {
	look 0 plan push t/app:1 --to b
	assert_equal "$(grep -c 'to be sent$' "$OUT")" 3 "layers to be sent"
	assert_grep 'b: has 0 of 3 layers; the other 3 would be read \([0-9.]+MB\)' "$OUT"
	assert_grep 'its name there: t/app:1$' "$OUT"
	assert_lines "$OUT.err" 0
	look 0 plan push t/app:1 t/stack:1 --to b --json
	assert_equal "$(lines_with event result)" 2 "results"
	assert_equal "$(lines_with state missing)" 6 "missing layers"
	assert_equal "$(last_line ok kind layers layers_skipped image_present tags | tr '\n' ' ')" \
		'true "plan" 3 0 false ["t/stack:1"] ' "result"
	assert_no_image
	assert_equal "$(engine_saves_asked "$A")" 0 "archives that the engine was asked for"
	assert_at_most "$(last_line bytes_sent)" 4096 "bytes sent to ask"
}

test_a_plan_knows_the_base_that_is_there() {
	dray_push "$CONFIG" "$A" -q t/busybox:1 --to b >/dev/null
	look 0 plan push t/app:1 --to b
	assert_equal "$(grep -c 'in its engine$' "$OUT")" 1 "layers there"
	assert_equal "$(grep -c 'to be sent$' "$OUT")" 2 "layers to be sent"
	assert_grep 'b: has 1 of 3 layers; the other 2 would be read' "$OUT"
}

# The base is in the engine; that of the other image was stored, and its image removed.
test_a_plan_knows_the_layers_in_the_store() {
	dray_push "$CONFIG" "$A" -q t/stack:1 --to b >/dev/null
	engine_docker "$B" rmi t/stack:1 >/dev/null
	look 0 plan push t/stack:1 --to b --json
	assert_equal "$(lines_with state engine)" 1 "layers in the engine"
	assert_equal "$(lines_with state store)" 2 "layers in the store"
	assert_equal "$(last_line layers_skipped bytes_to_read | tr '\n' ' ')" "3 0 " "result"
}

test_a_plan_after_the_push_says_only_names_would_be_set() {
	dray_push "$CONFIG" "$A" -q t/app:1 --to b >/dev/null
	look 0 plan push t/app:1 --to b
	assert_equal "$(grep -c 'in its engine$' "$OUT")" 3 "layers there"
	assert_grep 'only its names would be set' "$OUT"
	look 0 plan push t/app:1 --to b --json
	assert_equal "$(last_line image_present layers_skipped bytes_to_read | tr '\n' ' ')" "true 3 0 " \
		"result"
}

test_a_plan_for_two_targets_asks_both() {
	receiver_start "$OTHER" "$B" "$OTHER_PORT"
	DRAY_PORT=$OTHER_PORT receiver_pair "$OTHER" "$CONFIG" c
	look 0 plan push t/app:1 t/none:1 --to b,c
	assert_grep 'LAYER +SIZE +AT b +AT c' "$OUT"
	assert_grep '^c: ' "$OUT"
	look 0 plan push t/app:1 t/none:1 --to b,c --json
	assert_equal "$(lines_with event result)" 4 "results"
	assert_equal "$(lines_with target c)" 8 "lines about the second"
	receiver_stop "$OTHER"
	look 3 plan push t/app:1 --to b,c
	assert_grep 'in its engine +\?$' "$OUT"
	assert_grep '^dray: c: cannot connect' "$OUT.err"
	DRAY_CONFIG_DIR=$CONFIG "$DRAY" targets remove c 2>/dev/null
}

test_what_a_plan_cannot_tell_is_an_error() {
	look 4 plan push t/nothing:1 --to b
	assert_grep 't/nothing:1' "$OUT.err"
	assert_lines "$OUT" 0
	look 3 plan push t/nothing:1 t/app:1 --to b --json
	assert_equal "$(lines_with code not-found)" 1 "results that failed"
	assert_equal "$(last_line ok)" true "the other one"
	look 4 plan push t/app:1 --to nobody
	look 2 plan push t/app:1
	look 2 plan push --to b
	look 2 plan
	look 2 plan backup web --to b
	assert_grep 'cannot plan backups' "$OUT.err"
	look 2 plan backup --to b
	look 2 plan push t/app:1 --to b,
	look 6 plan push t/app:1 --to b -H "unix://$SANDBOX/none.sock"
	assert_lines "$OUT.err" 1
	look 2 plan push t/app:1 --to b -H ftp://somewhere --json
	assert_equal "$(last_line ok code | tr '\n' ' ')" 'false "usage" ' "result"
}

test_a_key_that_may_not_push_the_name_gets_no_plan() {
	receiver_pair "$STATE" "$CONFIG.narrow" narrow --image 'other/*'
	CONFIG=$CONFIG.narrow look 5 plan push t/app:1 --to narrow --json
	assert_equal "$(last_line ok code | tr '\n' ' ')" 'false "refused" ' "result"
}

# The receiver knows that its engine has no room for that.
test_a_plan_tells_that_there_is_no_room() {
	mkdir -p "$SMALL/data" "$SANDBOX/large"
	mount -t tmpfs -o size=40m tmpfs "$SMALL/data"
	engine_start "$SMALL"
	images_binary "$SANDBOX/large/binary" 60
	images_tar "$SANDBOX/large" "$SANDBOX/large.tar"
	images_stack "$A" t/large:1 large "$SANDBOX/large.tar"
	rm -r "$SANDBOX/large" "$SANDBOX/large.tar"
	receiver_start "$OTHER" "$SMALL" "$OTHER_PORT"
	DRAY_PORT=$OTHER_PORT receiver_pair "$OTHER" "$CONFIG.small" small
	CONFIG=$CONFIG.small look 1 plan push t/large:1 --to small
	assert_grep 'small: .* are free' "$OUT.err"
	CONFIG=$CONFIG.small look 3 plan push t/large:1 t/busybox:1 --to small --json
	assert_equal "$(lines_with code full)" 1 "refusals"
	receiver_stop "$OTHER"
	engine_kill "$SMALL"
	umount "$SMALL/data"
}

# --- layers ---

# Commands as docker history has them, from the top; steps without a layer are no layers.
test_layers_are_shown_as_docker_history_shows_them() {
	local expected
	look 0 layers t/app:1 --json
	expected=$(engine_docker "$A" history --no-trunc --human=false --format '{{.Size}}' t/app:1)
	assert_equal "$(grep -o '"size":[0-9]*' "$OUT" | cut -d: -f2)" "$expected" "sizes"
	assert_equal "$(grep -c '"diff_id":"' "$OUT")" 3 "layers"
	assert_equal "$(grep -o '"diff_id":"[^"]*' "$OUT" | cut -d'"' -f4 | tac)" \
		"$(images_layers "$A" t/app:1)" "diffIDs"
	assert_equal "$(grep -c '"empty":true' "$OUT")" 5 "steps without a layer"
	assert_equal "$(last_line kind layers | tr '\n' ' ')" '"layers" 3 ' "result"
	look 0 layers t/app:1
	assert_grep 'LAYER +CREATED +SIZE +CREATED BY' "$OUT"
	assert_grep '- +.* ago +0B +CMD \["/bin/sh" "-c" "echo application 1"\]' "$OUT"
	assert_grep "├ +[0-9a-f]{12} +.* ago +.*MB +ADD file:" "$OUT"
	assert_grep "└ +[0-9a-f]{12} +.* ago +.*MB +Imported from -" "$OUT"
}

test_layers_know_what_the_target_has() {
	look 0 layers t/app:1 --to b
	assert_equal "$(grep -c 'in its engine  ' "$OUT")" 3 "layers there"
	assert_grep 'b has the image in its engine' "$OUT"
	look 0 layers t/hostile:1 --to b
	assert_equal "$(grep -c ' to be sent ' "$OUT")" 0 "layers to be sent"
	look 0 layers -q t/short:1
	assert_equal "$(tac "$OUT")" "$(images_layers "$A" t/short:1)" "diffIDs"
	look 0 layers -q t/app:1 --to b
	assert_lines "$OUT" 0
}

test_layers_without_an_answer_are_shown_all_the_same() {
	receiver_stop "$STATE"
	look 6 layers t/app:1 --to b
	assert_grep '└ +[0-9a-f]{12}' "$OUT"
	assert_grep 'connection refused' "$OUT.err"
	look 6 layers t/app:1 --to b --json
	assert_equal "$(last_line ok code | tr '\n' ' ')" 'false "unreachable" ' "result"
	look 4 layers t/nothing:1 --json
	assert_equal "$(last_line code)" '"not-found"' "code"
	look 2 layers
	look 2 layers a b
	receiver_start "$STATE" "$B"
}

test_a_history_that_would_drive_the_terminal_is_escaped() {
	look 0 layers t/hostile:1
	assert_plain
	assert_equal "$(LC_ALL=C tr -d '\n -~' <"$OUT" | sed 's/[├└│┬]//g')" "" "what is not plain"
	assert_grep '\\x1b\]0;title\\x07\\x1b\[31mRUN' "$OUT"
	assert_grep '\["%s%n%d"\]' "$OUT"
	assert_lines "$OUT" 6
	assert_at_least "$(widest)" 10000 "columns of what is not shortened"
	look_on_terminal 80 layers t/hostile:1
	assert_equal "$(grep -c "$ESCAPE\[[^02]" "$OUT")" 0 "sequences that are not ours"
	look_on_terminal 80 NO_COLOR=1 layers t/hostile:1
	assert_plain
	assert_at_most "$(widest)" 80 "columns"
	assert_lines "$OUT" 6
}

test_a_history_without_all_layers_shows_what_is_unknown() {
	look 0 layers t/short:1
	assert_equal "$(grep -c ' ? ' "$OUT")" 2 "layers without a step"
	assert_grep '└ .* the lowest$' "$OUT"
	for image in t/none:1 t/nul:1; do
		look 0 layers "$image"
		assert_equal "$(grep -c '[0-9a-f]\{12\} *?.*?' "$OUT")" 3 "unknown rows of $image"
		look 0 plan push "$image" --to b
	done
}

# Without the right to read the config's file, the engine's sizes tell.
test_layers_without_the_rights_of_root_are_the_same() {
	local expected
	look 0 layers t/stack:1 --json
	expected=$(grep '"event":"layer"' "$OUT")
	chmod 666 "$A/docker.sock"
	as_nobody layers --json t/stack:1
	assert_equal "$(grep '"event":"layer"' "$OUT")" "$expected" "layers"
	as_nobody doctor --json
	assert_equal "$(mark 'direct reads')" note "direct reads"
	assert_equal "$(mark config)" note "no directory yet"
	[ ! -e "$SANDBOX/home/.config" ] || fail "the doctor made something"
}

# --- the terminal ---

test_tables_fit_the_terminal_and_are_coloured_only_there() {
	look 0 layers t/app:1 --to b
	assert_plain
	look_on_terminal 80 layers t/app:1 --to b
	assert_grep "$ESCAPE\[32min its engine$ESCAPE\[0m" "$OUT"
	assert_grep 'CMD \["/bin/sh" "-c".*…' "$OUT"
	look_on_terminal 80 NO_COLOR=1 layers t/app:1 --to b
	assert_plain
	assert_equal "$(widest)" 80 "columns"
	look_on_terminal 200 NO_COLOR=1 layers t/app:1 --to b
	assert_at_least "$(widest)" 120 "columns"
	! grep -q … "$OUT" || fail "shortened where there is room"
	look_on_terminal 80 TERM=dumb layers t/app:1
	assert_plain
	look_on_terminal 80 COLUMNS=60 NO_COLOR=1 layers t/app:1
	assert_equal "$(widest)" 60 "columns"
	look_on_terminal 80 LC_ALL=C NO_COLOR=1 layers t/app:1
	assert_equal "$(LC_ALL=C tr -d '\n -~' <"$OUT")" "" "what is not ASCII"
	look_on_terminal 80 NO_COLOR=1 plan push t/app:1 --to b
	assert_at_most "$(widest)" 80 "columns of a plan"
	look_on_terminal 80 NO_COLOR=1 doctor --to b
	assert_at_most "$(widest)" 80 "columns of the doctor"
	assert_plain
}

# --- doctor ---

test_a_healthy_host_and_target_have_no_problem() {
	local name
	look 0 doctor --to b --json
	assert_equal "$(last_line ok problems | tr '\n' ' ')" 'true 0 ' "result"
	for name in config key targets engine 'direct reads' look-up connection handshake grants \
		clock 'its engine'; do
		assert_equal "$(mark "$name")" ok "$name"
	done
	assert_at_least "$(lines_with unit bytes/s)" 5 "measured speeds"
	look 0 doctor --to b
	assert_plain
	assert_grep 'Docker 2.*API 1\.[0-9]+ to 1\.[0-9]+' "$OUT"
	assert_grep '✓ grants +known there as key-of-b; it may send images' "$OUT"
	assert_grep '· throughput +not measured' "$OUT"
	assert_equal "$(engine_docker "$B" images --all --quiet --filter dangling=true)" "" \
		"what is left on the target"
}

test_an_engine_that_is_not_there_is_a_problem_with_advice() {
	look 1 doctor -H "unix://$SANDBOX/none.sock"
	assert_grep '✗ engine +.*none.sock' "$OUT"
	assert_grep '→ start the engine.*there is no' "$OUT"
	look 1 doctor -H "unix://$SANDBOX/none.sock" --json
	assert_equal "$(last_line ok problems | tr '\n' ' ')" 'false 1 ' "result"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' \
		"$SANDBOX/dead.sock"
	look 1 doctor -q -H "unix://$SANDBOX/dead.sock"
	assert_grep 'nobody listens: start the engine' "$OUT"
	look 1 doctor -H ftp://somewhere
	look 2 doctor what
	look 4 doctor --to nobody
}

test_a_socket_without_the_right_to_it_is_a_problem() {
	local code=0
	chmod 600 "$A/docker.sock"
	as_nobody doctor || code=$?
	assert_equal "$code" 1 "exit code"
	assert_grep '✗ engine +.*[Pp]ermission denied' "$OUT"
	assert_grep "→ run dray as root or as a member" "$OUT"
}

test_a_key_that_others_may_read_is_a_problem() {
	chmod 644 "$CONFIG/key"
	look 1 doctor --to b --json
	assert_equal "$(mark key)" problem "key"
	assert_equal "$(mark handshake)" problem "handshake"
	chmod 600 "$CONFIG/key"
	chmod 777 "$CONFIG"
	look 1 doctor
	assert_grep '✗ config +.*others may replace' "$OUT"
	assert_grep '→ .*chmod 700' "$OUT"
	chmod 700 "$CONFIG"
	echo garbage >"$CONFIG/targets/broken.json"
	chmod 600 "$CONFIG/targets/broken.json"
	look 1 doctor
	assert_grep '✗ targets +1 of 2 cannot be used; broken: ' "$OUT"
	rm "$CONFIG/targets/broken.json"
	look 0 doctor
}

test_a_target_that_is_down_or_forgot_us_is_a_problem() {
	receiver_stop "$STATE"
	look 1 doctor --to b --json
	assert_equal "$(mark connection)" problem "connection"
	receiver_start "$STATE" "$B"
	receiver_pair "$STATE" "$CONFIG.gone" gone
	"$DRAYD" revoke key-of-gone --state "$STATE" 2>>"$STATE.log"
	CONFIG=$CONFIG.gone look 1 doctor --to gone --json
	assert_equal "$(mark handshake)" problem "handshake"
}

test_a_target_whose_engine_is_down_is_a_problem() {
	engine_stop "$B"
	look 1 doctor --to b --json
	assert_equal "$(mark handshake)" ok "handshake"
	assert_equal "$(mark 'its engine')" problem "its engine"
	look 6 plan push t/app:1 --to b
	assert_grep 'cannot reach the engine' "$OUT.err"
	engine_start "$B"
	look 0 doctor --to b --json
}

test_the_help_of_the_commands_is_there() {
	local command
	"$DRAY" --help >"$OUT"
	for command in plan layers doctor; do
		assert_grep "^  $command +" "$OUT"
	done
	for command in plan layers doctor; do
		look 0 "$command" --help
		assert_grep "^Usage: dray $command" "$OUT"
	done
}

run_cases commands "$@"
