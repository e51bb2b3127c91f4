#!/usr/bin/env python3
"""Deliberate corruptions: each must be noticed, with the right exit code, while the undamaged control passes.

    mutations.py --fgconv build/fgconv

Rules of copied converters, tensors and settings of a finished DST, its shard files and index, and a source that changes while it is
converted. Exit 10: the models differ. Exit 3: a check refuses the input before any logits are compared. `validate` judges by logits, so what
leaves every logit as it was is for `verify` to find.

Models called "times 8" have all weights widened to float32 and multiplied by 8: with the small weights of a fresh model attention is
nearly uniform, and rotary settings and windows hardly matter.
"""
import argparse
import array
import copy
import itertools
import json
import os
import pathlib
import shutil
import struct
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]
from big_model import write_model
from checkpoint import DATA, ROOT, Tally, header, load, run, tensors, write_safetensors
from halted import Halted

GOLDEN = DATA / "golden"
SIZES = {"bfloat16": 2, "float16": 2, "float32": 4}
tally = Tally()

# ---- weights ----


def floats(dtype, data):
    """Values of a bfloat16 or float32 tensor."""
    if dtype == "bfloat16":
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[0::2], data[1::2]
        data = bytes(wide)
    else:
        assert dtype == "float32", dtype
    values = array.array("f")
    values.frombytes(data)
    return values


