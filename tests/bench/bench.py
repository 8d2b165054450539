#!/usr/bin/python3
"""bench.py: measures dray beside its rivals, in the sandbox that `run` makes; see there for the
options. With --check it only reads them.
"""
import fcntl
import json
import os
import re
import statistics
import subprocess
import sys
import time

import hosts
import rows
import table
from plan import (CHAINS, PROFILES, QUICK_SECONDS, ROWS, SCENARIOS, cells_wanted, options_of,
                  rows_wanted)

TOO_SLOW = 0.7  # of the rate that is due: the machine is busy with something else
SETUP_LIMIT = 600
BEGAN = time.monotonic()
# A run that did not come to be.
NOTHING = {"outcome": "failed", "correct": False, "image": None, "code": None, "seconds": 0, "cpu_a": 0,
           "cpu_b": 0, "bytes": 0, "rss": 0, "rss_of": ""}


class Cells:
    """What was measured: profile, scenario and row to a list of runs."""

    def __init__(self):
        self.runs, self.all = {}, []

    def add(self, profile, scenario, row, run):
        self.runs.setdefault((profile, scenario, row), []).append(run)
        self.all.append({"profile": profile, "scenario": scenario, "row": row, **run})

    def of(self, profile, scenario, row):
        return self.runs.get((profile, scenario, row), [])

    def median(self, profile, scenario, row):
        """A run made of each column's median; one that did not succeed stands for all."""
        runs = self.of(profile, scenario, row)
        for run in runs:
            if run["outcome"] != "done":
                return run
        if not runs:
            return None
        numbers = ("seconds", "cpu_a", "cpu_b", "bytes", "rss")
        highest = max(runs, key=lambda run: run["rss"])
        return {**runs[0], **{n: statistics.median(run[n] for run in runs) for n in numbers},
                "rss": highest["rss"], "rss_of": highest["rss_of"],
                "correct": all(run["correct"] for run in runs)}


