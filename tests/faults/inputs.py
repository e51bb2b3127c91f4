#!/usr/bin/env python3
"""Hostile and odd inputs, end to end: what is refused is refused with one message that names the file, and leaves nothing; what is odd but sound converts.

    inputs.py --fgconv build/fgconv
"""
import argparse
import array
import json
import os
import pathlib
import shutil
import struct
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from checkpoint import DATA, Tally, digests, header, load, run, tensors, write_safetensors

GOLDEN = DATA / "golden"
SLOW = 10.0  # seconds that no refusal may take
tally = Tally()


class Case:
    """A fresh copy of a model in a directory of its own."""

    def __init__(self, fgconv, name, model="llama_untied_fp32/hf"):
        self.fgconv, self.name, self.keep = fgconv, name, tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.keep.name)
        self.source, self.out = self.folder / "source", self.folder / "out"
        shutil.copytree(GOLDEN / model, self.source)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keep.cleanup()

    def run(self, *options, source=None, out=None, ranks=0, **more):
        before = time.monotonic()
        self.code, self.text = run(self.fgconv, [*options, source or self.source, out or self.out], ranks=ranks, timeout=60, **more)
        self.seconds = time.monotonic() - before

    def refused(self, *words, code=3, options=(), **more):
        self.run(*options, **more)
        good = self.code == code and self.text.count("fgconv: error:") == 1 and all(w in self.text for w in words) and self.seconds < SLOW
        tally.check(f"refused: {self.name} ({', '.join(words)})", good, f"exit {self.code} after {self.seconds:.1f} s: {self.text}")
        tally.check(f"refused: {self.name}: nothing is left", not self.out.exists() and not (self.folder / "out.partial").exists())

    def works(self, *words, options=(), **more):
        self.run(*options, **more)
        good = self.code == 0 and all(w in self.text for w in words) and not (self.folder / "out.partial").exists()
        return tally.check(f"works: {self.name}", good, f"exit {self.code}: {self.text}")

    def config(self, **changes):
        held = load(self.source / "config.json")
        held.update(changes)
        (self.source / "config.json").write_text(json.dumps(held))

    def config_text(self, old, new):
        path = self.source / "config.json"
        text = path.read_text()
        assert text.count(old) == 1, old
        path.write_text(text.replace(old, new))

    def edit_tensors(self, change):
        path = self.source / "model.safetensors"
        held = tensors(self.source)
        change(held)
        write_safetensors(path, held)


# ---- safetensors ----

UP = "model.layers.1.mlp.up_proj.weight"


