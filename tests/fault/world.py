"""Two engines, a receiver, an agent and the link between them: what is done to them, and what must
hold afterwards.
"""
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import time

PORT = 7747       # the receiver's
LINK_PORT = 7800  # where the agent meets the proxy before it
LINK_RATE = 12_000_000  # so that what is on its way, and may have to be sent again, is little

# What may be sent again after a fault: what the receiver has not acknowledged yet. It does so every
# 4 MiB or 50 ms, after an fdatasync, which takes its time on a busy disk.
RESENT_MAX = 5 << 20
# And besides, on each connection: handshake, questions, names.
TALK_MAX = 128 << 10

PUSH_SECONDS_MAX = 170  # longer than the agent's own patience
SETTLE_SECONDS = 10     # until what was interrupted is tidied up

SUPPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support")

# All that may be in a receiver's state when nothing is under way.
STATE_FILES = re.compile(r"""
    lock | key | keys | keys\.lock | admin\.sock |
    domains/[^/]+/(lock | index\.db | index\.db-wal | index\.db-shm | packs/\d{8}\.pack)
    """, re.X)


class Wrong(Exception):
    """Something is not as it must be. `column` is the table's: lost, corrupt, failed."""

    def __init__(self, column, text):
        super().__init__(text)
        self.column = column


def await_that(condition, seconds, pause=0.02):
    """Waits until it holds; whether it does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Engine:
    """One of tests/support/engine."""

    class Connection(http.client.HTTPConnection):
        def __init__(self, path):
            super().__init__("engine", timeout=60)
            self.path = path

        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.path)

    def __init__(self, directory):
        self.directory = directory
        self.address = "unix://%s/docker.sock" % directory

    def call(self, method, path):
        connection = self.Connection(self.directory + "/docker.sock")
        try:
            connection.request(method, path)
            reply = connection.getresponse()
            body = reply.read()
        finally:
            connection.close()
        if reply.status >= 300:
            raise Wrong("failed", "engine: %s %s: %d %s" % (method, path, reply.status, body[:300]))
        return json.loads(body) if body else None

    def images(self):
        """(id, tags) of all, intermediate and dangling ones, too."""
        return sorted((i["Id"], tuple(sorted(i["RepoTags"] or ["<none>"])))
                      for i in self.call("GET", "/images/json?all=1"))

    def inspect(self, image):
        return self.call("GET", "/images/%s/json" % image)

    def remove(self, image):
        self.call("DELETE", "/images/%s?force=1" % image)

    def saved_layers(self, image):
        """Digests of an image's layers, of the bytes that the engine gives back for them."""
        connection = self.Connection(self.directory + "/docker.sock")
        layers, manifest = {}, None
        try:
            connection.request("GET", "/images/%s/get" % image)
            with tarfile.open(fileobj=connection.getresponse(), mode="r|") as archive:
                for entry in archive:
                    if entry.name == "manifest.json":
                        manifest = json.load(archive.extractfile(entry))
                    elif entry.isfile() and not entry.name.endswith((".json", "VERSION")):
                        digest = hashlib.file_digest(archive.extractfile(entry), "sha256")
                        layers[entry.name] = "sha256:" + digest.hexdigest()
                    elif entry.issym():
                        layers[entry.name] = layers.get(os.path.normpath(
                            os.path.join(os.path.dirname(entry.name), entry.linkname)))
        finally:
            connection.close()
        return [layers.get(name) for name in manifest[0]["Layers"]]

    def function(self, name):
        subprocess.run(["/bin/bash", "-c", '. "$1/engine"; "$2" "$3"', "engine", SUPPORT, name,
                        self.directory], check=True, timeout=60, stdin=subprocess.DEVNULL,
                       env={**os.environ, "ENGINE_DETACHED": "yes"})

    def kill(self):
        """kill -9 of dockerd, and of containerd, which is its child."""
        self.function("engine_kill")

    def start(self):
        self.function("engine_start")


