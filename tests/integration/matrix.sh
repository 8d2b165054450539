#!/bin/bash
# From every engine to every engine: an image that was imported flat, one of several layers cold, again and
# with its top layer rebuilt; each runs where it arrived, and goes on from there to a third engine.
#
#   matrix.sh [--full] [WORD...]
#
# Without --full each engine is a source once and a target once, beside what the other suites do with them.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

KINDS=(20.10 26 28 containerd podman)

# Made outside the sandbox, which has no network.
if [ -z "${SANDBOX:-}" ]; then
	MATRIX_MISSING=
	for suite in trixie sid; do
		engine_root "$suite" >/dev/null
		case $? in
		0) ;;
		"$ENGINE_NO_MIRROR") MATRIX_MISSING=yes ;;
		*) exit 1 ;;
		esac
	done
	export MATRIX_MISSING
fi
sandbox_enter "$@"

FULL=
if [ "${1:-}" = --full ]; then
	FULL=yes
	shift
fi
dray_require
OUT=$SANDBOX/out
THIRD=third

# --- engines: a source and a target of each kind, and a third one ---

# shellcheck source=tests/support/kinds.sh
. "$SUPPORT/kinds.sh"

declare -A OPTIONS_OF=([third]='')
declare -A PORT_OF=()

declare_kinds() {
	local -A options=([20.10]='' [26]='--suite trixie' [28]='--suite sid' [containerd]='--store containerd'
		[podman]=--podman)
	local kind port=7751
	for kind in "${KINDS[@]}"; do
		OPTIONS_OF[from-$kind]=${options[$kind]}
		OPTIONS_OF[to-$kind]=${options[$kind]}
		PORT_OF[to-$kind]=$((port++))
	done
}

after_failure() {
	echo "--- the receivers' last lines:"
	tail -qn 3 "$SANDBOX"/state-*.log
}

# --- one pair ---

# m/PAIR-flat:1 as an import makes it; m/PAIR:1 and :2, which differ by a rebuilt top layer.
make_images() {
	local from=$1 pair=$2 work=$SANDBOX/made
	mkdir -p "$work/tree" "$work/top" "$work/flat"
	tar -C "$work/flat" -xf "$(images_busybox_tar)"
	echo "$pair" >"$work/flat/pair"
	tar -C "$work/flat" -c . | images_import "$(engine_of "$from")" "$(name_on "$from" "m/$pair-flat:1")" \
		--change 'CMD ["/bin/cat", "/pair"]'
	images_library_tree "$work/tree" 60 $((1 + 60 * number))
	images_tar "$work/tree" "$work/tree.tar"
	images_library_tree "$work/top" 200 $((3000 + 200 * number))
	images_tar "$work/top" "$work/top-1.tar"
	images_rebuild_tree "$work/top" 100
	images_tar "$work/top" "$work/top-2.tar"
	for version in 1 2; do
		images_stack "$(engine_of "$from")" "$(name_on "$from" "m/$pair:$version")" "$pair $version" \
			"$work/tree.tar" "$work/top-$version.tar"
	done
	rm -r "$work"
}

# moves FROM TO IMAGE TEXT: it arrives, prints the text there, and goes on.
moves() {
	local from=$1 to=$2 image=$3 text=$4
	push "$from" "$to" "$(name_on "$from" "$image")"
	assert_arrived "$from" "$to" "$image"
	assert_equal "$(run_on "$to" "$image")" "$text" "output of $image"
	on third load -q -i "$SANDBOX/saved.tar" >/dev/null
	assert_equal "$(images_layers "$(engine_of third)" "$image")" \
		"$(images_layers "$(engine_of "$from")" "$(name_on "$from" "$image")")" "layers of $image in a third engine"
	assert_equal "$(run_on third "$image")" "$text" "output of $image in a third engine"
	on third rmi "$image" >/dev/null
}

moves_all() {
	local from=from-$1 to=to-$2 pair=$1-$2
	[ -z "$MATRIX_MISSING" ] || skip "Debian's mirror cannot be reached for Docker 26 and 28"
	make_images "$from" "$pair"
	moves "$from" "$to" "m/$pair-flat:1" "$pair"
	moves "$from" "$to" "m/$pair:1" "$pair 1"
	push "$from" "$to" "$(name_on "$from" "m/$pair:1")"
	assert_at_most "$(result "$OUT" bytes_sent)" 16384 "bytes of a push of what is there"
	moves "$from" "$to" "m/$pair:2" "$pair 2"
	assert_at_most "$(result "$OUT" layers_skipped)" 2 "layers skipped"
	assert_at_least "$(result "$OUT" layers_skipped)" 2 "layers skipped"
	assert_at_most "$(result "$OUT" bytes_sent)" $(($(result "$OUT" bytes_total) / 8)) "bytes of a rebuilt layer"
}

# --- the pairs ---

# Without --full: each kind to the next one, and the two that keep no plain layers to themselves.
pairs() {
	local i j n=${#KINDS[@]}
	for ((i = 0; i < n; i++)); do
		for ((j = 0; j < n; j++)); do
			if [ -n "$FULL" ] || ((j == (i + 1) % n || (i == j && i >= 3))); then
				echo "${KINDS[i]} ${KINDS[j]}"
			fi
		done
	done
}

declare_kinds
start_engine third || exit 1
for kind in "${KINDS[@]}"; do
	[ -z "$MATRIX_MISSING" ] || continue
	start_engine "from-$kind" && start "to-$kind" || exit 1
done
number=0
while read -r from to; do
	label="images go from $from to $to"
	number=$((number + 1))
	! case_wanted "$label" "$@" || run_case "matrix/$label" moves_all "$from" "$to"
done < <(pairs)
run_cases matrix "$@"
