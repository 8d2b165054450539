#!/bin/bash
# What a compiler does not check: that the layers of the tree stay layers, that files keep their
# limits, and that nothing unwanted is in them. DRAY_BUILD names a build directory whose objects are
# looked at.
# No pipefail: a grep that finds nothing is what most cases hope for.
set -u

SUPPORT=$(cd "$(dirname "$0")/../support" && pwd)
ROOT=$(cd "$SUPPORT/../.." && pwd)
BUILD=$(realpath "${DRAY_BUILD:-$ROOT/build-ci}")
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin

# shellcheck source=tests/support/cases.sh
. "$SUPPORT/cases.sh"
cd "$ROOT" || exit 1

# What each folder's files may include, by folder. A folder may be named with its parents; the
# longest match counts. What is not here may include nothing of the project.
declare -A MAY_INCLUDE=(
	[common/base]="common/base"
	[common/chunk]="common/base common/chunk"
	[common/store]="common/base common/cargo common/chunk common/store"
	[common/tree]="common/base common/chunk common/tree"
	[common/cargo]="common/base common/chunk common/cargo"
	[common/engine]="common/base common/chunk common/cargo common/engine"
	[protocol]="common/base common/chunk protocol"
	[link]="common protocol link"
	[client]="common protocol link client"
	[server]="common protocol link server"
	[tests]="common protocol link client server tests"
)

# Files that may include <uv.h> or <curl/...> besides those named uv_*: public headers of what runs
# on the loop, and the programs' entries, which own it.
MAY_USE_LOOP=(common/engine/engine.h server/engine/engine_host.h link/*.h client/cmd/*.c client/main.c
	server/cmd/*.c server/main.c tests/*)

BANNED='strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|strtok|alloca|system|popen|tmpnam'
# A test may draw from a seed that it sets.
BANNED_OUTSIDE_TESTS='rand|srand|random'
LINES_MAX=450

# --- helpers ---

# Files of the project: what git knows, or would know; without git all that is no build directory.
project_files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -type d \( -name '.git' -o -name 'build*' -o -name __pycache__ \) -prune -o \
			-type f -print | sed 's|^\./||'
	fi | while read -r file; do [ ! -f "$file" ] || echo "$file"; done
}

# Without the fuzzers' samples, which are bytes of any kind.
text_files() {
	project_files | grep -v '^tests/fuzz/corpus/'
}

c_files() {
	project_files | grep -E '\.[ch]$'
}

scripts() {
	project_files | while read -r file; do
		if head -n 2 "$file" 2>/dev/null | grep -qaE '^#!/bin/(ba)?sh|shellcheck shell='; then
			echo "$file"
		fi
	done
}

# Fails when its input has a line, and shows it.
expect_none() {
	local found
	found=$(cat)
	[ -z "$found" ] || fail "$1:"$'\n'"$found"
}

# The entry of MAY_INCLUDE that a path falls under.
layer_of() {
	local dir=$1
	while [ "$dir" != "${dir%/*}" ]; do
		dir=${dir%/*}
		if [ -n "${MAY_INCLUDE[$dir]:-}" ]; then
			echo "$dir"
			return
		fi
	done
}

# C source without comments and strings, lines kept.
code_of() {
	gcc -fpreprocessed -dD -E -P -w -x c "$1" 2>/dev/null | sed 's/"[^"]*"/""/g'
}

# --- the layers ---

test_includes_follow_the_layers() {
	local file line to allowed layer
	c_files | while read -r file; do
		layer=$(layer_of "$file")
		[ -n "$layer" ] || echo "$file: in a folder without a rule (tests/lint/lint.sh)"
		sed -n 's/^#[ ]*include "\([^"]*\)".*/\1/p' "$file" | while read -r line; do
			to=$(layer_of "$line")
			if [ -z "$to" ]; then
				echo "$file: \"$line\" does not name its path from the root"
				continue
			fi
			allowed=no
			for dir in ${MAY_INCLUDE[$layer]:-}; do
				[[ $to != "$dir" && $to != "$dir"/* ]] || allowed=yes
			done
			[ $allowed = yes ] || echo "$file: $layer may not include $line"
		done
	done | expect_none "includes that point the wrong way"
}

test_the_event_loop_is_used_only_where_file_names_say_so() {
	local file pattern ok
	c_files | xargs grep -lE '#[ ]*include <(uv\.h|curl/)' | while read -r file; do
		[[ ${file##*/} != uv_* ]] || continue
		ok=no
		for pattern in "${MAY_USE_LOOP[@]}"; do
			# shellcheck disable=SC2053 # a pattern
			[[ $file != $pattern ]] || ok=yes
		done
		[ $ok = yes ] || echo "$file"
	done | expect_none "files with <uv.h> or <curl/...> that are not named uv_*"
}

