#!/usr/bin/python3
"""rounds.py PART: the rounds of the fault tests, between two engines that run. See `run` for the
options. A case for each kind on stdout, in the form of tests/support/cases.sh; with --table, rows
for `run` in that file.
"""
import argparse
import collections
import json
import os
import random
import subprocess
import sys
import time
import traceback

import kinds
import world

SHORT_IMAGES, FULL_IMAGES = 12, 40
GIVE_UP_AFTER = 3  # rounds of a kind that went wrong: the next ones would tell no more
RESENT_MEAN_MAX = 2 << 20  # bytes a fault, over all of them


class Row:
    """What the table says of a kind."""

    def __init__(self, name):
        self.name = name
        self.tried = self.rounds = self.lost = self.corrupt = self.failed = 0
        self.phases = collections.Counter()
        self.wrong = []
        self.seconds = 0.0

    def good(self):
        return not self.wrong

    def line(self):
        phases = ", ".join("%s %d" % item for item in self.phases.most_common())
        return ("%d struck in %d pushes (%s); lost %d, corrupt %d, failed %d"
                % (self.tried, self.rounds, phases, self.lost, self.corrupt, self.failed))


class TheWorld(world.World):
    """Adds what is counted over all rounds."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.resent = self.resent_faults = 0
        self.configs = []

    def count_resent(self, link, faults):
        self.resent += max(0, link.bytes_up() - self.typical_up)
        self.resent_faults += faults

    def pair_more(self, count):
        for number in range(len(self.configs), count):
            config = "%s/config-%d" % (self.directory, number)
            self.pair(config, "agent-%d" % number, world.LINK_PORT + 1 + number)
            self.configs.append(config)

    def mend(self):
        """After a round that went wrong: everything as at the start."""
        try:
            if self.receiver.process and self.receiver.process.poll() is None:
                self.receiver.process.kill()
                self.receiver.process.wait()
            self.target.kill()
            self.target.start()
            time.sleep(0.3)
            self.clear_target()
            for name in self.receiver.journal():
                os.remove(self.receiver.state + "/loads/" + name)
            self.receiver.process = None
            self.receiver.start()
        except Exception:  # the next round says it
            traceback.print_exc()


def seeded(seed, *names):
    return random.Random(" ".join(str(name) for name in (seed, *names)))


def play(the_world, kind, count, seed, first_round):
    row = Row(kind.name)
    began = time.monotonic()
    number = first_round
    most = first_round + count * 2 + 10
    while row.tried < count and len(row.wrong) < GIVE_UP_AFTER and number < most:
        row.rounds += 1
        try:
            phases = kind.round(the_world, seeded(seed, kind.name, number), count - row.tried)
            row.tried += len(phases)
            row.phases.update(phases)
        except world.Wrong as wrong:
            setattr(row, wrong.column, getattr(row, wrong.column) + 1)
            row.wrong.append("round %d (--only '%s' --seed %s --round %d): %s\n%s" % (
                number, kind.name, seed, number, wrong, the_world.receiver.last_words()))
            the_world.mend()
        number += 1
    if row.tried < count and len(row.wrong) < GIVE_UP_AFTER:
        row.failed += 1
        row.wrong.append("only %d of %d faults struck" % (row.tried, count))
    row.seconds = time.monotonic() - began
    return row


def report(outcome, name, seconds, details=()):
    line = "%-4s %s %.1f" % (outcome, name, seconds)
    print(line, flush=True)
    if path := os.environ.get("DRAY_TEST_RESULTS"):
        with open(path, "a", encoding="utf-8") as file:
            print(line, file=file)
    for detail in details:
        for text in detail.splitlines():
            print("        " + text, flush=True)


def report_row(part, row):
    report("ok" if row.good() else "FAIL", "fault/%s: %s" % (row.name, row.line()), row.seconds,
           row.wrong)


def make_images(directory, base, count, seed):
    index = directory + "/images.json"
    here = os.path.dirname(os.path.abspath(__file__))
    with subprocess.Popen([here + "/cargo", str(count), str(seed), base, index],
                          stdout=subprocess.PIPE) as cargo:
        subprocess.run(["docker", "-H", "unix://%s/A/docker.sock" % directory, "load", "--quiet"],
                       stdin=cargo.stdout, stdout=subprocess.DEVNULL, check=True, timeout=300)
    with open(index, encoding="utf-8") as file:
        return json.load(file)


def last_check(the_world):
    """What was acknowledged is there, and was not sent again all the time."""
    began = time.monotonic()
    row = Row("the store")
    try:
        the_world.check_store()
        mean = the_world.resent / max(1, the_world.resent_faults)
        row.line = lambda: ("drayd check --read-data finds nothing wrong, and %.2f MB a fault were "
                            "sent again" % (mean / 1e6))
        if mean > RESENT_MEAN_MAX:
            raise world.Wrong("lost", "%.0f bytes a fault were sent again" % mean)
        the_world.receiver.stop()
    except world.Wrong as wrong:
        setattr(row, wrong.column, 1)
        row.wrong.append(str(wrong))
    row.seconds = time.monotonic() - began
    return row


def rounds(options, the_world):
    the_world.receiver.start()
    the_world.pair(the_world.config)
    the_world.measure()
    print("faults of %s, seed %s: a push left alone takes %.2f s and sends %.1f MB"
          % (options.part, options.seed, the_world.clean_seconds, the_world.typical_up / 1e6),
          flush=True)
    for kind, short, full in kinds.PARTS[options.part]:
        if options.only and kind.name not in options.only:
            continue
        if isinstance(kind, kinds.Silent):
            the_world.pair_more(kind.AGENTS)
        count = options.count or (full if options.full else short)
        yield play(the_world, kind, count, options.seed, options.round)
    yield last_check(the_world)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=kinds.PARTS)
    parser.add_argument("--base", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", action="append")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(100000)))
    parser.add_argument("--round", type=int, default=0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--table")
    options = parser.parse_args()
    directory = os.environ["SANDBOX"]
    images = make_images(directory, options.base, FULL_IMAGES if options.full else SHORT_IMAGES,
                         options.seed)
    the_world = TheWorld(directory, options.build, images)
    good = True
    try:
        for row in rounds(options, the_world):
            report_row(options.part, row)
            good = good and row.good()
            if options.table:
                with open(options.table, "a", encoding="utf-8") as file:
                    print(json.dumps({k: v for k, v in vars(row).items() if k != "line"}),
                          file=file)
    except world.Wrong as wrong:
        report("FAIL", "fault/%s go to their end" % options.part, 0, [str(wrong)])
        good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
