"""The ways to move an image that are compared. Each is a command that its user would type on host a,
with what it needs on host b, and keeps between two images what it would keep.
"""
import os
import shutil
import subprocess

from hosts import ADDRESS, Wrong, run

SSH_PORT = 22
REGISTRY_PORT = 5000
DRAY_PORT = 7747

# All of them: $A and $B are the engines' addresses, $SSH is ssh to host b, $IMAGE is the image.
PRELUDE = """set -euo pipefail
docker_a() { /usr/bin/docker -H "$A" "$@"; }
on_b() { $SSH b "$@"; }
DOCKER_B="/usr/bin/docker -H $B"
"""

# tunnel FORWARD: one connection that carries a forwarded port and takes commands for host b; they are
# typed into it by `say`, which waits for their end.
TUNNEL = """
tunnel() {
	coproc B_SHELL { $SSH -o ExitOnForwardFailure=yes -L "$1" b /bin/sh; }
	say true
}
say() {
	local answer
	echo "{ $*; } >&2; echo \\$?" >&"${B_SHELL[1]}"
	read -r answer <&"${B_SHELL[0]}"
	[ "$answer" = 0 ]
}
"""


class Row:
    """A way to move an image. The script is run with /bin/bash on host a."""

    name = about = script = ""
    programs = ()

    def __init__(self, setting):
        self.setting = setting

    def environment(self, image):
        a, b = self.setting.hosts
        return {"PATH": os.environ["PATH"], "HOME": self.setting.directory, "LC_ALL": "C.UTF-8",
                "A": a.engine, "B": b.engine, "IMAGE": image, "SSH": self.setting.ssh,
                "WORK": self.setting.work, "TMPDIR": self.setting.work,
                "REGISTRY": "localhost:%d" % REGISTRY_PORT}

    def command(self, image):
        settings = ["%s=%s" % item for item in self.environment(image).items()]
        return ["env", "-i", *settings, "/bin/bash", "-c", PRELUDE + self.script]

    def missing(self):
        """Why it cannot be measured here; nothing when it can."""
        for program in self.programs:
            if not shutil.which(program):
                return "%s is not installed" % program
        return ""

    def start(self):
        """Its servers on host b, with nothing in them."""

    def stop(self):
        """No processes of its own any more."""

    def reset(self):
        """Host b knows nothing of it, and neither does host a."""
        self.setting.hosts[1].clear()
        shutil.rmtree(self.setting.work, ignore_errors=True)
        os.makedirs(self.setting.work)


class Plain(Row):
    name = "save|ssh|load"
    about = "docker save | ssh b docker load"
    script = 'docker_a save "$IMAGE" | on_b "$DOCKER_B load --quiet"'


class Zstd(Row):
    name = "save|zstd|ssh|load"
    about = "docker save | zstd -T0 -3 | ssh b 'zstd -d | docker load'"
    script = 'docker_a save "$IMAGE" | zstd -q -T0 -3 | on_b "zstd -q -d | $DOCKER_B load --quiet"'
    programs = ("zstd",)


class Skopeo(Row):
    name = "skopeo"
    about = "skopeo copy docker-daemon: docker-daemon:, host b's socket forwarded by ssh"
    script = TUNNEL + """
tunnel "127.0.0.1:2375:${B#unix://}"
skopeo copy --quiet --insecure-policy --src-daemon-host "$A" --dest-daemon-host http://127.0.0.1:2375 \\
	"docker-daemon:$IMAGE" "docker-daemon:$IMAGE"
true # else the shell would become skopeo, and let go of the tunnel
"""
    programs = ("skopeo",)


class Registry(Row):
    name = "registry"
    about = "docker push to Debian's docker-registry on host b through ssh, docker pull there"
    script = TUNNEL + """
tunnel "${REGISTRY##*:}:127.0.0.1:${REGISTRY##*:}"
docker_a tag "$IMAGE" "$REGISTRY/$IMAGE"
docker_a push --quiet "$REGISTRY/$IMAGE"
docker_a rmi --no-prune "$REGISTRY/$IMAGE"
say "$DOCKER_B pull --quiet $REGISTRY/$IMAGE && $DOCKER_B tag $REGISTRY/$IMAGE $IMAGE"
"""
    programs = ("docker-registry",)
    CONFIG = """version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}
http: {addr: '127.0.0.1:%d'}
"""

    def __init__(self, setting):
        super().__init__(setting)
        self.content = setting.directory + "/registry"
        self.server = None

    def start(self):
        config, log = self.content + ".yml", self.content + ".log"
        os.makedirs(self.content, exist_ok=True)
        with open(config, "w", encoding="ascii") as file:
            file.write(self.CONFIG % (self.content, REGISTRY_PORT))
        host = self.setting.hosts[1]
        self.server = host.serve("docker-registry", "serve", config, log=log)
        host.await_port(REGISTRY_PORT, self.server, log)

    def stop(self):
        if self.server:
            self.setting.hosts[1].stop(self.server)
            self.server = None

    def reset(self):
        super().reset()
        self.stop()
        shutil.rmtree(self.content, ignore_errors=True)
        self.start()


