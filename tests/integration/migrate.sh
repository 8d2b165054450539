#!/bin/bash
# Containers on their way between two hosts, each with an engine, a bridge and published ports of its
# own: what arrives, what is refused, and what becomes of both copies when something breaks.
#
#   migrate.sh [WORD...]
#
# What arrives is looked at with a target of a newer kind, too: Docker 28 with containerd's image store.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

# Made outside the sandbox, which has no network.
if [ -z "${SANDBOX:-}" ]; then
	engine_root sid >/dev/null
	case $? in
	0) MIGRATE_MISSING= ;;
	"$ENGINE_NO_MIRROR") MIGRATE_MISSING=yes ;;
	*) exit 1 ;;
	esac
	export MIGRATE_MISSING
fi
dray_require
sandbox_enter "$@"

A=$SANDBOX/A
B=$SANDBOX/B
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
OUT=$SANDBOX/out
ADDRESS=$HOST_NET.2
IMAGE=t/app:1

after_failure() {
	echo "--- drayd's last lines:"
	tail -n 12 "$STATE.log"
}

a() {
	engine_docker "$A" "$@"
}

b() {
	engine_docker "$B" "$@"
}

# migrate ARGUMENT...: exit code, stdout in OUT, stderr in OUT.err
migrate() {
	DRAY_CONFIG_DIR=$CONFIG host_in a timeout -k 5 "$PUSH_TIMEOUT" "$DRAY" migrate \
		-H "$(engine_address "$A")" --json "$@" >"$OUT" 2>"$OUT.err"
}

migrated() {
	migrate "$@" --to b || fail "migrate $*: exit code $?: $(cat "$OUT.err")"
	assert_equal "$(result "$OUT" ok)" true "ok"
}

# refused CODE PATTERN ARGUMENT...
refused() {
	local wanted=$1 pattern=$2 code=0
	shift 2
	migrate "$@" || code=$?
	assert_equal "$code" "$wanted" "exit code ($(cat "$OUT.err"))"
	assert_equal "$(grep -c "^dray: " "$OUT.err")" 1 "lines of errors ($(cat "$OUT.err"))"
	assert_grep "$pattern" "$OUT.err"
}

running() {
	engine_docker "$1" inspect --format '{{.State.Running}}' "$2" 2>/dev/null
}

# assert_live HOST NAME: exactly that copy runs.
assert_live() {
	local other=A
	[ "$1" = A ] && other=B
	[ "$(running "$SANDBOX/$1" "$2")" = true ] || fail "$2 does not run on $1"
	[ "$(running "$SANDBOX/$other" "$2")" != true ] || fail "$2 runs on $other, too"
}

# What is in a volume, file by file.
volume_of() {
	local dir
	dir=$(engine_docker "$1" volume inspect --format '{{.Mountpoint}}' "$2")
	(
		cd "$dir" || exit
		find . -mindepth 1 -printf '%P %y %m %U:%G %s %T@ %l\n' | LC_ALL=C sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
		getfattr -R -d -m '^user\.|^security\.' . 2>/dev/null
	)
}

assert_same_volume() {
	assert_equal "$(volume_of "$B" "${2:-$1}")" "$(volume_of "$A" "$1")" "volume $1"
}

# Names, kinds and attributes of every sort.
odd_files() {
	local dir=$1
	mkdir -p "$dir/empty" "$dir/deep/er" "$dir/named"
	echo one >"$dir/one"
	ln "$dir/one" "$dir/hard link"
	ln -s ../one "$dir/deep/link"
	mkfifo "$dir/fifo"
	truncate -s 3M "$dir/sparse"
	echo end | dd of="$dir/sparse" bs=1 seek=2000000 conv=notrunc status=none
	head -c 300000 /dev/urandom >"$dir/deep/er/data"
	printf 'odd' >"$dir/named/"$'line\nbreak'
	chown 1234:5678 "$dir/one"
	chmod 4711 "$dir/deep/er/data"
	chmod 1777 "$dir/empty"
	setfattr -n user.note -v "a note" "$dir/deep/er/data" 2>/dev/null || true
	touch -d '2001-02-03 04:05:06.789' "$dir/deep/er/data" "$dir/deep"
}

