#!/usr/bin/env python3
"""Runs the commands of a page and compares what they print: run_page.py --fgconv build/fgconv docs/convert.md

examples.py says how a page writes them down. They run from top to bottom in a new directory, which has the models of directories.py that the page
names. --record puts in the page what was printed where the page shows something else, unless it leaves lines out.
"""
import argparse
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import ROOT, environment  # noqa: E402
from directories import prepare  # noqa: E402
from examples import Malformed, matches, read_page, tidy  # noqa: E402

SECONDS = 120  # for one command


class Shell:
    """One shell after another; directory and environment go on from one to the next."""

    def __init__(self, place, fgconv):
        self.state = place / ".state"
        (place / "bin").mkdir()
        (place / "bin/fgconv").symlink_to(pathlib.Path(fgconv).resolve())
        for name in ("home", "tmp"):
            (place / name).mkdir()
        self.where = place / "work"
        self.where.mkdir()
        # pages show numbers to their last digits, which differ between BLAS kernels
        self.environment = environment(OPENBLAS_CORETYPE="Haswell", OMPI_MCA_rmaps_base_oversubscribe="1", HOME=str(place / "home"), TMPDIR=str(place / "tmp"), LC_ALL="C.UTF-8",
                                       PATH=f"{place / 'bin'}:{os.environ['PATH']}")

    def has(self, modules):
        """Whether python3 has these modules; true for None."""
        return not modules or subprocess.run(["python3", "-c", f"import {modules}"], env=self.environment, capture_output=True).returncode == 0

    def run(self, command):
        """The exit status and what was printed on both streams."""
        script = f"set -o pipefail\ntrap 'status=$?; {{ pwd; export -p; }} >{self.state}; exit $status' EXIT\n{command}\n"
        if self.state.exists():
            where, exports = self.state.read_text().split("\n", 1)
            script = f"{exports}\ncd {where}\n{script}"
        done = subprocess.run(["bash", "-c", script], cwd=self.where, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SECONDS)
        return done.returncode, tidy(done.stdout)


def explain(page, example, status, printed):
    lines = [f"{page}:{example.line}: $ {example.command}"]
    if status != example.status:
        lines.append(f"  exit status {status}, the page says {example.status}")
        lines += [f"  | {line}" for line in printed]
    else:
        lines += [f"  {line}" for line in difflib.unified_diff(example.expected, printed, "the page", "printed", lineterm="", n=1)]
    return "\n".join(lines)


def lasting(line):
    """A line for a page: without the place of the repository, and without line numbers of its files."""
    return re.sub(r"(\[\.\.\.\]\S*\.json):\d+", r"\1:[...]", line.replace(str(ROOT), "[...]"))


def run_page(path, text, fgconv, record=None):
    """What is wrong with the page, as texts; `record` gets (example, printed) of outputs that differ."""
    problems = []
    blocks = read_page(text)
    with tempfile.TemporaryDirectory() as made:
        place = pathlib.Path(made)
        shell = Shell(place, fgconv)
        prepare(shell.where, text, fgconv)
        for example in (example for block in blocks if block.run and shell.has(block.needs) for example in block.examples):
            status, printed = shell.run(example.command)
            if status != example.status or (example.expected and not matches(example.expected, printed)):
                problems.append(explain(path, example, status, printed))
                if record is not None and status == example.status and "[...]" not in example.expected:
                    record.append((example, printed))
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("page", type=pathlib.Path)
    given = parser.parse_args()
    text, record = given.page.read_text(), []
    try:
        problems = run_page(given.page, text, given.fgconv, record)
    except Malformed as broken:
        print(f"{given.page}: {broken}")
        return 1
    print("\n".join(problems) or f"{given.page}: every command does what the page says")
    if given.record and record:
        lines = text.split("\n")
        for example, printed in reversed(record):
            lines[example.end - len(example.expected):example.end] = [lasting(line) for line in printed]
        given.page.write_text("\n".join(lines))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
