#!/bin/bash
# Containers as cargo between engines of different versions: every field that inspect shows is known, and
# what is made of a manifest on another engine is the same container again.
#
#   container_fields.sh [--record DIR | WORD...]
#
# --record: writes what the engines answered into DIR, for the unit tests (tests/unit/cargo/answers/).
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"

# Made outside the sandbox, which has no network.
if [ -z "${SANDBOX:-}" ]; then
	ENGINES_MISSING=
	for suite in trixie sid; do
		engine_root "$suite" >/dev/null
		case $? in
		0) ;;
		"$ENGINE_NO_MIRROR") ENGINES_MISSING+=" $suite" ;;
		*) exit 1 ;;
		esac
	done
	export ENGINES_MISSING
fi
sandbox_enter "$@"

BUILD=$(realpath "${DRAY_BUILD:-build-ci}")
TOOL=$BUILD/tests/support/container_tool
HAND=$SUPPORT/container_hand
# Containers are made on the first three and moved to the last two.
declare -A SUITE_OF=([old]='' [mid]=trixie [new]=sid [old2]='' [new2]=sid)
SOURCES=(old mid new)
TARGETS=(old2 new2)

engine_of() {
	echo "$SANDBOX/$1"
}

on() {
	local name=$1
	shift
	engine_docker "$(engine_of "$name")" "$@"
}

there() {
	[[ " $ENGINES_MISSING " != *" ${SUITE_OF[$1]:-none} "* ]]
}

need() {
	local name
	for name; do
		there "$name" || skip "Debian's mirror cannot be reached for ${SUITE_OF[$name]}"
	done
}

# --- containers that have everything, the same on each engine ---

CONTAINERS=(plain rich linked shares wide host unmasked once reset)

make_image() {
	local engine
	engine=$(engine_of "$1")
	images_busybox "$engine" t/busybox:1
	mkdir -p "$SANDBOX/context"
	cat >"$SANDBOX/context/Dockerfile" <<-'END'
		FROM t/busybox:1
		ENV BASE=1 KEEP=2
		LABEL image=yes both=image
		VOLUME /image-volume
		EXPOSE 9/udp
		USER 0
		WORKDIR /tmp
		STOPSIGNAL TERM
		HEALTHCHECK CMD true
		SHELL ["/bin/sh", "-ec"]
		ENTRYPOINT ["/bin/busybox"]
		CMD ["true"]
	END
	images_build "$engine" t/base:1 "$SANDBOX/context"
	mkdir -p "$engine/bind"
}

make_containers() {
	local name=$1
	make_places "$name"
	on "$name" run -d --name plain t/base:1 sleep 1000
	make_rich "$name"
	# The old way: an anonymous volume, links, what another one mounts.
	on "$name" run -d --name linked --link plain:alias -v /anonymous --mac-address 02:42:ac:11:00:99 \
		-p 127.0.0.1:8080:80 -p 90-92:90-92/udp --volumes-from plain t/base:1 sleep 1000
	on "$name" run -d --name shares --network container:plain --pid container:plain --ipc private \
		t/base:1 sleep 1000
	make_wide "$name"
	on "$name" create --name host --network host --pid host --uts host --ipc host --privileged \
		--userns host --security-opt seccomp=unconfined t/base:1 sleep 1000
	on "$name" create --name unmasked --network none --security-opt systempaths=unconfined \
		--entrypoint /bin/sleep t/base:1 1000
	on "$name" create --name once --rm --publish-all --cpu-period 50000 --cpu-quota 20000 \
		--cap-add ALL t/base:1 true
	# The image's entrypoint is taken away, its health check and command, too.
	on "$name" create --name reset --entrypoint '' --no-healthcheck --env KEEP= t/base:1 sleep 9
}

make_places() {
	local name=$1
	on "$name" network create --subnet 10.77.0.0/24 --gateway 10.77.0.9 --ip-range 10.77.0.128/25 \
		--aux-address other=10.77.0.5 --label net=1 --attachable \
		--opt com.docker.network.bridge.name=app0 app-net
	on "$name" network create --internal --ipv6 --subnet fd00:77::/64 --subnet 10.78.0.0/24 internal-net
	on "$name" volume create --label volume=1 data
	on "$name" volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=1m memory
}

