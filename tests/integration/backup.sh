#!/bin/bash
# Backups: what goes into a receiver's store, what of it is listed for whom, and what comes back out
# of it, in another engine and in a plain archive.
#
#   backup.sh [WORD...]
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config   # of the host that backs up
OTHER=$SANDBOX/other     # of another key in the same group
STRANGER=$SANDBOX/stranger # of a key of its own
OUT=$SANDBOX/out

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 12 "$STATE.log"
}

# run CONFIG ARGUMENT...: stdout in OUT, stderr in OUT.err
run() {
	local config=$1
	shift
	DRAY_CONFIG_DIR=$config timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" "$@" >"$OUT" 2>"$OUT.err"
}

# done_by CONFIG ARGUMENT...: and it must succeed
done_by() {
	run "$@" || fail "${*:2}: exit code $?: $(cat "$OUT.err")"
}

# refused CODE PATTERN CONFIG ARGUMENT...
refused() {
	local wanted=$1 pattern=$2 code=0
	shift 2
	run "$@" || code=$?
	assert_equal "$code" "$wanted" "exit code of ${*:2} ($(cat "$OUT.err"))"
	assert_equal "$(grep -c "^dray: " "$OUT.err")" 1 "lines of errors ($(cat "$OUT.err"))"
	assert_grep "$pattern" "$OUT.err"
}

# backup NAME [ARGUMENT...]: the volume of A; the result is in OUT.
backup() {
	local name=$1
	shift
	done_by "$CONFIG" backup "volume:$name" --to vault -H "$(engine_address "$A")" --json "$@"
	assert_equal "$(result "$OUT" ok)" true "ok"
}

# restore CONFIG ENGINE SNAPSHOT [ARGUMENT...]
restore() {
	local config=$1 engine=$2
	shift 2
	done_by "$config" restore "$@" --from vault -H "$(engine_address "$engine")" --json
	assert_equal "$(result "$OUT" ok)" true "ok"
}

volume_dir() {
	engine_docker "$1" volume inspect --format '{{.Mountpoint}}' "$2"
}

# What is in a directory, file by file.
contents() {
	(
		cd "$1" || exit
		find . -mindepth 1 -printf '%P %y %m %U:%G %s %T@ %n %l\n' | LC_ALL=C sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
		getfattr -R -d -m '^user\.|^security\.' . 2>/dev/null
	)
}

assert_same_tree() {
	assert_equal "$(contents "$2")" "$(contents "$1")" "$3"
}

# make_volume NAME MEGABYTES: files of every sort, and one that is large.
make_volume() {
	local dir
	engine_docker "$A" volume create --label kind=data "$1" >/dev/null
	dir=$(volume_dir "$A" "$1")
	mkdir -p "$dir/empty" "$dir/deep/er"
	echo one >"$dir/one"
	ln "$dir/one" "$dir/hard link"
	ln -s ../one "$dir/deep/link"
	mkfifo "$dir/fifo"
	truncate -s 3M "$dir/sparse"
	echo end | dd of="$dir/sparse" bs=1 seek=2000000 conv=notrunc status=none
	printf odd >"$dir/deep/"$'line\nbreak'
	head -c "$2M" /dev/urandom >"$dir/deep/er/data"
	for i in $(seq 200); do echo "file $i" | head -c $((i * 3)) >"$dir/empty/$i"; done
	chown 1234:5678 "$dir/one"
	chmod 4711 "$dir/deep/er/data"
	setfattr -n user.note -v "a note" "$dir/one" 2>/dev/null || true
	touch -d '2001-02-03 04:05:06.789' "$dir/deep/er/data" "$dir/deep"
}

# pair CONFIG KEY [OPTION...]
pair() {
	local config=$1 key=$2
	shift 2
	receiver_invite "$STATE" "$key" "$@" |
		DRAY_CONFIG_DIR=$config timeout -k 5 20 "$DRAY" pair vault >/dev/null ||
		fail "pairing $key"
}

snapshots_of() {
	done_by "$1" snapshots --from vault --json "${@:2}"
	grep '"event":"snapshot"' "$OUT" || true
}

# --- cases ---

test_a_volume_comes_back_elsewhere_as_it_was() {
	make_volume whole 20
	backup whole
	assert_equal "$(result "$OUT" kind)" volume "kind"
	restore "$OTHER" "$B" whole
	assert_same_tree "$(volume_dir "$A" whole)" "$(volume_dir "$B" whole)" "the volume"
	assert_equal "$(engine_docker "$B" volume inspect --format '{{.Labels.kind}}' whole)" data "its label"
}

