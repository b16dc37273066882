# SPDX-License-Identifier: Apache-2.0
"""Draws the conversions as a chart: bars for minima, lines for medians."""

COLOURS = {"own": "tab:green", "savant": "tab:olive", "peer": "tab:gray", "floor": "tab:blue"}


def draw(report, path):
    """Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = report["sections"]["conversions"]["rows"]
    names = list(dict.fromkeys(row["conversion"] for row in rows))
    groups = [[row for row in rows if row["conversion"] == name] for name in names]
    figure, all_axes = pyplot.subplots(
        len(groups),
        figsize=(9, 0.32 * len(rows) + 0.5 * len(groups) + 1),
        height_ratios=[len(group) + 1 for group in groups],
        squeeze=False,
    )
    for axes, group in zip(all_axes[:, 0], groups, strict=True):
        panel(axes, group)
    all_axes[-1, 0].set_xlabel("µs per call: minimum (bar) and median (line)")
    figure.suptitle(title_of(report["machine"]), fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def panel(axes, rows):
    minima = [row["minimum"] for row in rows]
    above = [row["median"] - row["minimum"] for row in rows]
    bars = axes.barh(
        [row["method"] for row in rows],
        minima,
        xerr=[[0] * len(rows), above],
        color=[COLOURS[row["kind"]] for row in rows],
    )
    axes.bar_label(bars, labels=[f" {value:.2f}" for value in minima], fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.tick_params(labelsize=8)
    axes.set_title(rows[0]["conversion"], loc="left", fontsize=9)


def title_of(machine):
    versions = {"viewcast": "viewcast", "opencv": "OpenCV", "torch": "torch", "cupy": "CuPy"}
    parts = [f"{name} {machine[key]}" for key, name in versions.items() if machine[key]]
    return ", ".join([machine["gpu"] or f"host memory, {machine['cpu']}", *parts])