make_rich() {
	local name=$1
	on "$name" create --name rich --network app-net --ip 10.77.0.200 --network-alias first --hostname rich-host \
		--domainname example --env A=1 --env KEEP=9 --env EMPTY= --env PASSWORD=do-not-show --label own=2 \
		--label both=container --label com.docker.compose.project=p --user 1:2 --workdir /w \
		--entrypoint /bin/sleep --tty --interactive --expose 77 --attach stdout --attach stdin \
		-v data:/data:ro,nocopy -v memory:/memory -v "$(engine_of "$name")/bind:/bind:rprivate" -v /anonymous \
		--mount type=volume,dst=/anonymous2 \
		--mount type=volume,src=data,dst=/data2,volume-nocopy,readonly,volume-label=x=y \
		--mount type=bind,src=/usr,dst=/bind2,readonly,bind-propagation=rprivate \
		--mount type=tmpfs,dst=/tmpfs,tmpfs-size=1m,tmpfs-mode=0700 --tmpfs /tmpfs2:size=65536k,exec \
		--cap-add NET_ADMIN --cap-add CAP_SYS_PTRACE --cap-drop MKNOD --memory 64m --memory-reservation 32m \
		--memory-swap 128m --cpus 0.5 --cpu-shares 100 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 50 \
		--ulimit nofile=100:200 --ulimit core=0 --shm-size 32m --sysctl net.ipv4.ip_forward=1 \
		--restart on-failure:3 --log-driver json-file --log-opt max-size=1m --health-cmd true \
		--health-interval 5s --health-timeout 2s --health-retries 2 --health-start-period 1s \
		--stop-signal INT --stop-timeout 7 --init --read-only --add-host h:1.2.3.4 --dns 9.9.9.9 \
		--dns-search s.example --dns-option ndots:2 --security-opt no-new-privileges --group-add 44 \
		--group-add 33 --oom-score-adj 100 --device /dev/null:/dev/null2:rw \
		--device-cgroup-rule 'c 1:3 r' --ipc shareable --publish 81:81 t/base:1 1000
	on "$name" network connect --alias second --link plain:linked --ip6 fd00:77::99 internal-net rich
}

# What the client has no words for.
make_wide() {
	local name=$1
	cat >"$SANDBOX/wide.json" <<-'END'
		{"Image": "t/base:1", "Cmd": ["sleep", "1000"], "StdinOnce": true, "AttachStderr": true,
		"ArgsEscaped": true, "NetworkDisabled": true, "Shell": ["/bin/sh", "-c"], "StopTimeout": 0,
		"HostConfig": {"NetworkMode": "none", "VolumeDriver": "local", "CgroupnsMode": "private",
		"OomKillDisable": true, "MemorySwappiness": 0, "Memory": 67108864, "Init": false,
		"CgroupParent": "/dray-wide", "Runtime": "io.containerd.runc.v2", "IpcMode": "none",
		"BlkioWeight": 300, "BlkioWeightDevice": [{"Path": "/dev/zero", "Weight": 200}],
		"BlkioDeviceReadBps": [{"Path": "/dev/zero", "Rate": 1000}],
		"BlkioDeviceWriteBps": [{"Path": "/dev/zero", "Rate": 1000}],
		"BlkioDeviceReadIOps": [{"Path": "/dev/zero", "Rate": 1000}],
		"BlkioDeviceWriteIOps": [{"Path": "/dev/zero", "Rate": 1000}],
		"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]], "Options": {}}],
		"MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"],
		"Annotations": {"org.example.note": "yes"}, "KernelMemoryTCP": 8388608}}
	END
	"$HAND" call "$(engine_of "$name")" POST '/containers/create?name=wide' "$SANDBOX/wide.json"
}

# --- the way from one engine to another ---

# gather ENGINE CONTAINER: its answers and manifest are in $SANDBOX/ENGINE.CONTAINER
gather() {
	local dir=$SANDBOX/$1.$2
	rm -rf "$dir"
	"$HAND" gather "$(engine_of "$1")" "$2" "$dir" "$TOOL"
	"$TOOL" build "$dir" >"$dir/manifest.json"
}

