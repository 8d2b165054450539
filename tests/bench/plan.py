"""What the bench measures: links, scenarios and the steps that they are made of, and what of it all is
asked for.
"""
import argparse
import sys

import rows

# The line of each profile, as tests/bench/link takes it. "loopback" is a veth pair that nothing slows
# down: the kernel copies from one namespace to the other.
PROFILES = {
    "loopback": None,
    "1g": {"mbit": 1000, "delay-us": 250, "queue-kb": 512},
    "100m": {"mbit": 100, "delay-us": 20000, "queue-kb": 512},
    "lossy": {"mbit": 50, "delay-us": 50000, "queue-kb": 640, "loss": 1},
}

# Steps of a scenario, in order: image, and the scenario that it is measured for. They begin on a host b
# that has nothing. A step that no wanted scenario measures is still done, over the fast line: the next
# one builds on it.
CHAINS = {
    "app": [("app:1", "cold"), ("app:2", "warm"), ("app:2", "no-op")],
    "rebuild": [("rebuild:1", None), ("rebuild:2", "rebuild")],
    "commit": [("commit:1", None), ("commit:2", "commit")],
    "tiny": [("tiny:1", "tiny")],
}
SCENARIOS = ["cold", "warm", "rebuild", "commit", "no-op", "tiny"]
ROWS = {row.name: row for row in rows.ALL}

QUICK_PERCENT, QUICK_LIMIT = 6, 12
QUICK_SCENARIOS = {"loopback": ["cold", "warm", "rebuild", "no-op", "tiny"],
                   "100m": ["cold", "warm", "commit", "tiny"],
                   "lossy": ["warm"]}
QUICK_WITHOUT = ["skopeo"]  # takes what save|ssh|load takes
QUICK_SECONDS = 250         # no cell begins later; without other work on the machine none has to
RUNS, LIMIT = 3, 300


class Parser(argparse.ArgumentParser):
    def error(self, message):
        sys.exit("tests/bench/run: %s (--help says more)" % message)


def options_of(arguments):
    parser = Parser(prog="tests/bench/run")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--link", help=argparse.SUPPRESS)
    parser.add_argument("--build", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="append", choices=list(PROFILES))
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--row", action="append", choices=list(ROWS))
    parser.add_argument("--engine", choices=["20.10", "26", "28"])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--percent", type=int)
    parser.add_argument("--images")
    parser.add_argument("--dray-args", default="")
    parser.add_argument("--drayd-args", default="")
    parser.add_argument("--json")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(arguments)
    options.runs = options.runs or (1 if options.quick else RUNS)
    options.limit = options.limit or (QUICK_LIMIT if options.quick else LIMIT)
    options.percent = options.percent or (QUICK_PERCENT if options.quick else 100)
    for name in ("runs", "limit", "percent"):
        if not 1 <= getattr(options, name) <= 3600:
            parser.error("argument --%s: use 1 to 3600" % name)
    return options


def cells_wanted(options):
    """Profile to the scenarios that are measured over it, and what was left out."""
    wanted = options.scenario or SCENARIOS
    profiles = options.profile or list(PROFILES)
    left_out = []
    if options.quick and not options.profile:
        profiles = list(QUICK_SCENARIOS)
        left_out.append("profile 1g")
    found = {}
    for profile in profiles:
        of_profile = wanted
        if options.quick and not options.scenario and not options.profile:
            of_profile = QUICK_SCENARIOS[profile]
            if missing := [name for name in wanted if name not in of_profile]:
                left_out.append("%s of profile %s" % (", ".join(missing), profile))
        found[profile] = of_profile
    return found, left_out


def rows_wanted(options, setting, profile):
    """Those that can be measured here, and why not the others."""
    names, left_out = [], []
    for name, kind in ROWS.items():
        if options.row and name not in options.row:
            continue
        if kind in rows.OF_DRAY[1:] and profile != "lossy" and not options.row:
            continue
        if options.quick and not options.row and name in QUICK_WITHOUT:
            left_out.append("row " + name)
        elif why := kind(setting).missing():
            left_out.append("row %s: %s" % (name, why))
        else:
            names.append(name)
    return names, left_out
