"""From single figures to medians, ratios, bars and tables."""

import statistics

from row import Bar, Computed

# Figures in the order of their columns; a table has those that its loads have.
ORDER = ["MB/s", "peak MB/s", "requests/s", "mean ms", "p50 ms", "p99 ms", "p999 ms", "max ms", "all awake ms", "jain",
         "slowest/fastest", "beside/alone", "ready s", "cpu s/GB", "cpu us/request", "idle cpu %", "written/byte",
         "KiB/connection", "KiB/waiting", "KiB/waiting after", "idle MiB", "peak MiB", "peak/allowed", "after MiB", "answered",
         "waiting", "refused", "closed", "sent again", "failed", "produce failed", "produced MiB", "lost later", "alive", "recovered", "recovered s", "log lines",
         "counted", "client MiB", "client cpu s/GB", "fdatasync ms"]
MARKS = {True: "✓", False: "✗"}


def median(values):
    return statistics.median(values)


def shown(value):
    if float(value).is_integer() and abs(value) < 100:
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values):
    """The median with the smallest and the largest."""
    if len(values) == 1 or min(values) == max(values):
        return shown(median(values))
    return f"{shown(median(values))} ({shown(min(values))}-{shown(max(values))})"


class Results:
    """Figures by load, variant and name; a list of one per round."""

    def __init__(self):
        self.figures = {}
        self.failures = []
        # What failed in a round that counts, by load and variant.
        self.failed = set()

    def add(self, load, variant, figures):
        for name, value in figures.items():
            self.figures.setdefault((load.name, variant.name, name), []).append(value)

    def fail(self, load, variant, turn, error):
        # One line, and the end of it: what a server said last is why.
        told = " ".join(str(error).split())
        self.failures.append(f"round {turn}, {load.name}, {variant.name}: {told if len(told) <= 400 else '…' + told[-400:]}")
        if turn > 0:
            self.failed.add((load.name, variant.name))

    def of(self, load, variant, figure):
        return self.figures.get((load.name, variant.name, figure), [])

    def median_of(self, load, variant, figure):
        values = self.of(load, variant, figure)
        return median(values) if values else None

    def wanted(self, load, bar):
        """What a bar asks for; None where what it follows from is not known."""
        if isinstance(bar, Computed):
            return bar.wanted(lambda variant, figure: self.median_of(load, variant, figure))
        return bar.ratio if isinstance(bar, Bar) else bar.value

    def figure(self, load, bar):
        """A ratio of medians, a median, or the worst value of all rounds."""
        ours = self.of(load, bar.ours, bar.figure)
        if isinstance(bar, Computed):
            return median(ours) if ours and self.wanted(load, bar) is not None else None
        if not isinstance(bar, Bar):
            return (min(ours) if bar.higher else max(ours)) if ours else None
        theirs = self.of(load, bar.theirs, bar.figure)
        if not ours or not theirs or not median(theirs):
            return None
        return median(ours) / median(theirs)

    def bars(self, loads):
        """Each bar with its figure, what it has to be, and whether it is. Whoever failed to give a figure does not hold."""
        for load in loads:
            for bar in load.bars:
                value, wanted = self.figure(load, bar), self.wanted(load, bar)
                if (load.name, bar.ours.name) in self.failed:
                    yield load, bar, value, wanted, False
                elif value is not None:
                    yield load, bar, value, wanted, value >= wanted if bar.higher else value <= wanted

    def _table(self, loads):
        columns = [name for name in ORDER if any(self.of(load, variant, name) for load in loads for variant in load.variants)]
        lines = ["| Load | Records | Server, sync mode | " + " | ".join(columns) + " |", "|---|---|---|" + "--:|" * len(columns)]
        for load in loads:
            for variant in load.variants:
                cells = [spread(values) if (values := self.of(load, variant, name)) else "" for name in columns]
                if (load.name, variant.name) in self.failed:
                    lines.append(f"| {load.what} | {load.sent} | {variant.name}: **failed** | " + " | ".join(cells) + " |")
                elif any(cells):
                    lines.append(f"| {load.what} | {load.sent} | {variant.name} | " + " | ".join(cells) + " |")
        return lines

    def markdown(self, loads, head):
        lines = [*head]
        for title in dict.fromkeys(load.table for load in loads):
            lines += ["", f"**{title}**", "", *self._table([load for load in loads if load.table == title])]
        judged = list(self.bars(loads))
        lines += ["", f"**Bars**: {sum(holds for *_, holds in judged)} of {len(judged)} hold", "",
                  "| | Load | Figure | Of | Is | Has to be |", "|---|---|---|---|--:|--:|"]
        for load, bar, value, wanted, holds in judged:
            ratio = isinstance(bar, Bar)
            of = f"{bar.ours.name} / {bar.theirs.name}" if ratio else bar.ours.name
            told = "failed" if value is None else f"{value:.2f}x" if ratio else shown(value)
            asked = f"{wanted}x" if ratio else "?" if wanted is None else shown(wanted)
            asked += f": {bar.said}" if isinstance(bar, Computed) else ""
            lines.append(f"| {MARKS[holds]} | {load.what} | {bar.figure} | {of} | {told} | {'≥' if bar.higher else '≤'} {asked} |")
        lines += [f"\nFailed: {failure}" for failure in self.failures]
        return "\n".join(lines) + "\n"

    def machine_readable(self, loads, head):
        known = {load.name: load for load in loads}
        rows = [{"load": load, "table": known[load].table, "what": known[load].what, "records": known[load].sent,
                 "variant": variant, "figure": figure, "median": median(values), "values": values}
                for (load, variant, figure), values in self.figures.items()]
        bars = [{"load": load.name, "figure": bar.figure, "ours": bar.ours.name, "is": value, "higher": bar.higher, "holds": holds,
                 **({"theirs": bar.theirs.name, "ratio": wanted} if isinstance(bar, Bar) else {"limit": wanted}),
                 **({"follows from": bar.said} if isinstance(bar, Computed) else {})}
                for load, bar, value, wanted, holds in self.bars(loads)]
        return {"conditions": head, "rows": rows, "bars": bars, "failures": self.failures}
