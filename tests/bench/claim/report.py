#!/usr/bin/env python3
"""What came of claim.py: tables of medians and spread, and a plot.

  report.py --rows DIR                            prints the tables
  report.py --rows DIR --doc FILE.md --svg FILE   writes them into the document, and the plot

A table stands in the document between "<!-- generated: NAME -->" and "<!-- end -->"; what is there
is replaced. Only the standard library is needed.
"""
import argparse
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import claim

ORDER = ["session", "released", "fresh", "sized", "quick", "both", "batch"]
LETTER = dict(zip(ORDER, ["a", "b", "c", "d", "e", "d+e", "f"]))
COLOUR = {"session": "#c0392b", "released": "#8e6bb0", "fresh": "#2166ac", "sized": "#1b9e77"}
GROUPS = {
    ("seconds", 1): "one", ("seconds", 12): "twelve", ("caches", 12): "caches", ("minutes", 1): "minutes"}


def name(config):
    return "%s %s" % (LETTER[config], config)


def number(text):
    return float(text) if text not in ("", None) else None


def digits(value):
    if value >= 100 or value == int(value):
        return "{:,.0f}".format(value)
    return ("%.2f" if value < 1 else "%.1f") % value


def spread(values):
    """The median, and the smallest and the largest where they differ from it."""
    if not values:
        return "-"
    middle, low, high = (digits(v) for v in (statistics.median(values), min(values), max(values)))
    return middle if low == high else "%s (%s–%s)" % (middle, low, high)


def table(header, rows):
    lines = ["| %s |" % " | ".join(header), "|%s" % ("---|" * len(header))]
    return "\n".join(lines + ["| %s |" % " | ".join(row) for row in rows])


class Rows:
    def __init__(self, directory):
        self.rows = claim.read(directory + "/rows.csv")
        self.runs = claim.read(directory + "/runs.csv")
        self.memory = claim.read(directory + "/memory.csv")
        whole = {self.key(r) for r in self.rows}  # the rest was interrupted
        self.runs = [r for r in self.runs if self.key(r) in whole]
        self.memory = [r for r in self.memory if self.key(r) in whole]

    @staticmethod
    def key(row):
        return row["scale"], int(row["hours"]), row["config"], int(row["rep"])

    def of(self, scale, hours, config, rows=None):
        rows = self.rows if rows is None else rows
        return [r for r in rows if self.key(r)[:3] == (scale, hours, config)]

    def values(self, scale, hours, config, column):
        found = [number(r[column]) for r in self.of(scale, hours, config)]
        return [v for v in found if v is not None]

    def median(self, *what):
        values = self.values(*what)
        return statistics.median(values) if values else None

    def configs(self, scale, hours):
        return [c for c in ORDER if self.of(scale, hours, c)]

    def check(self):
        """All configurations of a group have made the same bytes."""
        for scale, hours in GROUPS:
            made = {r["data"] for c in ORDER for r in self.of(scale, hours, c)}
            if len(made) > 1:
                sys.exit("report.py: %s/%d: the data differ: %s" % (scale, hours, made))


# ---- tables


def columns(rows, group, wanted):
    """A row a configuration, a column each of (title, column of rows.csv)."""
    return table(["", "n"] + [title for title, _ in wanted], [
        [name(c), str(len(rows.of(*group, c)))] + [
            spread(rows.values(*group, c, column)) for _, column in wanted]
        for c in rows.configs(*group)])


COSTS = [
    ("peak MiB", "peak_mib"), ("mean MiB", "mean_mib"), ("memory × time GiB s", "gib_s"),
    ("CPU s", "cpu_s"), ("wall s", "wall_s")]
COLLECTIONS = [
    ("pauses", "pauses"), ("together s", "pause_s"), ("longest ms", "pause_max_ms"),
    ("heap after the last MiB", "heap_after_last_mib"), ("at most", "heap_after_max_mib")]
STAGES = [("bronze s", "bronze_s"), ("silver s", "silver_s"), ("gold s", "gold_s")]


