#!/bin/bash
# Which engine it is: chosen as Docker's own client chooses, by the same settings; over TLS, too, for
# dray and for drayd. What is wrong with a setting is told, and no other engine taken instead.
set -uo pipefail
. "$(dirname "$0")/../support/load.sh"
# shellcheck source=tests/support/certificates.sh
. "$SUPPORT/certificates.sh"

dray_require
sandbox_enter "$@"

A=$SANDBOX/a # has TLS at 2376
B=$SANDBOX/b # has TLS at 2386; the target's
C=$SANDBOX/c # has plain TCP at 2375
STATE=$SANDBOX/state
CONFIG=$SANDBOX/config
OUT=$SANDBOX/out
PEM=$SANDBOX/pem
export DOCKER_CONFIG=$SANDBOX/docker # of the client, and where dray looks

after_failure() {
	echo "--- the last lines of dray and drayd:"
	tail -n 5 "$OUT" "$OUT.err" "$STATE.log"
}

# with CODE [NAME=VALUE...] ARGUMENT...: dray in that environment ends with that code; leaves OUT and
# OUT.err.
with() {
	local expected=$1 code=0 variables=()
	shift
	while [[ $1 = *=* ]]; do
		variables+=("$1")
		shift
	done
	env DRAY_CONFIG_DIR="$CONFIG" "${variables[@]}" timeout -k 5 60 "$DRAY" "$@" \
		>"$OUT" 2>"$OUT.err" </dev/null || code=$?
	[ "$code" = "$expected" ] ||
		fail "exit code $code instead of $expected from $*: $(cat "$OUT" "$OUT.err")"
}

