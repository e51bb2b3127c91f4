#!/usr/bin/env python3
"""Comments, messages and documents avoid words that only their authors understood: words.py

The rule: if transformers, PyTorch, the MPI standard or POSIX has a word for a thing, use that word. HABITS are words of ours that broke it, each with what to write instead. Of C
only comments and strings are looked at, of other files everything.
"""
import pathlib
import re
import sys

from checkpoint import ROOT, Tally

# Pattern (a space also matches a line break), what to write instead, and a text that it must find.
HABITS = [
    (r"\bsettl(?:e|es|ed|ing)\b", "resolve, apply, set", "settle the ids"),
    (r"\b(?:is|are|was|were|be) found out\b", "detected", "the direction is found out"),
    (r"\bclaimed by nothing\b", "not covered by a rule", "3 tensors are claimed by nothing"),
    (r"\bnothing claims\b", "unexpected", "those that nothing claims"),
    (r"\bthat (?:also )?sees?\b", "vision models, full attention", "Apriel2 that also sees"),
    (r"\blayers that slide\b", "sliding-window layers", "layers that slide"),
    (r"\bthere and back\b", "round trip", "There and back."),
    (r"\bhand(?:s|ed|ing)? on\b", "release, export", "a directory to hand on"),
    (r"\banew\b", "rewritten, again", "made anew"),
    (r"\bhold(?:s|ing)? (?:[^\s.;]+ ){1,5}against\b", "compare ... with", "Holds a directory against another"),
    (r"\bby way of\b", "through", "to Forgather by way of hf"),
    (r"\b(?:what|that) (?:[^\s.;]+ ){1,8}comes? to\b", "the result of", "what a request for tokens comes to"),
    (r"\bbeside\b", "next to", "the file beside config.json"),
    (r"\b(?:told|tells?) apart\b", "distinguished, distinguish", "told apart by layer_types"),
    (r"\bfindings? (?:are|is|of)\b|\ba finding\b", "lint error", "which is a finding"),
    (r"\bsaid of\b", "said about", "said of one file"),
    (r"\bstands? (?:in(?! for\b)|at|behind|under|there|where|around|between|before)\b", "is in, is at", "what stands in the file"),
    (r"\bthat which\b", "the one that", "that which the file has"),
    (r"\bcut (?:short|off)\b", "truncated, interrupted", "the file is cut short"),
    (r"\bat work\b", "running", "another fgconv is at work"),
    (r"\bmeans nothing\b", "has no effect, is not used", "the key means nothing"),
    (r"\b(?:says|say) what (?:comes|came) of\b", "has the result", "d_inner says what comes of it"),
    (r"\bhas the one that counts\b", "takes precedence", "text_config has the one that counts"),
    (r"\bchanges? places\b", "is exchanged, swapped", "two directories change places"),
    (r"\blikeliest\b", "greedy, top-1", "takes the likeliest"),
    (r"\b(?:with|where) \S+ ?there is none\b|\b(?:with|where) there is none\b", "without it", "with --root-copy there is none"),
    (r"\b(?:the \w+|it|one|which|that|this) is none\b", "is not a ...", "the directory is none"),
    (r"\bends the run\b", "stops with an error", "ends the run"),
    (r"\bHuggingFace\b", "Hugging Face", "HuggingFace"),
    (r"\bno words? that\b", "is not supported by", "is no word that it knows"),
    (r"\b(?:what|that) travels with\b", "values stored in the checkpoint", "what travels with the checkpoint"),
    (r"\bheld against\b", "compared with, checked against", "held against the plan"),
    (r"\bleaves? behind\b", "KV cache; not copied", "what earlier positions leave behind"),
    (r"\bwhat (?:it|that|this) comes to\b", "the result", "and what that comes to"),
    (r"\bthey part in\b", "first difference", "they part in block 3"),
    (r"\bnobody who does it\b", "no handler", "nobody who does it"),
    (r"\bstands? twice\b", "is given twice", "the name stands twice"),
    (r"\bshares? the work out\b", "distributes the work", "share the work out"),
    (r"\bis supported only\b", "only ... is supported", "is supported only"),
    (r'"do:', "hint:", '"do: %s"'),
]
# What is held to the rule: everything but recorded data and this file.
PLACES = ["src", "mpi", "converters", "README.md", "docs", "CHANGELOG.md", "CONTRIBUTING.md", "scripts", "slurm", "packaging", "tests"]
PASSED_OVER = ("tests/data/", "tests/words.py")
SUFFIXES = {".c", ".h", ".1", ".md", ".json", ".py", ".sh", ""}
C_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
LINE = "\x00"  # a line break between two strings that the compiler joins
BREAK = r"(?:[\s\x00]+(?:\*\s+)?)"
tally = Tally()


def files_of(place):
    path = ROOT / place
    if path.is_file():
        return [path]
    return [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix in SUFFIXES and "__pycache__" not in file.parts
            and not str(file.relative_to(ROOT)).startswith(PASSED_OVER)]


def texts_of(source, c):
    """[(line, text)]: comments and strings of C; or the whole file."""
    if not c:
        return [(1, source)]
    source = re.sub(r'(?<!\\)"\s*\n\s*"', lambda joint: LINE * joint.group().count("\n"), source)
    return [(1 + source.count("\n", 0, found.start()) + source.count(LINE, 0, found.start()), found.group()) for found in C_TEXT.finditer(source)]


def habits_in(source, c):
    found = []
    for line, text in texts_of(source, c):
        for pattern, better, _ in HABITS:
            for hit in re.finditer(pattern.replace(" ", BREAK), text, 0 if "Hugging" in pattern else re.I):
                before = text[:hit.start()]
                found.append(f"line {line + before.count(chr(10)) + before.count(LINE)}: \"{' '.join(re.split(BREAK, hit.group()))}\" (write: {better})")
    return found


def main():
    for _, better, example in HABITS:
        for text, c in ((example.replace(" ", "\n"), False), (f"int a;\n/* {example.replace(' ', chr(10) + ' * ')} */", True), (example, False)):
            tally.check(f"\"{example}\" is found", (better in " ".join(habits_in(text, c))) or example.startswith('"'), text)
    message = 'f("the direction is "\n  "found out");'
    tally.check("a message of two strings is found", habits_in(message, True) == ['line 1: "is found out" (write: detected)'], habits_in(message, True))
    tally.check("code is passed over", not habits_in("int settle = anew;", True))
    for place in PLACES:
        for path in files_of(place):
            found = habits_in(path.read_text(errors="replace"), path.suffix in (".c", ".h"))
            tally.check(f"{path.relative_to(ROOT)} is in plain words", not found, "\n  ".join(["", *found]))
    return tally.end()


sys.exit(main())