test_the_protocol_needs_no_event_loop() {
	local objects
	mapfile -t objects < <(find "$BUILD/protocol" -name '*.o' 2>/dev/null)
	[ ${#objects[@]} -gt 0 ] || fail "no objects in $BUILD/protocol: build first"
	nm -u "${objects[@]}" | grep -E ' (uv_|curl_|sqlite3_|archive_)' |
		expect_none "the protocol's objects use"
	! grep -rqE '#[ ]*include <(uv\.h|curl/|sys/socket|pthread|time\.h)' protocol ||
		fail "the protocol includes the header of a loop, socket, thread or clock"
}

test_the_protocol_tests_link_without_libuv() {
	local program found=0
	for program in "$BUILD"/tests/proto/*; do
		[ -f "$program" ] && [ -x "$program" ] || continue
		found=$((found + 1))
		! readelf -d "$program" | grep -q 'NEEDED.*libuv' || fail "${program##*/} needs libuv"
	done
	[ "$found" -gt 0 ] || fail "no programs in $BUILD/tests/proto"
}

test_every_header_compiles_alone() {
	local file
	c_files | grep '\.h$' | while read -r file; do
		gcc -fsyntax-only -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -include "$file" \
			-x c /dev/null 2>&1 | head -n 3
	done | expect_none "headers that need another one before them"
}

test_every_header_has_pragma_once() {
	c_files | grep '\.h$' | xargs grep -L '^#pragma once' | expect_none "headers without it"
}

# --- what is in the files ---

test_no_banned_function_is_called() {
	local file banned
	c_files | while read -r file; do
		banned=$BANNED
		[[ $file = tests/* ]] || banned="$BANNED|$BANNED_OUTSIDE_TESTS"
		code_of "$file" | grep -E "(^|[^A-Za-z0-9_.>])($banned)[ ]*\(" | sed "s|^|$file: |"
	done | expect_none "calls"
}

test_no_array_is_sized_at_run_time() {
	grep -q "'-Wvla'" meson.build || fail "meson.build does not ask for -Wvla"
}

test_no_file_is_longer_than_its_limit() {
	local file lines
	c_files | grep -E '^(common|protocol|link|client|server)/' | while read -r file; do
		lines=$(wc -l <"$file")
		[ "$lines" -le "$LINES_MAX" ] || echo "$file: $lines lines"
	done | expect_none "files of more than $LINES_MAX lines"
}

test_every_source_file_is_formatted() {
	c_files | xargs clang-format --dry-run -Werror 2>&1 | grep -E 'error:' | head -n 20 |
		expect_none "not as .clang-format says (clang-format -i FILE)"
}

test_every_source_file_is_in_a_meson_build() {
	local file
	c_files | grep '\.c$' | while read -r file; do
		local name=${file##*/} dir=${file%/*}
		# A folder without a meson.build of its own is listed in its parent's.
		grep -qE "'$name'" "$dir/meson.build" 2>/dev/null && continue
		grep -qE "'${dir##*/}/$name'" "${dir%/*}/meson.build" 2>/dev/null && continue
		# Tests are listed by the middle of their name.
		name=${name%.c}
		grep -qE "'(${name}|${name#test_}|${name#fuzz_})'" "$dir/meson.build" 2>/dev/null ||
			echo "$file"
	done | expect_none "not built"
}

# The words are put together here so that this file does not hold them.
test_nothing_unfinished_and_no_machine_of_ours_is_in_the_tree() {
	local words="TO""DO|FIX""ME|XX""X|HA""CK" paths="/wo""rk/|/ho""me/|/ro""ot/"
	text_files | xargs grep -InwE "$words" | expect_none "unfinished"
	text_files | xargs grep -InE "(^|[^A-Za-z0-9_.-])($paths)" | expect_none "paths of a machine"
}

test_no_file_is_left_from_an_editor_or_a_merge() {
	project_files | grep -E '(~|\.orig|\.rej|\.swp|\.bak)$' | expect_none "left over"
	text_files | xargs grep -lE '^(<<<<<<<|>>>>>>>) ' | expect_none "conflict marks"
}

test_text_files_end_with_a_newline_and_have_no_trailing_blanks() {
	text_files | xargs grep -InE '[[:blank:]]+$' | grep -v '\.md:' | head -n 20 |
		expect_none "blanks at the end of a line"
	text_files | while read -r file; do
		if [ -s "$file" ] && grep -Iq . "$file" && [ -n "$(tail -c 1 "$file")" ]; then
			echo "$file"
		fi
	done | expect_none "no newline at the end"
}

# --- scripts ---

test_scripts_pass_shellcheck() {
	command -v shellcheck >/dev/null || skip "shellcheck is not installed"
	# Level warning; SC1091: sourced files are checked themselves.
	scripts | xargs shellcheck -S warning -e SC1091 2>&1 | head -n 40 | expect_none "shellcheck"
}

test_scripts_can_be_run() {
	project_files | while read -r file; do
		if head -c 2 "$file" | grep -qa '^#!' && [ ! -x "$file" ]; then
			echo "$file"
		fi
	done | expect_none "scripts without the permission to run"
}

run_cases lint "$@"
