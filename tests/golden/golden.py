#!/usr/bin/env python3
"""Compares fgconv with conversions that the real Forgather made (tests/data/golden).

    golden.py --fgconv build/fgconv CASE...      cases by name, "rejects" or "rotary_tables"

A case: HF to Forgather with its arguments, compared tensor by tensor and key by key with what the real tool wrote; the real tool's
directory back to HF; fgconv's own output back to HF, which must give the source bit for bit; logits of both sides against the reference. A row of
"rejects" must end in exit 2 or 3 and leave nothing, or, where fgconv does better, succeed. "rotary_tables": tensors of older checkpoints that are left out.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, hdf5_floats, load, npy, run, tensors, write_safetensors

GOLDEN = DATA / "golden"
# Keys that must equal the real tool's. max_position_embeddings keeps the source's value, eos ids also join generation_config's.
KEYS = """hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads rms_norm_eps rope_theta rope_scaling
sliding_window hf_model_type attention_dropout bos_token_id pad_token_id dtype vocab_size model_type checkpoint_stride compile_flex embedding_dropout
layer_dropout residual_dropout activation_dropout enable_activation_checkpoint flex_attn_kernel_options transformers_version hidden_act
initializer_range attention_bias mlp_bias use_cache""".split()
# Rows where fgconv does better than the real tool, which refuses them.
ACCEPTED = """llama_rope_default llama_head_dim_32 mistral_head_dim_32 qwen3_head_dim_32 reverse_qwen3_head_dim_16 dry_run reverse_no_code
reverse_no_code_auto reverse_no_auto_map llama_tokenizer_without_length reverse_mistral_without_type reverse_qwen3_without_type
regular_token_in_the_test_prompt""".split()
EITHER = ["yaml_empty", "tokenizer_missing"]
tally = Tally()


def as_list(ids):
    return ids if isinstance(ids, list) else [] if ids is None else [ids]


def tokens_of(directory):
    """id -> text of the added tokens."""
    return {t["id"]: t["content"] for t in load(directory / "tokenizer.json").get("added_tokens", [])}


class Vocabulary:
    """The real tool's added tokens as they are here: it numbers roles in another order (one that varies from run to run)."""

    def __init__(self, spec, work, ours):
        real, mine = tokens_of(work / "forgather"), {text: i for i, text in tokens_of(ours).items()}
        self.id = {i: mine.get(text) for i, text in real.items()}
        self.kinds = {name: {self.id[int(i)]: row["kind"] for i, row in rows["changed"].items()} for name, rows in spec["new_rows"].items()}
        self.rows = {name: max(rows["source_rows"], rows["rows"]) for name, rows in spec["new_rows"].items()}

    def ids(self, value):
        return [self.id.get(i, i) for i in value] if isinstance(value, list) else self.id.get(value, value)


def compare_config(name, ours, real, source, generation, arguments, vocabulary=None):
    expected = dict(real)
    if vocabulary:
        expected["vocab_size"] = max(vocabulary.rows.values())  # a padded vocabulary does not shrink
        for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
            if key in real:
                expected[key] = vocabulary.ids(real[key])
    if "--dtype" in arguments:  # the real reverse ignores the option
        expected["dtype"] = arguments[arguments.index("--dtype") + 1]
    wrong = {k: (ours.get(k), expected[k]) for k in KEYS if k in expected and ours.get(k) != expected[k]}
    if ours.get("tie_word_embeddings", True) != real.get("tie_word_embeddings", True):
        wrong["tie_word_embeddings"] = (ours.get("tie_word_embeddings"), real.get("tie_word_embeddings"))
    length = int(arguments[arguments.index("--max-length") + 1]) if "--max-length" in arguments else source.get("max_position_embeddings")
    if ours.get("max_position_embeddings") != length:
        wrong["max_position_embeddings"] = (ours.get("max_position_embeddings"), length)
    eos = []
    for ids in (source.get("eos_token_id"), generation.get("eos_token_id"), expected.get("eos_token_id")):
        eos += [i for i in as_list(ids) if i not in eos]
    if as_list(ours.get("eos_token_id")) != eos:
        wrong["eos_token_id"] = (ours.get("eos_token_id"), eos)
    tally.check(f"{name} config", not wrong, wrong)