# start_engines [OPTION...]: of the target's
start_engines() {
	host_engine a "$A" && host_engine b "$B" "$@" || return
	images_busybox "$A" "$IMAGE"
	receiver_run
	receiver_invite "$STATE" agent --address "$ADDRESS:$DRAY_PORT" --allow push,migrate |
		DRAY_CONFIG_DIR=$CONFIG host_in a timeout -k 5 20 "$DRAY" pair b >/dev/null
}

# drayd beside B, on its host.
receiver_run() {
	local pid i
	mkdir -p "$STATE"
	(host_exec b "$DRAYD" serve --state "$STATE" --listen "$ADDRESS:$DRAY_PORT" \
		-H "$(engine_address "$B")" >>"$STATE.log" 2>&1 </dev/null) &
	pid=$!
	disown
	echo "$pid" >"$STATE.pid"
	for ((i = 0; i < 100; i++)); do
		! host_in b ss -ltn "sport = :$DRAY_PORT" | grep -q LISTEN || return 0
		sleep 0.1
	done
	tail -n 5 "$STATE.log"
	return 1
}

# --- what arrives ---

# web: a bit of everything. Writes the time to a file of its own and to its volume.
make_web() {
	local name=web
	a network inspect app >/dev/null 2>&1 ||
		a network create --subnet 172.30.5.0/24 --label made=here app >/dev/null
	a volume create --label kind=data "$name-data" >/dev/null
	odd_files "$(a volume inspect --format '{{.Mountpoint}}' "$name-data")"
	a run -d --name "$name" --restart unless-stopped --network app --ip 172.30.5.10 \
		--network-alias front -p 8080:80 -e GREETING='hello  world' --label com.example.role=web \
		--memory 64m --cpus 0.5 --ulimit nofile=2048:4096 --cap-drop NET_RAW --tmpfs /scratch:size=1m \
		--add-host other:10.1.2.3 --dns 10.9.9.9 --stop-timeout 1 --init=false \
		--health-cmd 'test -f /data/started' --health-interval 1s --health-retries 3 \
		-v "$name-data:/data" -v /anonymous "$IMAGE" /bin/sh -c '
			[ -e /written ] || date >/written; echo kept >/anonymous/file; [ -e /data/started ] || touch /data/started
			mkdir -p /www; echo "$GREETING" >/www/index.html
			httpd -f -p 80 -h /www & wait' >/dev/null
	await 100 "$name is healthy" healthy "$A" "$name"
}

healthy() {
	[ "$(engine_docker "$1" inspect --format '{{.State.Health.Status}}' "$2")" = healthy ]
}

test_a_container_moves_with_all_that_it_is_made_of() {
	local anonymous field
	make_web
	anonymous=$(a inspect --format '{{range .Mounts}}{{if eq .Destination "/anonymous"}}{{.Name}}{{end}}{{end}}' web)
	a exec web /bin/sh -c 'echo changed >>/written'
	migrated web
	cat "$OUT" "$OUT.err"
	assert_equal "$(result "$OUT" kind)" container "kind"
	assert_equal "$(result "$OUT" live)" target "live"
	assert_equal "$(result "$OUT" mode)" layers "mode"
	assert_at_least "$(result "$OUT" downtime_ms)" 1 "downtime"
	assert_live B web
	assert_same_volume web-data
	for field in .Config.Env .Config.Labels .Config.Cmd .HostConfig.Memory .HostConfig.NanoCpus \
		.HostConfig.Ulimits .HostConfig.CapDrop .HostConfig.Tmpfs .HostConfig.ExtraHosts \
		.HostConfig.Dns .HostConfig.PortBindings .Config.Healthcheck .Config.StopTimeout \
		.NetworkSettings.Networks.app.IPAMConfig; do
		assert_equal "$(b inspect --format "{{json $field}}" web)" \
			"$(a inspect --format "{{json $field}}" web)" "$field"
	done
	assert_equal "$(b inspect --format '{{.HostConfig.RestartPolicy.Name}}' web)" unless-stopped "restart policy"
	assert_equal "$(a inspect --format '{{.HostConfig.RestartPolicy.Name}}' web)" no "the source's"
	assert_equal "$(b exec web tail -n 1 /written)" changed "what it wrote"
	assert_equal "$(b exec web cat /anonymous/file)" kept "its anonymous volume ($anonymous)"
	assert_equal "$(host_in a wget -q -T 20 -t 1 -O - "http://$ADDRESS:8080/")" "hello  world" "its published port"
	assert_equal "$(b network inspect --format '{{.Labels.made}}' app)" here "its network's label"
	assert_equal "$(b volume inspect --format '{{.Labels.kind}}' web-data)" data "its volume's label"
}

