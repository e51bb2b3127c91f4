#!/usr/bin/env python3
"""The form of README.md, docs/ and their like: pages.py --fgconv build/fgconv

README.md is short, lines of prose are, links lead to something, and every block of commands is one that run_page.py runs.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import ROOT, Tally  # noqa: E402
from examples import Malformed, fences, read_page  # noqa: E402

README_LINES, WIDTH = 120, 120
# page -> how many blocks are not run: what installs, builds, needs a cluster, or is the test suite itself
NO_RUN = {"README.md": 1, "docs/convert.md": 4, "docs/slurm.md": 2, "CONTRIBUTING.md": 2}
LANGUAGES = {"sh", "sh no-run", "json", "text"}
OTHER_OPTIONS = {"--oversubscribe", "--nodes", "--array", "--mpi", "--signal", "--no-requeue", "--install", "--dev", "--smollm2", "--quick", "--record", "--config"}  # of mpirun, Slurm, CMake, scripts
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def outside_blocks(text):
    """The lines of a page that are in no fenced block: (number, line)."""
    inside = set()
    for start, _, held, _ in fences(text):
        inside.update(range(start, start + len(held) + 2))
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if number not in inside]


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def anchors(text):
    return {anchor(line.lstrip("#")) for _, line in outside_blocks(text) if line.startswith("#")}


def long_lines(text):
    return [number for number, line in outside_blocks(text) if len(line) > WIDTH and not line.startswith("|")]


def broken_links(name, text):
    """Links of a page, relative to it, that lead nowhere."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(line for _, line in outside_blocks(text))):
        if re.match(r"https?:", target):
            continue
        path, _, part = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        if not file.exists() or (part and part not in anchors(file.read_text())):
            broken.append(target)
    return broken


def missing_files(text):
    named = re.findall(r"`((?:scripts|slurm|src|converters|tests|docs)/[\w./-]+)`", text)
    return [path for path in named if "TYPE" not in path and not (ROOT / path).exists()]


def hidden_commands(text):
    """Commands in indented blocks, which nothing runs."""
    return [number for number, line in outside_blocks(text) if re.match(r"(    |\t)\s*(\$ |fgconv |mpirun |scripts/)", line)]


def unknown_options(text, known):
    prose = "\n".join(line for _, line in outside_blocks(text))  # what is in blocks is run
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][\w-]*", prose)) - known)


def wrong_blocks(text):
    """What is wrong with the fenced blocks of a page, and how many blocks of commands are not run."""
    wrong = [f"line {line}: {language}" for line, language, _, _ in fences(text) if language not in LANGUAGES]
    for line, language, held, _ in fences(text):
        if language == "json":
            try:
                json.loads("\n".join(held))
            except ValueError as reason:
                wrong.append(f"line {line}: {reason}")
    try:
        return wrong, sum(not block.run for block in read_page(text))
    except Malformed as reason:
        return [*wrong, str(reason)], 0


def check(tally, name, text, options):
    wrong, not_run = wrong_blocks(text)
    tally.check(f"{name}: blocks have a language that is known, and are well formed", not wrong, "\n".join(wrong))
    tally.check(f"{name}: {NO_RUN.get(name, 0)} blocks are not run", not_run == NO_RUN.get(name, 0), f"found {not_run}")
    for what, found in (("lines of prose are at most 120 characters", long_lines(text)), ("links lead to something", broken_links(name, text)),
                        ("files exist", missing_files(text)), ("no command is in an indented block", hidden_commands(text)),
                        ("options exist", unknown_options(text, options))):
        tally.check(f"{name}: {what}", not found, str(found))


def can_fail(tally):
    """Each check finds what it is for."""
    tally.check("a long line is found", long_lines("x" * 121) == [1] and not long_lines("| " + "x" * 121))
    tally.check("a broken link is found", broken_links("README.md", "[a](docs/none.md) [b](README.md#none)") == ["docs/none.md", "README.md#none"])
    tally.check("a file that is not there is found", missing_files("`scripts/none`") == ["scripts/none"])
    tally.check("an indented command is found", hidden_commands("text\n\n    fgconv A B") == [3])
    tally.check("an unknown option is found", unknown_options("give `--sideways`", {"--dtype"}) == ["--sideways"])
    tally.check("a block without a language is found", wrong_blocks("```\nfgconv A B\n```")[0])
    tally.check("a block that is not run without a reason is found", wrong_blocks("```sh no-run\nfgconv A B\n```")[0])
    tally.check("broken JSON is found", wrong_blocks("```json\n{\n```")[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    table = subprocess.run([parser.parse_args().fgconv, "--help=markdown"], capture_output=True, text=True, check=True).stdout
    tests = re.findall(r"^  (--[a-z]+)\)", (ROOT / "scripts/test").read_text(), re.MULTILINE)
    options = set(re.findall(r"--[a-z][\w-]*", table)) | OTHER_OPTIONS | set(tests)
    tally = Tally()
    can_fail(tally)
    readme = (ROOT / "README.md").read_text()
    tally.check(f"README.md has at most {README_LINES} lines", readme.count("\n") <= README_LINES, str(readme.count("\n")))
    for name in PAGES:
        check(tally, name, (ROOT / name).read_text(), options)
        tally.check(f"README.md leads to {name}", name == "README.md" or f"({name})" in readme)
    return tally.end()


sys.exit(main())
