#!/usr/bin/env python3
"""The documents agree with the program: documents.py --fgconv build/fgconv

docs/convert.md holds the option table that the program prints and names every command, the manual page has every option, README.md's table of families
is that of the converters, docs/adding-a-model.md has every word of the converter language, and Spack's recipe has the libraries that CMakeLists.txt
looks for. Their form is checked by docs/pages.py.
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from checkpoint import ROOT, Tally

tally = Tally()
# these need no conversion to be explained, and the first word may be left out
EXPLAINED_ELSEWHERE = {"convert", "completion", "help"}
# tables of words in C -> the page that explains them
WORDS = {
    "src/language/primitive.c": "docs/adding-a-model.md", "src/language/converter_check.c": "docs/adding-a-model.md",
    "src/language/weights_check.c": "docs/adding-a-model.md", "src/language/expression_parse.c": "docs/adding-a-model.md",
    "src/language/migration.c": "docs/updating.md", "src/model/norm.c": "docs/adding-a-model.md",
    "src/model/rotary_kinds.c": "docs/adding-a-model.md", "src/model/mlp.c": "docs/adding-a-model.md",
    "src/language/value_type.c": "docs/adding-a-model.md", "src/language/absence.c": "docs/adding-a-model.md",
}

# what CMakeLists.txt looks for -> Spack's name
SPACK = {"jansson": "jansson", "libpcre2-8": "pcre2", "libutf8proc": "utf8proc", "libxxhash": "xxhash", "yaml-0.1": "libyaml", "openblas": "openblas",
         "MPI": "mpi", "HDF5": "hdf5", "PkgConfig": "pkgconfig", "Threads": None}


def printed(fgconv, form):
    return subprocess.run([fgconv, f"--help={form}"], capture_output=True, text=True, check=True).stdout


def merged(path):
    """Members of a converter file that it has itself or through what it extends."""
    document = json.loads(path.read_text())
    extended = document.get("extends", [])
    held = {}
    for name in reversed([extended] if isinstance(extended, str) else extended):
        held.update({key: value for key, value in merged(path.parent / name).items() if key not in ("abstract", "about")})
    return held | document


def families():
    """model type -> (has Forgather, has Fast-LLM, its proof), of all converters."""
    found = {}
    for path in sorted(ROOT.glob("converters/forgather/*.json")) + sorted(ROOT.glob("converters/fast_llm/*.json")):
        document = merged(path)
        if document.get("abstract") or "model_type" not in document:
            continue
        row = found.setdefault(document["model_type"], ["no", "no", "equal logits"])
        row[path.parent.name == "fast_llm"] = "yes"
    return found


def family_table(text):
    rows = re.findall(r"^\| (`.*?) \| (yes|no) \| (yes|no) \| (equal \w+) \|$", text, re.M)
    return {name: list(row) for names, *row in rows for name in re.findall(r"`(\w+)`", names)}


def words(path):
    """The first strings of the rows of a file's tables."""
    return set(re.findall(r'\{(?:\.word = )?"([a-z][a-z0-9_]+)"[,}]', (ROOT / path).read_text()))


def explained(word, text):
    return re.search(rf'["`({{,]{word}["`,}}(]|`{word}\b', text)


def check_pages(fgconv):
    page, readme = (ROOT / "docs/convert.md").read_text(), (ROOT / "README.md").read_text()
    table = page.split("<!-- options:")[1].split("-->\n", 1)[1].split("<!-- /options -->")[0]
    tally.check("docs/convert.md has the option table of the program", table == printed(fgconv, "markdown"),
                "paste the output of `fgconv --help=markdown` between the two comments")
    manual = (Path(fgconv).parent / "texts/fgconv.1").read_text()
    tally.check("fgconv.1 has the commands of the program", printed(fgconv, "man") in manual)
    for command in sorted(set(re.findall(r"^\.It Xr fgconv-([\w-]+) 1$", printed(fgconv, "man"), re.M)) - EXPLAINED_ELSEWHERE):
        tally.check(f"docs/convert.md and fgconv.1 name {command}", f"`fgconv {command}" in page and command in manual)
    for code in (0, 2, 3, 4, 5, 10, 70):
        tally.check(f"docs/convert.md and fgconv.1 name exit code {code}", f"| {code} |" in page and re.search(rf"^\.It {code}\b", manual, re.M))
    tally.check("README.md has the families of the converters", family_table(readme) == families(),
                f"README.md: {family_table(readme)}\nconverters: {families()}")


def check_language():
    page = (ROOT / "docs/adding-a-model.md").read_text()
    shown = (ROOT / "converters/fast_llm/qwen3.json").read_text()
    tally.check("docs/adding-a-model.md shows converters/fast_llm/qwen3.json as it is", f"```json\n{shown}```\n" in page)
    for source, name in WORDS.items():
        text = (ROOT / name).read_text()
        missing = sorted(word for word in words(source) if not explained(word, text))
        tally.check(f"{name} explains the words of {source}", words(source) and not missing, str(missing))


def check_recipe():
    recipe = (ROOT / "packaging/spack/spack_repo/fgconv/packages/fgconv/package.py").read_text()
    cmake = (ROOT / "CMakeLists.txt").read_text()
    given = dict(re.findall(r'depends_on\("([a-z0-9]+)(?:@([\d.]+):)?[^"]*"(?![^)]*when=)', recipe))
    looked_for = re.findall(r"(?:pkg_check_modules\(\w+ REQUIRED IMPORTED_TARGET|find_package\()\s*([\w.-]+?)(?:>=([\d.]+))?[) ]", cmake)
    wanted = {SPACK[name]: version for name, version in looked_for if SPACK[name]}
    wanted |= {"c": "", "cmake": re.search(r"cmake_minimum_required\(VERSION ([\d.]+)", cmake)[1]}
    tally.check("Spack's recipe has what CMakeLists.txt looks for", given.keys() == wanted.keys(), given.keys() ^ wanted.keys())
    older = {name: version for name, version in wanted.items() if version and given.get(name) != version}
    tally.check("Spack's recipe has its oldest versions", not older, (older, given))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    check_pages(parser.parse_args().fgconv)
    check_language()
    check_recipe()
    return tally.end()


sys.exit(main())
