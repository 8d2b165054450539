#!/usr/bin/python3
"""full_disk: every disk full, and every disk without inodes, at every object that is written; then
there is room again, and the same receiver, not restarted, takes the same push.

Needs engines as `part` starts them. Cases on stdout, in the form of tests/support/cases.sh.
"""
import argparse
import contextlib
import os
import random
import re
import subprocess
import sys
import time

import rounds
import world
from world import Link, Push, Wrong, await_that

STATE_MB = 64
FLOOR = (STATE_MB << 20) // 20  # what the store leaves free
ENGINE_MB = 192
INODES = 4000
LINK_RATE = 4_000_000  # slow enough for a disk to be filled in between

SAYS_WHY = re.compile(r"no space|disk|full|room|free|inode", re.I)


# --- disks ---

class Disk:
    """A file system in memory, small, with a file that takes the room of others."""

    def __init__(self, path, megabytes, inodes=INODES):
        self.path, self.filler = path, path + "/.filler"
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,nr_inodes=%d,mode=755"
                        % (megabytes, inodes), "tmpfs", path], check=True)

    def free(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def fill(self, leave=0):
        """Until so many bytes are free."""
        with open(self.filler, "ab") as file:
            for _ in range(100):
                size = self.free() - leave
                if size <= 0:
                    return
                with contextlib.suppress(OSError):
                    at = os.fstat(file.fileno()).st_size
                    os.posix_fallocate(file.fileno(), at, size)

    def fill_inodes(self, leave=0):
        os.makedirs(self.filler + ".d", exist_ok=True)
        number = 0
        with contextlib.suppress(OSError):
            while True:
                with open("%s.d/%d" % (self.filler, number), "x", encoding="ascii"):
                    number += 1
        for i in range(leave):
            os.remove("%s.d/%d" % (self.filler, number - 1 - i))

    def clear(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.filler)
        if os.path.isdir(self.filler + ".d"):
            for name in os.listdir(self.filler + ".d"):
                os.remove(self.filler + ".d/" + name)
            os.rmdir(self.filler + ".d")


class EngineDisk(Disk):
    """The engine's, which its script has mounted."""

    def __init__(self, path):  # pylint: disable=super-init-not-called
        self.path, self.filler = path, path + "/.filler"


# --- what is done with them ---

def processes(the_world):
    return {"supervisor": the_world.receiver.process.pid, **the_world.receiver.children()}


def says_why(code, said):
    """A failed command has said in its last line that a disk is full."""
    if code != 1:
        raise Wrong("failed", "exit code %d instead of 1: %s" % (code, said))
    last = [line for line in said.replace(" / ", "\n").splitlines() if line.strip()][-1]
    if not SAYS_WHY.search(last):
        raise Wrong("failed", "does not say that a disk is full: %s" % said)
    print("        %s" % last[:220])


def push_code(the_world, image, while_running=None):
    """Exit code of a push, and what it said."""
    link = Link(the_world.proxy, rate=LINK_RATE)
    try:
        push = Push(the_world, image["name"])
        if while_running:
            while_running(push)
        code = push.wait()
        return code, push.said()
    finally:
        link.end()


def works_again(the_world, image, before):
    """The same processes take the push, and nothing is left of the one that failed."""
    code, said = push_code(the_world, image)
    if code != 0:
        raise Wrong("failed", "with room again: code %d: %s" % (code, said))
    if processes(the_world) != before:
        raise Wrong("failed", "processes %s became %s" % (before, processes(the_world)))
    the_world.verify(image, deep=True)
    the_world.target.remove(image["name"])


@contextlib.contextmanager
def full_then_free(the_world, *disks):
    """Yields an image; at the end there is room, and it can be pushed."""
    image, before = the_world.next_image(), processes(the_world)
    try:
        yield image
    finally:
        for disk in disks:
            disk.clear()
    await_that(lambda: not the_world.receiver.journal(), world.SETTLE_SECONDS)
    works_again(the_world, image, before)


class Cases:
    """Every method case_* is one."""

    def __init__(self, the_world, state, loads, engine, seed):
        self.world, self.state, self.loads, self.engine = the_world, state, loads, engine
        self.seed = seed

    def pack_bytes(self):
        total = 0
        for directory, _, names in os.walk(self.world.receiver.state + "/domains"):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(directory, name)).st_size
        return total

    # --- the receiver's state ---

    def case_a_state_without_inodes_before_the_first_push(self):
        with full_then_free(self.world, self.state) as image:
            self.state.fill_inodes()
            says_why(*push_code(self.world, image))

    def case_a_state_near_its_floor_or_below_takes_next_to_nothing(self):
        self.floor(FLOOR // 2)
        self.floor(FLOOR + (1 << 20))

    def floor(self, leave):
        with full_then_free(self.world, self.state) as image:
            self.state.fill(leave)
            before = self.state.free()
            code, said = push_code(self.world, image)
            says_why(code, said)
            if not re.search(r"[0-9.]+ ?[kMG]?B", said):
                raise Wrong("failed", "without numbers: " + said)
            if before - self.state.free() > 2 << 20:
                raise Wrong("failed", "%d bytes were taken" % (before - self.state.free()))

    def case_a_state_that_fills_up_while_segments_come(self):
        with full_then_free(self.world, self.state) as image:
            before = self.pack_bytes()

            def fill(_):
                await_that(lambda: self.pack_bytes() > before + (1 << 20), 20, pause=0.002)
                self.state.fill()
            says_why(*push_code(self.world, image, fill))

    def case_a_state_that_fills_up_at_any_moment(self):
        """Whatever is written then: packs, the index, its log, the journal."""
        failures = 0
        for number in range(10):
            rng = rounds.seeded(self.seed, "moment", number)
            moment, leave = rng.uniform(0.05, 1.6), rng.choice((0, 4096, 20480, 65536, 300_000))
            with full_then_free(self.world, self.state) as image:
                def fill(_, moment=moment, leave=leave):
                    time.sleep(moment)
                    self.state.fill(leave)
                code, said = push_code(self.world, image, fill)
                if code != 0:
                    says_why(code, said)
                    failures += 1
        if failures < 3:
            raise Wrong("failed", "only %d of 10 met the full disk" % failures)

    def case_a_state_without_inodes_when_a_pack_is_made(self):
        code, said = self.world.receiver.run("prune")
        if code != 0:
            raise Wrong("failed", "prune: " + said)
        with full_then_free(self.world, self.state) as image:
            self.state.fill_inodes()
            says_why(*push_code(self.world, image))

    def case_a_state_that_runs_out_of_inodes_at_any_moment(self):
        for number in range(4):
            rng = rounds.seeded(self.seed, "inodes", number)
            moment, leave = rng.uniform(0.05, 1.2), rng.randrange(3)
            with full_then_free(self.world, self.state) as image:
                def fill(_, moment=moment, leave=leave):
                    time.sleep(moment)
                    self.state.fill_inodes(leave)
                code, said = push_code(self.world, image, fill)
                if code != 0:
                    says_why(code, said)

    def case_a_full_disk_under_the_journal(self):
        with full_then_free(self.world, self.loads) as image:
            self.loads.fill()
            says_why(*push_code(self.world, image))

    def case_no_inodes_under_the_journal(self):
        with full_then_free(self.world, self.loads) as image:
            self.loads.fill_inodes()
            says_why(*push_code(self.world, image))

    def case_a_full_disk_at_an_invite_and_at_pairing(self):
        self.pairing(self.state.fill)

    def case_no_inodes_at_an_invite_and_at_pairing(self):
        self.pairing(self.state.fill_inodes)

    def pairing(self, fill):
        the_world = self.world
        name, before = "guest-%d" % the_world.next_number(), processes(the_world)
        config = "%s/config-%s" % (the_world.directory, name)
        try:
            fill()
            says_why(*the_world.receiver.run("invite", "--name", name, "--address", "127.0.0.1"))
            self.state.clear()
            code, token = the_world.receiver.run("invite", "--name", name, "--address",
                                                 "127.0.0.1:%d" % world.PORT)
            if code != 0:
                raise Wrong("failed", "invite with room again: " + token)
            token = token.splitlines()[-1] + "\n"
            fill()
            says_why(*self.pair(config, token))
        finally:
            self.state.clear()
        code, said = self.pair(config, token)
        if code != 0:
            raise Wrong("failed", "the token, with room again: code %d: %s" % (code, said))
        if processes(the_world) != before:
            raise Wrong("failed", "processes %s became %s" % (before, processes(the_world)))

    def pair(self, config, token):
        done = subprocess.run([self.world.dray, "pair", "b"], input=token, text=True, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60,
                              env={**os.environ, "DRAY_CONFIG_DIR": config})
        return done.returncode, done.stderr

    # --- the engine's disk ---

    def case_an_engine_without_room_for_the_image(self):
        with full_then_free(self.world, self.engine) as image:
            self.engine.fill(leave=2 << 20)
            says_why(*push_code(self.world, image))

    def case_an_engine_that_fills_up_while_it_loads(self):
        for leave in (0, 200_000, 3 << 20):
            with full_then_free(self.world, self.engine) as image:
                def fill(push, leave=leave):
                    await_that(lambda: self.world.receiver.journal() or not push.running(), 30,
                               pause=0.002)
                    self.engine.fill(leave)
                code, said = push_code(self.world, image, fill)
                if code == 0:
                    raise Wrong("failed", "the disk was full and the push succeeded")
                says_why(code, said)

    def case_an_engine_without_inodes(self):
        with full_then_free(self.world, self.engine) as image:
            self.engine.fill_inodes(leave=3)
            says_why(*push_code(self.world, image))

    # --- at the end ---

    def case_the_store_is_whole_after_all_that(self):
        self.world.check_store()
        self.world.receiver.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(100000)))
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    directory = os.environ["SANDBOX"]
    state = Disk(directory + "/disk", STATE_MB)
    images = rounds.make_images(directory, options.base, 40, options.seed)
    the_world = rounds.TheWorld(directory, options.build, images)
    the_world.receiver.state = directory + "/disk/state"
    loads = Disk(the_world.receiver.state + "/loads", 1, inodes=40)
    os.chmod(the_world.receiver.state, 0o700)
    os.chmod(the_world.receiver.state + "/loads", 0o700)
    the_world.receiver.start()
    the_world.pair(the_world.config)
    print("full disk: seed %s" % options.seed)
    cases = Cases(the_world, state, loads, EngineDisk(directory + "/B"), options.seed)
    failed = False
    for name in [name for name in vars(Cases) if name.startswith("case_")]:
        sentence = name.removeprefix("case_").replace("_", " ")
        if options.words and not any(words in sentence for words in options.words):
            continue
        began = time.monotonic()
        try:
            getattr(cases, name)()
            rounds.report("ok", "full disk/" + sentence, time.monotonic() - began)
        except Wrong as wrong:
            failed = True
            rounds.report("FAIL", "full disk/" + sentence, time.monotonic() - began,
                          [str(wrong), the_world.receiver.last_words()])
            the_world.mend()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
