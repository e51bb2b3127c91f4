#!/usr/bin/env python3
"""The documents agree with the program: documents.py --fgconv build/fgconv

The option table that the program prints is in README.md or docs/, README.md names every command, and its relative links and files exist; the manual page has
every command and exit code.
"""
import argparse
import re
import subprocess
import sys

from checkpoint import ROOT, Tally

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
tally = Tally()


def printed(fgconv, form):
    return subprocess.run([fgconv, f"--help={form}"], capture_output=True, text=True, check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    readme = (ROOT / "README.md").read_text()
    tables = re.findall(r"<!-- options:.*?-->\n(.*?)<!-- /options -->", "".join(path.read_text() for path in DOCUMENTS), re.S)
    tally.check("the documents have the option table of the program", tables == [printed(fgconv, "markdown")],
                "paste the output of `fgconv --help=markdown` between the two comments")
    manual = (ROOT / "src/cli/fgconv.1").read_text()
    tally.check("fgconv.1 has the commands of the program", printed(fgconv, "man") in manual, "paste the output of `fgconv --help=man`")
    for command in ("config", "validate", "verify", "update", "finalize", "update-vocab", "inspect", "diff", "list", "lint", "tokenize"):
        tally.check(f"README.md and fgconv.1 name {command}", f"fgconv {command}" in readme and command in manual)
    for path in re.findall(r"`((?:scripts|slurm|src|converters|tests)/[\w./]+)`", readme):
        tally.check(f"README.md: {path} exists", "TYPE" in path or (ROOT / path).exists())
    shown = "".join(f"    {line}\n" for line in (ROOT / "converters/fast_llm/qwen3.json").read_text().splitlines())
    tally.check("README.md shows converters/fast_llm/qwen3.json as it is", f"\n\n{shown}\n" in readme)
    for code in (0, 2, 3, 4, 5, 10, 70):
        tally.check(f"README.md and fgconv.1 name exit code {code}", f"| {code} |" in readme and re.search(rf"^\.It {code}\b", manual, re.M))
    return tally.end()


sys.exit(main())