TLS=(DOCKER_TLS_VERIFY=1 "DOCKER_CERT_PATH=$PEM/client")
AT_A=(DOCKER_HOST=tcp://127.0.0.1:2376 "${TLS[@]}")

# assert_refusal CODE WORDS NAME=VALUE... ARGUMENT...: with one line that says so.
assert_refusal() {
	local code=$1 words=$2
	shift 2
	with "$code" "$@"
	assert_lines "$OUT.err" 1
	assert_grep "$words" "$OUT.err"
	assert_equal "$(cat "$OUT")" "" "stdout"
}

# assert_choice ENGINE [NAME=VALUE...] [-H ADDRESS]: Docker's own client and dray both take that engine.
assert_choice() {
	local engine=$1 variables=()
	shift
	while [[ ${1:-} = *=* ]]; do
		variables+=("$1")
		shift
	done
	assert_equal "$(env "${variables[@]}" "$ENGINE_DOCKER" "$@" info --format '{{.DockerRootDir}}')" \
		"$engine/data" "docker's engine with ${variables[*]} $*"
	with 0 "${variables[@]}" layers "t/only-on-${engine##*/}:1" "$@"
}

# assert_reason REASON [NAME=VALUE...] [-H ADDRESS]: what `dray doctor` says of the choice.
assert_reason() {
	local reason=$1 variables=()
	shift
	while [[ ${1:-} = *=* ]]; do
		variables+=("$1")
		shift
	done
	with 0 "${variables[@]}" doctor "$@"
	assert_grep " choice +the engine at $reason" "$OUT"
}

make_certificates() {
	certificates_authority "$PEM/authority" && certificates_authority "$PEM/stranger" &&
		certificates_make "$PEM/authority" "$PEM/server" IP:127.0.0.1,DNS:localhost serverAuth &&
		certificates_make "$PEM/authority" "$PEM/client" "" clientAuth &&
		certificates_make "$PEM/stranger" "$PEM/other" "" clientAuth
}

# start DIR PORT
start_with_tls() {
	engine_start "$1" -H "tcp://127.0.0.1:$2" --tlsverify --tlscacert "$PEM/server/ca.pem" \
		--tlscert "$PEM/server/cert.pem" --tlskey "$PEM/server/key.pem"
}

make_contexts() {
	"$ENGINE_DOCKER" context create tls --docker \
		"host=tcp://127.0.0.1:2376,ca=$PEM/client/ca.pem,cert=$PEM/client/cert.pem,key=$PEM/client/key.pem" &&
		"$ENGINE_DOCKER" context create socket --docker "host=unix://$B/docker.sock" &&
		"$ENGINE_DOCKER" context create plain --docker "host=tcp://127.0.0.1:2375" &&
		"$ENGINE_DOCKER" context create lax --docker \
			"host=tcp://elsewhere.test:2376,cert=$PEM/client/cert.pem,key=$PEM/client/key.pem,skip-tls-verify=true"
}

make_images() {
	local engine
	images_busybox "$A" t/busybox:1
	engine_docker "$A" tag t/busybox:1 t/only-on-a:1
	for engine in "$B" "$C"; do
		: | images_import "$engine" "t/only-on-${engine##*/}:1"
	done
	images_library_tree "$SANDBOX/tree" 2000
	images_app "$A" t/app:1 t/busybox:1 "$SANDBOX/tree" "application 1"
	images_busybox "$C" t/plain:1
}

# The receiver's engine is the one that its environment names.
start_receiver() {
	(
		export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$PEM/client
		receiver_start "$STATE" tcp://127.0.0.1:2386
	)
}

# A name of this machine that no certificate has.
make_name() {
	echo "127.0.0.1 localhost elsewhere.test" >"$SANDBOX/hosts"
	mount --bind "$SANDBOX/hosts" /etc/hosts
}

make_name && make_certificates && start_with_tls "$A" 2376 && start_with_tls "$B" 2386 &&
	engine_start "$C" -H tcp://127.0.0.1:2375 && make_contexts >/dev/null 2>&1 && make_images &&
	start_receiver && receiver_pair "$STATE" "$CONFIG" b || exit 1

# --- TLS, from end to end ---

test_an_image_goes_from_an_engine_over_tls_to_one_over_tls() {
	with 0 "${AT_A[@]}" push t/app:1 --to b --json
	! grep -q '^dray: ' "$OUT.err" || fail "a warning: $(cat "$OUT.err")"
	assert_equal "$(result "$OUT" id)" "$(images_id "$A" t/app:1)" "ID"
	assert_equal "$(images_id "$B" t/app:1)" "$(images_id "$A" t/app:1)" "ID on the target"
	assert_equal "$(images_content "$B" t/app:1)" "$(images_content "$A" t/app:1)" "content"
	assert_equal "$(engine_docker "$B" run --rm --network none t/app:1)" "application 1" "output"
	with 0 "${AT_A[@]}" push t/app:1 --to b --json
	assert_equal "$(result "$OUT" layers_skipped)" "$(result "$OUT" layers)" "layers skipped"
	with 0 "${AT_A[@]}" layers t/app:1 --to b
	with 0 "${AT_A[@]}" plan push t/app:1 --to b
	assert_grep "the image is in its engine" "$OUT"
}

test_drayd_has_an_engine_process_with_the_network_where_the_engine_is_on_it() {
	local pid engine
	! grep -q 'without TLS' "$STATE.log" || fail "a warning about TLS"
	pid=$(cat "$STATE.pid")
	engine=$(pgrep -P "$pid" -f engine-process)
	assert_equal "$(readlink "/proc/$engine/ns/net")" "$(readlink /proc/self/ns/net)" \
		"the network of an engine process that has an engine on TCP"
}

test_drayd_on_a_unix_socket_has_an_engine_process_without_a_network() {
	local state=$SANDBOX/second pid engine
	(
		export DOCKER_CONTEXT=socket
		"$DRAYD" serve --state "$state" --listen 127.0.0.1:7748 >"$state.log" 2>&1 </dev/null &
		echo $! >"$state.pid"
	)
	await 100 "drayd does not listen" receiver_listens 7748
	assert_grep "the engine is at unix://$B/docker.sock \(context \"socket\" \(DOCKER_CONTEXT\)\)" \
		"$state.log"
	pid=$(cat "$state.pid")
	engine=$(pgrep -P "$pid" -f engine-process)
	[ "$(readlink "/proc/$engine/ns/net")" != "$(readlink /proc/self/ns/net)" ] ||
		fail "the engine process has the network"
	receiver_stop "$state"
}

# --- TLS that does not hold ---

test_an_engine_of_another_authority_is_not_spoken_to() {
	mkdir "$PEM/wrong"
	cp "$PEM/client/cert.pem" "$PEM/client/key.pem" "$PEM/wrong"
	cp "$PEM/stranger/ca.pem" "$PEM/wrong"
	assert_refusal 6 'no TLS with the engine at tcp://127.0.0.1:2376: .*certificate' \
		DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 "DOCKER_CERT_PATH=$PEM/wrong" \
		layers t/app:1
}

test_an_engine_of_another_name_is_not_spoken_to() {
	assert_refusal 6 'no TLS with the engine at tcp://elsewhere.test:2376: .*elsewhere' \
		DOCKER_HOST=tcp://elsewhere.test:2376 "${TLS[@]}" layers t/app:1
}

test_an_engine_that_does_not_know_the_client_says_so() {
	mkdir "$PEM/unknown"
	cp "$PEM/other/cert.pem" "$PEM/other/key.pem" "$PEM/unknown"
	cp "$PEM/authority/ca.pem" "$PEM/unknown"
	assert_refusal 6 'no TLS with the engine at tcp://127.0.0.1:2376: .*cert.pem and key.pem' \
		DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 "DOCKER_CERT_PATH=$PEM/unknown" \
		layers t/app:1
	rm "$PEM/unknown/cert.pem" "$PEM/unknown/key.pem"
	assert_refusal 6 'no TLS with the engine at tcp://127.0.0.1:2376: .*cert.pem and key.pem' \
		DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 "DOCKER_CERT_PATH=$PEM/unknown" \
		layers t/app:1
}

test_a_certificate_with_the_key_of_another_is_told() {
	mkdir "$PEM/mixed"
	cp "$PEM/client/cert.pem" "$PEM/client/ca.pem" "$PEM/mixed"
	cp "$PEM/other/key.pem" "$PEM/mixed"
	assert_refusal 6 'is it their key' DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 \
		"DOCKER_CERT_PATH=$PEM/mixed" layers t/app:1
}

test_plain_and_tls_are_told_apart() {
	with 6 DOCKER_HOST=tcp://127.0.0.1:2376 layers t/app:1
	assert_grep 'the engine wants TLS' "$OUT.err"
	assert_refusal 6 'there is no TLS there' DOCKER_HOST=tcp://127.0.0.1:2375 "${TLS[@]}" layers t/app:1
}

test_drayd_that_cannot_have_its_certificates_does_not_start() {
	local code=0
	DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$PEM/nowhere "$DRAYD" serve --state "$SANDBOX/none" \
		-H tcp://127.0.0.1:2386 --listen 127.0.0.1:7749 >"$OUT" 2>"$OUT.err" </dev/null || code=$?
	assert_equal "$code" 2 "exit code"
	assert_lines "$OUT.err" 1
	assert_grep "$PEM/nowhere/ca.pem is not there" "$OUT.err"
	[ ! -e "$SANDBOX/none" ] || fail "it made its state"
}

# --- the choice ---

test_the_engine_is_the_one_that_docker_takes() {
	assert_choice "$A" "DOCKER_HOST=unix://$A/docker.sock"
	assert_choice "$B" "DOCKER_HOST=unix://$A/docker.sock" -H "unix://$B/docker.sock"
	assert_choice "$C" -H 127.0.0.1
	assert_choice "$C" -H tcp://
	assert_choice "$A" DOCKER_CONTEXT=tls
	assert_choice "$A" DOCKER_CONTEXT=lax
	assert_choice "$B" DOCKER_CONTEXT=tls "DOCKER_HOST=unix://$B/docker.sock"
	assert_choice "$A" "${AT_A[@]}"
	assert_choice "$A" "${TLS[@]}"
	assert_choice "$A" "${TLS[@]}" DOCKER_CONTEXT=default
	assert_choice "$C" "${TLS[@]}" DOCKER_CONTEXT=plain
	"$ENGINE_DOCKER" context use socket >/dev/null 2>&1
	assert_choice "$B"
	assert_choice "$B" "${TLS[@]}"
	assert_choice "$A" "${TLS[@]}" DOCKER_CONTEXT=default
	assert_choice "$A" DOCKER_CONTEXT=tls
	assert_choice "$C" -H 127.0.0.1:2375
	"$ENGINE_DOCKER" context use default >/dev/null 2>&1
}

test_doctor_says_why_it_is_that_engine() {
	assert_reason "unix://$A/docker.sock: DOCKER_HOST" "DOCKER_HOST=unix://$A/docker.sock"
	assert_reason "tcp://127.0.0.1:2376: context \"tls\" \(DOCKER_CONTEXT\), with TLS\$" \
		DOCKER_CONTEXT=tls
	assert_reason 'tcp://elsewhere.test:2376: context "lax" .*with TLS that does not ask who' \
		DOCKER_CONTEXT=lax
	assert_grep 'SkipTLSVerify' "$OUT"
}

test_a_context_that_is_not_there_or_not_understood_is_an_error() {
	local meta
	assert_refusal 2 'context "gone" \(DOCKER_CONTEXT\): .*does not exist' DOCKER_CONTEXT=gone \
		layers t/app:1
	cp -r "$DOCKER_CONFIG" "$SANDBOX/broken"
	meta=$(grep -l '"Name":"plain"' "$SANDBOX"/broken/contexts/meta/*/meta.json)
	printf '{"Name":\n' >"$meta"
	assert_refusal 2 "context \"plain\" \(DOCKER_CONTEXT\): $meta: it is no JSON, at line 2" \
		DOCKER_CONFIG="$SANDBOX/broken" DOCKER_CONTEXT=plain layers t/app:1
	printf '{\n"currentContext" "plain"}' >"$SANDBOX/broken/config.json"
	assert_refusal 2 "$SANDBOX/broken/config.json: it is no JSON, at line 2" \
		DOCKER_CONFIG="$SANDBOX/broken" layers t/app:1
	with 0 DOCKER_CONFIG="$SANDBOX/broken" layers -H "unix://$A/docker.sock" t/app:1
	with 1 DOCKER_CONTEXT=gone doctor
	assert_grep 'context "gone"' "$OUT"
}

test_engines_that_dray_cannot_speak_to_say_what_to_do() {
	assert_refusal 2 'run dray on that host' DOCKER_HOST=ssh://root@web01 layers t/app:1
	assert_refusal 2 'Windows' layers t/app:1 -H npipe:////./pipe/docker_engine
	assert_refusal 2 'put unix:// before the path' layers t/app:1 -H /var/run/docker.sock
	assert_refusal 6 'cannot reach the engine at tcp://127.0.0.1:1: Connection refused' \
		"${TLS[@]}" layers t/app:1 -H tcp://127.0.0.1:1
	with 6 DOCKER_HOST=tcp://no-such-host.invalid layers t/app:1
	assert_grep 'cannot reach the engine at tcp://no-such-host.invalid:2375: Could not resolve' "$OUT.err"
}

# --- plain TCP, and files ---

test_plain_tcp_works_with_one_line_of_warning() {
	with 0 DOCKER_HOST=tcp://127.0.0.1:2375 push t/plain:1 --to b --quiet
	assert_lines "$OUT.err" 1
	assert_grep 'tcp://127.0.0.1:2375 is without TLS' "$OUT.err"
	assert_equal "$(images_id "$B" t/plain:1)" "$(images_id "$C" t/plain:1)" "ID"
	with 0 DOCKER_HOST=tcp://127.0.0.1:2375 doctor --quiet
	assert_grep 'without TLS' "$OUT"
}

test_an_engine_over_tcp_is_asked_for_its_layers_and_never_its_files() {
	local saves
	images_library_tree "$SANDBOX/fresh" 200 3000
	images_app "$A" t/fresh:1 t/busybox:1 "$SANDBOX/fresh" fresh
	saves=$(engine_saves_asked "$A")
	assert_refusal 1 'cannot read the files of the engine at tcp://127.0.0.1:2376: .*TCP' \
		"${AT_A[@]}" push t/fresh:1 --to b --read direct --quiet
	assert_equal "$(engine_saves_asked "$A")" "$saves" "archives that the engine was asked for"
	with 0 "${AT_A[@]}" push t/fresh:1 --to b --read auto --quiet
	assert_lines "$OUT.err" 0
	assert_equal "$(images_id "$B" t/fresh:1)" "$(images_id "$A" t/fresh:1)" "ID"
	assert_equal "$(engine_saves_asked "$A")" $((saves + 1)) "archives that the engine was asked for"
	with 0 "${AT_A[@]}" doctor
	assert_grep 'none over TCP' "$OUT"
}

run_cases choice "$@"