def times(source, target, factor):
    """A copy of a safetensors checkpoint in float32 with every value multiplied, in one file."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors*"))
    wide = {name: ("float32", shape, array.array("f", [factor * v for v in floats(dtype, data)]).tobytes())
            for name, (dtype, shape, data) in tensors(source).items()}
    write_safetensors(target / "model.safetensors", wide)


class Weights:
    """The tensors of a directory, to be changed and saved again: every shard keeps its own."""

    def __init__(self, directory):
        self.files = {}
        for path in sorted(pathlib.Path(directory).glob("*.safetensors")):
            names, held = header(path)[0], tensors(directory)
            self.files[path] = {name: [held[name][0], held[name][1], bytearray(held[name][2])] for name in names}

    def __getitem__(self, name):
        return next(held[name] for held in self.files.values() if name in held)

    def save(self):
        for path, held in self.files.items():
            write_safetensors(path, held)


def swap(a, b):
    def change(w):
        assert w[a][1] == w[b][1] and w[a][2] != w[b][2], (a, b)
        w[a][2], w[b][2] = w[b][2], w[a][2]
    return change


def rows_of(tensor):
    dtype, shape, data = tensor
    width = SIZES[dtype] * (shape[1] if len(shape) > 1 else 1)
    return [data[i:i + width] for i in range(0, len(data), width)]


def reorder(name, order):
    """The rows of a tensor in another order: order(count) lists their old places."""
    def change(w):
        rows = rows_of(w[name])
        w[name][2] = bytearray().join(rows[i] for i in order(len(rows)))
    return change


def transpose(name):
    def change(w):
        dtype, (rows, columns), data = w[name]
        size = SIZES[dtype]
        assert rows == columns
        w[name][2] = bytearray().join(data[(r * columns + c) * size:][:size] for c in range(columns) for r in range(rows))
    return change


def flip(name, element, bit):
    def change(w):
        dtype, _, data = w[name]
        data[element * SIZES[dtype] + bit // 8] ^= 1 << bit % 8
    return change


def zero(name):
    def change(w):
        w[name][2] = bytearray(len(w[name][2]))
    return change


def scale(name, factor):
    def change(w):
        dtype, _, data = w[name]
        bits = array.array("f", [v * factor for v in floats(dtype, data)]).tobytes()
        w[name][2] = bytearray(bits) if dtype == "float32" else bytearray(itertools.chain.from_iterable(zip(bits[2::4], bits[3::4])))
    return change


def replace(name, by):
    def change(w):
        w[name][2] = bytearray(w[by][2])
    return change


def round_to_bfloat16(w):
    """Every tensor in bfloat16, truncated: values of another precision under the same names."""
    for held in w.files.values():
        for tensor in held.values():
            assert tensor[0] == "float32"
            tensor[0], tensor[2] = "bfloat16", bytearray(itertools.chain.from_iterable(zip(tensor[2][2::4], tensor[2][3::4])))


def cut_precision(name):
    """The values of one tensor as if they had been rounded, its type kept."""
    def change(w):
        assert w[name][0] == "float32"
        w[name][2][0::4] = w[name][2][1::4] = bytes(len(w[name][2]) // 4)
    return change


def rename_tensors(a, b):
    """Two names exchanged in the headers of shards: the values stay where they are."""
    def change(w):
        for path, held in w.files.items():
            other = {a: b, b: a}
            w.files[path] = {other.get(name, name): tensor for name, tensor in held.items()}
    return change


LAYER = "causal_lm.layer_stack.layers."
EMBEDDING = "causal_lm.input_encoder.embedding.weight"
HEAD = "lm_head.weight"


def heads_exchanged(rows, size):
    """Rows of the first two heads exchanged."""
    return lambda count: [*range(size, 2 * size), *range(size), *range(2 * size, count)]


def backwards(count):
    return range(count - 1, -1, -1)


def both(*changes):
    def change(w):
        for one in changes:
            one(w)
    return change


# Name, model, what `validate` and what `verify` must end with, the change. A change that moves no logit is validate's 0.
WEIGHTS = [
    ("two layers' queries swapped", "llama", 10, 10, swap(LAYER + "0.attention.query_linear.weight", LAYER + "1.attention.query_linear.weight")),
    ("two whole layers swapped", "untied", 10, 10, both(*[swap(f"{LAYER}0.{part}.weight", f"{LAYER}1.{part}.weight") for part in (
        "attention.query_linear", "attention.key_linear", "attention.value_linear", "attention.output_linear", "feedforward.gate_proj",
        "feedforward.up_proj", "feedforward.down_proj", "norm1", "norm2")])),
    ("key and value swapped", "mistral", 10, 10, swap(LAYER + "1.attention.key_linear.weight", LAYER + "1.attention.value_linear.weight")),
    ("gate and up swapped", "qwen3", 10, 10, swap(LAYER + "0.feedforward.gate_proj.weight", LAYER + "0.feedforward.up_proj.weight")),
    ("a square matrix transposed (query)", "untied", 10, 10, transpose(LAYER + "0.attention.query_linear.weight")),
    ("a square matrix transposed (output)", "bin", 10, 10, transpose(LAYER + "1.attention.output_linear.weight")),
    ("heads of the query permuted", "untied", 10, 10, reorder(LAYER + "1.attention.query_linear.weight", heads_exchanged(64, 16))),
    ("heads of the value permuted", "llama", 10, 10, reorder(LAYER + "2.attention.value_linear.weight", heads_exchanged(32, 16))),
    ("query rows interleaved as other rotary layouts have them", "untied", 10, 10,
     reorder(LAYER + "0.attention.query_linear.weight", lambda n: [h * 16 + j // 2 + j % 2 * 8 for h in range(n // 16) for j in range(16)])),
    ("rows of a down projection reversed", "mistral", 10, 10, reorder(LAYER + "0.feedforward.down_proj.weight", backwards)),
    ("rows of the embedding reversed", "untied", 10, 10, reorder(EMBEDDING, backwards)),
    ("one bit of a bfloat16 flipped", "llama", 10, 10, flip(LAYER + "1.feedforward.up_proj.weight", 77, 0)),
    ("one sign flipped", "mistral", 10, 10, flip(LAYER + "1.attention.output_linear.weight", 5, 31)),
    ("a lowest bit of an unused embedding row flipped", "untied", 0, 10, flip(EMBEDDING, 3 * 64, 0)),
    ("an output projection zeroed", "bin", 10, 10, zero(LAYER + "0.attention.output_linear.weight")),
    ("a norm weight scaled by 1.01", "untied", 10, 10, scale(LAYER + "1.norm2.weight", 1.01)),
    ("the final norm scaled by 2", "llama", 10, 10, scale("causal_lm.layer_stack.layer_norm.weight", 2.0)),
    ("query norm and key norm swapped", "qwen3", 10, 10, swap(LAYER + "1.attention.q_norm.weight", LAYER + "1.attention.k_norm.weight")),
    ("the head of an untied model replaced by the embedding", "untied", 10, 10, replace(HEAD, EMBEDDING)),
    ("a tied head changed under one name", "llama", 3, 10, flip(HEAD, 1000, 14)),
    ("a tied embedding changed under one name", "qwen3", 3, 10, flip(EMBEDDING, 1000, 21)),
    ("a tied pair changed under both names", "llama", 10, 10, both(flip(HEAD, 1000, 14), flip(EMBEDDING, 1000, 14))),
    ("one tensor's values cut to bfloat16", "untied", 10, 10, cut_precision(LAYER + "0.feedforward.gate_proj.weight")),
    ("all values cut to bfloat16", "untied", 10, 10, round_to_bfloat16),
    ("names of the two norms exchanged in the shard", "untied", 10, 10, rename_tensors(LAYER + "0.norm1.weight", LAYER + "0.norm2.weight")),
    ("a NaN in a weight", "untied", 10, 10, both(*[flip(LAYER + "0.norm1.weight", 3, bit) for bit in range(22, 31)])),
]

# ---- settings ----


def put(key, value):
    """A change of config.json; `value` may be a function of the old one. A key with a slash lies in an object."""
    def change(config):
        *folders, last = key.split("/")
        for folder in folders:
            config = config[folder]
        old = config.get(last)
        config[last] = value(old) if callable(value) else value
        assert config[last] != old, key
    return change


def leave_out(key):
    def change(config):
        assert config.pop(key, None) is not None
    return change


SETTINGS = [
    ("rope_theta 1 % off", "llama", 10, put("rope_theta", lambda old: old * 1.01)),
    ("rope_theta 1 % off, qwen3", "qwen3", 10, put("rope_theta", lambda old: old * 1.01)),
    ("rms_norm_eps times 10", "untied", 10, put("rms_norm_eps", lambda old: old * 10)),
    ("rms_norm_eps times 10, bfloat16", "llama", 10, put("rms_norm_eps", lambda old: old * 10)),
    ("sliding_window 1 more", "mistral", 10, put("sliding_window", 9)),
    ("sliding_window 1 less", "mistral", 10, put("sliding_window", 7)),
    ("sliding_window null", "mistral", 10, put("sliding_window", None)),
    ("sliding_window left out", "mistral", 10, leave_out("sliding_window")),
    ("sliding_window where there was none", "bin", 10, put("sliding_window", 8)),
    ("num_key_value_heads doubled", "untied", 3, put("num_key_value_heads", 4)),
    ("num_attention_heads halved", "untied", 3, put("num_attention_heads", 2)),
    ("heads of half the size, twice as many", "untied", 10,
     both(put("head_dim", 8), put("num_attention_heads", 8), put("num_key_value_heads", 4))),
    ("head_dim halved", "untied", 3, put("head_dim", 8)),
    ("rope_scaling factor", "llama", 10, put("rope_scaling/factor", 8.0)),
    ("rope_scaling low_freq_factor", "llama", 10, put("rope_scaling/low_freq_factor", 2.0)),
    ("rope_scaling original_max_position_embeddings", "llama", 10, put("rope_scaling/original_max_position_embeddings", 64)),
    ("rope_scaling removed", "llama", 10, put("rope_scaling", None)),
    ("tie_word_embeddings of an untied model", "untied", 3, put("tie_word_embeddings", True)),
    ("tie_word_embeddings of a tied model: the same logits", "llama", 0, put("tie_word_embeddings", False)),
    ("num_hidden_layers one less", "llama", 3, put("num_hidden_layers", 2)),
    ("num_hidden_layers one more", "llama", 3, put("num_hidden_layers", 4)),
    ("hidden_act", "untied", 3, put("hidden_act", "gelu")),
    ("dtype named wrongly: the same logits", "llama", 0, put("dtype", "float32")),
]

# ---- files ----


def append(path, more):
    with open(path, "ab") as f:
        f.write(more)


def cut(path, count):
    os.truncate(path, path.stat().st_size - count)


def poke(path, offset, value):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(value)


def shards(d):
    return sorted(d.glob("*.safetensors"))


def swap_in_index(d):
    path = d / "model.safetensors.index.json"
    index = load(path)
    names = index["weight_map"]
    first = next(iter(names))
    other = next(name for name in names if names[name] != names[first])
    names[first], names[other] = names[other], names[first]
    path.write_text(json.dumps(index))


def leave_out_of_index(d):
    path = d / "model.safetensors.index.json"
    index = load(path)
    index["weight_map"].popitem()
    path.write_text(json.dumps(index))


def exchange_files(d):
    a, b = shards(d)[:2]
    a.rename(d / "aside")
    b.rename(a)
    (d / "aside").rename(b)


def edit_header(change):
    """A change of the first shard's header; its length in bytes must stay, so that the data stay in place."""
    def damage(d):
        path = shards(d)[0]
        blob = path.read_bytes()
        (size,) = struct.unpack("<Q", blob[:8])
        entries = json.loads(blob[8:8 + size])
        change(entries)
        text = json.dumps(entries, separators=(",", ":")).encode()
        assert len(text) <= size
        path.write_bytes(blob[:8] + text + b" " * (size - len(text)) + blob[8 + size:])
    return damage


