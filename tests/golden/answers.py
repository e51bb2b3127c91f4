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
# Changes of a golden case's config.json, at paths: classes of base models, a rope_theta next to rope_parameters, and what apriel2's own code computes otherwise.
FAST_LLM_CHANGES = [
    *((f"fast_llm/{case}", {"architectures": [name]}) for case, name in (
        ("llama/basic", "LlamaModel"), ("mistral/window", "MistralModel"), ("qwen2/tied", "Qwen2Model"), ("mixtral/experts4", "MixtralModel"),
        ("llava/basic", "LlavaModel"), ("gemma4/dense", "Gemma4TextModel"))),
    ("golden/qwen3_tied_bf16", {"architectures": ["Qwen3Model"]}),
    *((f"fast_llm/{case}", {"rope_theta": 1234.0}) for case in (
        "llama/basic", "dream/basic", "mtp_llama/heads2", "diffusion_llama/yarn", "apriel_hybrid_ssm/attention-mamba")),
    ("fast_llm/llama/basic", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 7000.0, "factor": 3.0, "original_max_position_embeddings": 96, "finetuned": True}}),
    ("fast_llm/apriel2_text/attention", {"decoder/block/mixer/rotary/factor": 2.0}),
    *(("fast_llm/apriel2_text/attention", {f"decoder/block/mlp/{path}": True}) for path in ("add_linear_biases", "layer_1/bias/enabled", "layer_2/bias/enabled")),
    *(("fast_llm/apriel2_text/stochastic", {"decoder/block/mixer/mixers/second": {"type": "attention", "heads": 4, "head_groups": 2, "head_size": 8, "rotary": {"type": "mistral_1d", "theta": theta}}})
      for theta in (10000.0, 500.0)),
    *(("fast_llm/apriel2/vision", {"vision_encoder/encoder/block/mixer/rotary": {"type": kind, "theta": 100.0}}) for kind in ("mistral_1d", "default", "default_2d")),
    *(("fast_llm/apriel2/vision", {f"vision_encoder/adapter/{key}": True}) for key in ("gated", "add_linear_biases"))]
# The same of a configuration of Fast-LLM, the one without a change in fast_llm/configs.jsonl.
ROTARY_1D, ATTENTION = {"type": "default", "theta": 100.0}, {"type": "attention", "heads": 4, "head_groups": 2, "head_size": 8}
EXPORT_CHANGES = [
    *(("apriel2_text", {f"decoder/block/mlp/{path}": True}) for path in ("add_linear_biases", "layer_1/bias/enabled")),
    *(("apriel2_text", {"decoder/block/mixer": {"type": "stochastic", "mixers": {"a": {**ATTENTION, "rotary": ROTARY_1D}, "b": {**ATTENTION, "rotary": {"type": "default", "theta": theta}}}}})
      for theta in (100.0, 500.0)),
    ("apriel2", {"vision_encoder/encoder/block/mixer/rotary": ROTARY_1D}), ("apriel2", {"vision_encoder/embeddings/normalization/epsilon": 0.01}),
    ("apriel2_text", {"decoder/block/normalization/epsilon": 0.01}),
    *(("apriel2", {f"vision_encoder/adapter/{key}": True}) for key in ("gated", "add_linear_biases")),
    *((family, {f"{place}/normalization": {"type": kind}}) for family in ("llama", "mixtral") for place in ("decoder/block", "head") for kind in ("none", "layer_norm", "odd"))]
# Of each tiny family: settings that it may have or must refuse, and kinds of rotary embeddings.
SETTINGS = [
    *({key: value} for key, value in (
        ("qk_layernorm", True), ("clip_qkv", 2.0), ("logit_scale", 0.5), ("alibi", True), ("attn_logit_softcapping", 5.0), ("final_logit_softcapping", 5.0),
        ("residual_multiplier", 0.5), ("head_dim", None), ("head_dim", 0), ("hidden_act", "relu"), ("hidden_act", "mish"), ("hidden_activation", "mish"), ("sliding_window", None), ("attention_bias", True), ("attention_bias", False), ("attention_bias", None))),
    {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}]