# move FROM TO CONTAINER [OPTION...]: makes it there; the report is in $SANDBOX/report.json
move() {
	local from=$1 to=$2 container=$3 target=$SANDBOX/target
	shift 3
	local manifest=$SANDBOX/$from.$container/manifest.json
	gather "$from" "$container"
	"$HAND" facts "$(engine_of "$to")" "$target"
	"$TOOL" request "$manifest" "$target" "$@" >"$SANDBOX/request.json"
	"$TOOL" networks "$manifest" "$target" >"$SANDBOX/networks.json"
	"$HAND" create "$(engine_of "$to")" "$SANDBOX/request.json" "$SANDBOX/networks.json" >"$SANDBOX/made"
	gather "$to" "$(cat "$SANDBOX/made")"
	cp "$SANDBOX/$to.$(cat "$SANDBOX/made")/manifest.json" "$SANDBOX/made.json"
	"$TOOL" compare "$manifest" "$SANDBOX/made.json" "$target" "$@" >"$SANDBOX/report.json"
}

# report_rows: the rows that are not carried, "OUTCOME FIELD", one a line
report_rows() {
	python3 -c '
import json, sys
for row in json.load(open(sys.argv[1]))["report"]:
    if row["outcome"] != "carried":
        print(row["outcome"], row["field"])' "$SANDBOX/report.json"
}

# same_manifest A B: but for what must differ: IDs, the names that anonymous volumes had, what ran
same_manifest() {
	python3 -c '
import json, sys
def read(path):
    m = json.load(open(path))
    del m["id"], m["state"], m["image"]["id"]
    for entry in m["mounts"]:
        entry.pop("source_volume", None)
    for entry in m["volumes"]:
        entry.pop("source", None)
    return m
a, b = read(sys.argv[1]), read(sys.argv[2])
for key in a.keys() | b.keys():
    if a.get(key) != b.get(key):
        print(key, json.dumps(a.get(key)), json.dumps(b.get(key)), sep="\n")
        sys.exit(1)' "$1" "$2"
}

clear() {
	local all
	all=$(on "$1" ps -aq)
	# shellcheck disable=SC2086 # a list
	[ -z "$all" ] || on "$1" rm -vf $all >/dev/null
	on "$1" network prune -f >/dev/null
	for all in $(on "$1" volume ls -q); do
		on "$1" volume rm "$all" >/dev/null
	done
}

# What an older engine cannot take.
lost() {
	case $1-$2-$3 in
	mid-old2-wide | new-old2-wide) echo "not carried HostConfig.Annotations" ;;
	esac
}

# everything FROM TO
everything() {
	local from=$1 to=$2 container
	need "$from" "$to"
	clear "$to"
	for container in "${CONTAINERS[@]}"; do
		move "$from" "$to" "$container"
		assert_equal "$(report_rows)" "$(lost "$from" "$to" "$container")" "what was lost of $container"
		[ -n "$(lost "$from" "$to" "$container")" ] ||
			same_manifest "$SANDBOX/$from.$container/manifest.json" "$SANDBOX/made.json" ||
			fail "$container is another one on $to"
	done
	runs_there "$to"
}

# What was made is more than what inspect says of it.
runs_there() {
	local to=$1
	on "$to" start plain linked rich >/dev/null
	assert_equal "$(on "$to" exec rich /bin/busybox hostname)" rich-host "its hostname"
	on "$to" exec rich /bin/busybox ip addr >"$SANDBOX/out"
	assert_grep '10\.77\.0\.200/24' "$SANDBOX/out"
	assert_grep 'fd00:77::99/64' "$SANDBOX/out"
	on "$to" exec linked /bin/busybox ip addr >"$SANDBOX/out"
	assert_grep '02:42:ac:11:00:99' "$SANDBOX/out"
	assert_grep 'alias' <(on "$to" exec linked /bin/busybox cat /etc/hosts)
	assert_equal "$(on "$to" exec -u 0 rich /bin/busybox env | grep -E '^(A|KEEP|BASE)=' | sort | tr '\n' ' ')" \
		"A=1 BASE=1 KEEP=9 " "its environment"
	assert_equal "$(on "$to" port linked 91/udp | head -n 1)" "0.0.0.0:91" "its port"
}

# --- cases ---

# Without the reasons in this list a row is exercised on each engine.
# Windows' alone, and what this machine's kernel or file system does not have.
NOT_HERE="HostConfig.CpuCount HostConfig.CpuPercent HostConfig.IOMaximumBandwidth HostConfig.IOMaximumIOps
HostConfig.Isolation HostConfig.BlkioWeight HostConfig.BlkioWeightDevice HostConfig.CpuRealtimePeriod
HostConfig.CpuRealtimeRuntime HostConfig.KernelMemory HostConfig.StorageOpt HostConfig.Cgroup"