def first_tensor(entries):
    return next(entry for name, entry in entries.items() if name != "__metadata__")


def overlap(entries):
    """The first two tensors of one size at one place."""
    places = {}
    for name, entry in entries.items():
        if name != "__metadata__":
            size = entry["data_offsets"][1] - entry["data_offsets"][0]
            if size in places:
                entry["data_offsets"] = list(places[size])
                return
            places[size] = entry["data_offsets"]


def other_shape(entries):
    entry = next(e for n, e in entries.items() if n != "__metadata__" and len(e["shape"]) == 2 and e["shape"][0] != e["shape"][1])
    entry["shape"].reverse()


FILES = [
    ("two names exchanged in the index", swap_in_index),
    ("a name left out of the index", leave_out_of_index),
    ("two shard files exchanged", exchange_files),
    ("a shard one byte shorter", lambda d: cut(shards(d)[-1], 1)),
    ("a shard one byte longer", lambda d: append(shards(d)[-1], b"x")),
    ("a shard missing", lambda d: shards(d)[1].unlink()),
    ("a shard empty", lambda d: os.truncate(shards(d)[0], 0)),
    ("a header's length damaged", lambda d: poke(shards(d)[0], 2, b"\xff")),
    ("a header's text damaged", lambda d: poke(shards(d)[0], 8, b"[")),
    ("a dtype in a header", edit_header(lambda e: first_tensor(e).update(dtype="F16"))),
    ("a shape in a header reversed", edit_header(other_shape)),
    ("a tensor's place in a header", edit_header(overlap)),
    ("config.json truncated", lambda d: cut(d / "config.json", 40)),
    ("the index truncated", lambda d: cut(d / "model.safetensors.index.json", 40)),
]
FILE_VERIFY = {"a dtype in a header": (3, 10), "a shape in a header reversed": (3, 10)}  # of equal size: the files are sound in themselves

