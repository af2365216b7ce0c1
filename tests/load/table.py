"""From single figures to medians, ratios, bars and a table."""

import statistics

ORDER = ["MB/s", "mean ms", "p50 ms", "p99 ms", "ready s", "idle MiB", "cpu s/GB", "written/byte", "peak MiB",
         "client MiB", "client cpu s/GB"]


def median(values):
    return statistics.median(values)


def shown(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    """The median with the smallest and the largest."""
    if len(values) == 1:
        return shown(values[0])
    return f"{shown(median(values))} ({shown(min(values))}-{shown(max(values))})"


class Results:
    """Figures by load, variant and name; a list of one per round."""

    def __init__(self):
        self.figures = {}
        self.failures = []

    def add(self, load, variant, figures):
        for name, value in figures.items():
            self.figures.setdefault((load.name, variant.name, name), []).append(value)

    def of(self, load, variant, figure):
        return self.figures.get((load.name, variant.name, figure), [])

    def ratio(self, load, bar):
        ours, theirs = self.of(load, bar.ours, bar.figure), self.of(load, bar.theirs, bar.figure)
        if not ours or not theirs or not median(theirs):
            return None
        return median(ours) / median(theirs)

    def bars(self, loads):
        """Each bar with its ratio and whether it holds."""
        for load in loads:
            for bar in load.bars:
                ratio = self.ratio(load, bar)
                if ratio is not None:
                    yield load, bar, ratio, ratio >= bar.ratio if bar.higher else ratio <= bar.ratio

    def markdown(self, loads, head):
        lines = [*head, "", "| Load | Server, sync mode | " + " | ".join(ORDER) + " |",
                 "|---|---|" + "--:|" * len(ORDER)]
        for load in loads:
            for variant in load.variants:
                cells = [spread(values) if (values := self.of(load, variant, name)) else "" for name in ORDER]
                if any(cells):
                    lines.append(f"| {load.what} | {variant.name} | " + " | ".join(cells) + " |")
        lines += ["", "| Bar | Figure | Ours / theirs | Has to be | Holds |", "|---|---|--:|--:|---|"]
        for load, bar, ratio, holds in self.bars(loads):
            sign = "at least" if bar.higher else "at most"
            lines.append(f"| {load.what}: {bar.ours.name} / {bar.theirs.name} | {bar.figure} | {ratio:.2f} | "
                         f"{sign} {bar.ratio} | {'yes' if holds else '**no**'} |")
        lines += [f"\nFailed: {failure}" for failure in self.failures]
        return "\n".join(lines) + "\n"

    def machine_readable(self, loads, head):
        rows = [{"load": load, "variant": variant, "figure": figure, "values": values}
                for (load, variant, figure), values in self.figures.items()]
        bars = [{"load": load.name, "figure": bar.figure, "ours": bar.ours.name, "theirs": bar.theirs.name, "ratio": ratio,
                 "has_to_be": bar.ratio, "higher": bar.higher, "holds": holds}
                for load, bar, ratio, holds in self.bars(loads)]
        return {"conditions": head, "rows": rows, "bars": bars, "failures": self.failures}
