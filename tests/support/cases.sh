# shellcheck shell=bash
# A test script is a list of functions named test_a_sentence_about_what_holds, in the order they
# run, and ends with `run_cases SUITE`. Each runs in a subshell under `set -e`; what it prints is
# shown when it fails.
#
# A line for each case: "ok|FAIL|skip SUITE/SENTENCE SECONDS". tests/run also gets it in the file
# that DRAY_TEST_RESULTS names.

# What a case returns to say that it cannot be run here; its last line of output says why.
CASE_SKIPPED=77

# report OUTCOME NAME [SECONDS]
report() {
	local line
	line=$(printf '%-4s %s%s' "$1" "$2" "${3:+ $3}")
	printf '%s\n' "$line"
	[ -z "${DRAY_TEST_RESULTS:-}" ] || printf '%s\n' "$line" >>"$DRAY_TEST_RESULTS"
}

# Seconds with one decimal since a time that EPOCHREALTIME gave.
seconds_since() {
	awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

fail() {
	echo "failed: $*"
	exit 1
}

skip() {
	echo "$*"
	exit "$CASE_SKIPPED"
}

assert_equal() {
	[ "$1" = "$2" ] || fail "$3: expected '$2', got '$1'"
}

assert_at_most() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }' || fail "$3: $1 is more than $2"
}

assert_at_least() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a >= b) }' || fail "$3: $1 is less than $2"
}

# assert_lines FILE COUNT
assert_lines() {
	local n
	n=$(wc -l <"$1")
	[ "$n" = "$2" ] || fail "expected $2 line(s) in ${1##*/}, got $n: $(cat "$1")"
}

# assert_grep PATTERN FILE
assert_grep() {
	grep -qE -- "$1" "$2" || fail "no line of ${2##*/} matches '$1': $(head -c 2000 "$2")"
}

# await TENTHS WHAT CONDITION...: until the condition holds.
await() {
	local tenths=$1 what=$2
	shift 2
	while ! "$@"; do
		((tenths-- > 0)) || fail "$what"
		sleep 0.1
	done
}

# A script may define after_failure, to show what its servers had to say.
after_failure() { :; }

# sentence FUNCTION: "test_a_push_arrives" is "a push arrives".
sentence() {
	local words=${1#test_}
	echo "${words//_/ }"
}

# run_case NAME FUNCTION [ARGUMENT...]: runs one and sets cases_failed when it fails. It says so in a
# variable because it must not be called in a condition: there, the shell ignores -e all the way down.
run_case() {
	local name=$1 log started code seconds
	shift
	log=$(mktemp)
	started=$EPOCHREALTIME
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1
	code=$?
	seconds=$(seconds_since "$started")
	case $code in
	0) report ok "$name" "$seconds" ;;
	"$CASE_SKIPPED") report skip "$name: $(tail -n 1 "$log")" "$seconds" ;;
	*)
		report FAIL "$name" "$seconds"
		after_failure >>"$log" 2>&1
		cases_failed=1
		;;
	esac
	if [[ $code != 0 && $code != "$CASE_SKIPPED" ]] || [ -n "${DRAY_TEST_VERBOSE:-}" ]; then
		sed 's/^/        /' "$log"
	fi
	rm -f "$log"
}

# Runs the test functions of the script; fails when one did. With arguments after the suite only
# those whose sentence contains one of them.
run_cases() {
	local suite=$1 functions function
	shift
	mapfile -t functions < <(sed -n 's/^\(test_[a-z0-9_]*\)().*/\1/p' "$0")
	for function in "${functions[@]}"; do
		if case_wanted "$(sentence "$function")" "$@"; then
			run_case "$suite/$(sentence "$function")" "$function"
		fi
	done
	return "$cases_failed"
}

cases_failed=0

# case_wanted NAME WORDS...: without words, every case is.
case_wanted() {
	local name=$1 words
	shift
	[ $# -gt 0 ] || return 0
	for words; do
		[[ $name != *"$words"* ]] || return 0
	done
	return 1
}
