"""The bench's tables: one for each profile with a block for each scenario, then dray beside the best of
the others.
"""

TITLES = {
    "loopback": "loopback: a veth pair that nothing slows down",
    "1g": "1g: 1 Gbit/s, 0.25 ms each way",
    "100m": "100m: 100 Mbit/s, 20 ms each way",
    "lossy": "lossy: 50 Mbit/s, 50 ms each way, 1 % loss",
}
ABOUT = {
    "cold": "host b has nothing; app:1",
    "warm": "host b has app:1; app:2, 1 % of whose top layer of 100 MB changed",
    "rebuild": "host b has rebuild:1; rebuild:2, all times new, 0.1 % of the files changed",
    "commit": "host b has commit:1; commit:2, 1 % of the database's pages changed",
    "no-op": "host b has it all; app:2",
    "tiny": "host b has nothing; tiny:1, busybox",
}
HEADINGS = ("", "wall s", "CPU a s", "CPU b s", "on the wire MB", "peak RSS MiB", "correct")
WIDTHS = (18, 9, 8, 8, 15, 24, 0)
LEGEND = """\
a is the source, b the target. CPU: user and system of all processes of that host, its engine's
included; what the kernel does to receive is in part the line's and not counted, for all rows alike.
On the wire: sent by both hosts' devices, with headers (of packets that the kernel cuts later: once)
and what was sent again. Peak RSS: the largest process that is not an engine's, of both hosts.
Correct: the same image ID and layers on b as on a, and a container of it runs. Each row begins with
connecting: ssh's handshake counts, as dray's does. Congestion control is cubic unless a row says
otherwise, buffers are a stock Debian's. '> N' was stopped after N s; its other figures are up to there."""


def line(fields):
    first, *others = fields
    text = "  %-*s" % (WIDTHS[0], first)
    for width, field in zip(WIDTHS[1:], others):
        text += " %*s" % (width, field)
    return text.rstrip()


def wall(run):
    if run["outcome"] == "limit":
        return "> %.0f" % run["seconds"]
    return "%.2f" % run["seconds"]


class Tables:
    def __init__(self, machine, rows, cells):
        self.machine, self.rows, self.cells = machine, rows, cells
        self.profiles, self.probed = [], {}

    def add(self, profile, scenarios, names, probed):
        """`probed`: milliseconds for a round trip and Mbit/s of one TCP connection, as measured."""
        self.profiles.append((profile, scenarios, names))
        self.probed[profile] = probed

    def row(self, name, run):
        if run["outcome"] == "failed":
            return "  %-*s failed: %s" % (WIDTHS[0], name, run.get("why", ""))
        correct = "yes" if run["correct"] else "-" if run["outcome"] == "limit" else "NO"
        return line((name, wall(run), "%.2f" % run["cpu_a"], "%.2f" % run["cpu_b"],
                     "%.3f" % (run["bytes"] / 1e6),
                     "%.0f (%s)" % (run["rss"] / (1 << 20), run["rss_of"]), "  " + correct))

    def print_profile(self, profile, scenarios, names):
        print("\n%s" % TITLES[profile])
        print("  (measured: %.2f ms there and back, %.1f Mbit/s of one connection)"
              % tuple(self.probed[profile]))
        for scenario in scenarios:
            print("\n%s" % line(("%s" % scenario, *HEADINGS[1:])))
            print("  (%s)" % ABOUT[scenario])
            for name in names:
                run = self.cells.median(profile, scenario, name)
                print(self.row(name, run) if run else "  %-*s not measured" % (WIDTHS[0], name))

    def best(self, profile, scenario, names, column):
        """The rival with the least of it among those that did it right."""
        runs = [(name, self.cells.median(profile, scenario, name)) for name in names
                if not name.startswith("dray")]
        right = [(run[column], name) for name, run in runs if run and run["correct"]]
        return min(right, default=None)

    def ratio(self, profile, scenario, names, column):
        ours = self.cells.median(profile, scenario, "dray")
        best = self.best(profile, scenario, names, column)
        if not ours or not ours["correct"] or not best:
            return "-"
        return "%.2f x %s" % (ours[column] / max(best[0], 1e-9), best[1])

    def print_ratios(self):
        print("\nratios: dray's figure divided by that of the best other row (under 1: dray's is less)\n")
        print("  %-10s %-9s %-28s %-28s" % ("profile", "scenario", "wall", "on the wire"))
        for profile, scenarios, names in self.profiles:
            for scenario in scenarios:
                print(("  %-10s %-9s %-28s %-28s" % (
                    profile, scenario, self.ratio(profile, scenario, names, "seconds"),
                    self.ratio(profile, scenario, names, "bytes"))).rstrip())

    def print_markdown(self):
        """For a README: wall clock and bytes only."""
        for profile, scenarios, names in self.profiles:
            print("\n| %s: s / MB | %s |" % (profile, " | ".join(scenarios)))
            print("|---|%s" % ("---:|" * len(scenarios)))
            for name in names:
                print("| %s | %s |" % (name.replace("|", "\\|"), " | ".join(
                    self.short(self.cells.median(profile, scenario, name))
                    for scenario in scenarios)))

    def short(self, run):
        if not run:
            return ""
        if run["outcome"] == "failed" or (run["outcome"] == "done" and not run["correct"]):
            return "fails"
        return "%s / %.*f" % (wall(run), 2 if run["bytes"] < 1e7 else 0, run["bytes"] / 1e6)

    def print(self, left_out):
        about = self.machine
        print("\nDocker %(engine)s on both hosts, %(cpus)d CPUs (%(model)s), %(memory_gb)d GB, Linux "
              "%(kernel)s, %(date)s, load %(load).1f at the start;\nimages of %(percent)d %% of their "
              "full size, median of %(runs)d run(s)" % about)
        for profile, scenarios, names in self.profiles:
            self.print_profile(profile, scenarios, names)
        if any("dray" in names and len(names) > 1 for _, _, names in self.profiles):
            self.print_ratios()
        print("\nrows\n")
        for name in dict.fromkeys(name for _, _, names in self.profiles for name in names):
            print("  %-*s %s" % (WIDTHS[0], name, self.rows[name].about))
        print("\n" + LEGEND)
        for text in left_out:
            print("left out: " + text)
        print(flush=True)