# ---- converters ----


def swap_rules(rules, a, b, directions=("to_forgather", "to_hf"), file="common.json"):
    """Two rules of a list give each other's names: the round trip still fits when both directions are changed."""
    def change(trees):
        for direction in directions:
            held = trees[file][direction]["lists"][rules]
            chosen = [r for r in held if isinstance(r, list) and any(r[0].startswith(x) for x in (a if direction == "to_forgather" else b))]
            assert len(chosen) == 2, (rules, direction, chosen)
            chosen[0][1], chosen[1][1] = chosen[1][1], chosen[0][1]
    return change


def drop_rule(rules, start, directions):
    def change(trees):
        for direction in directions:
            held = trees["common.json"][direction]["lists"][rules]
            kept = [r for r in held if not r[0].startswith(start[direction])]
            assert len(kept) == len(held) - 1
            held[:] = kept
    return change


def declare(field, declaration, file="fields.json", **others):
    def change(trees):
        held = trees[file]["sections"]["model"]["config"]
        for name, one in ((field, declaration), *others.items()):
            held.pop(name, None)
            if one is not None:
                held[name] = one
    return change


def edit_tensor(name, **changes):
    def change(trees):
        assert name in trees["common.json"]["tensors"]
        trees["common.json"]["tensors"][name].update(changes)
    return change