def compare_tensors(name, ours, real):
    wrong = {k: (ours.get(k), real.get(k)) for k in set(ours) | set(real) if ours.get(k) != real.get(k)}
    tally.check(f"{name} tensors ({len(real)})", real and not wrong, wrong)


def numbers(dtype, data):
    """float32 or bfloat16 bytes as floats."""
    if dtype == "float32":
        return struct.unpack(f"<{len(data) // 4}f", data)
    assert dtype == "bfloat16", dtype
    return struct.unpack(f"<{len(data) // 2}f", b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2)))


def stored(dtype, values):
    """Floats as float32 or bfloat16 bytes, rounded to nearest even."""
    data = struct.pack(f"<{len(values)}f", *values)
    if dtype == "float32":
        return data
    assert dtype == "bfloat16", dtype
    words = struct.unpack(f"<{len(values)}I", data)
    return struct.pack(f"<{len(values)}H", *(((w + 0x7FFF + (w >> 16 & 1)) >> 16) for w in words))


def expected_rows(kinds, rows, dtype, source):
    """The vocabulary matrix that a conversion has to write: the source's rows, and those of added tokens by their definition."""
    source_dtype, (count, width), data = source
    values = numbers(source_dtype, data)
    table = [values[i * width:(i + 1) * width] for i in range(count)] + [None] * (rows - count)
    for row, kind in kinds.items():
        if kind == "zero":
            table[row] = [0.0] * width
        elif kind == "mean":
            sums = [0.0] * width
            for i in range(count):
                sums = [s + v for s, v in zip(sums, values[i * width:(i + 1) * width])]
            table[row] = [s / count for s in sums]
        else:
            table[row] = table[int(kind.split(":")[1])]
    return b"".join(stored(dtype, row) for row in table)


def compare_vocabulary(name, work, ours, vocabulary):
    """Takes the vocabulary's matrices out of `ours` after comparing them with the source's rows and the definitions."""
    source = tensors(work / "hf")
    for matrix, rows in vocabulary.rows.items():
        dtype, shape, data = ours.pop(matrix)
        from_source = source.get("lm_head.weight" if matrix == "lm_head.weight" else "model.embed_tokens.weight") or source["model.embed_tokens.weight"]
        want = expected_rows(vocabulary.kinds[matrix], rows, dtype, from_source)
        tally.check(f"{name} {matrix}: rows {sorted(vocabulary.kinds[matrix].items())}", shape[0] == rows and data == want, shape)


def as_digests(held):
    return {name: {"dtype": dtype, "shape": shape, "sha256": hashlib.sha256(data).hexdigest()} for name, (dtype, shape, data) in held.items()}


def compare_tokenizers(name, real, ours):
    def entries(directory):
        return {t["content"]: {k: v for k, v in t.items() if k != "id"} for t in load(directory / "tokenizer.json")["added_tokens"]}

    def roles(directory, file):
        held = load(directory / file)
        text = lambda v: v["content"] if isinstance(v, dict) else v
        out = {k: text(v) for k, v in held.items() if k.endswith("_token")}
        out["more"] = [text(v) for v in held.get("additional_special_tokens", [])]
        return out
    tally.check(f"{name} added tokens and their flags", entries(real) == entries(ours), (entries(real), entries(ours)))
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        tally.check(f"{name} roles in {file}", roles(real, file) == roles(ours, file), (roles(real, file), roles(ours, file)))
    strip = lambda d: {k: v for k, v in load(d / "tokenizer.json").items() if k != "added_tokens"}
    tally.check(f"{name} tokenizer.json is the same else", strip(real) == strip(ours))