class Rsync(Row):
    name = "rsync"
    about = "docker save to a file, rsync --zc=zstd over the last one on host b, docker load there"
    script = """
mkdir -p "$WORK/b"
docker_a save --output "$WORK/image.tar" "$IMAGE"
rsync --times --compress --zc=zstd --zl=3 --rsh="$SSH" "$WORK/image.tar" "b:$WORK/b/image.tar"
on_b "$DOCKER_B load --quiet --input $WORK/b/image.tar"
"""
    programs = ("rsync",)


class Dray(Row):
    name = "dray"
    about = "dray push"
    script = '"$DRAY" push --quiet $OPTIONS -H "$A" "$IMAGE" --to b'
    options = ""

    def __init__(self, setting):
        super().__init__(setting)
        self.state, self.config = setting.directory + "/state", setting.directory + "/config"
        self.server = None

    def environment(self, image):
        return {**super().environment(image), "DRAY": self.setting.dray,
                "DRAY_CONFIG_DIR": self.config,
                "OPTIONS": " ".join([self.options, *self.setting.dray_args]).strip()}

    def start(self):
        host, log = self.setting.hosts[1], self.state + ".log"
        self.server = host.serve(self.setting.drayd, "serve", "--state", self.state, "--listen",
                                 "%s:%d" % (ADDRESS["b"], DRAY_PORT), "-H", host.engine,
                                 *self.setting.drayd_args, log=log)
        host.await_port(DRAY_PORT, self.server, log)
        if not os.path.exists(self.config + "/paired"):
            self.pair()

    def pair(self):
        """Once: the key outlives what the store forgets."""
        a, b = self.setting.hosts
        token = b.run(self.setting.drayd, "invite", "--state", self.state, "--name", "a",
                      "--address", "%s:%d" % (ADDRESS["b"], DRAY_PORT), timeout=30)
        done = subprocess.run(a.command("env", "DRAY_CONFIG_DIR=" + self.config,
                                        self.setting.dray, "pair", "b"), input=token, text=True,
                              capture_output=True, timeout=30, check=False)
        if done.returncode != 0:
            raise Wrong("dray pair: " + done.stderr)
        with open(self.config + "/paired", "w", encoding="ascii"):
            pass

    def stop(self):
        if self.server:
            self.setting.hosts[1].stop(self.server)
            self.server = None

    def reset(self):
        super().reset()
        self.stop()
        for path in ("/domains", "/loads"):
            shutil.rmtree(self.state + path, ignore_errors=True)
        self.start()


class DrayCongestion(Dray):
    """What dray says about the link's losses is the kernel's: told which one to use."""

    congestion = ""

    @property
    def options(self):  # pylint: disable=invalid-overridden-method
        return "--congestion " + self.congestion

    def missing(self):
        if "--congestion" in run(self.setting.dray, "push", "--help"):
            return ""
        return "this dray has no --congestion"


class DrayCubic(DrayCongestion):
    name, about, congestion = "dray (cubic)", "dray push --congestion cubic", "cubic"


class DrayBbr(DrayCongestion):
    name, about, congestion = "dray (bbr)", "dray push --congestion bbr", "bbr"


OF_DRAY = (Dray, DrayCubic, DrayBbr)
ALL = (*OF_DRAY, Plain, Zstd, Skopeo, Registry, Rsync)


class Setting:
    """What the rows need: the hosts, host b's sshd, the programs under test."""

    def __init__(self, hosts, build, dray_args=(), drayd_args=()):
        self.hosts, self.dray_args, self.drayd_args = hosts, dray_args, drayd_args
        self.directory = os.environ["SANDBOX"]
        self.work = self.directory + "/work"
        self.dray, self.drayd = build + "/client/dray", build + "/server/drayd"
        self.ssh = "ssh -F %s/ssh_config" % self.directory

    def start_sshd(self):
        """For root, by key, with nothing of this machine's configuration."""
        here = self.directory
        for key in ("host_key", "user_key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "%s/%s" % (here, key))
        with open(here + "/sshd_config", "w", encoding="ascii") as file:
            file.write("Port %d\nListenAddress %s\nHostKey %s/host_key\nPidFile none\n"
                       "AuthorizedKeysFile %s/user_key.pub\nStrictModes no\nUsePAM no\n"
                       "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
                       "UseDNS no\nSubsystem sftp internal-sftp\n"
                       % (SSH_PORT, ADDRESS["b"], here, here))
        with open(here + "/host_key.pub", encoding="ascii") as file:
            key = " ".join(file.read().split()[:2])
        with open(here + "/known_hosts", "w", encoding="ascii") as file:
            file.write("%s %s\n" % (ADDRESS["b"], key))
        with open(here + "/ssh_config", "w", encoding="ascii") as file:
            file.write("Host b\n HostName %s\n Port %d\n User root\n IdentityFile %s/user_key\n"
                       " IdentitiesOnly yes\n UserKnownHostsFile %s/known_hosts\n"
                       " GlobalKnownHostsFile none\n BatchMode yes\n LogLevel ERROR\n"
                       % (ADDRESS["b"], SSH_PORT, here, here))
        os.makedirs("/run/sshd", exist_ok=True)
        log = here + "/sshd.log"
        server = self.hosts[1].serve("/usr/sbin/sshd", "-D", "-e", "-f", here + "/sshd_config",
                                     log=log)
        self.hosts[1].await_port(SSH_PORT, server, log)
