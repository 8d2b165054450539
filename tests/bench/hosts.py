"""Two hosts on one machine: each a network namespace with an engine, a cgroup that counts its CPU
time, and the lines between them.
"""
import contextlib
import glob
import os
import re
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(HERE, "..", "support")
NETNS = "/run/netns/"
ADDRESS = {"a": "10.77.0.1", "b": "10.77.0.2"}  # whatever line leads there
FAST, WAN = "fast", "wan"  # devices: a plain veth pair, the line of tests/bench/link
PROBE_PORT, PROBE_SECONDS = 9, 3
SETTLE_SECONDS = 0.3       # work of a transfer that goes on after its command has ended

# What a stock Debian has.
SYSCTLS = {"net.ipv4.tcp_rmem": "4096 131072 6291456", "net.ipv4.tcp_wmem": "4096 16384 4194304"}
CONGESTION = "cubic"


class Wrong(Exception):
    """Something is not as it must be."""


def run(*command, **options):
    """A command's output; it must succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode != 0:
        raise Wrong("%s: code %d: %s" % (" ".join(command)[:200], done.returncode,
                                         done.stderr.strip()[-600:]))
    return done.stdout


def status_of(pid):
    """Fields of /proc/PID/status; nothing when it has ended."""
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return {}


class Cgroup:
    """Counts CPU time: version 1 has a tree for that, version 2 one for all."""

    def __init__(self, name):
        tree = "/sys/fs/cgroup/cpuacct"
        self.v1 = os.path.isdir(tree)
        self.path = os.path.join(tree if self.v1 else "/sys/fs/cgroup", name)
        os.makedirs(self.path, exist_ok=True)
        if not os.path.exists(self.path + "/" + ("cpuacct.usage" if self.v1 else "cpu.stat")):
            raise Wrong("no CPU time is counted in " + self.path)

    def seconds(self):
        if self.v1:
            with open(self.path + "/cpuacct.usage", encoding="ascii") as file:
                return int(file.read()) / 1e9
        with open(self.path + "/cpu.stat", encoding="ascii") as file:
            return int(re.search(r"usage_usec (\d+)", file.read())[1]) / 1e6

    def pids(self):
        """Also of the cgroups below, which an engine may make."""
        found = []
        for path in glob.glob(self.path + "/**/cgroup.procs", recursive=True):
            with open(path, encoding="ascii") as file:
                found += [int(pid) for pid in file.read().split()]
        return found


class Host:
    """`a`, where images come from, or `b`, where they go."""

    def __init__(self, name, engine_dir):
        self.name, self.engine_dir = name, engine_dir
        self.engine = "unix://%s/docker.sock" % engine_dir
        # Beside those of the engine's containers, and removed with them.
        self.cgroup = Cgroup(self.engine_function("engine_cgroup").strip() + "/host")
        self.servers = []
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")
        self.ip("address", "add", ADDRESS[name] + "/32", "dev", "lo")
        for key, value in SYSCTLS.items():
            run(*self.command("sysctl", "-q", "-w", "%s=%s" % (key, value)))

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def command(self, *command):
        """As that command is run on this host."""
        return ["nsenter", "--net=" + NETNS + self.name, "/bin/sh", "-c",
                'echo 0 >"$0" && exec "$@"', self.cgroup.path + "/cgroup.procs", *command]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def engine_function(self, name, around=lambda *command: command):
        return run(*around("/bin/bash", "-c", '. "$1/engine"; "$2" "$3"', "engine", SUPPORT, name,
                           self.engine_dir),
                   env={**os.environ, "ENGINE_DETACHED": "yes"}, timeout=120)

    def start_engine(self):
        self.engine_function("engine_start", self.command)

    def stop_engine(self):
        self.engine_function("engine_stop")
        self.engine_function("engine_remove_cgroups")

    def docker(self, *arguments):
        return self.run("/usr/bin/docker", "-H", self.engine, *arguments).strip()

    def serve(self, *command, log):
        """A server of this host, until it is stopped."""
        with open(log, "ab") as file:
            server = subprocess.Popen(self.command(*command), stdin=subprocess.DEVNULL,
                                      stdout=file, stderr=file)
        self.servers.append(server)
        return server

    def stop(self, server):
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        self.servers.remove(server)

    def listens(self, port):
        with open("/proc/%s/net/tcp" % self.engine_pid(), encoding="ascii") as file:
            ipv4 = file.readlines()
        with open("/proc/%s/net/tcp6" % self.engine_pid(), encoding="ascii") as file:
            rows = [line.split() for line in ipv4 + file.readlines()]
        return any(row[1].endswith(":%04X" % port) and row[3] == "0A" for row in rows)

    def await_port(self, port, server, log):
        end = time.monotonic() + 20
        while not self.listens(port):
            if server.poll() is not None or time.monotonic() > end:
                with open(log, encoding="utf-8", errors="replace") as file:
                    raise Wrong("nothing listens at port %d: %s" % (port, file.read()[-600:]))
            time.sleep(0.05)

    def engine_pid(self):
        with open(self.engine_dir + "/namespace.pid", encoding="ascii") as file:
            return int(file.read())

    def sent_bytes(self, device):
        """By that device, with all headers of IP and what TCP had to send again."""
        with open("/proc/%d/net/dev" % self.engine_pid(), encoding="ascii") as file:
            for line in file:
                name, _, numbers = line.partition(":")
                if name.strip() == device:
                    return int(numbers.split()[8])
        raise Wrong("host %s has no device %s" % (self.name, device))

    def tools(self):
        """PID and status of the processes that are not the engine's."""
        found = {pid: status_of(pid) for pid in self.cgroup.pids()}
        engine, more = set(), {self.engine_pid()}
        while more:
            engine |= more
            more = {pid for pid, status in found.items()
                    if int(status.get("PPid", 0)) in engine} - engine
        return [(pid, status) for pid, status in found.items()
                if pid not in engine and "VmHWM" in status]

    def end_strays(self):
        """What a transfer that was stopped has left: sessions of sshd and what runs in them."""
        servers = {server.pid for server in self.servers}
        for pid, status in self.tools():
            of_server = int(status["PPid"]) in servers and status["Name"] != "sshd"
            if pid not in servers and not of_server:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    # --- images ---

    def images(self):
        return sorted(set(self.docker("image", "ls", "--all", "--quiet", "--no-trunc").split()))

    def clear(self):
        """No images, no containers."""
        for _ in range(3):
            if containers := self.docker("ps", "--all", "--quiet").split():
                self.docker("rm", "--force", *containers)
            if not (images := self.images()):
                return
            subprocess.run(self.command("/usr/bin/docker", "-H", self.engine, "rmi", "--force",
                                        *images), capture_output=True, check=False)
        raise Wrong("host %s keeps its images %s" % (self.name, self.images()))

    def inspect(self, image):
        """ID and layers."""
        return self.docker("image", "inspect", "--format", "{{.Id}} {{json .RootFS.Layers}}", image)


