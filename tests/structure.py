#!/usr/bin/env python3
"""The rules for the structure of src and mpi: structure.py [--build DIR] [--report] [--quick]

Sizes of functions and files, names, who includes what, functions that nobody else calls, calls that have a wrapper. Each rule is tried on a small tree that breaks it
before the real sources are read. EXCEPTIONS are the known violations, each with its reason; one that no longer occurs is an error.
--report: prints violations and succeeds. --quick: headers are not compiled. --build: where compile_commands.json is.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_FUNCTION, MAX_COMPLEXITY, MAX_FILE, MAX_LINE, MAX_CIRCLE, MAX_SHARE = 60, 20, 700, 110, 3, 0.15

# The rooms and whose headers each may include: those named and what they may include.
ROOMS = {
    "base": [],
    "store": ["base"],
    "plan": ["store"],
    "format": ["plan"],
    "language": ["format"],
    "translate": ["language"],
    "mapping": ["language"],
    "copy": ["plan"],
    "device": ["copy"],
    "model": ["language", "device"],
    "lint": ["model", "translate", "mapping"],
    "draft": ["model", "translate", "mapping"],
    "tokenizer": ["base"],
    "tokens": ["tokenizer", "plan"],
    "report": ["base"],
    "conversion": ["lint", "tokens", "report"],
    "cli": ["model", "report"],
    "mpi": ["conversion"],
    "mpi/commands": ["mpi", "cli", "draft"],
}

# (rule, what it is about, pattern of the code without comments and strings, the only files that may have it)
CALLS = [
    ("mpi.h", r'#include [<"]mpi\.h[>"]', r"mpi/communicators\.h"),
    ("hdf5.h", r'#include [<"]hdf5\.h[>"]', r"mpi/dump\.c"),
    ("communicators.h", r'#include "communicators\.h"', r"mpi/(ranks|dump)\.c"),
    ("cblas.h", r"#include <cblas\.h>", r"src/device/cpu\w*\.c"),
    # jansson's own copies and reader pass over allocations that fail
    ("jansson", r"\bjson_(copy|deep_copy|load\w*)\(", r"src/base/json_build\.c"),
    # what these could not add is told by their result alone
    ("json update", r"[;{})]\s*json_(object_(update|set)\w*|array_(extend|append|insert|set)\w*|(string|integer|real)_set\w*)\(", r"-"),
    ("UTF-8 decoder", r"<< 6 ?\||\* 64 \+|0xc2|0xe0", r"src/base/utf8_text\.[ch]"),
    ("file call", r"(?<![\w.>])(open|openat|close|p?read|p?write|p?readv|p?writev|lseek|rename(?:at2?)?|[lf]?stat|fstatat|unlink|unlinkat|link|"
     r"symlink|mkdir|rmdir|fopen|fdopen|freopen|opendir|readdir|scandir|nftw|readlink|realpath|access|f?truncate|f(data)?sync|f?statvfs|"
     r"remove|mkstemp|mkdtemp|fcntl|flock|getcwd|chdir|f?chmod|copy_file_range|sendfile|fallocate|ioctl|tmpfile|popen)\(",
     r"src/base/(file|read_threads)\.c|mpi/commands/start\.c|mpi/launcher\.c|mpi/mpirun\.c"),  # standard streams that are closed; a socket; pipes
    ("allocation", r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|asprintf|mmap|munmap)\(", r"src/base/alloc\.c"),
]

# jansson's functions that give NULL for a lack of memory alone
MAKES_JSON = r"json_(?:object|array|string\w*|integer|real|boolean|true|false|null|pack|incref|sprintf)"

# What breaks a rule today: (rule, what), the reason.
EXCEPTIONS = {
    ("not used", "fg_alloc_fail_after"): "tests make allocations fail",
    ("not used", "fg_alloc_fail_once"): "tests make allocations fail",
    ("not used", "fg_file_fail_after"): "tests make calls to the file system fail",
    ("not used", "fg_alloc_count"): "tests count allocations",
    ("not used", "fg_alloc_peak"): "tests bound the memory",
    ("not used", "fg_catalogue_forget"): "tests change the files of a catalogue",
    ("not used", "fg_blas_core_better"): "tests name processors that this machine does not have",
}


# ---- reading C ----

def strip(text, strings=True):
    """The text without comments and, unless they are kept, the insides of strings; lines stay where they are."""
    def blank(found):
        token = found.group()
        if token[0] == "/":
            return " " + "\n" * token.count("\n")
        return token if not strings else token[0] * 2 if token[0] == '"' else "0"
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


TOKEN = re.compile(r"#(?:\\\n|[^\n])*|[A-Za-z_]\w*|\d[\w.]*|&&|\|\||->|\n|[^\s\w]")
BRANCH = {"if", "for", "while", "case", "&&", "||", "?"}
Function = collections.namedtuple("Function", "name line length complexity")


def functions(text):
    """The functions that a file defines."""
    line, depth, last, begin, name, opened, branches, body = 1, 0, "", None, "", [], 0, False
    for found in TOKEN.finditer(strip(text)):
        token = found.group()
        if token == "\n" or token[0] == "#":
            line += token.count("\n")
            continue
        if begin is None:
            begin, name = line, ""
        if token == "(" and depth == 0 and not opened and not name:
            name = last
        if token in "()":
            opened.append(1) if token == "(" else opened and opened.pop()
        elif token == "{":
            if depth == 0 and last == ")":
                body, branches = True, 1
            depth += 1
        elif token == "}":
            depth -= 1
            if depth == 0 and body:
                yield Function(name, begin, line - begin + 1, branches)
            if depth == 0 and body:
                body, begin = False, None
        elif token == ";" and depth == 0:
            begin = None
        elif body and token in BRANCH:
            branches += 1
        last = token


def types(text):
    """The types that a file defines: tags with a body, and typedefs of anything but a tag of the same name."""
    code = re.sub(r"(?m)^ *#.*(?:\\\n.*)*|__attribute__\(\(.*\)\)", "", strip(text))
    names = set(re.findall(r"\b(?:struct|union|enum)\s+(\w+)\s*\{", code))
    depth, statement = 0, ""
    for char in code:
        depth += (char == "{") - (char == "}")
        if depth == 0 and char != "}":
            statement += char
        if depth or char != ";":
            continue
        found = re.search(r"\btypedef\b(.*)$", statement, re.S)
        statement = ""
        if not found:
            continue
        pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)", found[1])
        function = re.search(r"(\w+)\s*\(", found[1])
        name = pointer[1] if pointer else function[1] if function else re.findall(r"\w+", found[1])[-1]
        if not re.fullmatch(rf"\s*(struct|union|enum)\s+{name}\s+{name}\s*;", found[1]):
            names.add(name)
    return names


# ---- the rules: each yields (rule, what, where it is) ----

def room_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" else "/".join(parts[:-1])


class Tree:
    """The sources under a directory: path -> text."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = {str(path.relative_to(root)): path.read_text() for top in ("src", "mpi")
                      for path in sorted((self.root / top).rglob("*.[ch]"))}
        self.includes = {path: list(self.included(path, text)) for path, text in self.files.items()}
        self.lines = collections.Counter()
        for path, text in self.files.items():
            self.lines[room_of(path)] += text.count("\n")

    def included(self, path, text):
        """The files of the tree that this one includes."""
        for name in re.findall(r'(?m)^ *# *include "([^"]+)"', text):
            for where in (pathlib.PurePath(path).parent / name, pathlib.PurePath("src") / name, pathlib.PurePath("mpi") / name):
                if (self.root / where).is_file():
                    yield os.path.normpath(where)
                    break