rows_exercised() {
	local name=$1 row
	"$TOOL" rows >"$SANDBOX/rows"
	while read -r row; do
		[[ " ${NOT_HERE//$'\n'/ } " != *" $row "* ]] || continue
		[ "$row $name" != "HostConfig.Annotations old" ] || continue
		grep -qF "\"$row\":" "$SANDBOX/$name".*/manifest.json || fail "no container of $name has $row"
	done <"$SANDBOX/rows"
}

test_every_field_that_an_engine_shows_has_a_row() {
	local name container
	for name in "${SOURCES[@]}"; do
		there "$name" || continue
		for container in "${CONTAINERS[@]}"; do
			gather "$name" "$container"
			"$TOOL" unknown "$SANDBOX/$name.$container/container.json" ||
				fail "fields of $container on $name that no row names"
		done
		rows_exercised "$name"
	done
}

test_a_field_that_no_row_names_is_found() {
	local dir=$SANDBOX/old.plain
	gather old plain
	sed 's/"Memory": 0/"Memory": 0, "Newer": [1]/' "$dir/container.json" >"$SANDBOX/newer.json"
	assert_equal "$("$TOOL" unknown "$SANDBOX/newer.json" || true)" HostConfig.Newer "what no row names"
	cp "$SANDBOX/newer.json" "$dir/container.json"
	"$HAND" facts "$(engine_of old2)" "$SANDBOX/target"
	"$TOOL" build "$dir" >"$SANDBOX/newer-manifest.json"
	"$TOOL" findings "$SANDBOX/newer-manifest.json" "$SANDBOX/target" --text >"$SANDBOX/out"
	assert_grep '^not carried HostConfig.Newer: this version of dray does not know it$' "$SANDBOX/out"
}

test_everything_from_20_to_20() {
	everything old old2
}

test_everything_from_20_to_28() {
	everything old new2
}

test_everything_from_28_to_20() {
	everything new old2
}

test_everything_from_26_to_28() {
	everything mid new2
}

test_everything_from_26_to_20() {
	everything mid old2
}

test_what_was_moved_can_be_moved_back_and_is_the_same() {
	need old new2
	clear new2
	clear old2
	move old new2 plain
	move old new2 linked
	move new2 old2 plain
	move new2 old2 linked
	same_manifest "$SANDBOX/old.linked/manifest.json" "$SANDBOX/made.json"
}

test_the_powers_that_a_container_needs_are_named() {
	local container
	for container in "${CONTAINERS[@]}"; do
		gather old "$container"
		"$TOOL" powers "$SANDBOX/old.$container/manifest.json" | sed "s|^|$container |"
	done | sed "s|$SANDBOX|/SANDBOX|" >"$SANDBOX/powers"
	cat >"$SANDBOX/expected" <<-'END'
		rich bind: Mounts /SANDBOX/old/bind
		rich device: HostConfig.Devices
		rich privileged: HostConfig.CapAdd SYS_PTRACE
		linked hostns: HostConfig.Links
		shares hostns: HostConfig.PidMode container:plain
		wide device: HostConfig.DeviceRequests
		wide privileged: HostConfig.MaskedPaths
		host hostns: HostConfig.PidMode host
		host privileged: HostConfig.Privileged
		unmasked privileged: HostConfig.MaskedPaths
		once privileged: HostConfig.CapAdd ALL
	END
	diff "$SANDBOX/expected" "$SANDBOX/powers" || fail "other powers than expected"
}

test_what_hangs_on_the_host_is_told_before() {
	gather old rich
	"$HAND" facts "$(engine_of old2)" "$SANDBOX/target"
	"$TOOL" findings "$SANDBOX/old.rich/manifest.json" "$SANDBOX/target" --text --map /usr=/srv/usr \
		--name other >"$SANDBOX/out"
	assert_grep '^not carried Mounts /bind: what is in .*/bind on the source stays there' "$SANDBOX/out"
	assert_grep '^not carried Mounts /bind2: .* have it in /srv/usr on the target' "$SANDBOX/out"
	assert_grep '^carried     HostConfig.Devices /dev/null: the target must have' "$SANDBOX/out"
	assert_grep '^changed     Name: it will be .other' "$SANDBOX/out"
}