def one_step(fgconv, work, spec, step, expected):
    label, arguments = step["label"], list(step["argv"])
    forward = label == "to_forgather"
    arguments = [f"ours_{label}" if a == label or (forward and a == "forgather") else a for a in arguments]
    code, text = run(fgconv, arguments, cwd=work)
    if not tally.check(f"{label} exit", code == 0, f"{code}: {text}"):
        return
    real, source, out = work / ("forgather" if forward else label), work / ("hf" if forward else "forgather"), work / f"ours_{label}"
    added = forward and any(rows["changed"] for rows in spec["new_rows"].values())
    vocabulary = Vocabulary(spec, work, out) if added else None
    compare_config(label, load(out / "config.json"), load(real / "config.json"), load(source / "config.json"),
                   load(source / "generation_config.json"), arguments, vocabulary)
    held, want = tensors(out), dict(expected[real.name]["tensors"])
    if added:
        compare_vocabulary(label, work, held, vocabulary)
        compare_tokenizers(label, real, out)
        want = {k: v for k, v in want.items() if k not in vocabulary.rows}
    if "--dtype" in arguments and not forward:  # the real reverse ignores it: these are what the source was cast from
        held = {k: v for k, v in held.items() if k not in ("lm_head.weight", "model.embed_tokens.weight")}
        want = {k: v for k, v in digests(work / "hf").items() if k in held}
    compare_tensors(label, as_digests(held), want)
    template = arguments[arguments.index("-t") + 1] if "-t" in arguments else None
    for side in ("tokenizer.json", "special_tokens_map.json", "chat_template.jinja"):
        if side == "chat_template.jinja" and template:
            tally.check(f"{label} has the template of -t", (work / template).read_bytes() == (out / side).read_bytes() == (real / side).read_bytes())
        elif (source / side).exists() and not added:
            tally.check(f"{label} {side} is copied", (source / side).read_bytes() == (out / side).read_bytes())


def round_trip(fgconv, work, spec):
    code, text = run(fgconv, ["ours_to_forgather", "ours_round"], cwd=work)
    if not tally.check("round trip exit", code == 0, f"{code}: {text}"):
        return
    cast = any("--dtype" in s["argv"] for s in spec["steps"])
    source = digests(work / "hf") or load(work / "expected.json")["hf_back"]["tensors"]  # of a .bin: what the real reverse gave
    ours = digests(work / "ours_round")
    if any(rows["changed"] for rows in spec["new_rows"].values()):  # looked at row by row on the way there
        source, ours = ({k: v for k, v in d.items() if k not in ("lm_head.weight", "model.embed_tokens.weight")} for d in (source, ours))
    if not cast:
        compare_tensors("round trip", ours, source)
    before, after = load(work / "hf/config.json"), load(work / "ours_round/config.json")
    changed = ["vocab_size", "bos_token_id", "pad_token_id"] * bool(spec["new_rows"]) + ["dtype"] * cast
    lost = {k: (v, after.get(k)) for k, v in before.items() if k in KEYS and k not in changed and after.get(k) != v}
    tally.check("round trip config", not lost, lost)
    code, text = run(fgconv, ["verify", "hf", "ours_to_forgather"], cwd=work)
    tally.check("verify", code == 0, f"{code}: {text}")


def largest_difference(dump, dataset, shape, want, scratch):
    got = hdf5_floats(dump, dataset, scratch)
    rows, columns = shape
    width = len(got) // rows
    shared = min(columns, width, 380)  # below every row that the real tool added or overwrote
    pairs = ((got[r * width + c], want[r * columns + c]) for r in range(rows) for c in range(shared))
    return max(abs(a - b) for a, b in pairs) / max(map(abs, want))


def reference_logits(fgconv, work, spec):
    """Both sides' logits at the reference's tokens, within 1e-5 of the largest logit; after a cast within what that rounds away."""
    shape, want = npy(work / "logits.npy")
    ids = load(work / "logits.json")["input_ids"]
    ids = ids[0] if isinstance(ids[0], list) else ids
    narrowed = any("--dtype" in s["argv"] and s["argv"][s["argv"].index("--dtype") + 1] != "float32" for s in spec["steps"] if s["label"] == "to_forgather")
    for directory, tolerance in (("hf", 1e-5), ("ours_to_forgather", 2e-2 if narrowed else 1e-5)):
        dump = work / f"{directory}.h5"
        code, text = run(fgconv, ["validate", "--token-ids", ",".join(map(str, ids)), "--dump", dump, directory, directory], cwd=work)
        if tally.check(f"validate {directory} exit", code == 0, f"{code}: {text}"):
            worst = largest_difference(dump, "/destination/logits", shape, want, work)
            tally.check(f"{directory} logits", worst <= tolerance, f"{worst:.1e} of the largest")


def one_case(fgconv, name):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder) / "case"
        shutil.copytree(GOLDEN / name, work)
        spec, expected = load(work / "case.json"), load(work / "expected.json")
        now = time.time()
        for step, age in spec["checkpoint_ages_s"].items():
            os.utime(work / "forgather/checkpoints" / step, (now - age, now - age))
        for step in spec["steps"]:
            one_step(fgconv, work, spec, step, expected)
        round_trip(fgconv, work, spec)
        reference_logits(fgconv, work, spec)