def drop_tensor(name):
    def change(trees):
        del trees["common.json"]["tensors"][name]
    return change


def swap_head_and_embedding(trees):
    there, back = trees["common.json"]["to_forgather"]["names"], trees["common.json"]["to_hf"]["names"]
    there.insert(0, ["model\\.embed_tokens\\.", "lm_head."])
    there[1][2] = [r for r in there[1][2] if not r[0].startswith("embed_tokens")]
    there[2][1] = "causal_lm.input_encoder.embedding."
    back.insert(0, ["causal_lm\\.input_encoder\\.embedding\\.", "lm_head."])
    back[1][2] = [r for r in back[1][2] if not r[0].startswith("input_encoder")]
    back[2][1] = "model.embed_tokens."


def layers_backwards(trees):
    """Layer 0 goes to 1 and 1 to 0, both ways."""
    there = trees["common.json"]["to_forgather"]["names"][0][2]
    there[1:2] = [["layers\\.0\\.", "layer_stack.layers.1.", ["@layer"]], ["layers\\.1\\.", "layer_stack.layers.0.", ["@layer"]],
                  ["layers\\.([2-9]|\\d\\d+)\\.", "layer_stack.layers.\\1.", ["@layer"]]]
    back = trees["common.json"]["to_hf"]["names"][0][2][1][2]
    back[0:1] = [["layers\\.0\\.", "layers.1.", ["@layer"]], ["layers\\.1\\.", "layers.0.", ["@layer"]],
                 ["layers\\.([2-9]|\\d\\d+)\\.", "layers.\\1.", ["@layer"]]]


def model_weights(a, b, side):
    """The proof's own binding: two roles exchanged for one of the formats."""
    def change(trees):
        held = trees["models/llama.json"]["formats"][side]["weights"]
        held[a], held[b] = held[b], held[a]
    return change


IGNORED = "left out to see whether it is noticed"
PROJECTIONS = {"q": ("q_proj", "query_linear"), "k": ("k_proj", "key_linear"), "v": ("v_proj", "value_linear"), "o": ("o_proj", "output_linear")}


def projections(a, b, **more):
    return swap_rules("projections", (PROJECTIONS[a][0], PROJECTIONS[b][0]), (PROJECTIONS[a][1], PROJECTIONS[b][1]), **more)