test_a_map_moves_a_bind_and_the_report_says_so() {
	clear old2
	move old old2 plain
	move old old2 rich --map "$SANDBOX/old/bind=$SANDBOX/old2/bind" --name other
	assert_equal "$(report_rows)" $'changed Name\nchanged Mounts /bind' "what changed"
	assert_equal "$(on old2 inspect --format '{{json .HostConfig.Binds}}' other |
		grep -c "$SANDBOX/old2/bind:/bind:rprivate")" 1 "the bind on the target"
}

test_a_network_that_clashes_is_told_with_what_to_do() {
	gather old rich
	clear old2
	# The same name with another subnet, where the container has an address.
	on old2 network create --subnet 10.99.0.0/24 app-net >/dev/null
	# Another name with the same subnet.
	on old2 network create --subnet 10.78.0.0/16 taken >/dev/null
	"$HAND" facts "$(engine_of old2)" "$SANDBOX/target"
	"$TOOL" networks "$SANDBOX/old.rich/manifest.json" "$SANDBOX/target" >"$SANDBOX/out"
	assert_grep 'a network of this name whose options differ: remove it there, or make it the same' \
		"$SANDBOX/out"
	assert_grep 'its subnet is the network .taken..s on the target, and the container has an address of its own in it: remove' "$SANDBOX/out"
	on old2 network rm app-net taken >/dev/null
}

test_a_network_that_is_there_is_matched() {
	gather old rich
	clear old2
	move old old2 plain
	move old old2 rich
	"$HAND" facts "$(engine_of old2)" "$SANDBOX/target"
	"$TOOL" networks "$SANDBOX/old.rich/manifest.json" "$SANDBOX/target" >"$SANDBOX/out"
	assert_equal "$(grep -c '"step": "matched"' "$SANDBOX/out")" 2 "networks that match"
}

test_a_subnet_that_is_taken_is_another_one_where_nobody_asked_for_it() {
	clear old2
	on old network create auto >/dev/null
	on old create --name automatic --network auto t/base:1 true >/dev/null
	on old2 network create --subnet "$(on old network inspect --format '{{(index .IPAM.Config 0).Subnet}}' auto)" \
		taken >/dev/null
	move old old2 automatic
	assert_equal "$(report_rows)" "changed NetworkSettings.Networks auto" "what changed"
}

test_no_report_shows_the_value_of_a_variable() {
	clear old2
	move old old2 plain
	gather old rich
	sed 's/PASSWORD=do-not-show/PASSWORD=shown-neither/' "$SANDBOX/old.rich/manifest.json" >"$SANDBOX/made.json"
	for option in --text ''; do
		# shellcheck disable=SC2086 # no option
		"$TOOL" compare "$SANDBOX/old.rich/manifest.json" "$SANDBOX/made.json" "$SANDBOX/target" $option \
			>"$SANDBOX/report.json"
		assert_grep 'Config.Env PASSWORD' "$SANDBOX/report.json"
		! grep -qE 'do-not-show|shown-neither' "$SANDBOX/report.json" || fail "a value is shown"
	done
}

# --- the engines ---

# Under set -e: stops at the first thing that cannot be made.
start_all() {
	local name
	for name in "${SOURCES[@]}" "${TARGETS[@]}"; do
		there "$name" || continue
		engine_start "$(engine_of "$name")" --networks ${SUITE_OF[$name]:+--suite "${SUITE_OF[$name]}"}
		make_image "$name"
	done
	for name in "${SOURCES[@]}"; do
		there "$name" || continue
		make_containers "$name" >/dev/null
	done
}

# All answers about a container in one file.
record() {
	local name=$1 container=$2 into=$3
	gather "$name" "$container"
	python3 -c '
import json, os, sys
answers = {}
for name in sorted(os.listdir(sys.argv[1])):
    if name != "manifest.json":
        answers[name.removesuffix(".json")] = json.load(open(os.path.join(sys.argv[1], name)))
print(json.dumps(answers, indent=1))' "$SANDBOX/$name.$container" |
		sed "s|$SANDBOX/$name|/srv/engine|g; s|$SANDBOX|/srv|g; s|\"$(uname -n)\"|\"machine\"|" >"$into/$name-$container.json"
}

if [ "${1:-}" = --record ]; then
	set -e
	start_all
	mkdir -p "$2"
	for name in old new; do
		for container in rich linked shares wide reset; do
			record "$name" "$container" "$2"
		done
	done
	exit 0
fi

run_case "fields/engines of all versions start" start_all
[ "${cases_failed:-0}" = 0 ] || exit 1
run_cases fields "$@"
