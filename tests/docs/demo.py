#!/usr/bin/env python3
"""scripts/demo, the first command of README.md, ends well, keeps its result, and what it names to try next works: demo.py --fgconv build/fgconv"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import ROOT, Tally, environment, load  # noqa: E402
from examples import tidy  # noqa: E402


def call(command, place, fgconv):
    """Exit status and lines; setup finds the build up to date."""
    made = environment(FGCONV_BUILD=str(fgconv.parent), TMPDIR=str(place), OMPI_MCA_rmaps_base_oversubscribe="1", PATH=os.environ["PATH"])
    done = subprocess.run(command, cwd=place, env=made, shell=isinstance(command, str), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300)
    return done.returncode, tidy(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True, type=pathlib.Path)
    fgconv, tally = parser.parse_args().fgconv.resolve(), Tally()
    if not shutil.which("dpkg-query"):
        print("skipped: scripts/setup, which the demo runs first, knows Debian's packages only")
        return 77
    with tempfile.TemporaryDirectory() as made:
        place = pathlib.Path(made)
        code, lines = call([str(ROOT / "scripts/demo"), str(place / "demo")], place, fgconv)
        tally.check("scripts/demo ends with 0", code == 0, "\n".join(lines))
        for name in ("forgather", "back"):
            tally.check(f"scripts/demo keeps {name}", load(place / "demo" / name / "fgconv_report.json").get("status") == "done")
        start = next((i for i, line in enumerate(lines) if "try next" in line), len(lines))
        commands = [line.strip() for line in lines[start:] if line.startswith("  ")]
        tally.check("scripts/demo names what to try next", len(commands) >= 3, "\n".join(lines[start:]))
        for command in commands:
            if "MODEL" not in command:
                code, printed = call(command, place, fgconv)
                tally.check(f"{command.replace(made, '.')} works", code == 0, "\n".join(printed))
    return tally.end()


sys.exit(main())