test_a_second_backup_reads_and_keeps_only_what_changed() {
	local dir
	make_volume twice 30
	sleep 2.5 # a file that has just changed may change again unseen: it is read once more
	backup twice
	dir=$(volume_dir "$A" twice)
	# 1 % of the bytes in a file beside the large one.
	head -c 300000 /dev/urandom >"$dir/deep/changed"
	rm "$dir/empty/7"
	backup twice
	[ "$(result "$OUT" bytes_read)" -lt 1000000 ] || fail "read $(result "$OUT" bytes_read) bytes"
	[ "$(result "$OUT" bytes_sent)" -lt 1000000 ] || fail "sent $(result "$OUT" bytes_sent) bytes"
	[ "$(result "$OUT" bytes_new)" -lt 1000000 ] || fail "kept $(result "$OUT" bytes_new) new bytes"
	[ "$(result "$OUT" bytes_total)" -gt 30000000 ] || fail "of $(result "$OUT" bytes_total) in all"
	restore "$OTHER" "$B" twice@latest
	assert_same_tree "$dir" "$(volume_dir "$B" twice)" "the newer one"
}

test_an_older_snapshot_replaces_what_a_volume_holds_only_when_told_to() {
	local dir id
	make_volume older 2
	dir=$(volume_dir "$A" older)
	cp -a "$dir" "$SANDBOX/older.was"
	backup older
	id=$(result "$OUT" id)
	echo changed >"$dir/one"
	echo new >"$dir/new"
	backup older
	refused 5 'holds something .--overwrite' "$CONFIG" restore "${id:0:12}" --from vault -H "$(engine_address "$A")"
	assert_equal "$(cat "$dir/new")" new "what it held"
	restore "$CONFIG" "$A" "${id:0:12}" --overwrite
	assert_same_tree "$SANDBOX/older.was" "$dir" "the older one"
}

test_an_archive_is_a_plain_tar() {
	make_volume plain 3
	backup plain
	done_by "$CONFIG" restore plain --from vault --to-archive "$SANDBOX/plain.tar"
	mkdir "$SANDBOX/plain"
	tar -C "$SANDBOX/plain" --xattrs --xattrs-include='user.*' -xpf "$SANDBOX/plain.tar"
	assert_same_tree "$(volume_dir "$A" plain)" "$SANDBOX/plain" "what tar makes of it"
	refused 5 'is there already' "$CONFIG" restore plain --from vault --to-archive "$SANDBOX/plain.tar"
	assert_equal "$(find "$SANDBOX" -maxdepth 1 -name 'plain.tar.dray-*')" "" "temporaries"
}

test_another_name_makes_another_volume() {
	make_volume named 1
	backup named
	restore "$CONFIG" "$A" named --name named-copy
	assert_same_tree "$(volume_dir "$A" named)" "$(volume_dir "$A" named-copy)" "the copy"
}

test_the_list_says_what_there_is_and_filters() {
	local host
	make_volume listed 1
	backup listed
	host=$(result "$OUT" host)
	assert_equal "$(snapshots_of "$CONFIG" --name listed | wc -l)" 1 "of that name"
	assert_equal "$(snapshots_of "$CONFIG" --name listed --host "$host" --kind volume | wc -l)" 1 "of that host and kind"
	assert_equal "$(snapshots_of "$CONFIG" --name listed --kind image | wc -l)" 0 "of another kind"
	assert_equal "$(snapshots_of "$CONFIG" --host nobody | wc -l)" 0 "of another host"
	done_by "$CONFIG" snapshots --from vault
	assert_grep 'volume  *listed' "$OUT"
}

test_a_key_of_another_domain_sees_nothing() {
	local id
	make_volume secret 1
	backup secret
	id=$(result "$OUT" id)
	assert_equal "$(snapshots_of "$STRANGER" | wc -l)" 0 "what a stranger sees"
	refused 4 'snapshot' "$STRANGER" restore "$id" --from vault --to-archive "$SANDBOX/stolen.tar"
	[ ! -e "$SANDBOX/stolen.tar" ] || fail "an archive was made"
}

test_a_key_without_the_grant_is_refused() {
	local none=$SANDBOX/none
	make_volume granted 1
	pair "$none" none --allow push
	refused 5 'does not let this key add backups' "$none" backup volume:granted --to vault -H "$(engine_address "$A")"
	refused 5 'does not let this key read backups' "$none" snapshots --from vault
	refused 5 'does not let this key read backups' "$none" restore granted --from vault --to-archive "$OUT.tar"
}