GATE_UP = (("gate_proj", "up_proj"), ("gate_proj", "up_proj"))
VALUE = {"to_forgather": "v_proj", "to_hf": "value_linear"}
# Name, model, exit code, the change of the converter. "from:MODEL" converts back from Forgather.
CONVERTERS = [
    ("query and key swapped, equal shapes", "qwen3", 10, projections("q", "k")),
    ("query and output swapped", "bin", 10, projections("q", "o")),
    ("key and value swapped", "llama", 10, projections("k", "v")),
    ("query and key swapped, unequal shapes", "llama", 3, projections("q", "k")),
    ("gate and up swapped", "untied", 10, swap_rules("feedforward", *GATE_UP)),
    ("gate and up swapped, from Forgather", "from:untied", 10, swap_rules("feedforward", *GATE_UP)),
    ("gate and down swapped", "untied", 3, swap_rules("feedforward", ("gate_proj", "down_proj"), ("gate_proj", "down_proj"))),
    ("the two norms swapped", "llama", 10, swap_rules("layer", ("input_layernorm", "post_attention"), ("norm1", "norm2"))),
    ("the two norms swapped, from Forgather", "from:mistral", 10, swap_rules("layer", ("input_layernorm", "post_attention"), ("norm1", "norm2"))),
    ("query and key norm swapped", "qwen3", 10, swap_rules("attention", ("q_norm", "k_norm"), ("q_norm", "k_norm"), file="qwen3.json")),
    ("embedding and head swapped", "untied", 10, swap_head_and_embedding),
    ("two layers swapped by rules of their own", "untied", 3, layers_backwards),
    ("gate and up swapped one way only", "untied", 3, swap_rules("feedforward", *GATE_UP, directions=("to_forgather",))),
    ("a rule removed", "llama", 3, drop_rule("projections", VALUE, ["to_forgather"])),
    ("a rule removed both ways", "llama", 3, drop_rule("projections", VALUE, ["to_forgather", "to_hf"])),
    ("a tensor's declaration removed", "llama", 3, drop_tensor("model.layers.{i}.self_attn.k_proj.weight")),
    ("a tensor's shape wrong", "untied", 3, edit_tensor("model.layers.{i}.mlp.up_proj.weight", shape=["hidden_size", "intermediate_size"])),
    ("a layer too few declared", "untied", 3, edit_tensor("model.layers.{i}.mlp.up_proj.weight", repeat="num_hidden_layers - 1")),
    ("a layer too many declared", "untied", 3, edit_tensor("model.layers.{i}.mlp.up_proj.weight", repeat="num_hidden_layers + 1")),
    ("a tensor dropped that the model needs", "untied", 3,
     both(drop_tensor("model.layers.{i}.self_attn.v_proj.weight"), lambda trees: trees["common.json"]["drop"].append([".*v_proj\\.weight", IGNORED]))),
    ("rope_theta not claimed", "llama", 3, declare("rope_theta", None)),
    ("rope_theta a constant", "llama", 10, declare("rope_theta", {"constant_import": 10000.0}, theta={"ignored": IGNORED, "hf": ["rope_theta"]})),
    ("rope_theta left out", "qwen3", 10, declare("rope_theta", {"ignored": IGNORED, "hf": ["rope_theta"]})),
    ("rope_scaling left out", "llama", 10, declare("rope_scaling", {"constant_import": None}, scaling={"ignored": IGNORED, "hf": ["rope_scaling"], "keys": ["*"]})),
    ("epsilon under another name", "untied", 3, declare("rms_norm_eps", None, rms_norm_epsilon={"rename": "rms_norm_eps", "type": "positive"})),
    ("epsilon a constant", "llama", 10, declare("rms_norm_eps", {"constant_import": 1e-6}, eps={"ignored": IGNORED, "hf": ["rms_norm_eps"]})),
    ("epsilon from another key", "untied", 10,
     declare("rms_norm_eps", {"rename": "initializer_range"}, initializer_range=None, eps={"ignored": IGNORED, "hf": ["rms_norm_eps"]})),
    ("head_dim wrong", "bin", 3, declare("head_dim", {"rename": "head_dim", "default": "= hidden_size / num_key_value_heads", "type": "count"})),
    ("num_key_value_heads a constant", "untied", 3,
     declare("num_key_value_heads", {"constant_import": 4}, kv={"ignored": IGNORED, "hf": ["num_key_value_heads"]})),
    ("an untied model declared tied", "untied", 3,
     declare("tie_word_embeddings", {"constant_import": True}, tie={"ignored": IGNORED, "hf": ["tie_word_embeddings"]})),
    ("sliding_window left out", "mistral", 10,
     declare("sliding_window", {"constant_import": None}, file="mistral.json", window={"ignored": IGNORED, "hf": ["sliding_window"]})),
    ("sliding_window a constant", "mistral", 10,
     declare("sliding_window", {"constant_import": 9}, file="mistral.json", window={"ignored": IGNORED, "hf": ["sliding_window"]})),
    ("sliding_window left out, from Forgather", "from:mistral", 10,
     declare("sliding_window", {"ignored": IGNORED}, file="mistral.json", window={"constant_export": 4096, "hf": "sliding_window"})),
    ("the binding of one side wrong: gate and up", "untied", 10, model_weights("mlp.gate", "mlp.up", "forgather")),
    ("the binding of one side wrong: key and value", "llama", 10, model_weights("attention.key", "attention.value", "hf")),
]


