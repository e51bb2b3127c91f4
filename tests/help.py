#!/usr/bin/env python3
"""Help, manual and completion agree with one another: help.py --fgconv build/fgconv

The table of `--help=markdown` says which command takes which option. Every page names exactly those, in lines of at most 100 columns; every shell completes them. bash, zsh and fish
are asked what they complete; a shell that is not installed is passed over, with a word.
"""
import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checkpoint import Tally

COLUMNS, PAGE = 100, 60
tally = Tally()

# what is typed -> what must be offered; the shell's current directory has the folder "model" and the file "words.yaml"
COMPLETED = {
    "fgconv verif": {"verify"},
    "fgconv mod": {"model"},
    "fgconv --to ": {"hf", "forgather", "fast_llm"},
    "fgconv --dtype bf": {"bfloat16"},
    "fgconv verify --rep": {"--report"},
    "fgconv model --hf-b": {"--hf-base"},
    "fgconv --prompt list --dry": {"--dry-run"},
    "fgconv --add-tokens wor": {"words.yaml"},
    "fgconv --hf-base mod": {"model"},
    "fgconv help final": {"finalize"},
    "fgconv completion fi": {"fish"},
    "fgconv list --dry": set(),
    "fgconv finalize --safe": set(),
}


def run(fgconv, *arguments):
    return subprocess.run([fgconv, *arguments], capture_output=True, text=True)


def printed(fgconv, *arguments):
    return subprocess.run([fgconv, *arguments], capture_output=True, text=True, check=True).stdout


def option_rows(fgconv):
    """[(spellings without values, commands or None for all)] of the options that help shows."""
    hidden = set(re.findall(r"^\.It.* Fl -([\w-]+)", printed(fgconv, "--help=man").split(".Sh COMPATIBILITY")[1], re.M))
    rows = []
    for line in printed(fgconv, "--help=markdown").splitlines()[2:]:
        left, _, commands = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        spellings = re.findall(r"(?<![\w-])--?[\w-]+", left)
        if spellings[-1][2:] not in hidden and spellings[0][2:] not in hidden:
            rows.append((spellings, None if commands == "all" else commands.split(", ")))
    return hidden, rows


def commands_of(fgconv):
    section = printed(fgconv, "--help").split("\nCommands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  ([a-z-]+)", section, re.M)


def check_lines(name, text):
    long = [line for line in text.splitlines() if len(line) > COLUMNS]
    tally.check(f"{name}: no line above {COLUMNS} columns", not long, long)


def check_pages(fgconv, commands, hidden, rows):
    page = printed(fgconv, "--help")
    check_lines("--help", page)
    tally.check("--help is a page", len(page.splitlines()) <= PAGE, len(page.splitlines()))
    tally.check("help and --help are the same", page == printed(fgconv, "help"))
    first = re.split(r"[.:]\s", page)[0]
    tally.check("the first sentence names the formats", all(name in first for name in ("Hugging Face", "Forgather", "Fast-LLM")), first)
    for command in commands:
        page = printed(fgconv, command, "--help")
        check_lines(f"help {command}", page)
        tally.check(f"{command}: three ways to one page", page == printed(fgconv, "help", command) == printed(fgconv, "--help", command))
        wanted = {tuple(spellings) for spellings, takes in rows if takes is None or command in takes}
        found = {tuple(re.findall(r"(?<![\w-])--?[a-z][\w-]*", re.split(r"\s{2,}| [A-Z{]", line)[0])) for line in re.findall(r"^  (-.*)$", page, re.M)}
        tally.check(f"{command}: its page has its options", wanted == found, (wanted - found, found - wanted))
        tally.check(f"{command}: no hidden option", not any(f"--{name}" in page for name in hidden))
        tally.check(f"{command}: exit codes", all(re.search(rf"^  {code} ", page, re.M) for code in (0, 2, 3, 4, 5, 10, 70)))


def check_manuals(fgconv, commands):
    mandoc = shutil.which("mandoc")
    texts = Path(fgconv).parent / "texts"
    built = {path.stem.removeprefix("fgconv-") for path in texts.glob("fgconv-*.1")}
    tally.check("the build makes a page for each command", built == set(commands), built ^ set(commands))
    for command in commands:
        page = printed(fgconv, command, "--help=man")
        tally.check(f"fgconv-{command}.1 is what the program prints", page == (texts / f"fgconv-{command}.1").read_text())
        tally.check(f"fgconv-{command}.1 has its title", f".Dt FGCONV-{command.upper()} 1\n" in page)
        if mandoc:
            done = subprocess.run([mandoc, "-Tlint", "-Wwarning"], input=page, capture_output=True, text=True)
            tally.check(f"fgconv-{command}.1 is good mdoc", done.returncode == 0, done.stdout)
    if not mandoc:
        print("mandoc is not installed: the form of the manual pages is not checked")