# plain NAME [OPTION...]: a container that only runs, with a volume.
plain() {
	local name=$1
	shift
	a volume create "$name-data" >/dev/null
	a run -d --name "$name" --restart always --stop-timeout 1 -v "$name-data:/data" "$@" "$IMAGE" \
		/bin/sh -c 'echo "$(hostname)" >>/data/log; trap exit TERM; while :; do sleep 0.1; done' >/dev/null
	await 50 "$name has begun" [ -s "$(a volume inspect --format '{{.Mountpoint}}' "$name-data")/log" ]
}

# Images without a name and without a container.
unused() {
	local id
	for id in $(engine_docker "$1" images -q --no-trunc --filter dangling=true); do
		[ -n "$(engine_docker "$1" ps -aq --no-trunc --filter "ancestor=$id")" ] || echo "$id"
	done
}

# assert_nothing_left NAME: on B, of a migration that came to nothing.
assert_nothing_left() {
	local left
	left=$(b ps -aq --filter "name=^$1\$"; b volume ls -q --filter "name=^$1-data\$")
	assert_equal "$left" "" "what is left on the target"
	assert_equal "$(unused "$B")" "" "images on the target that nobody uses"
	assert_equal "$(unused "$A")" "" "images at the source that nobody uses"
}

test_a_container_without_the_grant_for_what_it_needs_is_refused() {
	a run -d --name bound -v /etc:/host:ro "$IMAGE" sleep 1000 >/dev/null
	refused 5 'bind' bound --to b
	assert_live A bound
	assert_nothing_left bound
}

test_a_key_that_may_only_push_is_refused() {
	local config=$SANDBOX/config-push
	receiver_invite "$STATE" pusher --address "$ADDRESS:$DRAY_PORT" --allow push |
		DRAY_CONFIG_DIR=$config host_in a timeout -k 5 20 "$DRAY" pair b >/dev/null
	plain pushed
	CONFIG=$config refused 5 'migrate' pushed --to b
	assert_live A pushed
}

test_what_is_not_there_is_told_with_its_own_code() {
	refused 4 'no container nobody' nobody --to b
	refused 2 'nowhere' web --to nowhere
	refused 4 'nothing to resume' --resume web
	refused 2 'exclude' --resume web --undo web
}

test_an_existing_volume_is_not_overwritten_unasked() {
	local there
	plain taken
	b volume create taken-data >/dev/null
	there=$(b volume inspect --format '{{.Mountpoint}}' taken-data)
	echo precious >"$there/mine"
	refused 1 'taken-data with something in it' taken --to b
	assert_live A taken
	assert_equal "$(cat "$there/mine")" precious "what was there"
	migrated taken --overwrite
	assert_live B taken
	[ ! -e "$there/mine" ] || fail "what was to be replaced is still there"
}

test_a_name_that_is_taken_is_refused_and_another_one_helps() {
	plain named
	b create --name named busybox:none >/dev/null 2>&1 || b create --name named "$IMAGE" true >/dev/null
	refused 1 'container named named already' named --to b
	assert_live A named
	migrated named --name renamed
	assert_equal "$(running "$B" renamed)" true "the other one runs"
	assert_equal "$(running "$A" named)" false "the source runs"
	assert_equal "$(result "$OUT" as)" renamed "as"
}