LONGROPE = {"short_factor": [1.0, 1.5], "long_factor": [2.0, 7.5]}
YARN = {"beta_fast": 16.0, "beta_slow": 2.0, "truncate": False, "mscale": 0.7, "mscale_all_dim": 0.5}
ROTARY = [
    {"rope_type": "default"}, {"rope_type": "axial", "factor": 2.0}, {"rope_type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "attention_factor": 1.25}, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, **YARN},
    {"rope_type": "longrope", "original_max_position_embeddings": 16, **LONGROPE}, {"type": "linear", "factor": 2.0}]
WINDOWS = ({}, {"sliding_window": None}, {"sliding_window": 5}, {"use_sliding_window": True, "sliding_window": 5}, {"use_sliding_window": False, "sliding_window": 5})
ROTARY_BY_LAYER, OLDER_ROTARY = ("gemma3_text",), ("rope_theta", "rope_scaling", "rope_local_base_freq")
FAMILY_SETTINGS = {
    "gemma2": [{"sliding_window": 5, "sliding_window_size": 5}, {"sliding_window": 5, "sliding_window_size": 7}, {"sliding_window": 5, "sliding_window_size": None}, {"attn_logit_softcapping": 0}, {"final_logit_softcapping": 0}],
    "gemma3_text": [{"attn_logit_softcapping": 0}, {"final_logit_softcapping": 0}],
    "granite": [{"logits_scaling": 0}],
    "phi3": [{"rope_scaling": {key: name, **LONGROPE}, "rope_parameters": ABSENT} for key in ("type", "rope_type") for name in ("longrope", "su", "yarn")] +
            [{"full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": False}, {"full_attn_mod": 2}, {"interpolate_factor": 2}, {"lm_head_bias": True}],
    "qwen2": [{"use_sliding_window": True, "max_window_layers": ABSENT}],
    "smollm3": [{"no_rope_layers": [1]}, {"no_rope_layers": [1, 0, 0, 1, 1]}, {"no_rope_layers": [True, False, False, True]}, {"no_rope_layers": None}, {"use_sliding_window": True, "sliding_window": 5}, {"max_window_layers": 2},
                {"num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": 6}],
}
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


def config_rows():
    return [json.loads(line) for line in (DATA / "fast_llm/configs.jsonl").read_text().splitlines()]


def with_changes(document, change):
    for path, value in change.items():
        document = replaced(document, path.split("/"), value)
    return document


def fast_llm_questions():
    yield from map(fast_llm_question, config_rows())
    yield from further_fast_llm_questions()


def further_fast_llm_questions():
    """For which there is no answer of the real program."""
    yield from (q for q in family_questions("hf", "fast_llm") if q.family == "smollm3")
    yield from block_questions("smollm3")
    for path in sorted((ROOT / "converters/fast_llm").glob("*.json")):
        if "unsupported" in load(path):
            yield Question("hf", "fast_llm", path.stem, "families", load(min((DATA / "families" / path.stem).glob("*/config.json"))))
    for case, change in FAST_LLM_CHANGES:
        config = load(DATA / case / "hf/config.json")
        family = case.split("/")[1] if case.startswith("fast_llm/") else config["model_type"]
        yield Question("hf", "fast_llm", family, f"{case} {json.dumps(change)}", with_changes(config, change))
    unchanged = {row["format"]: row["document"] for row in config_rows() if row["direction"] == "export" and not row["change"]}
    for family, change in EXPORT_CHANGES:
        yield Question("fast_llm", "hf", family, f"at {json.dumps(change)}", with_changes(unchanged[family], change))


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
    yield from family_questions("hf", "forgather")
    yield from family_questions("forgather", "hf")


def altered(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value * 2 + 1
    if isinstance(value, str):
        return value + "x"
    return list(reversed(value)) + value[:1] if isinstance(value, list) else 7


def with_defaults(config, defaults):
    """In one spelling of rotary settings: that of the configuration."""
    other = (*OLDER_ROTARY, "partial_rotary_factor") if "rope_parameters" in config else ("rope_parameters",) if "rope_scaling" in config else ()
    return {**{k: v for k, v in defaults.items() if k not in other}, **config}


def replaced(tree, path, value):
    """A copy with another value, or without one, at a path; "*" is each member."""
    key, *rest = path
    copy = dict(tree)
    for name in list(tree) if key == "*" else [key]:
        if rest:
            copy[name] = replaced(tree.get(name, {}), rest, value)
        elif value == ABSENT:
            copy.pop(name, None)
        else:
            copy[name] = value
    return copy


def paths_of(tree):
    for key, value in tree.items():
        yield [key], value
        if isinstance(value, dict):
            yield from (([key, *path], inner) for path, inner in paths_of(value))


def block_questions(family):
    """A model of Fast-LLM with blocks that differ, each of its values taken away or another, in one block and in all."""
    base = Record("fast_llm").documents.get(f"{family} hf to fast_llm", {}).get("config", {}).get("base_model")
    changes = []
    for path, value in paths_of(base or {}):
        block = path[:2] == ["decoder", "blocks"] and len(path) > 3
        for where in ([path, [*path[:2], "*", *path[3:]]] if block else [path]):
            changes += [(where, new) for new in (ABSENT, altered(value), 7 if isinstance(value, (str, list, dict)) else "x")]
        if block and path[-1] == "window_size":
            changes += [(where, 5) for where in (path, [*path[:2], "*", *path[3:]])]
        if block and path[-1] == "rotary":
            changes += [([*path[:2], "*", *path[3:]], rotary) for rotary in ({"type": "none"}, {"type": "default", "theta": 300.0}, {"type": "yarn", "scale_factor": 2.0, "original_context_length": 16})]
        if block and path[-2:] == ["rotary", "type"]:
            changes += [([*path[:2], "*", *path[3:]], kind) for kind in ("none", "default", "llama3", "yarn", "default_2d")]
    changes += [(["decoder"], {"type": "fixed", "num_blocks": 3, "block": block}) for block in (base or {}).get("decoder", {}).get("blocks", {}).values()]
    for where, value in {json.dumps(change): change for change in changes}.values():
        yield Question("fast_llm", "hf", family, f"families {'/'.join(where)} {json.dumps(value)}", replaced(base, where, value))
    if base:
        yield Question("fast_llm", "hf", family, "families", base)


def family_questions(source, target):
    """Each case of tests/data/families, and the first of each family with each key taken away and altered, and with family_changes; those from `target` are the answers on
    record, so that a second --record has all."""
    held, defaults = Record("forgather" if "forgather" in (source, target) else "fast_llm"), load(ROOT / "converters/defaults/transformers.json")["model_types"]
    for folder in sorted((DATA / "families").iterdir()):
        cases = sorted(path.parent for path in folder.glob("*/config.json"))
        base, family = with_defaults(load(cases[0] / "config.json"), defaults[folder.name]) if cases else {}, folder.name
        if not cases or not (ROOT / "converters" / (target if source == "hf" else source) / f"{family}.json").exists():
            continue
        if source != "hf":
            base = held.documents.get(f"{family} hf to {source}")
        for case in cases if source == "hf" else []:
            yield Question(source, target, family, f"families/{case.name}", load(case / "config.json"))
        for key in sorted(base or {}):
            rest = {k: v for k, v in base.items() if k != key}
            yield Question(source, target, family, f"families {json.dumps({key: ABSENT})}", rest)
            for value in (altered(base[key]), 7 if isinstance(base[key], (str, list)) else "x"):
                yield Question(source, target, family, f"families {json.dumps({key: value})}", {**rest, key: value})
        for change in family_changes(family, base["num_hidden_layers"]) if base else []:
            changed = {k: v for k, v in {**base, **change}.items() if v != ABSENT}
            yield Question(source, target, family, f"families with {json.dumps(change)}", changed)


def family_changes(family, layers):
    """Changes of several keys at once, or to values that are not the key's own altered."""
    yield from ({"architectures": [name]} for name in load(ROOT / f"converters/forgather/{family}.json")["hf"]["architectures"])
    yield {"layer_types": ["full_attention"]}
    for kind in ("full_attention", "sliding_attention", "chunked_attention"):
        yield from ({"layer_types": [kind] * layers, **window} for window in WINDOWS)
    for rotary in ROTARY:
        yield {"rope_scaling": rotary, "rope_parameters": ABSENT}
        if family in ROTARY_BY_LAYER:
            here, there = {**rotary, "rope_theta": 5.0}, {"rope_type": "default", "rope_theta": 7.0}
            yield from ({"rope_parameters": {"full_attention": full, "sliding_attention": sliding}, **dict.fromkeys(OLDER_ROTARY, ABSENT)} for full, sliding in ((here, there), (there, here)))
    yield from SETTINGS + FAMILY_SETTINGS.get(family, [])


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