# ---- running them ----


class Bench:
    """The models, converted once, and a fresh copy of one for every mutation."""

    CASES = {"llama": ("llama_tied_rope3_bf16_sharded", 1), "untied": ("llama_untied_fp32", 8), "qwen3": ("qwen3_tied_bf16", 8),
             "mistral": ("mistral_window_to_fp32", 8), "bin": ("mistral_nowindow_bin_skipdefault", 1)}

    def __init__(self, fgconv, folder):
        self.fgconv, self.folder, self.count = fgconv, pathlib.Path(folder), 0
        for name, (case, factor) in self.CASES.items():
            self.make_source(GOLDEN / case / "hf", self.source(name), factor)
            code, text = run(fgconv, ["--max-shard-size", "100kB", self.source(name), self.made(name)])
            tally.check(f"control: {name} converts", code == 0 and len(shards(self.made(name))) > 1, text)
            for command in ("validate", "verify"):
                code, text = run(fgconv, [command, self.source(name), self.made(name)], ranks=0)
                tally.check(f"control: {command} {name}", code == 0, f"{code}: {text}")

    @staticmethod
    def make_source(case, target, factor):
        if factor == 1:
            shutil.copytree(case, target)
        else:
            times(case, target, factor)

    def source(self, name):
        return self.folder / f"{name}-hf"

    def made(self, name):
        return self.folder / f"{name}-forgather"

    def fresh(self, name):
        self.count += 1
        target = self.folder / f"mutant{self.count}"
        shutil.copytree(self.made(name), target)
        return target

    def judge(self, name, expected, arguments, ranks=0):
        """A run that must end with this exit code, and speak once when it fails."""
        code, text = run(self.fgconv, arguments, ranks=ranks, timeout=120)
        tally.check(f"{name}: exit {expected}", code == expected and text.count("fgconv: error:") == (expected != 0), f"{code}: {text}")

    def both_commands(self, name, model, codes, target):
        for command, code in zip(("validate", "verify"), codes):
            self.judge(f"{command}: {name}", code, [command, self.source(model), target], ranks=(self.count % 8 == 0) * 2)  # mpirun takes a second or two to end a run that fails
        shutil.rmtree(target)


def damaged_weights(bench):
    for name, model, logits, verified, change in WEIGHTS:
        target = bench.fresh(model)
        weights = Weights(target)
        before = copy.deepcopy(weights.files)
        change(weights)
        assert weights.files != before, name
        weights.save()
        bench.both_commands(name, model, (logits, verified), target)


def damaged_settings(bench):
    for name, model, logits, change in SETTINGS:
        target = bench.fresh(model)
        config = load(target / "config.json")
        change(config)
        (target / "config.json").write_text(json.dumps(config))
        bench.both_commands(name, model, (logits, 10), target)


def damaged_files(bench):
    for name, change in FILES:
        target = bench.fresh("llama")
        change(target)
        bench.both_commands(name, "llama", FILE_VERIFY.get(name, (3, 3)), target)


