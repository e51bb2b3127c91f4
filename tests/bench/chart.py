#!/usr/bin/env python3
"""Draws how the proof scales, from the table of docs/performance.md: chart.py docs/performance.md docs/scaling.svg

With --check nothing is written: exit status 1 if the drawing is not that of the table.
"""
import math
import pathlib
import re
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 320, 56, 44, 16, 150
STYLE = """text{font:13px sans-serif;fill:#333}.grid{stroke:#ddd}.ideal{stroke:#999;stroke-dasharray:4 4}
.few{stroke:#1f6fb4;fill:#1f6fb4}.many{stroke:#c2570c;fill:#c2570c}polyline{fill:none!important;stroke-width:2}text.few,text.many{stroke:none}
@media (prefers-color-scheme:dark){text{fill:#ccc}.grid{stroke:#444}.few{stroke:#6db3f2;fill:#6db3f2}.many{stroke:#f0a060;fill:#f0a060}}"""
ROW = re.compile(r"\| (\d+) \| [\d.]+ s \| ([\d.]+) x \| [\d.]+ s \| ([\d.]+) x \|")


def rows(page):
    """(ranks, times as fast with few tokens, with many) of the first table of that form."""
    return [(int(ranks), float(few), float(many)) for ranks, few, many in ROW.findall(page)]


def draw(points):
    """Both axes are logarithmic, so that what scales wholly is a straight line."""
    most = max(ranks for ranks, *_ in points)
    steps = [2 ** i for i in range(int(math.log2(most)) + 1)]

    def x(ranks):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(ranks) / math.log2(most)

    def y(times):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * math.log2(times) / math.log2(most)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
             "<title>The proof, times as fast as with one rank</title>", f"<style>{STYLE}</style>"]
    for step in steps:
        parts.append(f'<path class="grid" d="M{x(step):.1f} {TOP}V{HEIGHT - BOTTOM}M{LEFT} {y(step):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step}</text>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(step) + 4:.1f}" text-anchor="end">{step} x</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">ranks</text>')
    parts.append(f'<path class="ideal" d="M{x(1):.1f} {y(1):.1f}L{x(most):.1f} {y(most):.1f}"/>')
    parts.append(f'<text x="{x(most) + 8:.1f}" y="{y(most) + 4:.1f}">linear</text>')
    for column, (kind, name) in enumerate((("few", "24 tokens"), ("many", "512 tokens")), 1):
        line = [(x(point[0]), y(point[column])) for point in points]
        parts.append(f'<polyline class="{kind}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in line)}"/>')
        parts += [f'<circle class="{kind}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in line]
        parts.append(f'<text class="{kind}" x="{line[-1][0] + 8:.1f}" y="{line[-1][1] + 4:.1f}">{name}, {points[-1][column]} x</text>')
    return "\n".join([*parts, "</svg>", ""])


def main():
    page, drawing = (pathlib.Path(word) for word in sys.argv[-2:])
    points = rows(page.read_text())
    if len(points) < 3:
        print(f"{page}: no table of ranks")
        return 1
    made = draw(points)
    if "--check" not in sys.argv:
        drawing.write_text(made)
    elif made != drawing.read_text():
        print(f"{drawing} is not of the table in {page}: run tests/bench/chart.py {page} {drawing}")
        return 1
    return 0


sys.exit(main())
