"""What goes wrong, one class a kind. A kind's `round` pushes an image while faults strike, and
returns the phases in which they did; what must not be is raised as Wrong.
"""
import threading
import time

from world import LINK_PORT, Link, Push, Wrong, await_that

HANDSHAKE_BYTES = 400  # of either direction: until then nothing but the handshake has passed


def demand(push):
    """The agent goes on by itself, whatever happened to the others."""
    code = push.wait()
    if code != 0:
        raise Wrong("failed", "the agent gave up with code %d: %s" % (code, push.said()))
    if not push.result()["ok"]:
        raise Wrong("failed", "the result is not ok: %s" % push.result())


class Broken:
    """Faults of the link, at bytes drawn from the seed."""

    FAULTS_A_PUSH = 5
    LANES = 1

    def __init__(self, name, kinds, *options):
        self.name, self.kinds, self.options = name, kinds, options

    def link(self, world, rng, faults, port=LINK_PORT):
        # Where later connections have little left to send, only near bytes are met at all.
        up = int(world.typical_up * rng.choice((0.05, 0.3, 0.6, 1.0)))
        down = int(world.clean_down * rng.choice((0.2, 0.6, 1.0)))
        return Link(world.proxy, "--seed", str(rng.getrandbits(32)), "--kinds", self.kinds,
                    "--faults", str(faults), "--up", str(up), "--down", str(down),
                    "--early", "40", *self.options, port=port)

    def phases(self, world, link):
        """Handshake; else by what has passed up until then: begin, send, end."""
        passed, found = {}, []
        connections = link.connections()
        for number in sorted(connections):
            passed[number] = sum(connections[n][0] for n in connections if n < number)
        for fault in link.faults:
            part = (passed[fault["connection"]] + fault["up"]) / world.typical_up
            if min(fault["up"], fault["down"]) < HANDSHAKE_BYTES:
                found.append("handshake")
            else:
                found.append("begin" if part < 0.05 else "send" if part < 0.97 else "end")
        return found

    def round(self, world, rng, wanted):
        image = world.next_image()
        link = self.link(world, rng, min(wanted, self.FAULTS_A_PUSH))
        try:
            push = Push(world, image["name"], options=("--lanes", str(self.LANES)))
            demand(push)
        finally:
            link.end()
        world.verify(image)
        world.verify_sent(link, len(link.faults) * self.LANES)
        world.target.remove(image["name"])
        push.forget()
        world.count_resent(link, len(link.faults))
        return self.phases(world, link)


class Lanes(Broken):
    """The same with several connections, each of which may break: the first one ends the session, of
    another one the rest goes over those that are left."""

    LANES = 4


class Silent(Broken):
    """Links that go silent for good. Noticing takes its time, so several agents wait at once, each
    with a key and a link of its own."""

    AGENTS = 4

    def round(self, world, rng, wanted):
        images = [world.next_image() for _ in range(min(wanted, self.AGENTS))]
        links = [self.link(world, rng, 1, port=LINK_PORT + 1 + i) for i in range(len(images))]
        try:
            pushes = [Push(world, image["name"], config=world.configs[i])
                      for i, image in enumerate(images)]
            for push in pushes:
                demand(push)
        finally:
            for link in links:
                link.end()
        world.verify_all(images)
        for image, link in zip(images, links):
            world.verify_sent(link, len(link.faults))
            world.target.remove(image["name"])
        return [phase for link in links for phase in self.phases(world, link)]


class Killed:
    """kill -9 at random moments of a push. Its phases: begin, send, apply (the engine has the whole
    archive, and the image is not tagged yet), end."""

    KILLS_A_PUSH = 3

    def __init__(self, name):
        self.name = name

    def phase(self, world, push, began):
        if not push.running():
            return "end"
        if world.receiver.applying():
            return "apply"
        return "begin" if time.monotonic() - began < world.clean_seconds * 0.15 else "send"

    def strike(self, world, push, image):
        """Kills; returns the push that is to be waited for."""
        world.receiver.kill(self.name.removeprefix("kill "))
        return push

    def round(self, world, rng, wanted):
        image = world.next_image()
        phases = []
        link = Link(world.proxy)
        try:
            began = time.monotonic()
            push = Push(world, image["name"])
            for _ in range(min(wanted, self.KILLS_A_PUSH)):
                moment = began + rng.uniform(0.01, world.clean_seconds * 1.05)
                await_that(lambda: time.monotonic() >= moment or (phases and not push.running()),
                           60, pause=0.003)
                if phases and not push.running():
                    break
                phases.append(self.phase(world, push, began))
                push = self.strike(world, push, image)
                began = time.monotonic()
            demand(push)
        finally:
            link.end()
        world.verify(image)
        world.verify_sent(link, len(phases))
        world.target.remove(image["name"])
        push.forget()
        world.count_resent(link, len(phases))
        self.after(world)
        return phases

    def after(self, world):
        """A child that dies again and again is started later and later: that is for another test."""
        world.receiver.stop()
        world.receiver.start()


class KilledAgent(Killed):
    """And the same push again."""

    def strike(self, world, push, image):
        push.kill()
        push.forget()
        return Push(world, image["name"])

    def after(self, world):
        pass


class KilledEngine(Killed):
    """dockerd with its containerd, killed and started again."""

    KILLS_A_PUSH = 2

    def strike(self, world, push, image):
        world.target.kill()
        world.target.start()
        return push

    def after(self, world):
        pass


class Several(Broken):
    """A cut link and a killed process at once."""

    def round(self, world, rng, wanted):
        image = world.next_image()
        link = self.link(world, rng, max(1, min(wanted, self.FAULTS_A_PUSH) - 1))
        killed = []

        def kill():
            time.sleep(rng.uniform(0.01, world.clean_seconds))
            killed.append(rng.choice(("net", "engine")))
            world.receiver.kill(killed[0])

        thread = threading.Thread(target=kill)
        try:
            push = Push(world, image["name"])
            thread.start()
            demand(push)
        finally:
            thread.join()
            link.end()
        world.verify(image)
        world.verify_sent(link, len(link.faults) + 1)
        world.target.remove(image["name"])
        world.receiver.stop()
        world.receiver.start()
        return self.phases(world, link) + killed


CUT = Broken("cut", "cut")
RESET = Broken("reset", "reset")
LANES = Lanes("lanes", "cut,reset,stall", "--stall-ms", "400")
STALL = Broken("stall", "stall,delay", "--stall-ms", "700", "--delay-ms", "300")
SILENT = Silent("silent", "stall")
KILL_AGENT = KilledAgent("kill dray")
KILL_NET = Killed("kill net")
KILL_ENGINE = Killed("kill engine")
KILL_SUPERVISOR = Killed("kill supervisor")
KILL_DOCKERD = KilledEngine("kill dockerd")
SEVERAL = Several("cut and kill", "cut,reset")

# How often in tests/run, and in a full run.
LINKS = [(CUT, 15, 400), (RESET, 15, 400), (LANES, 15, 150), (STALL, 8, 100), (SILENT, 4, 40)]
KILLS = [(KILL_NET, 50, 330), (KILL_ENGINE, 50, 330), (KILL_AGENT, 50, 200),
         (KILL_SUPERVISOR, 50, 100), (KILL_DOCKERD, 20, 60), (SEVERAL, 6, 60)]
PARTS = {"links": LINKS, "kills": KILLS}