def ratios(rows):
    """Medians by those of the session."""
    lines = []
    for group in GROUPS:
        for config in rows.configs(*group)[1:]:
            cells = []
            for _, column in COSTS:
                now, before = rows.median(*group, config, column), rows.median(*group, "session", column)
                cells.append("-" if not now or not before else "%+.0f%%" % (100 * now / before - 100))
            lines.append(["%s, %s" % (group[0], "one run" if group[1] == 1 else "12 in a row"),
                          name(config), *cells])
    return table(["", "against a session", "peak", "mean", "memory × time", "CPU", "wall"], lines)


GROWTH = [
    ("peak MiB", "peak_mib"), ("mean MiB", "mean_mib"), ("heap after the last MiB", "heap_after_last_mib"),
    ("pauses", "pauses"), ("together s", "pause_s"), ("longest ms", "pause_max_ms"), ("wall s", "wall_s")]


def growth(rows, scale):
    """Of twelve in a row, the second to fourth and the last three."""
    lines = []
    for config in rows.configs(scale, 12):
        runs = rows.of(scale, 12, config, rows.runs)
        for title, which in [("2–4", (2, 3, 4)), ("10–12", (10, 11, 12))]:
            some = [r for r in runs if int(r["run"]) in which]
            if some:
                lines.append([name(config), title] + [
                    spread([number(r[column]) for r in some if r[column] != ""]) for _, column in GROWTH])
    return table(["", "runs"] + [title for title, _ in GROWTH], lines)


def conditions(rows):
    lines = []
    for scale, hours in GROUPS:
        some = [r for c in ORDER for r in rows.of(scale, hours, c)]
        if some:
            lines.append([
                scale, str(hours), str(len(some)), min(r["started"] for r in some),
                max(r["started"] for r in some), spread([number(r["load_begin"]) for r in some]),
                spread([number(r["others_cores"]) for r in some])])
    return table(
        ["stages of", "runs in a row", "rows", "first", "last", "load", "cores busy with other work"],
        lines)


def tables(rows):
    found = {}
    for group, key in GROUPS.items():
        found[key + " costs"] = columns(rows, group, COSTS)
        found[key + " collections"] = columns(rows, group, COLLECTIONS)
        found[key + " stages"] = columns(rows, group, STAGES)
    found["ratios"] = ratios(rows)
    found["twelve growth"], found["caches growth"] = growth(rows, "seconds"), growth(rows, "caches")
    found["live"] = table(["", "live heap MiB"], [
        [name(c) + ", %d run%s of %s" % (hours, "s" * (hours > 1), scale),
         spread(rows.values(scale, hours, c, "live_mib"))]
        for scale, hours in GROUPS for c in ("session", "released") if rows.of(scale, hours, c)])
    found["lag"] = table(["", "latest line s"], [
        [name(c), spread([number(r["lag_max_s"]) for g in GROUPS for r in rows.of(*g, c)])]
        for c in ORDER])
    found["conditions"] = conditions(rows)
    return found


def write(doc, found):
    with open(doc) as file:
        text = file.read()
    for key, lines in found.items():
        begin = "<!-- generated: %s -->" % key
        text = re.sub(
            re.escape(begin) + ".*?<!-- end -->", lambda _: "%s\n%s\n<!-- end -->" % (begin, lines), text,
            flags=re.S)
    for key in re.findall(r"<!-- generated: (.*?) -->", text):
        if key not in found:
            sys.exit("report.py: %s: there is no table %r" % (doc, key))
    with open(doc, "w") as file:
        file.write(text)


# ---- the plot

WIDTH, HEIGHT, LEFT, TOP = 420, 230, 62, 44


def step(top):
    """A round distance between some four to eight lines."""
    for unit in (10 ** e for e in range(-2, 7)):
        for k in (1, 2, 5):
            if top / (k * unit) <= 7:
                return k * unit
    return top


