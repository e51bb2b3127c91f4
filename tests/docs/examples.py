"""The shell examples of a page: the blocks ```sh of Markdown, read into commands with what they print.

A block is a transcript or a script. In a transcript, lines that begin with "$ " are commands and the lines below one are what it prints, on both
streams; in a script, which has no such line, each line is a command, and its output is not looked at. In both:

  command \\             a backslash continues the command on the next line
  command <<'EOF'       and so does a here-document, to the line EOF
  command  # exit 3     the exit status that is expected, 0 unless it is stated; other comments are for the reader

In what a command prints, "[...]" stands for any text in a line, and on a line of its own for any number of lines. Dates, times, rates, memory and free space
are compared as quantities: any number will do. A command without a line below it may print anything.

"```sh no-run" is a block that is not run. The comment "<!-- no-run: REASON -->" must stand above it. The comment "<!-- needs: MODULE, ... -->" above a block says that
it is run only where python3 has these modules: directories.py has what such a block makes, or nothing below it uses that.
"""
import re

REASON = re.compile(r"^<!-- no-run: (\S.*) -->$")
NEEDS = re.compile(r"^<!-- needs: ([\w., ]+) -->$")
EXIT = re.compile(r"\s#.*\bexit (\d+)\s*$")
HERE = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
PROGRESS = re.compile(r"^(planning|reading|writing|proving|checking|comparing|comparing copies|counting|generating|syncing|verifying) +\d+ %")
QUANTITIES = [
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?"), "DATE"),
    (re.compile(r"\b\d+ min \d+ s\b|(?<![\w.])[\d.]+(e[-+]\d+)? (s|ms)\b"), "TIME"),
    (re.compile(r"(?<![\w.])[\d.]+(e\+\d+)? ([kMGT]?B|tokens?)/s|(?<![\w.])\d+ a second"), "RATE"),
    (re.compile(r"(at most|about) [\d.]+ [kMGT]?B\b|(?<![\w.])[\d.]+ [kMGT]?B (free|to prove|to generate)\b"), "MEMORY"),
]


class Malformed(Exception):
    """A page that breaks the rules above."""


class Example:
    def __init__(self, line, command):
        self.line, self.command, self.expected, self.end = line, command, [], line
        stated = EXIT.search(command.split("\n")[0])
        self.status = int(stated.group(1)) if stated else 0


class Block:
    def __init__(self, line, run, reason):
        self.line, self.run, self.reason, self.text, self.examples = line, run, reason, [], []
        self.needs = None  # Python modules, ", " between


def fences(text):
    """Every fenced block of a page: (line of the fence, what follows ```, lines of the block, line above the fence)."""
    lines, found, start = text.split("\n"), [], None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start = number
        else:
            above = next((held for held in reversed(lines[:start]) if held.strip()), "")
            found.append((start + 1, lines[start].strip()[3:].strip(), lines[start + 1:number], above))
            start = None
    if start is not None:
        raise Malformed(f"line {start + 1}: the block has no end")
    return found


def read_block(line, language, held, above):
    block = Block(line, language == "sh", None)
    if not block.run:
        reason = REASON.match(above)
        if language != "sh no-run" or not reason:
            raise Malformed(f"line {line}: \"{language}\" is not \"sh\" or \"sh no-run\" below a comment that says why")
        block.reason = reason.group(1)
    needs = NEEDS.match(above)
    block.needs = needs.group(1) if needs else None
    transcript = any(text.startswith("$ ") for text in held)
    block.text = held
    number = 0
    while number < len(held):
        text, first = held[number], number
        number += 1
        if transcript and not text.startswith("$ "):
            if not block.examples:
                raise Malformed(f"line {line + first + 1}: output above the first command")
            block.examples[-1].expected.append(text)
            block.examples[-1].end = line + first + 1
            continue
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        command = text[2:] if transcript else text
        while command.endswith("\\") and number < len(held):
            command += "\n" + held[number]
            number += 1
        here = HERE.search(command)
        while here and number < len(held):
            command += "\n" + held[number]
            number += 1
            if held[number - 1].strip() == here.group(1):
                break
        example = Example(line + first + 1, command)
        example.end = line + number
        block.examples.append(example)
    if block.run and not block.examples:
        raise Malformed(f"line {line}: the block has no command")
    for example in block.examples:
        while example.expected and not example.expected[-1].strip():
            example.expected.pop()
            example.end -= 1
    return block


def read_page(text):
    """The blocks of shell commands of a page."""
    blocks = []
    for line, language, held, above in fences(text):
        if not language:
            raise Malformed(f"line {line}: the block does not say its language")
        if language.split()[0] == "sh":
            blocks.append(read_block(line, language, held, above))
    return blocks


def tidy(text):
    """What a command printed, as lines: without colours and progress."""
    lines = [ESCAPES.sub("", line).split("\r")[-1].rstrip() for line in text.split("\n")]
    lines = [line for line in lines if not PROGRESS.match(line)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def measured(line):
    for pattern, word in QUANTITIES:
        line = pattern.sub(word, line)
    return line.rstrip()


def matches(expected, printed):
    """Whether the lines printed are those that a page shows."""
    pattern = []
    for line in expected:
        if line.strip() == "[...]":
            pattern.append(r"(?:[^\n]*\n)*?")
        else:
            pattern.append(".*".join(re.escape(part) for part in measured(line).split("[...]")) + r"\n")
    return re.fullmatch("".join(pattern), "".join(measured(line) + "\n" for line in printed)) is not None
