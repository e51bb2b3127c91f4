#!/usr/bin/env python3
"""The figures of a coverage run: coverage_report.py build-coverage/coverage.json [--lines 90] [--branches 80] [--files N] [--missing FILE]

Lines, and branches counted in two ways: all of them; and without those of lines that begin with FG_TRY and its kin, which say that a failure is
passed on. Each such line has a branch for "it failed": the same three instructions, thousands of times, whereas what matters is that a failure at
any place ends well, which tests/faults/sweep.py samples by place. One of two branches of FG_FAIL cannot be taken at all.
The limits hold for lines, and for branches without those. Nothing else is left out.
"""
import argparse
import collections
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASSES_ON = re.compile(r"\s*FG_(TRY|CALL|FAIL|NEW|TRY_NEW|TRY_RENEW|CALL_NEW)\(")


class Figures(collections.Counter):
    def add(self, line, text):
        self["lines"] += 1
        self["run"] += line["count"] > 0
        taken = [branch["count"] > 0 for branch in line["branches"]]
        for kind in ["all"] if PASSES_ON.match(text) else ["all", "own"]:
            self[kind] += len(taken)
            self[f"{kind} taken"] += sum(taken)

    def percent(self, part, whole):
        return 100 * self[part] / self[whole] if self[whole] else 100.0

    def row(self, name):
        return (f"{name:32} {self['lines']:6} {self.percent('run', 'lines'):6.1f} % {self['own']:7} {self.percent('own taken', 'own'):6.1f} %"
                f" {self['all']:7} {self.percent('all taken', 'all'):6.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("json")
    parser.add_argument("--lines", type=float, default=0)
    parser.add_argument("--branches", type=float, default=0)
    parser.add_argument("--files", type=int, default=15, help="so many files with the most lines that were not run")
    parser.add_argument("--missing", default="", help="prints the lines of such files that were not run, and the branches that were not taken")
    args = parser.parse_args()
    total, rooms, files = Figures(), collections.defaultdict(Figures), collections.defaultdict(Figures)
    for entry in json.loads(pathlib.Path(args.json).read_text())["files"]:
        path = entry["file"]
        text = (ROOT / path).read_text().split("\n")
        room = path.rsplit("/", 1)[0]
        for line in entry["lines"]:
            if line.get("gcovr/noncode"):
                continue
            source = text[line["line_number"] - 1]
            for figures in total, rooms[room], files[path]:
                figures.add(line, source)
            missed = line["count"] == 0 or not PASSES_ON.match(source) and not all(branch["count"] for branch in line["branches"])
            if args.missing and args.missing in path and missed:
                print(f"{path}:{line['line_number']}: {'     ' if line['count'] else '#####'} {source}")
    print(f"{'':32}  lines      run  branches  taken     all    taken")
    for name in sorted(rooms):
        print(rooms[name].row(name))
    print("Most lines that were not run:")
    for name in sorted(files, key=lambda name: files[name]["run"] - files[name]["lines"])[:args.files]:
        print(files[name].row(name))
    print(total.row("total"))
    lines, branches, every = (total.percent(*pair) for pair in (("run", "lines"), ("own taken", "own"), ("all taken", "all")))
    print(f"coverage: {lines:.1f} % of lines, {branches:.1f} % of branches; {every:.1f} % of branches with those that pass a failure on")
    good = lines >= args.lines and branches >= args.branches
    print(f"coverage: {int(good)} passed, {int(not good)} failed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
