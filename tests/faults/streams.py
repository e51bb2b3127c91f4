#!/usr/bin/env python3
"""Standard streams that are full, closed or without a reader, in every command.

    streams.py --fgconv build/fgconv

What cannot be printed is a failure of the system, exit code 4, with one message; a directory that is published then stays, and the message says so.
A reader that goes away ends a command that only prints, and no command that does more. Standard input and standard error may be closed or full:
what is printed, written and returned is the same. A stream that the caller closed does not lend its number to a file.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, environment, run

SOURCE = str(DATA / "golden/llama_untied_fp32/hf")
LACKING = str(DATA / "draft/seed_oss")
UNPRINTED = ((">/dev/full", "No space left on device"), (">&-", "Bad file descriptor"))
# Commands that only print. "hf" is a model, "fg" its conversion, "lines" a text.
PRINTING = [["list"], ["list", "--json"], ["inspect", "hf"], ["inspect", "-v", "fg"], ["inspect", "--json", "hf"], ["config", "hf"], ["config", "fg/config.json"],
            ["diff", "hf", "hf"], ["diff", "hf", "fg"], ["diff", "--json", "hf", "fg"], ["lint"], ["tokenize", "hf", "a b c"],
            ["completion", "bash"], ["completion", "zsh"], ["completion", "fish"], ["help"], ["help", "convert"],
            ["--help"], ["convert", "--help"], ["--help=man"], ["convert", "--help=man"], ["--help=markdown"], ["--version"], ["--version", "-v"],
            ["--version", "--json"]]
# Commands that do more, but write no directory.
CHECKING = [["validate", "hf", "hf"], ["validate", "--json", "hf", "fg"], ["verify", "hf", "fg"], ["verify", "--json", "hf", "fg"], ["verify", "-v", "hf", "fg"],
            ["--dry-run", "hf", "none"], ["--dry-run", "--json", "hf", "none"], ["--dry-run", "-g", "hf", "none"], ["update", "--dry-run", "fg", "none"],
            ["finalize", "--dry-run", "fg", "none"], ["update-vocab", "--dry-run", "fg", "none"]]
# Commands that write a directory, which is appended.
WRITING = [["convert", "hf"], ["convert", "--validate", "none", "hf"], ["convert", "--json", "hf"], ["convert", "-v", "hf"], ["convert", "-g", "--max-new-tokens", "3", "hf"],
           ["update", "--arch", "llama", "--from-version", "1", "older"], ["finalize", "fg"], ["update-vocab", "fg"], ["new-family", "lacking"],
           ["new-family", "--json", "lacking"]]
FAILING = [(["none", "out"], 2), (["--no-such-option"], 2), (["help", "none"], 2), (["tokenize", "lacking", "a"], 3), (["diff", "fg", "older"], 10), (["lint", "broken.json"], 3)]
tally = Tally()


class Shell:
    """Runs fgconv in a shell, which alone can close a stream."""

    def __init__(self, fgconv, work):
        self.fgconv, self.work = fgconv, work

    def __call__(self, arguments, redirection, ranks=0, limit=None):
        """The exit code, stdout and stderr. With ranks each rank has the redirection."""
        limited = "" if limit is None else f"ulimit -f {limit}; "
        script = f'{limited}"$0" "$@" {redirection}; exit ${{PIPESTATUS[0]}}'
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        done = subprocess.run([*launcher, "bash", "-c", script, self.fgconv, *arguments], cwd=self.work, env=environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr


def one_message(text, *said):
    return text.count("error:") == 1 and all(word in text for word in said)


def name_of(arguments):
    return " ".join(arguments) or "no arguments"


def every_command(shell):
    _, text, _ = shell(["help"], "")
    commands = re.findall(r"^  ([a-z-]+)(?: [A-Z\[|a-z].*?)?  +\S", text.split("Commands:\n")[1].split("\n\n")[0], re.M)
    tried = {arguments[0] for arguments in (*PRINTING, *CHECKING, *WRITING)}
    tally.check("every command is tried", len(commands) > 10 and set(commands) <= tried, set(commands) - tried)


def printing(shell):
    for arguments in PRINTING + CHECKING:
        for redirection, reason in UNPRINTED:
            code, _, text = shell(arguments, redirection)
            tally.check(f"{name_of(arguments)} {redirection}", code == 4 and one_message(text, "cannot print the result", reason), f"exit {code}: {text}")
    for arguments in PRINTING:
        code, _, text = shell(arguments, "| true")
        tally.check(f"{name_of(arguments)} | true", code in (0, 10, -13, 141) and "error:" not in text, f"exit {code}: {text}")
    for arguments in CHECKING:
        code, _, text = shell(arguments, "| true")
        tally.check(f"{name_of(arguments)} | true", code == 0 and "error:" not in text, f"exit {code}: {text}")


def without_what_varies(text):
    """Reports have times, and a summary has rates and memory."""
    return re.sub(r"\d[\d.,]*( [A-Za-z]+)?", "", text)


def other_streams(shell):
    """What is not printed to does not matter."""
    for arguments in PRINTING + CHECKING:
        code, expected, _ = shell(arguments, "")
        for redirection in ("<&-", "<&- 2>&-", "</dev/full 2>/dev/full"):
            found, text, _ = shell(arguments, redirection)
            tally.check(f"{name_of(arguments)} {redirection}", found == code and without_what_varies(text) == without_what_varies(expected), f"exit {found}: {text}")
    for arguments, code in FAILING:
        for redirection in ("2>&-", "2>/dev/full", "<&- >&-", "2>&- >&- <&-"):
            found, _, _ = shell(arguments, redirection)
            printed = arguments[0] in ("diff", "lint") and ">&-" in redirection.replace("2>&-", "")
            tally.check(f"{name_of(arguments)} {redirection}", found == (4 if printed else code), f"exit {found}")
    for arguments in (["list", "-q"], ["lint", "-q"], ["verify", "-q", "hf", "fg"], ["validate", "-q", "hf", "hf"], ["update-vocab", "-q", "--dry-run", "fg", "none"]):
        if shell(arguments, "")[1]:
            continue
        code, _, text = shell(arguments, ">&-")
        tally.check(f"{name_of(arguments)} >&-: there is nothing to print", code == 0, f"exit {code}: {text}")


def reading(shell):
    """tokenize reads lines; each is printed at once."""
    (shell.work / "lines").write_text("one\ntwo\n" * 20000)
    for redirection, reason in (("<&-", "Bad file descriptor"), ("<hf", "Is a directory")):
        code, _, text = shell(["tokenize", "hf", "-"], redirection)
        tally.check(f"tokenize hf - {redirection}", code == 4 and one_message(text, "cannot read the input", reason), f"exit {code}: {text}")
    for redirection, reason in UNPRINTED:
        code, _, text = shell(["tokenize", "hf", "-"], f"<lines {redirection}")
        tally.check(f"tokenize hf - <lines {redirection}", code == 4 and one_message(text, "cannot print the result", reason), f"exit {code}: {text}")
    for arguments in (["list"], ["--help=markdown"], ["inspect", "hf"]):
        code, _, text = shell(arguments, ">small", limit=0)
        tally.check(f"{name_of(arguments)} >FILE above ulimit -f", code == 4 and one_message(text, "cannot print the result: File too large"), f"exit {code}: {text}")
    code, _, text = shell(["tokenize", "hf", "-"], "<lines | head -1")
    tally.check("tokenize hf - <lines | head -1", code in (0, 141) and "error:" not in text, f"exit {code}: {text}")


def contents(directory):
    """Files and their bytes, but for the report, which has times."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*"))
            if p.is_file() and p.name not in ("fgconv_report.json", "forgather_update.json")}


