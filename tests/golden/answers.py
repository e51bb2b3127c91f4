#!/usr/bin/env python3
"""Compares all that `fgconv config` answers with what is on record (tests/data/answers).

    answers.py --fgconv build/fgconv [--record] FORMAT...      "fast_llm" or "forgather"

An answer: the exit code, every line that is said, and the whole document, which is there by what it has other than the first one of its
kind. Whether answers are right is for the tests that know the real programs (fast_llm.py, golden.py, check_configs);
here none may change unseen. --record rewrites the record, so that a change can be read as a diff.

Configurations: for Fast-LLM tests/data/fast_llm/configs.jsonl and FAST_LLM_CHANGES; for Forgather tests/data/convert/configs.jsonl,
those of the golden cases, tests/data/convert/changes.json, which are changes of a golden case's, and some of a family that a plug-in brings.
"""
import argparse
import json
import os
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, load, run

RECORDS = DATA / "answers"
ABSENT = "(absent)"
# The golden case whose configurations changes.json changes.
CHANGED = {"llama": "llama_untied_fp32", "mistral": "mistral_window_to_fp32", "qwen3": "qwen3_tied_bf16"}
# A family that only tests/data/convert/plugin knows, so that no library's defaults are before the converter's.
PLUG_IN = "acme_llama"
PLUGGED_IN = {
    "hf": {"architectures": ["AcmeForCausalLM"], "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 10, "intermediate_size": 96, "rms_norm_eps": 1e-5, "max_position_embeddings": 32},
    "forgather": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 10, "intermediate_size": 96, "rms_norm_eps": 1e-5, "max_position_embeddings": 32, "rope_theta": 5.0},
}
PLUG_IN_CHANGES = [("hf", "forgather", {}), ("hf", "forgather", {"bos_token_id": 1, "eos_token_id": [1, 2], "attention_dropout": 0.5, "initializer_range": 0.5}),
                   ("hf", "forgather", {"n_embd": 100000}), ("forgather", "hf", {}), ("forgather", "hf", {"bos_token_id": 1, "head_dim": 32, "num_key_value_heads": 2})]
# Changes of a golden case's config.json: classes of base models, and a rope_theta next to rope_parameters.
FAST_LLM_CHANGES = [
    *((f"fast_llm/{case}", {"architectures": [name]}) for case, name in (
        ("llama/basic", "LlamaModel"), ("mistral/window", "MistralModel"), ("qwen2/tied", "Qwen2Model"), ("mixtral/experts4", "MixtralModel"),
        ("llava/basic", "LlavaModel"), ("gemma4/dense", "Gemma4TextModel"))),
    ("golden/qwen3_tied_bf16", {"architectures": ["Qwen3Model"]}),
    *((f"fast_llm/{case}", {"rope_theta": 1234.0}) for case in (
        "llama/basic", "dream/basic", "mtp_llama/heads2", "diffusion_llama/yarn", "apriel_hybrid_ssm/attention-mamba"))]
tally = Tally()


class Question:
    """A configuration, and into what it is to be translated."""

    def __init__(self, source, target, family, name, document, *more):
        self.arguments = ["--from", source, "--to", target, "--model-type", family, *more]
        self.kind, self.family, self.name, self.document = f"{family} {source} to {target}", family, f"{family} {source} to {target} {name}", document


def fast_llm_question(row):
    """A row of tests/data/fast_llm/configs.jsonl."""
    sides = ("hf", "fast_llm") if row["direction"] == "import" else ("fast_llm", "hf")
    return Question(*sides, row["format"], json.dumps(row["change"]), row["document"])


def fast_llm_questions():
    for line in (DATA / "fast_llm/configs.jsonl").read_text().splitlines():
        yield fast_llm_question(json.loads(line))
    yield from fast_llm_changes()


def fast_llm_changes():
    for case, change in FAST_LLM_CHANGES:
        config = load(DATA / case / "hf/config.json")
        yield Question("hf", "fast_llm", config["model_type"].removesuffix("_text"), f"{case} {json.dumps(change)}", {**config, **change})


def forgather_questions():
    for line in (DATA / "convert/configs.jsonl").read_text().splitlines():
        row = json.loads(line)
        yield Question("hf", "forgather", row["family"], row["name"], row["config"])
    for case in sorted((DATA / "golden").glob("*/case.json")):
        family = case.parent.name.split("_")[0]
        for source, target in (("hf", "forgather"), ("forgather", "hf")):
            yield Question(source, target, family, case.parent.name, load(case.parent / source / "config.json"))
    for family, directions in load(DATA / "convert/changes.json").items():
        for direction, changes in directions.items():
            source, target = ("hf", "forgather") if direction == "import" else ("forgather", "hf")
            base = load(DATA / "golden" / CHANGED[family] / source / "config.json")
            for change in changes:
                held = {k: v for k, v in {**base, **change}.items() if v != ABSENT}
                yield Question(source, target, family, json.dumps(change), held)
    for source, target, change in PLUG_IN_CHANGES:
        yield Question(source, target, PLUG_IN, json.dumps(change), {**PLUGGED_IN[source], **change}, "--converter-path", "plugin")