class Receiver:
    """`drayd serve`: the supervisor and its two children."""

    ROLES = ("net", "engine")

    def __init__(self, drayd, state, engine, options=()):
        self.drayd, self.state, self.engine, self.options = drayd, state, engine, options
        self.process = None
        self.log = state + ".log"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.drayd, "serve", "--state", self.state, "--listen", "127.0.0.1:%d" % PORT,
                 "-H", self.engine.address, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not await_that(lambda: self.serves() or self.process.poll() is not None, 10):
            raise Wrong("failed", "the receiver does not listen: " + self.last_words())
        if self.process.poll() is not None:
            raise Wrong("failed", "the receiver ended: " + self.last_words())

    def last_words(self, lines=5):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def children(self):
        """Role to PID."""
        pid, found = self.process.pid, {}
        try:
            with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
                children = file.read().split()
            for child in children:
                with open("/proc/%s/comm" % child, encoding="ascii") as file:
                    found[file.read().strip().removesuffix("-process")] = int(child)
        except (FileNotFoundError, ProcessLookupError):
            pass
        return {role: pid for role, pid in found.items() if role in self.ROLES and alive(pid)}

    def serves(self):
        wanted = ":%04X" % PORT
        with open("/proc/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        return any(row[1].endswith(wanted) and row[3] == "0A" for row in rows) and \
            len(self.children()) == len(self.ROLES)

    def kill(self, role):
        """kill -9. The supervisor's restart is the caller's; that of the others is its own."""
        if role == "supervisor":
            children = self.children().values()
            self.process.kill()
            self.process.wait()
            if not await_that(lambda: not any(alive(pid) for pid in children), 10):
                raise Wrong("failed", "children outlive their supervisor")
            self.start()
            return
        if not await_that(lambda: role in self.children(), 15):
            raise Wrong("failed", "no %s process: %s" % (role, self.last_words()))
        os.kill(self.children()[role], signal.SIGKILL)

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Wrong("failed", "the receiver does not stop: " + self.last_words()) from None
        self.process = None
        if code != 0:
            raise Wrong("failed", "the receiver stopped with code %d: %s"
                        % (code, self.last_words()))

    def run(self, *arguments, seconds=120):
        """A command of drayd beside it: exit code and all that it said."""
        done = subprocess.run([self.drayd, arguments[0], "--state", self.state, *arguments[1:]],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False)
        return done.returncode, done.stdout

    def left_over(self):
        """Files that are there only while something is under way."""
        for directory, _, names in os.walk(self.state):
            for name in names:
                path = os.path.relpath(os.path.join(directory, name), self.state)
                if not STATE_FILES.fullmatch(path):
                    yield path

    def journal(self):
        try:
            return os.listdir(self.state + "/loads")
        except FileNotFoundError:
            return []

    def applying(self):
        """An engine has a whole archive, and is not done with it."""
        for name in self.journal():
            try:
                with open(self.state + "/loads/" + name, encoding="utf-8") as file:
                    if json.load(file).get("committed"):
                        return True
            except (FileNotFoundError, ValueError):
                pass
        return False

    def forget_store(self):
        self.stop()
        shutil.rmtree(self.state + "/domains", ignore_errors=True)
        self.start()


class Link:
    """The proxy before the receiver; what it did is known when it has ended."""

    FAULT = re.compile(r"fault connection=(\d+) direction=(\w+) byte=(\d+) kind=(\w+) "
                       r"up=(\d+) down=(\d+) ms=(\d+)")
    END = re.compile(r"end connection=(\d+) up=(\d+) down=(\d+) ms=(\d+)")

    def __init__(self, program, *options, port=LINK_PORT, rate=LINK_RATE):
        self.options = options
        self.process = subprocess.Popen(
            [program, "--to", "127.0.0.1:%d" % PORT, "--listen", "127.0.0.1:%d" % port,
             "--rate", str(rate), *options], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.faults, self.ends = [], []

    def end(self):
        self.process.terminate()
        for line in self.process.communicate(timeout=10)[0].splitlines():
            if match := self.FAULT.fullmatch(line):
                number, direction, byte, kind, up, down, ms = match.groups()
                self.faults.append({"connection": int(number), "direction": direction,
                                    "byte": int(byte), "kind": kind, "up": int(up),
                                    "down": int(down), "ms": int(ms)})
            elif match := self.END.fullmatch(line):
                self.ends.append([int(n) for n in match.groups()])
        return self

    def connections(self):
        """Bytes up and down of each, by number."""
        found = {}
        for fault in self.faults:
            found[fault["connection"]] = (fault["up"], fault["down"])
        for number, up, down, _ in self.ends:
            found[number] = (up, down)
        return found

    def bytes_up(self):
        return sum(up for up, _ in self.connections().values())


class Push:
    """A run of `dray push`."""

    def __init__(self, world, image, config=None, options=()):
        self.world, self.image = world, image
        self.out = os.path.join(world.directory, "push-%d.out" % world.next_number())
        with open(self.out, "wb") as out, open(self.out + ".err", "wb") as err:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                [world.dray, "push", "-H", world.source.address, "--json", image, "--to", "b",
                 *options], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env={**os.environ, "DRAY_CONFIG_DIR": config or world.config})

    def kill(self):
        self.process.kill()
        self.process.wait()

    def running(self):
        return self.process.poll() is None

    def wait(self, seconds=PUSH_SECONDS_MAX):
        """Its exit code; one that does not end is killed and wrong."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Wrong("failed", "the agent did not end within %d s: %s"
                        % (seconds, self.said())) from None

    def said(self):
        with open(self.out + ".err", encoding="utf-8", errors="replace") as file:
            return " / ".join(file.read().split("\n")[-5:])

    def result(self):
        with open(self.out, encoding="utf-8") as file:
            return json.loads(file.read().splitlines()[-1])

    def forget(self):
        os.remove(self.out)
        os.remove(self.out + ".err")


class World:
    def __init__(self, directory, build, images):
        self.directory = directory
        self.dray = build + "/client/dray"
        self.drayd = build + "/server/drayd"
        self.proxy = build + "/tests/support/fault_proxy"
        self.config = directory + "/config"
        self.source = Engine(directory + "/A")
        self.target = Engine(directory + "/B")
        self.receiver = Receiver(self.drayd, directory + "/state", self.target)
        self.images = images
        self.numbers = 0
        self.verified = 0
        self.used = 0
        self.clean_up = self.clean_seconds = 0

    def next_number(self):
        self.numbers += 1
        return self.numbers

    def pair(self, config, name="agent", port=LINK_PORT):
        code, token = self.receiver.run("invite", "--name", name, "--address",
                                        "127.0.0.1:%d" % port)
        if code != 0:
            raise Wrong("failed", "invite: " + token)
        link = Link(self.proxy, port=port)
        done = subprocess.run([self.dray, "pair", "b"], input=token.splitlines()[-1] + "\n",
                              text=True, capture_output=True, timeout=30, check=False,
                              env={**os.environ, "DRAY_CONFIG_DIR": config})
        link.end()
        if done.returncode != 0:
            raise Wrong("failed", "pairing: " + done.stderr)

    # --- rounds ---

    def next_image(self):
        """One that the receiver does not know. When all are used up, its store is checked, then
        emptied."""
        if self.used == len(self.images):
            self.check_store()
            self.receiver.forget_store()
            self.used = 0
        self.used += 1
        return self.images[self.used - 1]

    def measure(self):
        """How long an undisturbed push takes, and what it sends: the longer and larger of three."""
        seconds, sent = [], []
        for _ in range(3):
            image = self.next_image()
            link = Link(self.proxy)
            push = Push(self, image["name"])
            if push.wait() != 0:
                raise Wrong("failed", "an undisturbed push: " + push.said())
            seconds.append(time.monotonic() - push.began)
            sent.append(link.end().bytes_up())
            down = max(down for _, down in link.connections().values())
            self.verify(image, deep=True)
            self.target.remove(image["name"])
        # The first one also sent the layer that all share.
        self.clean_seconds, self.clean_up, self.clean_down = min(seconds), max(sent), down
        self.typical_up = min(sent)

    def check_store(self):
        code, said = self.receiver.run("check", "--read-data")
        if code != 0:
            raise Wrong("lost", "drayd check --read-data: code %d: %s" % (code, said[-600:]))

    # --- what must hold ---

    def verify(self, image, deep=False):
        self.verify_all([image], deep)

    def verify_all(self, images, deep=False):
        """The images are on the target, whole, and nothing besides."""
        wanted = sorted((image["id"], (image["name"],)) for image in images)
        await_that(lambda: self.target.images() == wanted and not self.receiver.journal() and
                   not list(self.receiver.left_over()), SETTLE_SECONDS)
        found = self.target.images()
        if found != wanted:
            dangling = [i for i in found if i[1] == ("<none>:<none>",) or i[1] == ("<none>",)]
            raise Wrong("corrupt" if dangling else "lost",
                        "images on the target: %s instead of %s" % (found, wanted))
        for image in images:
            self.verify_layers(image, deep or self.verified % 5 == 0)
            self.verified += 1
        if left := sorted(self.receiver.left_over()):
            raise Wrong("failed", "left over in the state: %s" % left)

    def verify_layers(self, image, deep):
        layers = self.target.inspect(image["name"])["RootFS"]["Layers"]
        if layers != image["diff_ids"]:
            raise Wrong("corrupt", "layers on the target: %s" % layers)
        if deep and self.target.saved_layers(image["name"]) != layers:
            raise Wrong("corrupt", "bytes of the layers on the target: %s"
                        % self.target.saved_layers(image["name"]))

    def verify_sent(self, link, faults):
        """Little was sent twice: what was acknowledged was not lost."""
        connections = len(link.connections())
        most = self.clean_up * 1.02 + faults * RESENT_MAX + connections * TALK_MAX
        if link.bytes_up() > most:
            raise Wrong("lost", "%d bytes sent with %d faults, at most %d were to be"
                        % (link.bytes_up(), faults, most))

    def clear_target(self):
        """After something went wrong: so that the next round is not blamed for it."""
        for image, tags in self.target.images():
            for name in tags if "<none>:<none>" not in tags else [image]:
                try:
                    self.target.remove(name if name != "<none>" else image)
                except Wrong:
                    pass