def sizes(tree):
    for path, text in tree.files.items():
        lines = text.split("\n")
        if len(lines) - 1 > MAX_FILE:
            yield "file length", path, f"{path}: {len(lines) - 1} lines"
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_LINE:
                yield "line length", path, f"{path}:{number}: {len(line)} columns"
        for function in functions(text) if path.endswith(".c") else ():
            where = f"{path}:{function.line}: {function.name}"
            if function.length > MAX_FUNCTION:
                yield "function length", function.name, f"{where}: {function.length} lines"
            if function.complexity > MAX_COMPLEXITY:
                yield "complexity", function.name, f"{where}: {function.complexity}"


def names(tree):
    places = collections.defaultdict(list)
    for path, text in tree.files.items():
        places["file name", path.rsplit("/", 1)[1]].append(path)
        for name in types(text):
            places["type name", name].append(path)
    for (rule, name), where in places.items():
        if len(where) > 1:
            yield rule, name, f"{name}: " + ", ".join(where)


def below(room):
    return {room}.union(*(below(other) for other in ROOMS[room]))


def rooms(tree):
    """Who includes whom, and what the libraries are linked with."""
    for path, included in tree.includes.items():
        room = room_of(path)
        if room not in ROOMS:
            yield "room", room, f"{path}: {room} is no room of tests/structure.py"
            continue
        for other in sorted(set(map(room_of, included)) - below(room)):
            files = ", ".join(sorted(o for o in included if room_of(o) == other))
            yield "include", f"{room} -> {other}", f"{path}: includes {files}"
    lists = tree.root / "src/CMakeLists.txt"
    text = lists.read_text() if lists.is_file() else ""
    for room, uses in re.findall(r"(?m)^fg_room\((\w+) USES ([^)]*)\)", text):
        for other in uses.split():
            if other in ROOMS and other not in below(room) - {room}:
                yield "link", f"{room} -> {other}", f"src/CMakeLists.txt: {room} is linked with {other}"