class Line:
    """What joins the hosts. The addresses stay the same; which device leads there changes."""

    def __init__(self, program, hosts):
        self.program, self.hosts, self.link = program, hosts, None
        run("ip", "link", "add", FAST, "netns", "a", "type", "veth", "peer", "name", FAST,
            "netns", "b")
        self.device = FAST
        self.use(FAST)

    def use(self, device):
        for host in self.hosts:
            other = ADDRESS["b" if host.name == "a" else "a"]
            host.ip("link", "set", device, "up")
            host.ip("route", "replace", other + "/32", "dev", device, "src", ADDRESS[host.name],
                    "congctl", CONGESTION)
        self.device = device

    def emulate(self, link, seed):
        """A line of that kind, just plugged in; without one it is the fast one."""
        self.unplug()
        if not link:
            self.use(FAST)
            return
        options = ["--%s=%s" % item for item in {**link, "seed": seed}.items()]
        if "loss" not in link:
            options.append("--gso")
        self.link = subprocess.Popen(
            [self.program, "--host", NETNS + "a", "--host", NETNS + "b", "--device", WAN, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.link.stdout.readline() != "ready\n":
            raise Wrong("the line's program does not start")
        self.use(WAN)

    def unplug(self):
        """Its device goes with it; the fast line is always there."""
        if self.link:
            self.link.terminate()
            self.link.communicate(timeout=10)
            self.link = None

    def probe(self, log):
        """Milliseconds for a round trip and Mbit/s of one TCP connection."""
        a, b = self.hosts
        sink = b.serve(HERE + "/probe", "sink", str(PROBE_PORT), log=log)
        b.await_port(PROBE_PORT, sink, log)
        found = a.run(HERE + "/probe", "send", ADDRESS["b"], str(PROBE_PORT),
                      str(PROBE_SECONDS), timeout=120)
        b.stop(sink)
        milliseconds, mbit = found.split()
        return float(milliseconds), float(mbit)

    def sent_bytes(self):
        return sum(host.sent_bytes(self.device) for host in self.hosts)


class Peaks(threading.Thread):
    """The highest resident size that any tool reaches while this runs; engines do not count."""

    def __init__(self, hosts):
        super().__init__(daemon=True)
        self.hosts, self.over = hosts, threading.Event()
        self.bytes, self.name = 0, ""
        for host in hosts:
            for pid, _ in host.tools():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    with open("/proc/%d/clear_refs" % pid, "w", encoding="ascii") as file:
                        file.write("5")  # servers begin anew

    def look(self):
        for host in self.hosts:
            for _, status in host.tools():
                size = int(status["VmHWM"].split()[0]) * 1024
                if size > self.bytes:
                    self.bytes, self.name = size, status["Name"]

    def run(self):
        pause = 0.02
        while not self.over.wait(pause):
            self.look()
            pause = min(0.25, pause * 1.2)

    def stop(self):
        self.look()
        self.over.set()
        self.join()


def measure(hosts, line, command, limit, log):
    """Runs a command on the first host and says what it took, in a dict."""
    os.sync()  # what was written before is not this one's
    peaks = Peaks(hosts)
    cpu = [host.cgroup.seconds() for host in hosts]
    sent = line.sent_bytes()
    peaks.start()
    with open(log, "wb") as file:
        began = time.monotonic()
        process = subprocess.Popen(hosts[0].command(*command), stdin=subprocess.DEVNULL,
                                   stdout=file, stderr=file, start_new_session=True)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds = time.monotonic() - began
    peaks.stop()
    time.sleep(SETTLE_SECONDS)
    used = [host.cgroup.seconds() - before for host, before in zip(hosts, cpu)]
    return {"code": code, "seconds": seconds, "cpu_a": used[0], "cpu_b": used[1],
            "bytes": line.sent_bytes() - sent, "rss": peaks.bytes, "rss_of": peaks.name}