test_a_copy_that_does_not_come_up_brings_the_source_back() {
	a volume create sick-data >/dev/null
	a run -d --name sick --restart always --stop-timeout 1 -v sick-data:/data "$IMAGE" /bin/sh -c '
		[ ! -e /data/ran ] || exit 3; touch /data/ran; while :; do sleep 0.1; done' >/dev/null
	await 50 "it runs" [ -e "$(a volume inspect --format '{{.Mountpoint}}' sick-data)/ran" ]
	refused 1 'exit code 3' sick --to b --health-timeout 5
	assert_equal "$(b ps -q --filter name=sick)" "" "copies that run on the target"
	assert_equal "$(a inspect --format '{{.HostConfig.RestartPolicy.Name}}' sick)" always "restart policy"
	assert_grep '"live":"source"' "$OUT"
	assert_nothing_left sick
}

test_keep_leaves_the_source_running() {
	plain kept
	migrated kept --keep
	assert_equal "$(running "$A" kept)" true "the source"
	assert_equal "$(running "$B" kept)" true "the copy"
	assert_equal "$(result "$OUT" downtime_ms)" 0 "downtime"
	assert_equal "$(result "$OUT" live)" both "live"
}

test_no_start_makes_it_and_leaves_it() {
	plain cold
	migrated cold --no-start
	assert_equal "$(b inspect --format '{{.State.Status}}' cold)" created "the copy"
	assert_equal "$(running "$A" cold)" false "the source runs"
	assert_equal "$(result "$OUT" live)" none "live"
	assert_equal "$(b inspect --format '{{.HostConfig.RestartPolicy.Name}}' cold)" always "restart policy"
}

test_a_plan_says_what_would_change_and_touches_nothing() {
	plain planned
	DRAY_CONFIG_DIR=$CONFIG host_in a timeout 60 "$DRAY" plan migrate planned --to b \
		-H "$(engine_address "$A")" >"$OUT" 2>"$OUT.err"
	cat "$OUT" "$OUT.err"
	assert_grep 'planned -> b: nothing stands in the way, 1 volume' "$OUT"
	assert_live A planned
	assert_nothing_left planned
	assert_equal "$(ls "$STATE/migrations")" "" "what the target remembers"
}

test_bind_mounts_go_where_they_are_mapped_with_what_they_hold() {
	local config=$SANDBOX/config-bind from=$SANDBOX/srv to=$SANDBOX/elsewhere
	receiver_invite "$STATE" binder --address "$ADDRESS:$DRAY_PORT" --allow push,migrate,bind |
		DRAY_CONFIG_DIR=$config host_in a timeout -k 5 20 "$DRAY" pair b >/dev/null
	odd_files "$from/site"
	a run -d --name site --stop-timeout 1 -v "$from/site:/site:ro" "$IMAGE" sleep 1000 >/dev/null
	mkdir -p "$to/site"
	echo precious >"$to/site/mine"
	CONFIG=$config refused 1 'something in .*elsewhere/site' site --to b --binds --map "$from=$to"
	rm "$to/site/mine"
	CONFIG=$config migrated site --binds --map "$from=$to" --live
	assert_live B site
	assert_equal "$(b inspect --format '{{(index .Mounts 0).Source}} {{(index .Mounts 0).RW}}' site)" \
		"$to/site false" "where it is bound from"
	assert_equal "$(cd "$to/site" && tar -c --sort=name --numeric-owner . | md5sum)" \
		"$(cd "$from/site" && tar -c --sort=name --numeric-owner . | md5sum)" "what it holds"
}

# --- --mode flat ---

# Every file that the container sees, without what an engine puts there itself.
seen_by() {
	# shellcheck disable=SC2016 # for the container's shell
	engine_docker "$1" exec "$2" /bin/sh -c '
		list() {
			find / -xdev "$@" ! -path / ! -path "/etc/host*" ! -path /etc/resolv.conf ! -path /etc/mtab \
				! -path /etc ! -path /dev ! -path "/dev/*" ! -path /proc ! -path /sys ! -path /data \
				! -path /.dockerenv | sort | tr "\n" "\0"
		}
		list | xargs -0 stat -c "%N %F %a %u:%g %s %Y"
		list -type f | xargs -0 sha256sum'
}

