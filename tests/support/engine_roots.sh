# shellcheck shell=bash
# Debian systems with other versions of Docker than this machine's, made once and kept. Needs
# debootstrap and, the first time, Debian's mirror.
#
#   engine_root SUITE    prints the directory; makes it when it is not there or broken
#
# Fails with ENGINE_NO_MIRROR when it would have to be made and the mirror cannot be reached: the one
# reason for which a test may be left out.

ENGINE_ROOTS=${DRAY_TEST_CACHE:-/var/cache/dray-tests}/engines
ENGINE_NO_MIRROR=77

# The mirror that this machine's apt uses for its own packages; nothing: debootstrap knows one.
debian_mirror() {
	local mirror
	# shellcheck disable=SC2016 # a format for apt, not for the shell
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 2>/dev/null |
		awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
	echo "${mirror%/}"
}

# The version number that a user knows, of the suite that has it.
engine_suite() {
	case $1 in
	26) echo trixie ;;
	28) echo sid ;;
	trixie | sid) echo "$1" ;;
	*)
		echo "engine: no Debian suite is known for '$1'; use trixie (26) or sid (28)" >&2
		return 2
		;;
	esac
}

engine_root() {
	local suite root
	suite=$(engine_suite "$1") || return
	root=$ENGINE_ROOTS/$suite
	mkdir -p "$ENGINE_ROOTS"
	(
		flock 9
		engine_root_works "$root" || engine_root_make "$suite" "$root"
	) 9>"$ENGINE_ROOTS/lock-$suite" || return
	echo "$root"
}

# All its parts are there when its programs find theirs.
engine_root_works() {
	[ -x "$1/usr/sbin/dockerd" ] && chroot "$1" /usr/sbin/dockerd --version >/dev/null 2>&1 &&
		chroot "$1" /usr/bin/containerd --version >/dev/null 2>&1 &&
		chroot "$1" /usr/sbin/runc --version >/dev/null 2>&1
}

# wget is what debootstrap itself fetches with.
engine_mirror_answers() {
	[ -n "$1" ] && timeout 60 wget -q --spider "$1/dists/$2/Release"
}

# In namespaces of its own: debootstrap mounts /proc in the new system. Only a whole one gets its name.
engine_root_make() {
	local suite=$1 root=$2 part=$2.part log=$2.log mirror
	mirror=$(debian_mirror)
	rm -rf --one-file-system "$root" "$part"
	if ! setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc debootstrap \
		--variant=minbase --include=docker.io,ca-certificates "$suite" "$part" ${mirror:+"$mirror"} \
		>"$log" 2>&1 </dev/null; then
		engine_mirror_answers "$mirror" "$suite" || return "$ENGINE_NO_MIRROR"
		tail -n 5 "$log" >&2
		return 1
	fi
	rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/*
	engine_root_works "$part" || {
		echo "the engine of $suite does not run: see $log" >&2
		return 1
	}
	mv "$part" "$root"
}