test_forget_drops_what_no_rule_keeps_and_only_this_keys() {
	local last
	make_volume old 1
	for i in 1 2 3; do
		echo "$i" >"$(volume_dir "$A" old)/one"
		backup old
	done
	last=$(result "$OUT" id)
	done_by "$OTHER" backup volume:old --to vault -H "$(engine_address "$A")"
	refused 2 'what to keep' "$CONFIG" forget --from vault --name old
	refused 5 'does not let this key forget' "$OTHER" forget --from vault --name old --keep-last 1
	done_by "$CONFIG" forget --from vault --name old --keep-last 1 --dry-run
	assert_grep '2 would be forgotten, 1 kept' "$OUT"
	assert_equal "$(snapshots_of "$CONFIG" --name old | wc -l)" 4 "after a dry run"
	done_by "$CONFIG" forget --from vault --name old --keep-last 1 --json
	assert_grep '"forgotten":2' "$OUT"
	assert_equal "$(snapshots_of "$CONFIG" --name old | grep -c "$last")" 1 "the last one"
	assert_equal "$(snapshots_of "$CONFIG" --name old | wc -l)" 2 "with the other key's"
}

test_what_is_ambiguous_lists_the_choices() {
	make_volume same 1
	backup same
	DRAY_CONFIG_DIR=$OTHER unshare --uts sh -c 'hostname elsewhere; exec "$@"' sh "$DRAY" backup volume:same \
		--to vault -H "$(engine_address "$A")" >/dev/null 2>"$OUT.err" || fail "$(cat "$OUT.err")"
	refused 2 'could be .*elsewhere/volume:same' "$CONFIG" restore same --from vault --to-archive "$OUT.tar"
	done_by "$CONFIG" restore elsewhere/same --from vault --to-archive "$OUT.tar"
}

test_bad_input_is_told_in_one_line() {
	refused 2 'backup: of what' "$CONFIG" backup --to vault
	refused 2 'where to' "$CONFIG" backup volume:x
	refused 2 'no target nowhere' "$CONFIG" backup volume:x --to nowhere
	refused 4 'no such volume' "$CONFIG" backup volume:nothing --to vault -H "$(engine_address "$A")"
	refused 2 'which one' "$CONFIG" restore --from vault
	refused 4 'nothing' "$CONFIG" restore nothing --from vault
	refused 2 'where from' "$CONFIG" snapshots
}

test_one_volume_that_is_not_there_does_not_stop_the_others() {
	make_volume there 1
	local code=0
	run "$CONFIG" backup volume:nothing volume:there --to vault -H "$(engine_address "$A")" || code=$?
	assert_equal "$code" 3 "exit code"
	assert_equal "$(snapshots_of "$CONFIG" --name there | wc -l)" 1 "snapshots of the other"
}

test_a_receiver_that_is_killed_during_a_backup_loses_nothing() {
	local dir pid i
	make_volume killed 60
	dir=$(volume_dir "$A" killed)
	for i in 1 2 3; do
		head -c 20M /dev/urandom >"$dir/part$i"
		DRAY_CONFIG_DIR=$CONFIG timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" backup volume:killed --to vault \
			-H "$(engine_address "$A")" --limit-rate 40M >"$OUT" 2>"$OUT.err" &
		pid=$!
		sleep "0.$((i * 3))"
		receiver_kill "$STATE"
		receiver_start "$STATE" "$B"
		wait "$pid" || fail "the backup: $(cat "$OUT.err")"
	done
	restore "$OTHER" "$B" killed
	assert_same_tree "$dir" "$(volume_dir "$B" killed)" "the volume"
	"$DRAYD" check --read-data --state "$STATE" >"$OUT" 2>&1 || fail "check: $(tail -n 5 "$OUT")"
}

test_damage_in_the_store_is_found_and_leaves_no_volume() {
	local pack
	make_volume damaged 5
	backup damaged
	pack=$(find "$STATE/domains/ours/packs" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
	receiver_stop "$STATE"
	# Before the last bytes, which are lists: in the large file, which is random.
	dd if=/dev/urandom of="$pack" bs=1 count=64 seek=$(($(stat -c %s "$pack") - 2000000)) conv=notrunc status=none
	receiver_start "$STATE" "$B"
	refused 7 'damaged' "$OTHER" restore damaged --from vault -H "$(engine_address "$B")"
	! engine_docker "$B" volume inspect damaged >/dev/null 2>&1 || fail "a volume was left"
	backup damaged --reread
	restore "$OTHER" "$B" damaged
	assert_same_tree "$(volume_dir "$A" damaged)" "$(volume_dir "$B" damaged)" "the healed volume"
}

engine_start "$A" && engine_start "$B" && receiver_start "$STATE" "$B" || {
	tail -n 5 "$A/log" "$B/log" "$STATE.log"
	exit 1
}
pair "$CONFIG" ours --group ours --allow backup,restore,forget
pair "$OTHER" ours-too --group ours
pair "$STRANGER" stranger
run_cases backup "$@"