def writing(shell):
    redirections = [(">/dev/full", 4), (">&-", 4), ("| true", 0), ("2>&-", 0), ("2>/dev/full", 0), ("<&- 2>&-", 0), ("<&- >&- 2>&-", 4)]
    for number, arguments in enumerate(WRITING):
        code, _, text = shell([*arguments, f"expected{number}"], "")
        tally.check(name_of(arguments), code == 0, text)
        expected = contents(shell.work / f"expected{number}")
        for other, (redirection, code_expected) in enumerate(redirections):
            target = f"to{number}.{other}"
            code, _, text = shell([*arguments, target], redirection)
            name = f"{name_of(arguments)} {redirection}"
            tally.check(name, code == code_expected and expected and contents(shell.work / target) == expected, f"exit {code}: {text}")
            if code == 4 and "2>&-" not in redirection:
                tally.check(f"{name}: what was made", one_message(text, "cannot print the result", f"{target} is complete"), text)
    code, _, text = shell(["convert", "--debug-params", "hf", "early"], ">/dev/full")
    tally.check("convert --debug-params >/dev/full", code == 4 and one_message(text) and not (shell.work / "early").exists(), f"exit {code}: {text}")
    tally.check("nothing is left", not list(shell.work.glob("*.partial")), os.listdir(shell.work))


def replacing(shell):
    """In place: the new directory is there, and the old one is not."""
    for number, (redirection, code_expected) in enumerate([(">/dev/full", 4), (">&-", 4), ("<&- >&- 2>&-", 4), ("2>&-", 0)]):
        target = f"mine{number}"
        shutil.copytree(shell.work / "fg", shell.work / target)
        code, _, text = shell(["update-vocab", "--in-place", target], redirection)
        again, _, more = shell(["verify", "hf", target], "")
        tally.check(f"update-vocab --in-place {redirection}", code == code_expected and digests(shell.work / target) == digests(shell.work / "fg"), f"exit {code}: {text}")
        tally.check(f"update-vocab --in-place {redirection}: nothing next to it", not list(shell.work.glob(f"{target}.*")), os.listdir(shell.work))


def with_ranks(shell):
    """The streams of each of 3 processes, with MPI and (help) without."""
    for arguments in (["list"], ["help"], ["inspect", "hf"], ["verify", "hf", "fg"], ["validate", "--json", "hf", "fg"], ["--dry-run", "hf", "none"]):
        for redirection, reason in UNPRINTED:
            code, _, text = shell(arguments, redirection, ranks=3)
            tally.check(f"3 ranks: {name_of(arguments)} {redirection}", code == 4 and one_message(text, "cannot print the result", reason), f"exit {code}: {text}")
    for number, (redirection, code_expected) in enumerate([(">/dev/full", 4), ("<&- >&- 2>&-", 4), ("2>&-", 0), ("<&-", 0), ("2>/dev/full", 0)]):
        code, _, text = shell(["convert", "hf", f"ranks{number}"], redirection, ranks=3)
        tally.check(f"3 ranks: convert hf DST {redirection}", code == code_expected and digests(shell.work / f"ranks{number}") == digests(shell.work / "fg"),
                    f"exit {code}: {text}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "hf").symlink_to(SOURCE)
        (work / "older").symlink_to(DATA / "golden/llama_untied_fp32/forgather")
        (work / "broken.json").write_text("{")
        (work / "lacking").symlink_to(LACKING)
        code, text = run(fgconv, ["-q", "hf", "fg"], ranks=0, cwd=work)
        tally.check("a conversion", code == 0, text)
        shell = Shell(fgconv, work)
        for part in (every_command, reading, printing, other_streams, writing, replacing, with_ranks):
            part(shell)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