def rewritten(dtype, make):
    def change(held):
        name, shape, data = held[UP]
        held[UP] = (dtype, shape, make(len(data) // 4))
    return change


def reshaped(shape):
    def change(held):
        held[UP] = (held[UP][0], shape, held[UP][2])
    return change


def raw_header(case, text, data=b""):
    (case.source / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


TENSORS = [
    ("a tensor too many", lambda held: held.update({"model.layers.1.mlp.extra.weight": ("float32", [2], bytes(8))}), ["model.layers.1.mlp.extra.weight"]),
    ("a layer too many", lambda held: held.update({"model.layers.2.input_layernorm.weight": ("float32", [64], bytes(256))}),
     ["model.layers.2.input_layernorm.weight"]),
    ("a tensor missing", lambda held: held.pop(UP), [UP]),
    ("all tensors missing", lambda held: held.clear(), ["missing"]),
    ("a bias", lambda held: held.update({"model.layers.0.self_attn.q_proj.bias": ("float32", [64], bytes(256))}), ["model.layers.0.self_attn.q_proj.bias"]),
    ("a shape turned round", reshaped([64, 160]), [UP, "[64, 160]", "[160, 64]"]),
    ("a shape flattened", reshaped([10240]), [UP, "[10240]"]),
    ("a shape with another dimension", reshaped([160, 64, 1]), [UP]),
    ("integers", rewritten("int32", lambda n: bytes(4 * n)), [UP, "int32"]),
    ("bytes", rewritten("uint8", bytes), [UP, "uint8"]),
    ("booleans", rewritten("bool", bytes), [UP, "bool"]),
]


def hostile_tensors(fgconv):
    with Case(fgconv, "control") as c:
        c.edit_tensors(lambda held: None)
        c.works()
    for name, change, words in TENSORS:
        with Case(fgconv, name) as c:
            c.edit_tensors(change)
            c.refused("model.safetensors" if name in ("integers", "bytes", "booleans") else words[0], *words)
    with Case(fgconv, "float8 weights") as c:
        c.edit_tensors(rewritten("uint8", bytes))
        blob = (c.source / "model.safetensors").read_bytes()
        (c.source / "model.safetensors").write_bytes(blob.replace(b'"U8"', b'"F8_E4M3"', 1).replace(b'{"__metadata__": {"format": "pt"}', b'{"__metadata__":{"format":"p"}', 1))
        fix_header(c)
        c.refused("model.safetensors", UP, options=["--validate", "none"])


def fix_header(case):
    """Makes the length before the header right again; the text ends where the braces close."""
    path = case.source / "model.safetensors"
    blob = path.read_bytes()
    (size,) = struct.unpack("<Q", blob[:8])
    decoded, end = json.JSONDecoder().raw_decode(blob[8:8 + size + 64].decode("latin-1"))
    first = min(e["data_offsets"][0] for n, e in decoded.items() if n != "__metadata__")
    assert first == 0
    total = max(e["data_offsets"][1] for n, e in decoded.items() if n != "__metadata__")
    path.write_bytes(struct.pack("<Q", end) + blob[8:8 + end] + blob[len(blob) - total:])


def hostile_files(fgconv):
    size = (GOLDEN / "llama_untied_fp32/hf/model.safetensors").stat().st_size
    for left in (0, 1, 7, 8, 9, 500, size // 2, size - 1):
        with Case(fgconv, f"a safetensors file cut to {left} bytes") as c:
            os.truncate(c.source / "model.safetensors", left)
            c.refused("model.safetensors")
    for name, text in (("header of 2^63 bytes", None), ("header no JSON", b"{]"), ("header a list", b"[]" + b" " * 6),
                       ("header nested deeply", b'{"a":' * 100000), ("header with a NaN", b'{"a": NaN}'),
                       ("header with a name twice", b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
                       ("offsets that overflow", b'{"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}}'),
                       ("negative offsets", b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}'),
                       ("a hole between tensors", b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'),
                       ("an unknown dtype", b'{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}')):
        with Case(fgconv, f"safetensors: {name}") as c:
            if text is None:
                (c.source / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 63) + bytes(64))
            else:
                raw_header(c, text, bytes(8 if "hole" in name else 4))
            c.refused("model.safetensors")
    with Case(fgconv, "the weights a directory") as c:
        (c.source / "model.safetensors").unlink()
        (c.source / "model.safetensors").mkdir()
        c.refused("source")
    with Case(fgconv, "the weights a named pipe") as c:
        (c.source / "model.safetensors").unlink()
        os.mkfifo(c.source / "model.safetensors")
        c.refused("source")


# ---- the index ----


def hostile_index(fgconv):
    sharded = "llama_tied_rope3_bf16_sharded/hf"

    def entry(value):
        return lambda index: index["weight_map"].update({next(iter(index["weight_map"])): value})

    rows = [("a missing shard", entry("model-00009-of-00003.safetensors"), ["model-00009-of-00003.safetensors"]),
            ("a shard outside", entry("../outside.safetensors"), ["../outside.safetensors"]),
            ("an absolute path", entry("/etc/passwd"), ["/etc/passwd"]),
            ("a number", entry(7), ["7"]), ("null", entry(None), ["null"]), ("an empty name", entry(""), ["model.safetensors.index.json"]),
            ("a folder", entry("."), ["model.safetensors.index.json"]),             ("another shard", entry("model-00003-of-00003.safetensors"), ["model-00003-of-00003.safetensors"]),
            ("a tensor that is nowhere", lambda index: index["weight_map"].update(x="model-00001-of-00003.safetensors"), ["\"x\""]),
            ("no map", lambda index: index.pop("weight_map"), ["weight_map"]),
            ("an empty map", lambda index: index.update(weight_map={}), ["weight_map"]),
            ("a map that is a list", lambda index: index.update(weight_map=[]), ["weight_map"])]
    for name, change, words in rows:
        with Case(fgconv, f"index: {name}", sharded) as c:
            path = c.source / "model.safetensors.index.json"
            index = load(path)
            change(index)
            path.write_text(json.dumps(index))
            c.refused("model.safetensors.index.json", *words)
    with Case(fgconv, "index: a file that holds no weights", sharded) as c:
        path = c.source / "model.safetensors.index.json"
        index = load(path)
        entry("config.json")(index)
        path.write_text(json.dumps(index))
        c.refused("config.json: weights are read from files that end in")
    with Case(fgconv, "a tensor in two shards", sharded) as c:
        first, second = c.source / "model-00001-of-00003.safetensors", c.source / "model-00002-of-00003.safetensors"
        name = next(iter(header(first)[0]))
        held = {n: tensors(c.source)[n] for n in header(second)[0]}
        write_safetensors(second, {**held, name: tensors(c.source)[name]})
        c.refused(name, "model-0000")
    with Case(fgconv, "total_size wrong: a warning", sharded) as c:
        path = c.source / "model.safetensors.index.json"
        index = load(path)
        index["metadata"]["total_size"] = 17
        path.write_text(json.dumps(index))
        c.works("total_size")


# ---- config.json ----

HOSTILE = [0, -1, 2.5, "64", None, True, [], {}, 1 << 62, 1e30]


def hostile_templates(fgconv):
    for name, templates in (("is given twice", ["ok", "ok"]), ("a name that is valid as a file name", ["x" * 300]), ("a name that is valid as a file name", ["../out"])):
        with Case(fgconv, f"chat templates: {templates[0][:8]}") as c:
            held = load(c.source / "tokenizer_config.json")
            held["chat_template"] = [{"name": t, "template": "y"} for t in templates]
            (c.source / "tokenizer_config.json").write_text(json.dumps(held))
            (c.folder / "t.jinja").write_text("z")
            c.refused("tokenizer_config.json", name, options=("-t", c.folder / "t.jinja"))


def hostile_configs(fgconv):
    for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "num_key_value_heads", "head_dim"):
        for value in HOSTILE:
            if key in ("num_key_value_heads", "head_dim") and value is None:
                continue  # null has a meaning there
            with Case(fgconv, f"{key} = {json.dumps(value)}") as c:
                c.config(**{key: value})
                c.refused("source")
    for key, values in (("rms_norm_eps", [0, -1e-5, "small", None]), ("rope_theta", [0, -1, "x"]), ("hidden_act", ["gelu", 3]),
                        ("tie_word_embeddings", ["yes", 1]), ("rope_scaling", [3, {"rope_type": "yarn", "factor": 2.0}, {"rope_type": "llama3"}]),
                        ("attention_bias", [True]), ("mlp_bias", [True]), ("model_type", ["mamba", 7, "../llama", ""]), ("sliding_window", [8]),
                        ("quantization_config", [{"quant_method": "fp8"}]), ("something_new", [0.5])):
        for value in values:
            with Case(fgconv, f"{key} = {json.dumps(value)}") as c:
                c.config(**{key: value})
                c.refused({"model_type": "model_type" if value == 7 else "model type", "rope_scaling": "rotary" if value != 3 else key}.get(key, key))
    for name, old, new in (("2^63", '"hidden_size": 64', '"hidden_size": 9223372036854775808'), ("NaN", '"hidden_size": 64', '"hidden_size": NaN'),
                           ("Infinity", '"rope_theta": 10000.0', '"rope_theta": Infinity'), ("1e999", '"rope_theta": 10000.0', '"rope_theta": 1e999'),
                           ("a key twice", '"hidden_size": 64', '"hidden_size": 64, "hidden_size": 64'), ("a comment", '"hidden_size": 64', '// x\n"hidden_size": 64'),
                           ("1e18 layers", '"num_hidden_layers": 2', '"num_hidden_layers": 1000000000000000000'),
                           ("1e9 layers", '"num_hidden_layers": 2', '"num_hidden_layers": 1000000000')):
        with Case(fgconv, f"config.json with {name}") as c:
            c.config_text(old, new)
            c.refused("num_hidden_layers" if "1e18" in name else "more than 4000000 tensors" if "1e9 " in name else "config.json")
    for name, text in (("an array", "[]"), ("a string", '"llama"'), ("nothing", ""), ("a NUL", '{"model_type": "llama\0"}'), ("no UTF-8", None),
                       ("nested deeply", '{"a":' * 100000), ("deep lists", "[" * 200000)):
        with Case(fgconv, f"config.json is {name}") as c:
            (c.source / "config.json").write_bytes(b'{"model_type": "\xff\xfe"}' if text is None else text.encode())
            c.refused("config.json")
    with Case(fgconv, "config.json with a byte order mark") as c:
        (c.source / "config.json").write_bytes(b"\xef\xbb\xbf" + (c.source / "config.json").read_bytes())
        c.works()
    for name in ("generation_config.json", "tokenizer_config.json"):
        with Case(fgconv, f"{name} broken") as c:
            (c.source / name).write_text("{")
            c.refused(name)
    with Case(fgconv, "no config.json") as c:
        (c.source / "config.json").unlink()
        c.refused("config.json")


# ---- odd but sound ----


def same_as_plain(case, fgconv):
    with Case(fgconv, "plain") as plain:
        plain.run()
        tally.check(f"works: {case.name}: as the plain one", digests(case.out) == digests(plain.out) and digests(case.out))


def odd_paths(fgconv):
    with Case(fgconv, "a hub cache, all links") as c:
        blobs = c.folder / "blobs"
        c.source.rename(blobs)
        snapshot = c.folder / "snapshots/abc"
        snapshot.mkdir(parents=True)
        for i, path in enumerate(sorted(blobs.iterdir())):
            path.rename(blobs / f"{i:064x}")
            (snapshot / path.name).symlink_to(f"../../blobs/{i:064x}")
        c.works(source=snapshot)
        same_as_plain(c, fgconv)
        tally.check("works: a hub cache: files, not links, come out", not any(p.is_symlink() for p in c.out.iterdir()))
    with Case(fgconv, "a link that leads nowhere") as c:
        (c.source / "model.safetensors").unlink()
        (c.source / "model.safetensors").symlink_to("nowhere")
        c.refused("source")
    with Case(fgconv, "a link to itself") as c:
        (c.source / "config.json").unlink()
        (c.source / "config.json").symlink_to("config.json")
        c.refused("config.json")
    with Case(fgconv, "slashes at the ends") as c:
        c.works(source=f"{c.source}//", out=f"{c.out}/")
        tally.check("works: slashes at the ends: in its place", (c.out / "config.json").exists())
    with Case(fgconv, "SRC is DST") as c:
        c.run(out=c.source)
        tally.check("refused: SRC is DST", c.code == 2 and (c.source / "config.json").exists(), c.text)
    with Case(fgconv, "DST inside SRC") as c:
        c.run(out=c.source / "inside")
        tally.check("refused: DST inside SRC", c.code == 2 and "inside" in c.text and not (c.source / "inside").exists(), c.text)
    with Case(fgconv, "DST inside SRC through a link") as c:
        (c.folder / "link").symlink_to("source")
        c.run(out=c.folder / "link/inside")
        tally.check("refused: DST inside SRC through a link", c.code == 2 and not (c.source / "inside").exists(), c.text)
    with Case(fgconv, "a missing parent") as c:
        c.refused("does not exist", code=2, out=c.folder / "no/such/out")
    with Case(fgconv, "long and foreign names") as c:
        deep = c.folder
        for part in ("模型 mit Leerzeichen", "ünïcödé'\"$(x)", "n" * 200, "m" * 200, "%s%n%d", "-v"):
            deep = deep / part
        deep.mkdir(parents=True)
        shutil.copytree(c.source, deep / "source")
        c.works(source=deep / "source", out=deep / "out", ranks=2)
        c.out = deep / "out"
        same_as_plain(c, fgconv)
        code, text = run(fgconv, ["verify", deep / "source", deep / "out"], ranks=0)
        tally.check("works: verify with long and foreign names", code == 0, text)
    with Case(fgconv, "a path longer than the system allows") as c:
        c.refused("x" * 100, "File name too long", code=4, out=c.folder / ("x" * 300))
    with Case(fgconv, "relative paths") as c:
        c.works(source="source", out="out", cwd=c.folder)
    with Case(fgconv, "a name that looks like an option") as c:
        c.works("Converted", source="./source", out="./-out", cwd=c.folder)


def odd_weights(fgconv):
    tied = "qwen3_tied_bf16/hf"
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    with Case(fgconv, "a tied model that stores its head too", tied) as c:
        c.edit_tensors(lambda held: held.update({head: held[embedding]}))
        c.works()
    with Case(fgconv, "a tied model with only the head", tied) as c:
        c.edit_tensors(lambda held: held.update({head: held.pop(embedding)}))
        if c.works(ranks=2):
            held = tensors(c.out)
            held[head] = held.pop("causal_lm.input_encoder.embedding.weight")
            for path in c.out.glob("*.safetensors*"):
                path.unlink()
            write_safetensors(c.out / "model.safetensors", held)
            code, text = run(fgconv, [c.out, c.folder / "back"], ranks=0)
            tally.check("works: a tied model with only the head, back", code == 0 and digests(c.folder / "back") == digests(GOLDEN / tied), text)

    def other_head(held):
        dtype, shape, data = held[embedding]
        held[head] = (dtype, shape, data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    for ranks in (0, 2):
        with Case(fgconv, f"a tied model with another head, {ranks or 'no'} ranks", tied) as c:
            c.edit_tensors(other_head)
            c.refused("lm_head.weight", "tied", ranks=ranks)
    with Case(fgconv, "rotary tables among the weights") as c:
        c.edit_tensors(lambda held: held.update({f"model.layers.{i}.self_attn.rotary_emb.inv_freq": ("float32", [8], bytes(32)) for i in range(2)}))
        c.works()
        report = load(c.out / "fgconv_report.json")
        tally.check("works: rotary tables are named as dropped", "inv_freq" in json.dumps(report.get("dropped", report)) and
                    not any("inv_freq" in name for name in tensors(c.out)), report.keys())
    with Case(fgconv, "NaN among the weights") as c:
        c.edit_tensors(lambda held: held.update({UP: (held[UP][0], held[UP][1], struct.pack("<f", float("nan")) + held[UP][2][4:])}))
        c.run()
        tally.check("refused: NaN among the weights: nothing is proved", c.code == 10 and not c.out.exists(), c.text)
    with Case(fgconv, "NaN among the weights, bytes only") as c:
        c.edit_tensors(lambda held: held.update({UP: (held[UP][0], held[UP][1], struct.pack("<f", float("nan")) + held[UP][2][4:])}))
        c.works(options=["--validate", "bytes"])
    with Case(fgconv, "weights of several types") as c:
        def mixed(held):
            dtype, shape, data = held[UP]
            held[UP] = ("bfloat16", shape, b"".join(data[i + 2:i + 4] for i in range(0, len(data), 4)))
        c.edit_tensors(mixed)
        c.works(options=["--skip-default-tokens"])
        back = c.folder / "back"
        code, text = run(fgconv, [c.out, back], ranks=2)
        tally.check("works: weights of several types come back", code == 0 and digests(back) == digests(c.source), text)
    with Case(fgconv, "too large for float16") as c:
        c.edit_tensors(lambda held: held.update({UP: (held[UP][0], held[UP][1], struct.pack("<f", 1e6) + held[UP][2][4:])}))
        c.run("--dtype", "float16", "--validate", "none")
        tally.check("works: too large for float16 is said", c.code == 0 and "1 finite values became infinite" in c.text, c.text)


def bin_shards(fgconv):
    """torch .bin files with an index: the one shard that Forgather writes, and the index damaged."""
    model = "llama_tied_rope3_bf16_sharded/forgather"
    with Case(fgconv, ".bin shards with an index", model) as c:
        c.works(ranks=2)
    with Case(fgconv, "two .bin shards with an index") as c:
        shutil.rmtree(c.source)
        shutil.copytree(DATA / "store/bin", c.source)
        c.run("--validate", "none")
        tally.check("two .bin shards: read, whatever the model", "model-00" not in c.text and c.code in (0, 3), c.text)
    for name, damage in (("truncated", lambda p: os.truncate(p, p.stat().st_size - 30)), ("empty", lambda p: os.truncate(p, 0)),
                         ("no zip file", lambda p: p.write_bytes(b"\x80\x02}q\0."))):
        with Case(fgconv, f"a .bin file {name}", model) as c:
            damage(c.source / "pytorch_model-00001-of-00001.bin")
            c.refused("pytorch_model-00001-of-00001.bin")
    with Case(fgconv, "a .bin index that leaves the directory", model) as c:
        path = c.source / "pytorch_model.bin.index.json"
        index = load(path)
        index["weight_map"] = {n: "../x.bin" for n in index["weight_map"]}
        path.write_text(json.dumps(index))
        c.refused("pytorch_model.bin.index.json", "../x.bin")


def families(fgconv):
    with Case(fgconv, "a Forgather directory without hf_model_type", "llama_tied_rope3_bf16_sharded/forgather") as c:
        config = load(c.source / "config.json")
        del config["hf_model_type"]
        (c.source / "config.json").write_text(json.dumps(config))
        c.refused("--model-type")
        c.name = "a Forgather directory with --model-type"
        c.works(options=["--model-type", "llama"])
    with Case(fgconv, "a mistral with a window declared a llama", "mistral_window_to_fp32/hf") as c:
        c.refused("sliding_window", options=["--model-type", "llama"])
    with Case(fgconv, "a qwen3 declared a llama", "qwen3_tied_bf16/hf") as c:
        c.refused("Qwen3ForCausalLM", options=["--model-type", "llama"])
    with Case(fgconv, "an unknown --model-type") as c:
        c.refused("mamba", options=["--model-type", "mamba"])
    with Case(fgconv, "-c outside of SRC", "llama_checkpoints/forgather") as c:
        (c.source / "checkpoints/checkpoint-100").rename(c.folder / "elsewhere")
        c.works(options=["-c", "../elsewhere"], cwd=c.source)
        code, text = run(fgconv, ["verify", c.source, c.out], ranks=0, cwd="/")
        tally.check("works: verify of a relative -c from another directory", code == 0, text)
    with Case(fgconv, "-c that is not there") as c:
        c.refused("no such checkpoint", code=2, options=["-c", c.folder / "nowhere"])
    with Case(fgconv, "-c without weights") as c:
        (c.folder / "empty").mkdir()
        c.refused("no weights", options=["-c", c.folder / "empty"])


# ---- a plug-in ----


def acme_model(source, layers=2, hidden=32, heads=4, kv=2, inner=48, vocab=64):
    """A model of the family that tests/data/convert/plugin describes."""
    source.mkdir()
    shapes = {"transformer.wte.weight": [vocab, hidden], "transformer.norm_f.weight": [hidden], "output.weight": [vocab, hidden]}
    for i in range(layers):
        block, size = f"transformer.blocks.{i}.", hidden // heads
        shapes.update({block + "attn.q.weight": [hidden, hidden], block + "attn.k.weight": [kv * size, hidden], block + "attn.v.weight": [kv * size, hidden],
                       block + "attn.o.weight": [hidden, hidden], block + "ffn.gate.weight": [inner, hidden], block + "ffn.up.weight": [inner, hidden],
                       block + "ffn.down.weight": [hidden, inner], block + "norm_1.weight": [hidden], block + "norm_2.weight": [hidden]})
    state, held = 1, {}
    for name, shape in shapes.items():
        values = array.array("f")
        for _ in range(shape[0] * (shape[1] if len(shape) > 1 else 1)):
            state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            values.append((state >> 40) / (1 << 24) - 0.5)
        held[name] = ("float32", shape, values.tobytes())
    write_safetensors(source / "model.safetensors", held)
    config = {"architectures": ["AcmeForCausalLM"], "model_type": "acme_llama", "n_embd": hidden, "n_layer": layers, "n_head": heads, "n_head_kv": kv,
              "intermediate_size": inner, "vocab_size": vocab, "rms_norm_eps": 1e-5, "max_position_embeddings": 128, "rope_theta": 5000.0,
              "torch_dtype": "float32"}
    (source / "config.json").write_text(json.dumps(config))


def plug_in(fgconv):
    plugin = DATA / "convert/plugin"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        acme_model(folder / "acme")
        code, text = run(fgconv, [folder / "acme", folder / "out"])
        tally.check("a family without a converter: exit 3 that names it", code == 3 and "acme_llama" in text, text)
        code, text = run(fgconv, ["--converter-path", plugin, folder / "acme", folder / "out"])
        if not tally.check("a plug-in without a model file: exit 3 that says how to go on", code == 3 and "models/acme_llama.json" in text and
                           "--validate bytes" in text, f"{code}: {text}"):
            shutil.rmtree(folder / "out", ignore_errors=True)
        code, text = run(fgconv, ["--converter-path", plugin, "--validate", "bytes", folder / "acme", folder / "out"])
        tally.check("a plug-in converts", code == 0, text)
        tally.check("a plug-in's code lies next to config.json", (folder / "out/acme_code.py").exists() and
                    "acme_code.AcmeForgatherModel" in json.dumps(load(folder / "out/config.json")))
        code, text = run(fgconv, ["--converter-path", plugin, "--validate", "bytes", folder / "out", folder / "back"])
        tally.check("a plug-in converts back", code == 0 and digests(folder / "back") == digests(folder / "acme"), text)
        before, after = load(folder / "acme/config.json"), load(folder / "back/config.json")
        lost = {k: (v, after.get(k)) for k, v in before.items() if k != "torch_dtype" and after.get(k) != v}
        tally.check("a plug-in's config comes back", not lost, lost)
        mine = folder / "mine"
        shutil.copytree(plugin, mine)
        (mine / "models").mkdir()
        (mine / "models/acme_llama.json").write_text(json.dumps(acme_spec()))
        code, text = run(fgconv, ["--converter-path", mine, folder / "acme", folder / "proved"])
        tally.check("a plug-in with a model file is proved", code == 0 and "equal bit for bit" in text, text)
        spec = acme_spec()
        weights = spec["formats"]["hf"]["weights"]
        weights["mlp.gate"], weights["mlp.up"] = weights["mlp.up"], weights["mlp.gate"]
        (mine / "models/acme_llama.json").write_text(json.dumps(spec))
        code, text = run(fgconv, ["--converter-path", mine, folder / "acme", folder / "unproved"])
        tally.check("a plug-in with a wrong model file is not", code == 10 and not (folder / "unproved").exists(), text)


def acme_spec():
    block = "transformer.blocks.{i}."
    return {"about": "the family of the tests' plug-in", "extends": "llama.json", "model_type": "acme_llama", "formats": {"hf": {
        "config": {"hidden": {"key": "n_embd"}, "blocks": {"key": "n_layer"}, "heads": {"key": "n_head"},
                   "kv_heads": {"key": "n_head_kv", "absent": {"same_as": "heads"}, "null": {"same_as": "heads"}}},
        "weights": {"embedding": "transformer.wte.weight", "block.mixer_norm": block + "norm_1.weight", "attention.query": block + "attn.q.weight",
                    "attention.key": block + "attn.k.weight", "attention.value": block + "attn.v.weight", "attention.output": block + "attn.o.weight",
                    "block.mlp_norm": block + "norm_2.weight", "mlp.gate": block + "ffn.gate.weight", "mlp.up": block + "ffn.up.weight",
                    "mlp.down": block + "ffn.down.weight", "final_norm": "transformer.norm_f.weight", "head": "output.weight"}}}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    for part in (hostile_tensors, hostile_files, hostile_index, hostile_templates, hostile_configs, odd_paths, odd_weights, bin_shards, families, plug_in):
        part(fgconv)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
