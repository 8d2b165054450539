# shellcheck shell=bash
# Images made of this machine's real files, without a registry. Every function that makes one takes
# the engine's directory first and is silent. Needs the functions of `engine`, the directories SANDBOX
# (for what is made on the way) and SUPPORT (this one).

IMAGES_CACHE=${DRAY_TEST_CACHE:-/var/cache/dray-tests}

# images_import ENGINE NAME [DOCKER IMPORT OPTION...] <TAR
images_import() {
	local engine=$1 name=$2
	shift 2
	engine_docker "$engine" import "$@" - "$name" >/dev/null
}

# images_build ENGINE NAME CONTEXT: CONTEXT holds a Dockerfile.
images_build() {
	engine_docker "$1" build --quiet --network none --tag "$2" "$3" >/dev/null
}

# --- a Debian system, made once and kept ---

# Path of a tar with Debian 12's minimal system. The first call takes half a minute.
images_debian_tar() {
	local tar=$IMAGES_CACHE/bookworm-minbase.tar
	mkdir -p "$IMAGES_CACHE"
	(
		flock 9
		[ -s "$tar" ] || images_make_debian "$tar"
	) 9>"$IMAGES_CACHE/lock" && echo "$tar"
}

images_make_debian() {
	local tar=$1 root=$IMAGES_CACHE/bookworm-minbase log=$IMAGES_CACHE/debootstrap.log mirror
	mirror=$(debian_mirror)
	rm -rf --one-file-system "$root"
	# debootstrap mounts /proc in the new system: in namespaces of its own, so that nothing stays,
	# neither mounts nor processes when this one is stopped.
	if ! setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc debootstrap \
		--variant=minbase bookworm "$root" ${mirror:+"$mirror"} >"$log" 2>&1 </dev/null; then
		tail -n 5 "$log" >&2
		return 1
	fi
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "${root:?}"/dev/*
	tar -C "$root" --sort=name --one-file-system -cf "$tar.part" . && mv "$tar.part" "$tar"
	rm -rf --one-file-system "$root"
}

images_debian() {
	images_import "$1" "$2" --change 'CMD ["/bin/bash"]' <"$(images_debian_tar)"
}

# --- layers, and images stacked of them ---

# images_tar DIR FILE: a layer's tar of what is in DIR.
images_tar() {
	tar -C "$1" --sort=name --owner=0 --group=0 -cf "$2" .
}

# Path of a layer with a statically linked busybox and a link for each of its commands.
images_busybox_tar() {
	local tar=$SANDBOX/busybox.tar root=$SANDBOX/busybox name
	if [ ! -e "$tar" ]; then
		mkdir -p "$root/bin" "$root/tmp" "$root/etc"
		cp /bin/busybox "$root/bin"
		echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
		for name in $(/bin/busybox --list); do
			[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
		done
		images_tar "$root" "$tar"
		rm -r "$root"
	fi
	echo "$tar"
}

images_busybox() {
	images_import "$1" "$2" --change 'CMD ["/bin/sh"]' <"$(images_busybox_tar)"
}

# images_stack ENGINE NAME TEXT TAR...: an image of these layers on busybox, whose containers print
# TEXT. "-" is an empty layer.
images_stack() {
	local engine=$1 name=$2 text=$3
	shift 3
	"$SUPPORT/layered_image" "$name" "echo $text" "$(images_busybox_tar)" "$@" |
		engine_docker "$engine" load --quiet >/dev/null
}

# --- many small files ---

# images_library COUNT [FIRST [KILOBYTES]]: names of COUNT files of this machine that are smaller than
# that (64), from the FIRSTth on: always the same ones in the same order.
images_library() {
	local count=$1 first=${2:-1} blocks=$((${3:-64} * 2))
	find /usr/share /usr/include /usr/lib -xdev -type f -size "-$blocks" -print |
		LC_ALL=C sort | awk -v from="$first" -v n="$count" 'NR >= from && NR < from + n'
}

# images_library_tree DIR COUNT [FIRST [KILOBYTES]]: copies of those files.
images_library_tree() {
	local dir=$1
	shift
	mkdir -p "$dir"
	images_library "$@" | tar -C / -c --no-recursion --files-from=- 2>/dev/null | tar -C "$dir" -x
}

# images_rebuild_tree DIR EVERY: what a rebuild does to a tree: every file gets a new time, and each
# EVERYth one a new line at its end.
images_rebuild_tree() {
	local dir=$1 every=$2
	# shellcheck disable=SC2016 # the $ is sed's last line
	find "$dir" -type f | LC_ALL=C sort | awk -v n="$every" 'NR % n == 0' |
		tr '\n' '\0' | xargs -0 sed -i '$a rebuilt'
	find "$dir" -exec touch -h -d "@$(($(date +%s) + 3600))" {} +
}

# --- large binaries ---

# images_binary FILE MEGABYTES [SKIP]: programs and shared objects one after another, without the
# first SKIP MB. A Debian with what the tests need has over 900 MB of them.
images_binary() {
	local file=$1 megabytes=$2 skip=${3:-0}
	find /usr/bin /usr/sbin /usr/lib /usr/libexec -xdev -type f -size +128 -print0 |
		LC_ALL=C sort -z | xargs -0 cat 2>/dev/null |
		dd of="$file" bs=1M iflag=fullblock skip="$skip" count="$megabytes" status=none || true
	# dd closes the pipe once it has enough, which is not an error; too little is.
	[ "$(stat -c %s "$file")" = $((megabytes << 20)) ]
}

# --- images that the engine builds ---

# images_app ENGINE NAME BASE TREE TEXT: on BASE a layer of settings, steps that only change the
# config, and TREE as the top layer, the one that a rebuild changes.
images_app() {
	local engine=$1 name=$2 base=$3 tree=$4 text=$5 context
	context=$(mktemp -d "$SANDBOX/context.XXXXXX")
	images_tar "$tree" "$context/tree.tar"
	echo "setting = fixed" >"$context/settings"
	touch -d @1700000000 "$context/settings"
	cat >"$context/Dockerfile" <<-END
		FROM $base
		LABEL org.example.purpose=test
		COPY settings /etc/app/settings
		ENV APP_MODE=real
		WORKDIR /
		RUN true
		ADD tree.tar /app/
		CMD ["/bin/sh", "-c", "echo $text"]
	END
	images_build "$engine" "$name" "$context"
	rm -r "$context"
}

# --- looking at images ---

# images_field ENGINE IMAGE FORMAT
images_field() {
	engine_docker "$1" image inspect --format "$3" "$2"
}

images_id() {
	images_field "$1" "$2" '{{.Id}}'
}

# diffIDs, one a line, the lowest first
images_layers() {
	images_field "$1" "$2" '{{range .RootFS.Layers}}{{println .}}{{end}}' | sed '/^$/d'
}

# History without the IDs, which an engine shows only for images that it built itself.
images_history() {
	engine_docker "$1" history --no-trunc --human=false \
		--format '{{.CreatedAt}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}' "$2"
}

# A digest of every file that a container of the image sees, with owner and mode.
images_content() {
	local engine=$1 image=$2
	# shellcheck disable=SC2016 # for the container's shell
	engine_docker "$engine" run --rm --network none --hostname content --user 0:0 \
		--entrypoint /bin/sh "$image" -c '
		list() {
			find / -xdev "$@" ! -path "/etc/host*" ! -path /etc/resolv.conf ! -path /etc/mtab \
				! -path /.dockerenv ! -path "/tmp/*" ! -path "/dev/*" | sort | tr "\n" "\0"
		}
		{
			list ! -type d | xargs -0 stat -c "%N %a %u:%g %s %Y"
			list -type f | xargs -0 sha256sum
		} 2>/dev/null | sha256sum' </dev/null
}

# Number of images without a tag that are no image's parent: what a half-done load would leave.
images_dangling() {
	engine_docker "$1" images --quiet --filter dangling=true | wc -l
}