class Bench:
    def __init__(self, options, setting, line):
        self.options, self.setting, self.line = options, setting, line
        self.cells, self.seed = Cells(), 1
        self.end = BEGAN + QUICK_SECONDS if options.quick else None
        self.too_late = []
        self.log = setting.directory + "/command.log"

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            lines = [text.strip() for text in file if text.strip()]
        if not lines:
            return "it said nothing"
        # Some write their whole logger's line; what they mean is in there.
        message = re.search(r'msg="(.*)"', lines[-1])
        return (message[1] if message else lines[-1])[-150:]

    def move(self, row, image, link, limit, measured=True):
        """Over a new line: all rows meet the same losses, and those of each run are others."""
        self.line.emulate(link, self.seed)
        run = hosts.measure(self.setting.hosts, self.line, row.command(image), limit, self.log)
        run["image"] = image
        if run["code"] != 0:
            for host in self.setting.hosts:
                host.end_strays()
        if run["code"] is None:
            run.update(outcome="limit", correct=False)
        elif run["code"] != 0:
            run.update(outcome="failed", correct=False, why=self.last_words())
        else:
            why = self.wrong(image, start=measured)
            run.update(outcome="done", correct=not why)
            if why:
                run["why"] = why
        return run

    def wrong(self, image, start):
        """What is not as it must be about the image on host b."""
        a, b = self.setting.hosts
        try:
            wanted, found = a.inspect(image), b.inspect(image)
            if wanted != found:
                return "%s on host b is %s instead of %s" % (image, found, wanted)
            if not start:
                return ""
            said = b.docker("run", "--rm", "--network", "none", image)
            return "" if said == image else "a container of %s says '%s'" % (image, said)
        except hosts.Wrong as wrong:
            return str(wrong)

    def prepare(self, row, image):
        """Moves it unmeasured. Where the way does not work at all, so does nothing that follows."""
        run = self.move(row, image, None, SETUP_LIMIT, measured=False)
        if run["outcome"] != "done" or not run["correct"]:
            raise hosts.Wrong("%s: %s: %s" % (row.name, image, run.get("why", run["outcome"])))

    def spent(self, profile, scenario, row):
        """One that did not end within the limit will not do so the next time."""
        return any(run["outcome"] != "done" for run in self.cells.of(profile, scenario, row))

    def chain(self, profile, steps, wanted, row):
        steps = list(steps)
        while steps and steps[-1][1] not in wanted:
            steps.pop()
        left = [scenario for _, scenario in steps
                if scenario in wanted and not self.spent(profile, scenario, row.name)]
        if left and self.end and time.monotonic() > self.end:
            self.too_late.append("%s of %s, profile %s: no time left" % (
                ", ".join(left), row.name, profile))
            return
        try:
            if left:
                row.reset()
                self.go(profile, steps, left, row)
        except hosts.Wrong as wrong:
            print("bench: %s" % wrong, file=sys.stderr, flush=True)
            for scenario in left:
                self.cells.add(profile, scenario, row.name, {**NOTHING, "why": str(wrong)})

    def go(self, profile, steps, left, row):
        """Takes from `left` what it has measured."""
        for number, (image, scenario) in enumerate(steps):
            if scenario not in left:
                self.prepare(row, image)
                continue
            run = self.move(row, image, PROFILES[profile], self.options.limit)
            left.remove(scenario)
            self.cells.add(profile, scenario, row.name, run)
            self.tell(profile, scenario, row, run)
            if not left:
                return
            if run["outcome"] != "done":  # on what it left nothing can be built
                row.reset()
                for before, _ in steps[:number + 1]:
                    self.prepare(row, before)

    def tell(self, profile, scenario, row, run):
        text = {"done": "" if run["correct"] else "NOT CORRECT: " + run.get("why", ""),
                "failed": "failed: " + run.get("why", ""), "limit": "not done"}[run["outcome"]]
        print("bench: %-8s %-8s %-18s %8.2f s %9.2f MB %s" % (
            profile, scenario, row.name, run["seconds"], run["bytes"] / 1e6, text),
            file=sys.stderr, flush=True)

    def probe(self, link):
        """What the line is like. One that is better than it says would make fools of us."""
        milliseconds, mbit = self.line.probe(self.log)
        if link:
            if milliseconds < 2 * link["delay-us"] / 1e3 or mbit > link["mbit"]:
                raise hosts.Wrong("the line has %.2f ms and %.1f Mbit/s instead of %s"
                                  % (milliseconds, mbit, link))
            if "loss" not in link and mbit < TOO_SLOW * link["mbit"]:
                print("bench: a line of %d Mbit/s has only %.1f: this machine is too busy"
                      % (link["mbit"], mbit), file=sys.stderr, flush=True)
        return milliseconds, mbit

    def profile(self, profile, wanted, names):
        """Fills the cells; returns what the line is like."""
        self.line.emulate(PROFILES[profile], self.seed)
        probed = self.probe(PROFILES[profile])
        for self.seed in range(1, self.options.runs + 1):
            for steps in CHAINS.values():
                if not any(scenario in wanted for _, scenario in steps):
                    continue
                for name in names:
                    row = ROWS[name](self.setting)
                    try:
                        self.chain(profile, steps, wanted, row)
                    finally:
                        row.stop()
        return probed


def machine(options, host):
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for text in file:
            if text.startswith("model name"):
                model = text.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) // 1000000
    return {"cpus": os.cpu_count(), "model": model, "memory_gb": memory,
            "kernel": os.uname().release, "engine": host.docker("version", "--format",
                                                                "{{.Server.Version}}"),
            "load": os.getloadavg()[0], "percent": options.percent, "runs": options.runs,
            "limit": options.limit, "date": time.strftime("%Y-%m-%d")}