# ---- rejects ----


def edit(path, changes):
    tree = json.loads(path.read_text())
    for key, value in changes.items():
        tree.pop(key, None) if value == "__delete__" else tree.__setitem__(key, value)
    path.write_text(json.dumps(tree))


def prepare(fgconv, row, work):
    if row.get("base_dir"):
        shutil.copytree(GOLDEN / row["base_dir"], work / "hf")
    if row.get("config_set"):
        edit(work / "hf/config.json", row["config_set"])
    for path in row.get("remove", []):
        (work / path).unlink(missing_ok=True)
    for path, text in row.get("files", {}).items():
        (work / path).write_text(text)
    for path in row.get("mkdir", []):
        (work / path).mkdir(parents=True)
    for arguments in row.get("before", []):
        code, text = run(fgconv, arguments, cwd=work)
        tally.check(f"{row['name']} preparation", code == 0, f"{code}: {text}")
    for path, changes in row.get("edit_json", {}).items():
        if (work / path).exists():
            edit(work / path, changes)
    for pattern in row.get("remove_after", []):
        pattern = pattern.replace("pytorch_model*", "model*.safetensors")  # ours are safetensors
        for path in work.glob(pattern):
            path.unlink()


def one_reject(fgconv, row):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        prepare(fgconv, row, work)
        before = set(work.rglob("*"))
        code, text = run(fgconv, row["argv"], cwd=work)
        left = sorted(str(p.relative_to(work)) for p in set(work.rglob("*")) - before)
        if row["name"] in ACCEPTED:
            tally.check(f"accepts {row['name']}", code == 0, f"{code}: {text}")
            tally.check(f"{row['name']} leaves what it should", bool(left) != (row["name"] == "dry_run"), left)
        else:
            tally.check(f"refuses {row['name']}", code in (2, 3) and not left and "fgconv: error: " in text, f"exit {code}, left {left[:3]}: {text}")


# ---- tensors that say nothing ----

# Tables that follow from config.json, and names that only look like theirs.
TABLES = {"hf": (["model.rotary_emb.inv_freq", "model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.1.self_attn.rotary_emb.cos_cached", "model.rotary_emb.sin_cached"],
                 ["model.layers.0.mlp.inv_freq", "model.rotary_emb.inv_freq.weight"]),
          "forgather": (["causal_lm.inv_freq", "causal_lm.layer_stack.layers.0.attention.freqs_cis", "causal_lm.rope.cos_cached", "causal_lm.rope.sin_cached"],
                        ["causal_lm.inv_freq_2", "inv_freq"])}


def rotary_tables(fgconv):
    for side, (tables, others) in TABLES.items():
        for names, expected in ((tables, 0), *(([name], 3) for name in others)):
            with tempfile.TemporaryDirectory() as folder:
                work = pathlib.Path(folder)
                shutil.copytree(GOLDEN / "llama_untied_fp32/hf", work / "hf")
                code, text = run(fgconv, ["-q", "hf", "forgather"], cwd=work)
                if not tally.check("tables: preparation", code == 0, text):
                    return
                shutil.copytree(work / side, work / "in", ignore=shutil.ignore_patterns("*.safetensors", "*.index.json", "fgconv_report.json"))
                held = tensors(work / side)
                write_safetensors(work / "in/model.safetensors", {**held, **{name: ("float32", [8], bytes(32)) for name in names}})
                code, text = run(fgconv, ["-q", "in", "out"], cwd=work)
                tally.check(f"tables of {side}, {names[0]}: exit {expected}", code == expected and (code == 0 or names[0] in text), f"{code}: {text}")
                if code == 0:
                    tally.check(f"tables of {side} are left out", tensors(work / "out") and not any(t.split(".")[-1] in n for n in tensors(work / "out") for t in tables))
                    dropped = {d["name"] for d in load(work / "out/fgconv_report.json")["dropped"]}
                    tally.check(f"tables of {side} are named", dropped == set(names), dropped)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("cases", nargs="+")
    arguments = parser.parse_args()
    for name in arguments.cases:
        if name == "rotary_tables":
            rotary_tables(arguments.fgconv)
        elif name == "rejects":
            for row in json.loads((GOLDEN / "rejects.json").read_text()):
                if row["name"] not in EITHER:
                    one_reject(arguments.fgconv, row)
        else:
            one_case(arguments.fgconv, name)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