def copied_converters(target, change):
    """converters/forgather and converters/models in a directory of their own, changed."""
    trees = {}
    for path in (ROOT / "converters/forgather").glob("*.json"):
        trees[path.name] = load(path)
    for path in (ROOT / "converters/models").glob("*.json"):
        trees[f"models/{path.name}"] = load(path)
    original = copy.deepcopy(trees)
    change(trees)
    (target / "models").mkdir(parents=True)
    shutil.copytree(ROOT / "converters/forgather/code", target / "code")
    for name, tree in trees.items():
        (target / name).write_text(json.dumps(tree))
    return trees != original


def wrong_converters(bench):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        copied_converters(folder / "same", lambda trees: None)
        for model in bench.CASES:
            bench.judge(f"control: copied converters, {model}", 0, ["--converter-path", folder / "same", bench.source(model), folder / f"{model}-there"])
            bench.judge(f"control: copied converters, {model} back", 0, ["--converter-path", folder / "same", bench.made(model), folder / f"{model}-back"])
        for i, (name, model, code, change) in enumerate(CONVERTERS):
            assert copied_converters(folder / f"c{i}", change), name
            source = bench.made(model[5:]) if model.startswith("from:") else bench.source(model)
            out = folder / f"out{i}"
            bench.judge(f"convert: {name}", code, ["--converter-path", folder / f"c{i}", source, out], ranks=i % 3)
            left, expected = [p.name for p in folder.glob(f"out{i}*")], [f"out{i}.fgconv_report.json"] if code == 10 else []
            tally.check(f"convert: {name}: at most a report is left", left == expected, left)
            if i % 3 == 0:
                bench.judge(f"dry run: {name}", code, ["--dry-run", "--converter-path", folder / f"c{i}", source, out])


# ---- a source that changes ----


def rewrite(path):
    """Other values of the same size, in place."""
    with open(path, "r+b") as f:
        f.seek(-4096, os.SEEK_END)
        f.write(b"\x3c" * 4096)


def substitute(path):
    """Another file of the same size under the same name."""
    aside = path.with_suffix(".new")
    shutil.copy(path, aside)
    rewrite(aside)
    aside.rename(path)


def changes_meanwhile(fgconv, name, ranks, change, options):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_model(folder / "source", layers=1, shards=2)
        with Halted(fgconv, options, folder / "source", folder / "out", ranks) as halted:
            change(sorted((folder / "source").glob("*.safetensors"))[-1])
        tally.check(f"{name}: the moment was met", halted.met, halted.text)
        good = halted.code == 3 and "model-00002-of-00002.safetensors" in halted.text and halted.text.count("fgconv: error:") == 1
        tally.check(f"{name}: exit 3 that names the file", good, f"{halted.code}: {halted.text}")
        tally.check(f"{name}: nothing is left", not list(folder.glob("out*")), list(folder.iterdir()))


def changing_sources(fgconv):
    long = ["--token-ids", ",".join(str(i % 8000) for i in range(300))]
    for ranks in (0, 2):
        who = f"{ranks} ranks" if ranks else "alone"
        changes_meanwhile(fgconv, f"source rewritten in place, {who}", ranks, rewrite, long)
        changes_meanwhile(fgconv, f"source replaced, {who}", ranks, substitute, long)
        changes_meanwhile(fgconv, f"source truncated, {who}", ranks, lambda p: cut(p, 4096), long)
        changes_meanwhile(fgconv, f"source rewritten, no proof, {who}", ranks, rewrite, ["--validate", "none", "--dtype", "float32"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(fgconv, folder)
        damaged_weights(bench)
        damaged_settings(bench)
        damaged_files(bench)
        wrong_converters(bench)
    changing_sources(fgconv)
    print(f"{len(WEIGHTS) + len(SETTINGS) + len(FILES) + len(CONVERTERS) + 8} corruptions")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