def panel(x, y, title, unit, along, series):
    """series: config, points (x, y), and of each the smallest and largest or None."""
    x_top = max((p[0] for _, points, _ in series for p in points), default=1)
    y_top = max([p[1] for _, points, _ in series for p in points] +
                [hi for _, _, bars in series for _, hi in bars or []], default=1) * 1.05

    def at(px, py):
        return x + LEFT + px / x_top * WIDTH, y + TOP + HEIGHT - py / y_top * HEIGHT

    out = ['<text x="%.0f" y="%.0f" font-weight="bold">%s</text>' % (x + LEFT, y + TOP - 14, title)]
    for horizontal, top in ((True, y_top), (False, x_top)):
        by, value = step(top), 0
        while value <= top:
            (ax, ay), (bx, by_) = (at(0, value), at(x_top, value)) if horizontal else (
                at(value, 0), at(value, y_top))
            out.append('<path d="M%.1f %.1fL%.1f %.1f" stroke="#ddd"/>' % (ax, ay, bx, by_))
            label = "%g" % value
            out.append('<text x="%.1f" y="%.1f" text-anchor="end">%s</text>' % (ax - 6, ay + 4, label)
                       if horizontal else
                       '<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>' % (ax, ay + 16, label))
            value += by
    out.append('<text x="%.0f" y="%.0f" text-anchor="end">%s</text>' % (x + LEFT + WIDTH, y + TOP + HEIGHT + 32, along))
    out.append('<text x="%.0f" y="%.0f" text-anchor="end">%s</text>' % (x + LEFT - 6, y + TOP - 14, unit))
    for config, points, bars in series:
        colour = COLOUR[config]
        for (px, _), (low, high) in zip(points, bars or []):
            (ax, ay), (bx, by_) = at(px, low), at(px, high)
            out.append('<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-opacity=".4" stroke-width="3"/>'
                       % (ax, ay, bx, by_, colour))
        path = "L".join("%.1f %.1f" % at(*p) for p in points)
        out.append('<path d="M%s" fill="none" stroke="%s" stroke-width="1.5"/>' % (path, colour))
    return out


def by_second(rows, scale, hours, configs):
    return [
        (c, [(float(r["second"]), float(r["mib"])) for r in found], None)
        for c in configs if (found := rows.of(scale, hours, c, rows.memory))]


def by_run(rows, scale, column, configs):
    """The median of the repetitions, and the smallest and largest."""
    series = []
    for config in configs:
        runs = rows.of(scale, 12, config, rows.runs)
        points, bars = [], []
        for run in range(1, 13):
            values = [float(r[column]) for r in runs if int(r["run"]) == run and r[column] != ""]
            if values:
                points.append((run, statistics.median(values)))
                bars.append((min(values), max(values)))
        if points:
            series.append((config, points, bars))
    return series


def plot(rows, path):
    configs = ["session", "released", "fresh", "sized"]
    light, full = "Hours of seconds, twelve in a row: ", "Caches that fill up, twelve in a row: "
    panels = [
        (light + "memory", "MiB", "seconds", by_second(rows, "seconds", 12, configs)),
        ("One run with stages of minutes: memory", "MiB", "seconds", by_second(rows, "minutes", 1, configs)),
    ]
    for column, unit, what in (
            ("peak_mib", "MiB", "peak"), ("heap_after_last_mib", "MiB", "heap after its last collection"),
            ("pause_s", "s", "all pauses"), ("wall_s", "s", "time")):
        for title, scale in ((light, "seconds"), (full, "caches")):
            panels.append((title + what, unit, "run", by_run(rows, scale, column, configs)))
    out = []
    for i, one in enumerate(panels):
        out += panel(i % 2 * (WIDTH + 90) + 10, i // 2 * (HEIGHT + 100) + 40, *one)
    for i, config in enumerate(configs):
        out.append('<path d="M%d 24h24" stroke="%s" stroke-width="3"/>' % (72 + i * 190, COLOUR[config]))
        out.append('<text x="%d" y="28">%s</text>' % (102 + i * 190, name(config)))
    width, height = 2 * (WIDTH + 90) + 10, (len(panels) + 1) // 2 * (HEIGHT + 100) + 50
    with open(path, "w") as file:
        file.write(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" font-family="sans-serif" '
            'font-size="12" fill="#333">\n<rect width="100%%" height="100%%" fill="#fff"/>\n%s\n</svg>\n'
            % (width, height, width, "\n".join(out)))


def main():
    parser = argparse.ArgumentParser(description="tables and a plot of what claim.py measured")
    parser.add_argument("--rows", required=True)
    parser.add_argument("--doc")
    parser.add_argument("--svg")
    options = parser.parse_args()
    rows = Rows(options.rows)
    rows.check()
    found = tables(rows)
    if options.doc:
        write(options.doc, found)
    else:
        for key, lines in found.items():
            print("%s\n\n%s\n" % (key, lines))
    if options.svg:
        plot(rows, options.svg)


if __name__ == "__main__":
    main()
