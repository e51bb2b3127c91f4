#!/usr/bin/env python3
"""Takes away or alters each declaration of each converter in turn, in a copy, and demands that something notices.

    converter_mutations.py --fgconv build/fgconv [--sample N [--seed S]] [--only TEXT] [--list]

What may notice, tried in this order until one does: `fgconv lint` of the file and of its heirs; the answers on record, golden conversions and refusals
of the model types that have the file (tests/golden), the one that noticed last time first. SURVIVORS lists what nothing notices, with
the reason; it fails when it is stale, and may hold one of a hundred mutations at most. Others that nothing notices are printed, and fail when they
are many. --sample N takes N of the mutations, the same ones every time; --seed S takes others.
"""
import argparse
import copy
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path[0:0] = [str(pathlib.Path(__file__).resolve().parent.parent / part) for part in ("", "golden")]
import answers
import config_keys
import family_round_trips
import fast_llm as fast_llm_golden
import golden as forgather_golden
import weight_names
from checkpoint import DATA, ROOT, load, run

CONVERTERS = ROOT / "converters"
WORKERS = 2
TIMEOUT = 60
STEP = 40  # of the controls of a sample
ORDERLY = (0, 2, 3, 10)  # exit codes that are no defect of fgconv, whatever the converter says

# Families that extend a file from elsewhere (tests/data/convert/plugin).
PLUG_INS = {"forgather/fields.json": {("forgather", answers.PLUG_IN)}}

# What nothing notices: mutation -> why that is no loss.
SURVIVORS = {
    "fast_llm/gemma4.json: /sections/full_attention/config/dropout removed": "what it inherits does the same while all layers have one dropout, and refuses others",
    "fast_llm/llama.json: /sections/rotary/config/truncate/neutral removed": "this type of rotary embeddings does not read it",
    "fast_llm/apriel2_text.json: /sections/attention/config/layers removed": "what it inherits ignores these fields, too, and the biases have declarations of their own",
    "forgather/decoder.json: /sections/model/config/pad_token_id/maybe removed": "all families that extend it have a default for this key; a plug-in's family may have none",
    "fast_llm/llava.json: /sections/adapter/weights/layer_2.weight/shape reversed": "hf's projector is square: the size of the text model twice",
}
# Of a hundred mutations that SURVIVORS does not list, so many at least must be noticed.
LEAST = 99


# ---- mutations ----

# Words for people: what they say changes nothing.
PROSE = ("ignored",)
NO_DECLARATIONS = ("about", "example")  # at the top of a file: what lint and people read
CONDITIONS = ("import_if", "export_if", "import_warn", "export_warn")
# Keys whose values are expressions without "= " before them: with the change that makes a wrong one.
TRUTHS = ("if", "tied_if")
AMOUNTS = ("each", "repeat")
# Objects whose keys are names of the model's, so that a misspelt one is another declaration.
NAMED = ("dispatch", "typed_dict", "weights", "tensors")


def negated(expression):
    return f"not ({expression})"


def increased(expression):
    return f"({expression}) + 1"


def altered_text(path, text):
    """A wrong value in place of this one, or None for words that are for people."""
    parent, key = (path[-2] if len(path) > 1 else None), path[-1]
    if key in PROSE or (path[0] == "drop" and key == 1):
        return None
    if any(p in CONDITIONS for p in path):
        return negated(text) if key == 0 else None
    if key in TRUTHS or (len(path) > 2 and path[-3] == "list_dispatch" and key == 2):
        return negated(text)
    if key in AMOUNTS or "let" in path or "with" in path or parent in ("shape", "fast_llm_shape"):
        return increased(text)
    return f"= ({text[2:]}) + 1" if text.startswith("= ") else text + "_x"


