#!/usr/bin/env python3
"""Standard streams that are full, closed or without a reader.

    streams.py --fgconv build/fgconv

What cannot be printed is a failure of the system, exit code 4; a directory that is published then stays. A reader that goes away ends a command
that only prints, and no command that does more. A stream that the caller closed does not lend its number to a file.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, environment, run

SOURCE = str(DATA / "golden/llama_untied_fp32/hf")
PRINTING = [["list"], ["list", "--json"], ["inspect", SOURCE], ["config", SOURCE], ["diff", SOURCE, SOURCE], ["lint"], ["tokenize", SOURCE, "a b c"],
            ["completion", "bash"], ["help"], ["help", "convert"], ["--help=man"], ["--version"], ["validate", SOURCE, SOURCE],
            ["--dry-run", SOURCE, "none"], ["--dry-run", "--json", SOURCE, "none"]]
tally = Tally()


def in_shell(fgconv, arguments, redirection, work):
    """The exit code of fgconv in a shell, which alone can close a stream, and what stood on stderr."""
    command = f'"$0" "$@" {redirection}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command, fgconv, *arguments], cwd=work, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, timeout=120)
    return done.returncode, done.stderr


def printing(fgconv, work):
    for arguments in PRINTING:
        name = " ".join(arguments).replace(SOURCE, "SRC")
        for redirection in (">/dev/full", ">&-"):
            code, text = in_shell(fgconv, arguments, redirection, work)
            tally.check(f"{name} {redirection}", code == 4 and "cannot print the result" in text and text.count("error:") == 1, f"exit {code}: {text}")
        code, text = in_shell(fgconv, arguments, "| true", work)
        tally.check(f"{name} | true", code in (0, -13, 141) and "error:" not in text, f"exit {code}: {text}")


def publishing(fgconv, work):
    code, text = run(fgconv, ["-q", SOURCE, work / "expected"], ranks=0)
    tally.check("a conversion", code == 0, text)
    expected = digests(work / "expected")
    cases = [(">/dev/full", 4), (">&-", 4), ("| true", 0), ("2>&-", 0), ("<&- 2>&-", 0), ("<&- >&- 2>&-", 4)]
    for form in ([], ["--validate", "none"], ["--json"], ["-v"], ["-g", "--max-new-tokens", "3"]):
        for number, (redirection, expected_code) in enumerate(cases):
            target = f"to{number}{''.join(form)}"
            code, text = in_shell(fgconv, [*form, SOURCE, target], redirection, work)
            name = f"convert {' '.join(form)} {redirection}"
            tally.check(name, code == expected_code and digests(work / target) == expected, f"exit {code}: {text}")
            if code == 4 and "2>&-" not in redirection:
                tally.check(f"{name}: what was made", f"{target} is complete" in text, text)
    code, text = in_shell(fgconv, ["--debug-params", SOURCE, "early"], ">/dev/full", work)
    tally.check("convert --debug-params >/dev/full", code == 4 and not (work / "early").exists(), f"exit {code}: {text}")
    tally.check("nothing is left", not list(work.glob("*.partial")), os.listdir(work))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    with tempfile.TemporaryDirectory() as work:
        printing(fgconv, pathlib.Path(work))
        publishing(fgconv, pathlib.Path(work))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