test_flat_and_layers_bring_the_same_files_and_settings() {
	local before
	a volume create flat-data >/dev/null
	a run -d --name flat --stop-timeout 1 -e MORE=1 -v flat-data:/data "$IMAGE" /bin/sh -c '
		[ -e /made ] || { echo made >/made; rm /bin/vi; ln /made /again; mkdir -p /x/y; }
		trap exit TERM; while :; do sleep 0.1; done' >/dev/null
	sleep 1
	before=$(seen_by "$A" flat)
	migrated flat --mode flat
	assert_equal "$(result "$OUT" mode)" flat "mode"
	assert_equal "$(result "$OUT" layers)" 1 "layers"
	assert_equal "$(seen_by "$B" flat)" "$before" "what it sees"
	! grep -q '"outcome":"not carried"' "$OUT" || fail "not all was carried: $(tail -n 1 "$OUT")"
	a start flat >/dev/null
	b rm -f flat >/dev/null
	b volume rm flat-data >/dev/null
	migrated flat --mode layers
	assert_equal "$(seen_by "$B" flat)" "$before" "what it sees in layers"
	assert_equal "$(unused "$A")" "" "images at the source that nobody uses"
}

# --- --live ---

# writer NAME: appends numbers to its volume and to its own files, and says each when it is on disk.
writer() {
	local dir
	a volume create "$1-data" >/dev/null
	dir=$(a volume inspect --format '{{.Mountpoint}}' "$1-data")
	images_binary "$dir/ballast" 60
	a run -d --name "$1" --restart always --stop-timeout 2 -v "$1-data:/data" "$IMAGE" /bin/sh -c '
		trap "exit 0" TERM
		n=$(tail -n 1 /data/log 2>/dev/null || echo 0)
		while :; do
			n=$((n + 1)); echo $n >>/data/log; echo $n >>/own; sync; echo "wrote $n"
		done' >/dev/null
	await 200 "$1 writes" has_lines 20 "$dir/log"
}

has_lines() {
	[ "$(wc -l 2>/dev/null <"$2" || echo 0)" -ge "$1" ]
}

assert_nothing_lost() {
	local name=$1 last to
	last=$(a logs "$name" 2>/dev/null | sed -n 's/^wrote //p' | tail -n 1)
	to=$(b volume inspect --format '{{.Mountpoint}}' "$name-data")/log
	echo "the last write that was acknowledged: $last"
	assert_at_least "$last" 10 "writes"
	assert_equal "$(head -n "$last" "$to" | md5sum)" "$(seq "$last" | md5sum)" "what was acknowledged"
	b exec "$name" cat /own >"$SANDBOX/own"
	assert_equal "$(head -n "$last" "$SANDBOX/own" | md5sum)" "$(seq "$last" | md5sum)" "its own file"
}

test_live_loses_no_write_that_was_acknowledged_and_is_down_for_less() {
	local live before
	writer plainly
	migrated plainly
	assert_nothing_lost plainly
	echo "without --live: down for $(result "$OUT" downtime_ms) ms"
	b rm -f plainly >/dev/null
	before=$(unused "$B") # its image
	writer lively
	migrated lively --live
	assert_nothing_lost lively
	assert_live B lively
	live=$(result "$OUT" downtime_ms)
	echo "with --live: down for $live ms"
	assert_equal "$(unused "$B")" "$before" "images on the target that nobody uses"
	assert_equal "$(unused "$A")" "" "images at the source that nobody uses"
	grep -q '"files_read":[0-3],' "$OUT" || fail "the last round read everything again: $(tail -n 1 "$OUT")"
}

# --- kills ---

phase_seen() {
	grep -q "\"phase\":\"$1\"" "$OUT" 2>/dev/null
}

over() {
	[ ! -d "/proc/$1" ]
}

# kill_at PHASE WHAT CONTAINER...: kills agent, engine-process, net-process or dockerd when the agent
# says that this phase has begun. The agent's code in CODE.
kill_at() {
	local phase=$1 what=$2 pid
	shift 2
	: >"$OUT"
	(DRAY_CONFIG_DIR=$CONFIG host_exec a "$DRAY" migrate -H "$(engine_address "$A")" --json \
		--health-timeout 20 "$@" >"$OUT" 2>"$OUT.err") &
	pid=$!
	await 300 "phase $phase" phase_seen "$phase"
	case $what in
	agent) kill -KILL "$pid" ;;
	dockerd)
		engine_kill "$B"
		host_engine b "$B"
		;;
	*) pkill -KILL -P "$(cat "$STATE.pid")" -f "$what" ;;
	esac
	CODE=0
	wait "$pid" || CODE=$?
}