def shares(tree):
    total = sum(tree.lines.values())
    for room, lines in tree.lines.items():
        if lines > MAX_SHARE * total:
            yield "share", room, f"{room}: {lines} of {total} lines, {100 * lines / total:.1f} %"


def circles(graph):
    """The strongly connected components of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return [circle for circle in found if len(circle) > 1]


def include_circles(tree):
    """A module is a header and the source of the same name."""
    graph = collections.defaultdict(set)
    for path, included in tree.includes.items():
        graph[path[:-2]] |= {other[:-2] for other in included} - {path[:-2]}
    for other in set().union(*graph.values()):
        graph[other]
    for circle in circles(graph):
        across = len(set(map(room_of, (node + ".c" for node in circle)))) > 1
        if across or len(circle) > MAX_CIRCLE:
            # named by its first module, so that an exception stays while the circle shrinks
            yield "circle", circle[0], ("across rooms: " if across else "") + f"{len(circle)} modules: " + ", ".join(circle)


def calls(tree):
    for path, text in tree.files.items():
        code = strip(text, strings=False)
        bare = strip(text)
        for rule, pattern, allowed in CALLS:
            if re.fullmatch(allowed, path):
                continue
            where = code if pattern.startswith("#include") else bare
            for found in re.finditer(pattern, where):
                line = where.count("\n", 0, found.start()) + 1
                yield rule, path, f"{path}:{line}: {found.group().strip()}"


def arguments(code, opening):
    """The arguments of a call, from its opening parenthesis on."""
    depth, begin, found = 0, opening + 1, []
    for i in range(opening, len(code)):
        depth += (code[i] in "([{") - (code[i] in ")]}")
        if depth == 0 or (depth == 1 and code[i] == ","):
            found.append(code[begin:i].strip())
            begin = i + 1
        if depth == 0:
            break
    return found


def unsaid(tree):
    """FG_TRY_NEW and its kin take NULL for a lack of memory: right for a call that records its error, and for those that make JSON."""
    for path, text in tree.files.items():
        code = strip(text)
        makers = MAKES_JSON + "".join(f"|{name}" for name in re.findall(r"(?m)^static json_t \*(\w+)\(", code))
        for found in re.finditer(r"\bFG_(?:TRY|CALL)_(?:RE)?NEW\(", code):
            call = ", ".join(arguments(code, found.end() - 1)[1:])
            defined = code[:found.start()].rsplit("\n", 1)[1].startswith("#define") or call == "call"
            if not defined and not re.search(r"\berr\b|->err\b", call) and not re.match(rf"(?:{makers})\(", call):
                yield "unsaid", path, f"{path}:{code.count(chr(10), 0, found.start()) + 1}: {call} may be NULL for another reason"


def uses(tree):
    """What has a name for others is used by others; tests do not count. Headers use what is in their macros."""
    places = collections.defaultdict(collections.Counter)
    for path, text in tree.files.items():
        for name in re.findall(r"\bfg_\w+", strip(text)):
            places[name][path] += 1
    for path, text in tree.files.items():
        for function in functions(text) if path.endswith(".c") else ():
            others = {other: count for other, count in places[function.name].items() if other != path}
            if function.name.startswith("fg_") and not any(count > other.endswith(".h") for other, count in others.items()):
                yield "not used", function.name, f"{path}:{function.line}: {function.name} is used by no other file"


def mentions(tree):
    """A file of ours that a comment names is there."""
    names = {os.path.basename(path) for path in tree.files} | {"hdf5.h"}
    for path, text in tree.files.items():
        for comment in re.findall(r"/\*.*?\*/", text, re.S):
            for name in re.findall(r"[a-z][\w/]*\.[ch]\b", comment):
                included = os.path.basename(name) in names and ("/" not in name or any(other.endswith("/" + name) for other in tree.files))
                if not included and name not in names:
                    yield "stale name", path, f"{path}: a comment names {name}"


def headers(tree, build):
    """Each header compiles alone, with the flags of a source of its room."""
    flags = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.relpath(entry["file"], tree.root)
        words = shlex.split(entry["command"])
        if "tests" in pathlib.Path(words[words.index("-o") + 1]).parts and not path.startswith("tests"):
            continue  # a test may compile a source without the libraries that its room has
        flags[room_of(path)] = [w for i, w in enumerate(words)
                                if i and w not in ("-c", "-o") and words[i - 1] != "-o" and not w.endswith(".c")]

    def compile_alone(path):
        done = subprocess.run(["gcc", *flags.get(room_of(path), ["-std=c11", "-Isrc"]), "-fsyntax-only", "-x", "c", "-include",
                               tree.root / path, "/dev/null"], capture_output=True, text=True, cwd=tree.root)
        return done.returncode, done.stderr

    paths = [path for path in tree.files if path.endswith(".h")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (status, output) in zip(paths, pool.map(compile_alone, paths)):
            if status:
                yield "header alone", path, f"{path}: " + next(iter(re.findall(r"error: (.*)", output)), output)


RULES = [sizes, names, rooms, shares, include_circles, uses, unsaid, calls, mentions]


def violations(tree, build=None):
    found = [violation for rule in RULES for violation in rule(tree)]
    return found + (list(headers(tree, build)) if build else [])


# ---- the rules tried on what breaks them ----

BAD = {
    "src/base/long.c": "static int f(int a) {\n" + "    a++;\n" * 59 + "    return a;\n}\n",
    "src/base/branches.c": "int g(int a) {\n" + "    if (a && a) a++;\n" * 10 + "    return a;\n}\n",
    "src/base/lines.h": "int a;\n" * 701,
    "src/base/stale.h": "/* see base/gone.h */\n",
    "src/base/wide.h": "/* " + "x" * 108 + " */\n",
    "src/base/twice.h": "typedef struct fg_a { int x; } fg_a;\n",
    "src/plan/twice.h": "typedef enum { FG_B } fg_a;\n",
    "src/base/up.h": '#pragma once\n#include "plan/down.h"\n',
    "src/plan/down.h": '#pragma once\n#include "base/up.h"\n',
    "src/attic/a.h": "int attic;\n",
    "src/CMakeLists.txt": "fg_room(plan USES store lint)\n",
    **{f"src/store/ring{i}.h": f'#pragma once\n#include "store/ring{(i + 1) % 4}.h"\n' for i in range(4)},
    "src/store/alone.h": "fg_status lonely(void);\n",
    "src/store/calls.c": '#include <mpi.h>\n#include <hdf5.h>\n#include "communicators.h"\n#include <cblas.h>\nint h(void) {\n'
                         "    json_object_update(a, b);\n    json_load_file(p);\n    code = code << 6 | more;\n"
                         "    return open(p) + malloc(3);\n}\n",
    "src/store/unsaid.c": "int u(void) {\n    FG_TRY_NEW(a, json_object_get(o, k));\n}\n",
    "src/store/unused.h": "int fg_unused(void);\n",
    "src/store/unused.c": '#include "store/unused.h"\nint fg_unused(void) {\n    return 1;\n}\nint k(void) { return fg_unused(); }\n',
}
FOUND = {
    ("function length", "f"), ("complexity", "g"), ("file length", "src/base/lines.h"), ("line length", "src/base/wide.h"),
    ("type name", "fg_a"), ("file name", "twice.h"), ("include", "base -> plan"), ("room", "attic"), ("link", "plan -> lint"),
    ("circle", "src/base/up"), ("circle", "src/store/ring0"), ("share", "base"), ("header alone", "src/store/alone.h"),
    ("not used", "fg_unused"), ("unsaid", "src/store/unsaid.c"), ("stale name", "src/base/stale.h"),
    *((rule, "src/store/calls.c") for rule, _, _ in CALLS),
}
GOOD = {
    "src/base/good.h": "typedef struct fg_a fg_a; /* open(2), base/good.c */\nstruct fg_a { int (*read)(int a); };\n"
                       "int fg_called(void);\nint fg_expanded(void);\n#define EXPANDED fg_expanded()\n",
    "src/base/called.c": '#include "base/good.h"\nint fg_called(void) { return 1; }\nint fg_expanded(void) { return 2; }\n',
    "src/base/good.c": '#include "base/good.h"\n#define EACH(a) \\\n    if (a && a)\n'
                       "static const struct { int a; } rows[] = {{1}, {2}};\nint f(fg_a *a);\n"
                       'int f(fg_a *a) {\n    return a->read(1) + "/* malloc( */"[0] + \'"\';\n}\n',
    "src/store/more.c": '#include "base/good.h"\ntypedef struct fg_a fg_a;\nint g(void) { return fg_called(); }\n'
                        "static json_t *made(int a) {\n    return 0;\n}\nstatic int h(void) {\n    FG_CALL_NEW(a, made(3));\n"
                        "    FG_TRY_NEW(b, fg_strdup(c, err));\n    FG_TRY_NEW(d, json_pack(e, f));\n}\n",
}


def made(files, where):
    for path, text in files.items():
        target = pathlib.Path(where) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (pathlib.Path(where) / "compile_commands.json").write_text("[]")
    return Tree(where)


def self_test():
    """The rules find what is wrong in BAD, and nothing but the sizes of rooms in GOOD."""
    failed = []
    with tempfile.TemporaryDirectory() as where:
        found = {violation[:2] for violation in violations(made(BAD, where), pathlib.Path(where))}
        failed += [f"not found: {rule}: {what}" for rule, what in sorted(FOUND - found)]
        failed += [f"found too much: {rule}: {what}" for rule, what in sorted(found - FOUND) if rule != "share"]
    with tempfile.TemporaryDirectory() as where:
        tree = made(GOOD, where)
        failed += [f"found in good sources: {v}" for v in violations(tree, pathlib.Path(where)) if v[0] != "share"]
        inside = list(functions(tree.files["src/base/good.c"]))
        if inside != [Function("f", 6, 3, 1)]:
            failed.append(f"functions of good sources: {inside}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    broken = self_test()
    for line in broken:
        print("FAIL the checker:", line)

    tree = Tree(ROOT)
    found = violations(tree, None if options.quick else options.build)
    bad = [violation for violation in found if violation[:2] not in EXCEPTIONS]
    stale = sorted(set(EXCEPTIONS) - {violation[:2] for violation in found} - ({e for e in EXCEPTIONS if e[0] == "header alone"}
                                                                              if options.quick else set()))
    for rule, _, where in bad:
        print(f"FAIL {rule}: {where}")
    for (rule, what), reason in EXCEPTIONS.items():
        print(f"FAIL no longer needed: {rule}: {what}" if (rule, what) in stale else f"excepted: {rule}: {what} ({reason})")
    total = sum(tree.lines.values())
    print("lines:", ", ".join(f"{room} {count} ({100 * count / total:.1f} %)" for room, count in tree.lines.most_common()), f"= {total}")
    print("violations:", dict(collections.Counter(violation[0] for violation in bad)))
    failed = len(bad) + len(stale)
    print(f"structure: {len(FOUND) - len(broken)} passed, {failed + len(broken)} failed")
    return bool(broken) or (failed > 0 and not options.report)


if __name__ == "__main__":
    sys.exit(main())