def altered(path, value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if value is None:
        return "something"
    return altered_text(path, value)


def walk(node, path=()):
    if path:
        yield path, node
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from walk(child, (*path, key))


def parent_of(tree, path):
    for key in path[:-1]:
        tree = tree[key]
    return tree


def is_message(path):
    """The second half of a condition or of a rule that drops."""
    return path[-1] == 1 and (path[0] == "drop" or any(p in CONDITIONS for p in path))


def without(tree, path):
    del parent_of(tree, path)[path[-1]]


def with_value(value):
    def change(tree, path):
        parent_of(tree, path)[path[-1]] = value
    return change


def renamed(tree, path):
    parent = parent_of(tree, path)
    held = list(parent.items())
    parent.clear()
    parent.update((k + "_x" if k == path[-1] else k, v) for k, v in held)


def reversed_list(tree, path):
    parent_of(tree, path)[path[-1]].reverse()


def is_ordered(tree, path):
    """Whether the list is one in which the order says something: keys to be ignored are a set."""
    return path[-1] in ("shape", "permute", "fast_llm_shape") or (path[-1] == "hf" and "ignored" not in parent_of(tree, path))


def mutations(tree):
    """(name, path, change) of one converter file."""
    for path, value in walk(tree):
        name = "/" + "/".join(map(str, path))
        if path[0] in NO_DECLARATIONS or is_message(path):
            continue
        yield f"{name} removed", path, without
        if not isinstance(value, (dict, list)):
            other = altered(path, value)
            if other is not None:
                yield f"{name} altered", path, with_value(other)
        elif isinstance(value, list) and len(value) > 1 and value != value[::-1] and is_ordered(tree, path):
            yield f"{name} reversed", path, reversed_list
        if len(path) > 1 and path[-2] in NAMED and "fast_llm" not in (value or ()):  # else the name is for people
            yield f"{name} renamed", path, renamed


class Converter:
    """One file of converters/: what it is called, and the files and types that have it."""

    def __init__(self, path):
        self.name = f"{path.parent.name}/{path.name}"
        self.tree = load(path)
        bases = self.tree.get("extends", [])
        self.bases = [f"{path.parent.name}/{b}" for b in ([bases] if isinstance(bases, str) else bases)]

    def type(self):
        if self.tree.get("abstract") and "unsupported" not in self.tree:
            return None
        return (self.name.split("/")[0], self.tree["model_type"])


def converters():
    return {c.name: c for c in (Converter(p) for folder in ("fast_llm", "forgather") for p in sorted((CONVERTERS / folder).glob("*.json")))}


def heirs(files, name):
    """The file and all that extend it, nearest first."""
    found = [name]
    for one in found:
        found += [c.name for c in files.values() if one in c.bases and c.name not in found]
    return found


# ---- what notices ----


class Noticed(Exception):
    pass


class Alarm:
    """In the place of a tally: the first check that fails ends the matter."""

    @staticmethod
    def check(name, good, detail=""):
        if not good:
            raise Noticed(name)
        return True


def lint(fgconv, files):
    code, out = run_mutant(fgconv, ["lint", "-q", *files])
    Alarm.check("lint", code == 0, out)


def run_mutant(fgconv, arguments, ranks=2, **more):
    """In the place of `run`: alone, which is faster."""
    arguments = list(map(str, arguments))
    code, out = run(fgconv, arguments, ranks=0, timeout=TIMEOUT, **more)
    if code not in ORDERLY:
        raise Defect(f"exit {code} of {' '.join(arguments)}: {out[-600:]}")
    return code, out


class Defect(Exception):
    """fgconv did not end in order."""


def answers_of(format, record, question):
    return "config", question.name, (format, question.family), lambda fgconv: record.check(Alarm, question, answers.answer(fgconv, question))


def default_proof(fgconv, case, work):
    code, out = run_mutant(fgconv, ["-q", "--to", "fast_llm", case / "hf", work / "there"])
    Alarm.check(f"{case.name} with the proof that a user gets", code == 0, out)


def with_folder(check, *arguments):
    with tempfile.TemporaryDirectory() as work:
        check(*arguments, pathlib.Path(work))


def fast_llm_judges():
    for case in sorted((DATA / "fast_llm").glob("*/*/fast_llm")):
        name = str(case.parent.relative_to(DATA / "fast_llm"))
        yield "case", name, ("fast_llm", name.split("/")[0]), lambda f, name=name: fast_llm_golden.check_case(f, name)
        yield "case", f"proof of {name}", ("fast_llm", name.split("/")[0]), lambda f, case=case.parent: with_folder(default_proof, f, case)
    for name in family_round_trips.cases():
        yield "case", f"families/{name}", ("fast_llm", name.split("/")[0]), lambda f, name=name: family_round_trips.check_case(f, name)
    for row in load(DATA / "fast_llm/broken_tensors.json"):
        yield "case", f"broken {row}", ("fast_llm", row["base"].split("/")[0]), lambda f, row=row: fast_llm_golden.check_broken_row(f, row)
    for name, family, check in (("tokens", "llama", fast_llm_golden.check_tokens), ("eos", "llama", fast_llm_golden.check_eos),
                                ("qwen3", "qwen3", fast_llm_golden.check_qwen3), ("losses", "llama", fast_llm_golden.check_losses), ("lacking", "gemma4", fast_llm_golden.check_lacking), ("length", "llava", fast_llm_golden.check_length)):
        yield "case", name, ("fast_llm", family), check
    for name, family, place, check in (("fused experts", "mixtral", weight_names.Case, weight_names.fused_experts), ("other names", "llava", weight_names.Case, weight_names.other_names),
                                       ("rotary tables", "llama", weight_names.Case, weight_names.rotary_tables),
                                       ("layer overrides", "gemma4", config_keys.Desk, config_keys.layer_overrides)):
        yield "case", name, ("fast_llm", family), lambda f, place=place, check=check: with_folder(lambda work: check(place(f, work)))


def forgather_judges():
    for case in sorted((DATA / "golden").glob("*/case.json")):
        name = case.parent.name
        yield "case", name, ("forgather", name.split("_")[0]), lambda f, name=name: forgather_golden.one_case(f, name)
    for name in family_round_trips.cases():
        yield "case", name, ("forgather", name.split("/")[0]), lambda f, name=name: family_round_trips.check_case(f, name)
    yield "case", "rotary tables", ("forgather", "llama"), forgather_golden.rotary_tables
    yield "case", "base models", ("forgather", "qwen3"), lambda f: with_folder(lambda work: weight_names.base_models(weight_names.Case(f, work)))
    for row in load(DATA / "golden/rejects.json"):
        if row["name"] not in forgather_golden.EITHER:
            family = next((t for t in ("mistral", "qwen3") if t in row["name"] + row.get("base_dir", "")), "llama")
            yield "reject", row["name"], ("forgather", family), lambda f, row=row: forgather_golden.one_reject(f, row)


def config_judges():
    for format, questions in answers.QUESTIONS.items():
        record = answers.Record(format)
        yield from (answers_of(format, record, question) for question in questions())


class Judges:
    """All of them; those whose name speaks of what is changed are asked first, then the one that noticed last."""

    def __init__(self):
        self.items = [*config_judges(), *fast_llm_judges(), *forgather_judges()]
        self.last = [0] * len(self.items)
        self.count = 0

    def order(self, types, weights, words):
        """Those of these model types. A configuration alone says nothing of tensors."""
        silent = lambda i: not any(word in self.items[i][1] for word in words)
        kinds = ("case", "reject") if weights else ("config", "case", "reject")
        fitting = [i for i, judge in enumerate(self.items) if judge[2] in types and judge[0] in kinds]
        return sorted(fitting, key=lambda i: (silent(i), -self.last[i], kinds.index(self.items[i][0])))

    def remember(self, i):
        self.count += 1
        self.last[i] = self.count


def texts_of(tree, path):
    """The texts of the declaration: the names of keys on both sides."""
    node = parent_of(tree, path)
    held = node.values() if isinstance(node, dict) else node
    return [w for v in held if isinstance(v, str) for w in v.split("/")]


def is_of_tensors(path):
    return path[0] in ("tensors", "to_forgather", "to_hf", "drop") or (path[0] == "sections" and len(path) > 2 and path[2] in ("weights", "let"))


# ---- one mutation ----


class Bench:
    """A copy of the converters of one's own, in which one file at a time is changed."""

    def __init__(self, fgconv):
        self.folder = tempfile.TemporaryDirectory()
        self.converters = pathlib.Path(self.folder.name) / "converters"
        shutil.copytree(CONVERTERS, self.converters)
        os.environ["FGCONV_CONVERTERS"] = str(self.converters)
        os.environ["TMPDIR"] = self.folder.name
        tempfile.tempdir = self.folder.name
        self.fgconv, self.files, self.judges = fgconv, converters(), Judges()

    def notice(self, name, path):
        """What notices the change of this file, or None."""
        who = heirs(self.files, name)
        try:
            lint(self.fgconv, [self.converters / name])
        except Noticed as noticed:
            return str(noticed)
        types = {self.files[file].type() for file in who} | PLUG_INS.get(name, set())
        words = [f'"{w}"' for part in path if isinstance(part, str) for w in part.split("/")] + [f'"{w}"' for w in texts_of(self.files[name].tree, path)]
        for i in self.judges.order(types, is_of_tensors(path), words):
            try:
                self.judges.items[i][3](self.fgconv)
            except Noticed as noticed:
                self.judges.remember(i)
                return f"{self.judges.items[i][1]}: {noticed}"
        try:
            lint(self.fgconv, [self.converters / file for file in who])
        except Noticed as noticed:
            return f"{noticed} of its heirs"
        return None

    def judge(self, name, path, change):
        """("noticed" by what | "survived", "" | "defect", text)"""
        tree = copy.deepcopy(self.files[name].tree)
        change(tree, path)
        file = self.converters / name
        file.write_text(json.dumps(tree, indent=1))
        try:
            what = self.notice(name, path)
            return ("noticed", what) if what else ("survived", "")
        except (Defect, subprocess.TimeoutExpired) as defect:
            return "defect", str(defect)
        finally:
            shutil.copy(CONVERTERS / name, file)


bench = None


def start(fgconv):
    global bench
    for module in (answers, fast_llm_golden, forgather_golden, family_round_trips, weight_names, config_keys):
        module.tally, module.run = Alarm, run_mutant
    bench = Bench(fgconv)


def judge(task):
    name, label = task
    path, change = next((p, c) for l, p, c in mutations(bench.files[name].tree) if l == label)
    began = time.monotonic()
    return (f"{name}: {label}", *bench.judge(name, path, change), time.monotonic() - began)


def controls(step):
    """Unchanged converters: nothing may be noticed. Each of the judges, or every so many."""
    return [f"{kind} {name}" for kind, name, _, check in bench.judges.items[::step] if noticed(check)]


def noticed(check):
    try:
        check(bench.fgconv)
    except Noticed:
        return True
    return False


# ---- all of them ----


def chosen(everything, sample, seed):
    """The sample, by chance and the same every time, in the order of the files."""
    if not sample or sample >= len(everything):
        return everything
    picked = set(random.Random(seed).sample(range(len(everything)), sample))
    return [task for i, task in enumerate(everything) if i in picked]


def report(results, everything):
    """Prints what is wrong and the closing line; the exit code."""
    survivors = [name for name, verdict, _, _ in results if verdict == "survived"]
    defects = [(name, text) for name, verdict, text, _ in results if verdict == "defect"]
    known = {f"{a}: {b}" for a, b in everything}
    unlisted = [name for name in survivors if name not in SURVIVORS]
    bad = [f"defect: {name}: {text}" for name, text in defects]
    bad += [f"stale in SURVIVORS, there is no such mutation: {name}" for name in SURVIVORS if name not in known]
    bad += [f"stale in SURVIVORS, {what} notices it: {name}" for name, verdict, what, _ in results if verdict == "noticed" and name in SURVIVORS]
    if 100 * len(SURVIVORS) > len(everything):
        bad.append(f"SURVIVORS lists {len(SURVIVORS)} of {len(everything)} mutations, which is more than one of a hundred")
    if 100 * len(unlisted) > (100 - LEAST) * len(results):
        bad.append(f"nothing notices {len(unlisted)} of {len(results)} mutations, which is more than {100 - LEAST} of a hundred")
    for name in unlisted:
        print("nothing notices", name)
    for line in bad:
        print("FAIL", line)
    print(f"{len(results)} of {len(everything)} mutations, {len(results) - len(survivors) - len(defects)} noticed, {len(survivors)} survived")
    print(f"{len(results) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad or not results else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fgconv", default=str(ROOT / "build/fgconv"))
    parser.add_argument("--sample", type=int, default=0, help="so many of the mutations (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--only", default="", help="mutations whose name has this text")
    parser.add_argument("--list", action="store_true", help="a line a mutation: what noticed it, and after how many seconds")
    arguments = parser.parse_args()
    fgconv = str(pathlib.Path(arguments.fgconv).resolve())
    everything = [(name, label) for name, converter in converters().items() for label, _, _ in mutations(converter.tree)]
    tasks = [t for t in chosen(everything, arguments.sample, arguments.seed) if arguments.only in f"{t[0]}: {t[1]}"]
    with multiprocessing.Pool(WORKERS, start, (fgconv,)) as pool:
        for name in pool.map(controls, [STEP if arguments.sample else 1])[0] if not arguments.only else []:
            print(f"FAIL control: {name} notices something in converters that are not changed")
            return 1
        results = []
        for result in pool.imap(judge, tasks, chunksize=16):
            results.append(result)
            if arguments.list:
                print(f"{result[1]:8} {result[3]:6.2f} s  {result[0]}: {result[2][:160]}", flush=True)
    return report(results, everything)


if __name__ == "__main__":
    sys.exit(main())