def check_words(fgconv):
    done = subprocess.run([fgconv, "help"], env={"FGCONV_CONVERTERS": "/nonexistent"}, capture_output=True, text=True)
    tally.check("help needs no converters", done.returncode == 0, done.stderr)
    for arguments, code, said in (
            (["verfy", "a", "b"], 2, ["no such file", "no such command", "verify"]), (["help", "verfy"], 2, ["verify"]), (["absent", "b"], 2, ["no such command"]),
            (["inspect", "--chekpoint", "."], 2, ["--checkpoint"]), (["--dtype", "bflaot16", ".", "b"], 2, ["did you mean bfloat16"]),
            (["--max-shard-size", "5", ".", "b"], 2, ["unit", "5GB or 5GiB"]), (["completion", "tcsh"], 2, ["bash, zsh or fish"]), (["completion", "zhs"], 2, ["did you mean zsh"])):
        done = run(fgconv, *arguments)
        tally.check(f"fgconv {' '.join(arguments)}", done.returncode == code and all(text in done.stderr for text in said), done.stderr)


# ---- shells ----

BASH = """source "$1"
words=("${@:2}")
COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
_fgconv
printf '%s\\n' "${COMPREPLY[@]}"
"""

# an interactive zsh in a pseudo-terminal prints "READY" once its line editor reads the keys, then the lines that it could complete, and "END"
ZSH = """zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; PROMPT_EOL_MARK=; autoload -U compinit; compinit -u -D; source $1
_show() { print; compadd() { builtin compadd -O found \\"\\$@\\"; print -rl -- \\$found; }; _main_complete; print E''ND; }
zle -C show complete-word _show; bindkey '^X' show; zle-line-init() { print RE''ADY; }; zle -N zle-line-init"
zpty -r shell out '*READY*'
zpty -w -n shell "$2"$'\\x18'
zpty -r shell out '*END*'
print -r -- "$out"
zpty -d shell
"""


def words_of(line):
    return line.split(" ")


def bash(script, line, folder):
    done = subprocess.run(["bash", "-c", BASH, "bash", script, *words_of(line)], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def zsh(script, line, folder):
    done = subprocess.run(["zsh", "-c", ZSH, "zsh", script, line], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return {word.strip("\r/=") for word in done.stdout.split()}


def fish(script, line, folder):
    done = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script, line], cwd=folder, capture_output=True, text=True, check=True)
    return {word.split("\t")[0].rstrip("/") for word in done.stdout.splitlines()}


def check_shell(fgconv, name, complete, commands, hidden, rows, folder):
    script = Path(folder) / f"completion.{name}"
    script.write_text(printed(fgconv, "completion", name))
    if not shutil.which(name):
        print(f"{name} is not installed: its completion is not checked")
        return
    done = subprocess.run([name, "-n", script], capture_output=True, text=True)
    tally.check(f"{name} can read its script", done.returncode == 0, done.stderr)
    for line, wanted in COMPLETED.items():
        found = complete(script, line, folder)
        ok = wanted <= found if wanted else not any(word.startswith("--") for word in found if word not in line)
        tally.check(f"{name}: \"{line}\" is completed", ok, (wanted, found))
    tally.check(f"{name} completes all commands", set(commands) <= complete(script, "fgconv ", folder))
    if name == "zsh":
        for option, again in (("--ignore-key", True), ("--converter-path", True), ("--dtype", False)):
            found = complete(script, f"fgconv {option}=x --{option[2:6]}", folder)
            tally.check(f"zsh completes {option} {'again' if again else 'once'}", (option in found) == again, found)
        return
    for command in commands:
        found = complete(script, f"fgconv {command} --", folder)
        wanted = {word for spellings, takes in rows for word in spellings if (takes is None or command in takes) and word.startswith("--")}
        tally.check(f"{name} completes the options of {command}", {word for word in found if word.startswith("--")} == wanted, wanted ^ found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(Path(parser.parse_args().fgconv).resolve())
    commands = commands_of(fgconv)
    hidden, rows = option_rows(fgconv)
    check_pages(fgconv, commands, hidden, rows)
    check_manuals(fgconv, commands)
    check_words(fgconv)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model").mkdir()
        (Path(folder) / "words.yaml").touch()
        for name, complete in (("bash", bash), ("zsh", zsh), ("fish", fish)):
            check_shell(fgconv, name, complete, commands, hidden, rows, folder)
    return tally.end()


sys.exit(main())