def make_images(options, host, sets):
    """Those that are not there yet, of an engine that may have been kept."""
    there = set(host.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())
    missing = [name for name in sets if not {image for image, _ in CHAINS[name]} <= there]
    if missing:
        print("bench: making the images: %s" % ", ".join(missing), file=sys.stderr, flush=True)
        subprocess.run([hosts.HERE + "/images", host.engine_dir, str(options.percent), *missing],
                       stdin=subprocess.DEVNULL, check=True, timeout=1200)


def keep_images(options):
    """Host a's engine is another directory then, kept from one time to the next, under its usual name:
    all that goes by that name is cleaned up as ever."""
    directory = "%s/%s-%d" % (os.path.abspath(options.images), options.engine or "engine",
                              options.percent)
    os.makedirs(directory, exist_ok=True)
    options.lock = open(directory + ".lock", "wb")  # until this process ends
    try:
        fcntl.flock(options.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise hosts.Wrong("another bench uses %s" % directory) from None
    os.symlink(directory, os.environ["SANDBOX"] + "/A")


def report(outcome, name):
    line = "%-4s bench/%s" % (outcome, name)
    print(line)
    if path := os.environ.get("DRAY_TEST_RESULTS"):
        with open(path, "a", encoding="utf-8") as file:
            print(line, file=file)


def judge(cells, patient):
    """dray's pushes must all have arrived; what rivals do is told, not judged. A full image may take
    longer than the limit on a bad line, a small one may not."""
    ours = [cell for cell in cells.all if ROWS[cell["row"]] in rows.OF_DRAY]
    wrong = [cell for cell in ours
             if not cell["correct"] and not (patient and cell["outcome"] == "limit")]
    if ours:
        report("FAIL" if wrong else "ok",
               "each of %d pushes of dray arrives whole and runs" % len(ours))
    for cell in wrong:
        print("        %s, %s, %s: %s: %s" % (cell["profile"], cell["scenario"], cell["row"],
                                            cell["outcome"], cell.get("why", "")))
    return not wrong


def measure_all(options, setting, line):
    bench = Bench(options, setting, line)
    profiles, left_out = cells_wanted(options)
    about = machine(options, setting.hosts[0])
    tables = table.Tables(about, ROWS, bench.cells)
    for profile, wanted in profiles.items():
        names, missing = rows_wanted(options, setting, profile)
        left_out += [text for text in missing if text not in left_out]
        probed = bench.profile(profile, wanted, names)
        tables.add(profile, [name for name in SCENARIOS if name in wanted], names, probed)
    left_out += bench.too_late
    tables.print(left_out)
    if options.markdown:
        tables.print_markdown()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": about, "left_out": left_out, "cells": bench.cells.all}, file,
                      indent=1)
    return judge(bench.cells, not options.quick)


def main():
    options = options_of(sys.argv[1:])
    if options.check:
        return 0
    if options.engine in ("26", "28"):
        os.environ["ENGINE_VERSION"] = options.engine
    wanted = {name for names in cells_wanted(options)[0].values() for name in names}
    sets = [name for name, steps in CHAINS.items() if any(s in wanted for _, s in steps)]
    pair, line = [], None
    try:
        if options.images:
            keep_images(options)
        pair = [hosts.Host(name, os.environ["SANDBOX"] + "/" + name.upper()) for name in "ab"]
        setting = rows.Setting(pair, options.build, options.dray_args.split(),
                               options.drayd_args.split())
        line = hosts.Line(options.link, pair)
        for host in pair:
            host.start_engine()
        version = pair[0].docker("version", "--format", "{{.Server.Version}}")
        if options.engine and not version.startswith(options.engine):
            raise hosts.Wrong("this machine's Docker is %s, not %s" % (version, options.engine))
        make_images(options, pair[0], sets)
        setting.start_sshd()
        return 0 if measure_all(options, setting, line) else 1
    except hosts.Wrong as wrong:
        print("bench: %s" % wrong, file=sys.stderr)
        return 1
    finally:
        if line:
            line.unplug()
        for host in pair:
            for server in list(host.servers):
                host.stop(server)
            host.stop_engine()


if __name__ == "__main__":
    sys.exit(main())
