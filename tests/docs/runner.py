#!/usr/bin/env python3
"""run_page.py runs what a page says, and fails where the page is wrong: runner.py --fgconv build/fgconv"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import Tally  # noqa: E402
from examples import Malformed, read_page  # noqa: E402
from run_page import run_page  # noqa: E402

RIGHT = {
    "a command without output": "$ true",
    "an exit status that is stated": "$ fgconv  # exit 2",
    "output": "$ echo one; echo two\none\ntwo",
    "both streams, in order": "$ echo one; echo two >&2\none\ntwo",
    "any text in a line": "$ echo from here to there\nfrom [...] there",
    "any number of lines": "$ seq 9\n1\n[...]\n9",
    "no lines for any number": "$ seq 2\n1\n[...]\n2",
    "another time": "$ echo took 0.0031 s, 4 MB/s\ntook 12.5 s, 850 kB/s",
    "a command on two lines": "$ echo one \\\n    two\none two",
    "a here-document": "$ cat <<'EOF'\nheld\nEOF\nheld",
    "a directory and a variable that go on": "$ mkdir d && cd d && export V=1\n$ basename $PWD-$V\nd-1",
    "a script": "true # nothing\n\n# a comment\nfgconv none DST  # exit 2",
    "a directory that the page names": "$ fgconv inspect Qwen3-0.6B\nQwen3-0.6B: hf, qwen3[...]\n[...]",
}
WRONG = {
    "another exit status": "$ false",
    "an exit status of 0 where another is stated": "$ true  # exit 3",
    "another output": "$ echo one\ntwo",
    "a line too few": "$ seq 2\n1",
    "a line too many": "$ seq 2\n1\n2\n3",
    "another number": "$ echo 29 tensors\n30 tensors",
    "another size": "$ echo 308 kB\n309 kB",
    "the end of a line": "$ echo one two\none",
    "a failure in a pipe": "$ false | true",
    "the second command of a page": "$ true\n$ false",
    "a failure in a script": "true\nfalse",
}
MALFORMED = {
    "output above a command": "one\n$ true",
    "a block without a command": "",
}


def page(commands):
    return f"# Page\n\n```sh\n{commands}\n```\n"


def malformed(text):
    try:
        read_page(text)
    except Malformed:
        return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fgconv", required=True)
    fgconv, tally = parser.parse_args().fgconv, Tally()
    for name, commands in RIGHT.items():
        found = run_page("page", page(commands), fgconv)
        tally.check(f"passes: {name}", not found, "\n".join(found))
    for name, commands in WRONG.items():
        tally.check(f"fails: {name}", run_page("page", page(commands), fgconv))
    for name, commands in MALFORMED.items():
        tally.check(f"is refused: {name}", malformed(page(commands)))
    tally.check("is refused: a block without an end", malformed("```sh\n$ true\n"))
    tally.check("is refused: a block without a language", malformed("```\n$ true\n```\n"))
    tally.check("is refused: a block that is not run, without a reason", malformed("```sh no-run\nsbatch x\n```\n"))
    for module, wrong in (("json, os", True), ("no_such_module", False), ("json, no_such_module", False)):
        found = run_page("page", f"<!-- needs: {module} -->\n```sh\nfalse\n```\n", fgconv)
        tally.check(f"is {'run' if wrong else 'not run'}: a block that needs {module}", bool(found) == wrong, found)
    tally.check("is not run: a block with a reason", not run_page("page", "<!-- no-run: why -->\n```sh no-run\nfalse\n```\n", fgconv))
    return tally.end()


sys.exit(main())