QUESTIONS = {"fast_llm": fast_llm_questions, "forgather": forgather_questions}


# ---- answers ----


def leaves(tree, prefix=""):
    if isinstance(tree, dict) and tree:
        return {k: v for key, sub in tree.items() for k, v in leaves(sub, f"{prefix}/{key}").items()}
    return {prefix: tree}


def differences(ours, other):
    """path -> (ours, the other's), of the leaves in which they differ."""
    a, b = leaves(ours), leaves(other)
    return {k: (a.get(k, ABSENT), b.get(k, ABSENT)) for k in sorted(set(a) | set(b)) if a.get(k, ABSENT) != b.get(k, ABSENT)}


def what_is_said(text):
    """The lines, without line numbers of the converters and the version."""
    text = re.sub(r'(rule "[^"]*"[^,)]*), [^)]*\)', r"\1)", text)
    text = re.sub(r"(converters/[^ :]+):\d+", r"\1", text)
    return re.sub(r"fgconv \d+\.\d+\.\d+", "fgconv", text).splitlines()


def answer(fgconv, question):
    """(exit code, lines, document or None). Paths in messages are the same everywhere."""
    with tempfile.TemporaryDirectory() as work:
        (pathlib.Path(work) / "config.json").write_text(json.dumps(question.document))
        os.symlink(os.environ.get("FGCONV_CONVERTERS", ROOT / "converters"), pathlib.Path(work) / "converters")
        os.symlink(DATA / "convert/plugin", pathlib.Path(work) / "plugin")
        code, out = run(fgconv, ["config", *question.arguments, "config.json"], ranks=0, cwd=work, FGCONV_CONVERTERS="converters")
    begin = 0 if out.startswith("{\n") else out.find("\n{\n") + 1
    has = code == 0 and (begin or out.startswith("{\n"))
    said, document = (out[:begin], out[begin:]) if has else (out, None)
    return code, what_is_said(said), json.loads("\n".join(what_is_said(document))) if document else None


class Record:
    """The answers of one format on record, and the documents that they are told by: one of each kind."""

    def __init__(self, format):
        self.path = RECORDS / f"{format}.jsonl"
        lines = [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []
        self.documents = {row["kind"]: row["document"] for row in lines if "kind" in row}
        self.rows = {row["name"]: row for row in lines if "name" in row}

    def row(self, question, got):
        """The answer as it is in the record."""
        code, said, document = got
        row = {"name": question.name, "exit": code, "said": said}
        if document is None:
            return row
        changes = differences(document, self.documents.get(question.kind, {}))
        return {**row, "changes": {path: value for path, (value, _) in changes.items()}}

    def check(self, tally, question, got):
        want, have = self.rows.get(question.name), self.row(question, got)
        if tally.check(f"{question.name} is on record", want is not None, "answers.py --record writes it"):
            wrong = {k: {"now": have.get(k), "on record": want.get(k)} for k in {**want, **have} if have.get(k) != want.get(k)}
            tally.check(question.name, not wrong, json.dumps(wrong)[:2000])

    def check_rest(self, tally, asked):
        rest = sorted(set(self.rows) - set(asked))
        tally.check(f"{self.path.name}: nothing else is on record", not rest, rest[:3])

    def write(self, answers):
        """(question, answer) of all, in the place of what was on record. The first document of a kind is the one that others are told by."""
        assert len({q.name for q, _ in answers}) == len(answers), "two questions of one name"
        self.documents = {}
        for question, (_, _, document) in answers:
            if document is not None:
                self.documents.setdefault(question.kind, document)
        lines = [{"kind": kind, "document": document} for kind, document in self.documents.items()]
        lines += [self.row(question, got) for question, got in answers]
        RECORDS.mkdir(exist_ok=True)
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        print(f"{self.path}: {len(answers)} answers")


def record(fgconv, format):
    Record(format).write([(question, answer(fgconv, question)) for question in QUESTIONS[format]()])


def check(fgconv, format):
    held, asked = Record(format), set()
    for question in QUESTIONS[format]():
        asked.add(question.name)
        held.check(tally, question, answer(fgconv, question))
    held.check_rest(tally, asked)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fgconv", default=str(ROOT / "build/fgconv"))
    parser.add_argument("--record", action="store_true")
    parser.add_argument("formats", nargs="+", choices=QUESTIONS)
    arguments = parser.parse_args()
    for format in arguments.formats:
        (record if arguments.record else check)(arguments.fgconv, format)
    return 0 if arguments.record else tally.end()


if __name__ == "__main__":
    sys.exit(main())