# Whatever happened: one copy is live, and after --resume or --undo it is the one that was asked for.
settle() {
	local name=$1 how=$2
	if [ -e "$CONFIG/migrations/$name.json" ]; then
		migrate "--$how" "$name" || fail "--$how: code $?: $(cat "$OUT.err")"
	fi
	[ ! -e "$CONFIG/migrations/$name.json" ] || fail "the journal is still there"
}

kill_and_settle() {
	local what=$1 phase=$2 how=$3 name=$4
	echo "--- $what is killed at '$phase', then --$how"
	plain "$name"
	kill_at "$phase" "$what" "$name" --to b
	echo "code $CODE: $(tail -n 2 "$OUT.err")"
	[ "$(running "$A" "$name")" != true ] || [ "$(running "$B" "$name")" != true ] || fail "two live copies"
	[ "$CODE" = 0 ] || settle "$name" "$how"
	if [ "$CODE" = 0 ] || [ "$how" = resume ]; then
		assert_live B "$name"
		assert_same_log "$name"
	else
		assert_live A "$name"
		assert_equal "$(a inspect --format '{{.HostConfig.RestartPolicy.Name}}' "$name")" always "its policy"
	fi
	b rm -f "$name" >/dev/null 2>&1 || true
	a rm -f "$name" >/dev/null
}

# What the source wrote is there, and the copy's own line behind it.
assert_same_log() {
	local from to
	from=$(a volume inspect --format '{{.Mountpoint}}' "$1-data")/log
	to=$(b volume inspect --format '{{.Mountpoint}}' "$1-data")/log
	assert_equal "$(head -n "$(wc -l <"$from")" "$to")" "$(cat "$from")" "what the source wrote"
}

test_an_agent_that_is_killed_at_any_step_can_go_on_or_back() {
	local phase how n=0
	for phase in stopping committing 'sending the image' 'sending volumes' preparing starting; do
		for how in resume undo; do
			kill_and_settle agent "$phase" "$how" "agent$((n++))"
		done
	done
}

test_an_engine_process_that_is_killed_at_any_step_costs_no_copy() {
	local phase n=0
	for phase in committing 'sending the image' 'sending volumes' preparing starting; do
		kill_and_settle engine-process "$phase" resume "engine$((n++))"
		kill_and_settle net-process "$phase" undo "net$((n++))"
	done
}

test_an_engine_that_is_killed_at_any_step_costs_no_copy() {
	local phase n=0
	for phase in 'sending the image' preparing starting; do
		kill_and_settle dockerd "$phase" resume "docker$((n++))"
	done
}

host_make a 1
host_make b 2
start_engines || {
	tail -n 5 "$A/log" "$B/log" "$STATE.log"
	exit 1
}
run_cases migrate "$@"

# --- to an engine of another kind ---

# Both hosts have nothing, and the target's engine is another one from here on.
newer_target() {
	receiver_stop "$STATE"
	engine_remove "$A"
	engine_remove "$B"
	rm -rf "$STATE" "$CONFIG"
	host_remove a
	host_remove b
	host_make a 1
	host_make b 2
	start_engines --store containerd
}

to_newer() {
	[ -z "$MIGRATE_MISSING" ] || skip "Debian's mirror cannot be reached for Docker 28"
	"$1"
}

NEWER=(test_a_container_moves_with_all_that_it_is_made_of
	test_flat_and_layers_bring_the_same_files_and_settings
	test_live_loses_no_write_that_was_acknowledged_and_is_down_for_less)
[ -n "$MIGRATE_MISSING" ] || newer_target || exit 1
for function in "${NEWER[@]}"; do
	label="to containerds image store $(sentence "$function")"
	! case_wanted "$label" "$@" || run_case "migrate/$label" to_newer "$function"
done
[ "${cases_failed:-0}" = 0 ] || exit 1
