"""Hostile training checkpoints of Fast-LLM: metadata.yaml, rank files and their headers, layouts that do not fit, experiment folders."""
import json
import os
import pathlib
import re
import shutil
import struct

from hostile_run import DATA

CHECKPOINTS = DATA / "distributed/checkpoints"
BIG = 2**63 - 1
CONVERT = ["--model-type", "llama", "--validate", "none"]


def place(c, name="tied-tp2-pp2"):
    shutil.copytree(CHECKPOINTS / name, c.source)
    return [*CONVERT, c.source, c.out]


def read_header(path):
    blob = path.read_bytes()
    (size,) = struct.unpack("<Q", blob[:8])
    return json.loads(blob[8:8 + size]), blob[8 + size:]


def write_header(path, held, data):
    text = json.dumps(held).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def with_header(c, rank, edit):
    """Applies `edit` to what the header of a rank's file holds."""
    arguments = place(c)
    path = c.source / f"rank_{rank}.safetensors"
    held, data = read_header(path)
    changed = edit(held)
    write_header(path, changed if changed is not None else held, data)
    return arguments


def set_line(text, key, value):
    """`value` for every key of this name in YAML; None: without the line; a key that is not there is put below `distributed`."""
    line = re.compile(rf"(?m)^( *){key}: .*\n")
    if not line.search(text):
        return re.sub(r"(?m)^( *)distributed:\n", lambda m: m.group(0) + f"{m.group(1)}  {key}: {value}\n", text)
    return line.sub(lambda m: "" if value is None else f"{m.group(1)}{key}: {value}\n", text)


def in_all(c, key, value, name="tied-tp2-pp2"):
    """The same in metadata.yaml and in all headers, so that what is wrong with the value itself is found."""
    arguments = place(c, name)
    path = c.source / "metadata.yaml"
    path.write_text(set_line(path.read_text(), key, value))
    for file in c.source.glob("rank_*.safetensors"):
        held, data = read_header(file)
        held["__metadata__"]["config"] = set_line(held["__metadata__"]["config"], key, value)
        write_header(file, held, data)
    return arguments


def in_metadata(c, edit):
    arguments = place(c)
    path = c.source / "metadata.yaml"
    text = edit(path.read_text())
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return arguments


# ---- metadata.yaml ----

def metadata(h):
    texts = {
        "nothing": "", "a list": "- format: distributed\n", "a text": "distributed\n", "NUL bytes": "\0" * 4000, "no UTF-8": b"format: distributed\nmodel: \xff\xfe\n",
        "only the format": "format: distributed\n", "a config that is a text": "format: distributed\nconfig: gpt\n", "a config that is a list": "format: distributed\nconfig: [1]\n",
        "100,000 lists deep": "format: distributed\nconfig: " + "[" * 100000 + "\n", "100,000 mappings deep": "format: distributed\nconfig: " + "{a: " * 100000 + "\n",
        "aliases that double": "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" if i else "a0: &a0 [x, x]\n" for i in range(40)) + "format: distributed\nconfig: *a39\n",
        "an alias of itself": "format: distributed\nconfig: &a {b: *a}\n", "a tag that runs code": "format: distributed\nconfig: !!python/object/apply:os.system [true]\n",
        "two documents": "format: distributed\n---\nformat: fast_llm\n", "a key twice": "format: distributed\nformat: fast_llm\n"}
    for name, text in texts.items():
        h.refused(f"metadata.yaml: {name}", lambda c, t=text: in_metadata(c, lambda _: t), codes=(2, 3))
    h.works("metadata.yaml: 8 MB of a text", lambda c: in_metadata(c, lambda t: t + "more: " + "x" * 8000000 + "\n"))
    h.either("metadata.yaml: 100,000 keys", lambda c: in_metadata(c, lambda t: t + "".join(f"k{i}: {i}\n" for i in range(100000))))
    for name, shards in {"a text": "weights", "nothing": "[]", "numbers": "[1, 2]", "not weights first": "[exp_avgs, weights]", "weights twice": "[weights, weights]", "a path": "[weights, ../../x]"}.items():
        edit = lambda t, s=shards: re.sub(r"(?s)shards:\n- weights\n", f"shards: {s}\n", t)  # noqa: E731
        if name in ("weights twice", "a path"):
            h.either(f"shards: {name}", lambda c, e=edit: in_metadata(c, e))
        else:
            h.refused(f"shards: {name}", lambda c, e=edit: in_metadata(c, e), "shards", codes=(3,))
    for name, run in {"a list": "[1]", "a text": "trained", "steps below 0": "{completed_steps: -5}", "steps of 2^63": f"{{completed_steps: {BIG + 1}}}", "steps that are .nan": "{completed_steps: .nan}",
                      "tokens of 2^63 - 1": f"{{completed_steps: 1, metrics: {{training: {{consumed_tokens: {BIG}}}}}}}", "a metric of a thousand digits": "{completed_steps: 1" + "0" * 1000 + "}",
                      "metrics with ESC": '{completed_steps: 1, documents_seen: "\\e[31m"}'}.items():
        h.either(f"metadata: {name}", lambda c, r=run: in_metadata(c, lambda t: t.replace("metadata: {}\n", f"metadata: {r}\n")))
        h.either(f"metadata, inspected: {name}", lambda c, r=run: ["inspect", *in_metadata(c, lambda t: t.replace("metadata: {}\n", f"metadata: {r}\n"))[-2:-1]])
    h.either("fast_llm_version with ESC", lambda c: ["inspect", *in_metadata(c, lambda t: t.replace("fast_llm_version: 0.4.0", 'fast_llm_version: "\\e[2J\\a"'))[-2:-1]])


# ---- the layout ----

def layout(h):
    wrong = {
        "world_size": (0, -1, 1.5, "four", "null", "[4]", 2**64, BIG, 10**12, 3, 8, None), "tensor_parallel": (0, -2, 3, BIG, 2**64, "true", 1.0, 4), "pipeline_parallel": (0, 3, BIG, ".inf", 4),
        "sequence_data_parallel": (0, 3, BIG), "pipeline_first": (1, "maybe"), "compute_dtype": ("int8", 32, "[float32]"), "rank": (7, -1, "x")}
    for key, values in wrong.items():
        for value in values:
            h.refused(f"layout: {key} {value}", lambda c, k=key, v=value: in_all(c, k, v), codes=(2, 3))
    for value in ("0", "-1.5", ".nan", "null", "[1]", "1.0e-320", "1.0e+308", ".inf", "0.0001"):
        h.either(f"layout: layers_per_stage {value}", lambda c, v=value: multi_stage(c, v))
    model = {
        "hidden_size": (0, -16, 10**9, BIG, 17), "num_blocks": (0, -1, 10**9, BIG, 3), "vocab_size": (0, 63, BIG), "heads": (0, 3, BIG), "head_groups": (0, 3, BIG), "head_size": (0, BIG, 5),
        "intermediate_size": (0, 23, BIG), "tied_embedding_weight": ("maybe", 2), "prediction_heads": (0, BIG, 10**7)}
    for key, values in model.items():
        for value in values:
            h.refused(f"model: {key} {value}", lambda c, k=key, v=value: in_all(c, k, v), codes=(2, 3))


def multi_stage(c, value):
    """metadata.yaml and the headers with a count of layers a stage."""
    arguments = place(c)
    path = c.source / "metadata.yaml"
    path.write_text(path.read_text().replace("  type: gpt\n", f"  multi_stage: {{layers_per_stage: {value}}}\n  type: gpt\n"))
    for file in c.source.glob("rank_*.safetensors"):
        held, data = read_header(file)
        held["__metadata__"]["config"] += f"multi_stage: {{layers_per_stage: {value}}}\n"
        write_header(file, held, data)
    return arguments


# ---- rank files ----

def vector(held):
    return held["weights_shard"]


def files(h):
    headers = {
        "no vector": lambda d: {"x": vector(d), "__metadata__": d["__metadata__"]}, "a vector of two dimensions": lambda d: vector(d).update(shape=[2, vector(d)["shape"][0] // 2]),
        "a vector of a number": lambda d: vector(d).update(shape=[]), "a vector of integers": lambda d: vector(d).update(dtype="I32"), "a vector of bfloat16": lambda d: vector(d).update(dtype="BF16", shape=[2 * vector(d)["shape"][0]]),
        "a vector of 2^62": lambda d: vector(d).update(shape=[2**62]), "a vector that is empty": lambda d: {**d, "weights_shard": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}},
        "a vector that is shorter": lambda d: vector(d).update(shape=[vector(d)["shape"][0] - 1]), "a vector of another name": lambda d: {"weights": vector(d), "__metadata__": d["__metadata__"]}}
    for name, edit in headers.items():
        h.refused(f"rank file: {name}", lambda c, e=edit: with_header(c, 2, e), "rank_2.safetensors", codes=(3,))
    configs = {
        "a list": "[1]", "a text": "gpt", "100,000 lists deep": "[" * 100000, "8 MB": "x: " + "y" * 8000000, "aliases that double": "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" if i else "a0: &a0 [x, x]\n" for i in range(40)),
        "no YAML": "{{{", "nothing": "", "another rank": "distributed: {rank: 0, world_size: 4}\nbase_model: {}\ntype: gpt\n"}
    for name, config in configs.items():
        h.refused(f"header: a configuration that is {name}", lambda c, t=config: with_header(c, 1, lambda d: d["__metadata__"].update(config=t)), "rank_1.safetensors", codes=(3,))
    for name, run in {"a list": "[1]", "aliases that double": configs["aliases that double"], "another step": "completed_steps: 9"}.items():
        h.either(f"header: metadata that is {name}", lambda c, t=run: with_header(c, 1, lambda d: d["__metadata__"].update(metadata=t)))
    h.works("header: none has metadata", bare_headers, "no configuration in their headers")

    def removed(c):
        arguments = place(c)
        (c.source / "rank_3.safetensors").unlink()
        return arguments

    def named(c, name):
        arguments = place(c)
        shutil.copy(c.source / "rank_0.safetensors", c.source / name)
        return arguments

    def replaced(c, make):
        arguments = place(c)
        path = c.source / "rank_2.safetensors"
        path.unlink()
        make(path)
        return arguments
    h.refused("a rank file is missing", removed, "rank_3.safetensors", codes=(3,))
    for name in ("rank_4.safetensors", "rank_18446744073709551615.safetensors", "rank_99999999999999999999999.safetensors"):
        h.refused(f"a file too many: {name}", lambda c, n=name: named(c, n), name, codes=(3,))
    for name in ("rank_00.safetensors", "rank_.safetensors", "rank_-1.safetensors", "rank_1.safetensors.bak", "rank_\x1b[31m.safetensors"):
        h.either(f"a file of another name: {name!r}", lambda c, n=name: named(c, n))
    for name, make in {"a folder": lambda p: p.mkdir(), "a FIFO": os.mkfifo, "a link to nothing": lambda p: p.symlink_to("nowhere"), "a link to itself": lambda p: p.symlink_to(p.name), "empty": lambda p: p.write_bytes(b""),
                       "NUL bytes": lambda p: p.write_bytes(bytes(9000)), "a pickle": lambda p: p.write_bytes(b"\x80\x02cos\nsystem\nU\x04trueq\x01\x85Rq\x02."), "/dev/zero": lambda p: p.symlink_to("/dev/zero")}.items():
        h.refused(f"a rank file is {name}", lambda c, m=make: replaced(c, m), "rank_2", codes=(3, 4))
    h.either("two rank files are the same one", lambda c: replaced(c, lambda p: p.symlink_to("rank_0.safetensors")))


def bare_headers(c):
    arguments = place(c)
    for file in c.source.glob("rank_*.safetensors"):
        held, data = read_header(file)
        held.pop("__metadata__")
        write_header(file, held, data)
    return arguments


# ---- experiments ----

def experiment(c, config="training: {}\n", steps=("100",), ok=True):
    for step in steps:
        target = c.source / "checkpoint" / step
        shutil.copytree(CHECKPOINTS / "tied-tp2-pp2", target)
        (target / "ok").touch()
        if not ok:
            (target / "ok").unlink()
    (c.source / "config.yaml").write_bytes(config if isinstance(config, bytes) else config.encode())
    return [*CONVERT, c.source, c.out]


def without_family(arguments):
    return arguments[2:]


def experiments(h):
    texts = {
        "nothing": "", "a list": "- 1\n", "no UTF-8": b"\xff\xfe", "no YAML": "{{{", "100,000 lists deep": "a: " + "[" * 100000, "8 MB": "a: " + "x" * 8000000,
        "aliases that double": "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" if i else "a0: &a0 [x, x]\n" for i in range(40)), "a format with ESC": 'pretrained: {format: "\\e[2J"}\n', "a format that is a list": "pretrained: {format: [llama]}\n",
        "a format that is a path": "pretrained: {format: ../../../etc/passwd}\n", "a format of a megabyte": f"pretrained: {{format: {'x' * 1000000}}}\n", "a batch of 2^63": f"data: {{micro_batch_size: {BIG}}}\n", "a batch of -1": "batch: {batch_size: -1, sequence_length: 4}\n"}
    for name, text in texts.items():
        h.works(f"config.yaml: {name}", lambda c, t=text: experiment(c, t))
        h.either(f"config.yaml, for the family: {name}", lambda c, t=text: without_family(experiment(c, t)))
        h.works(f"config.yaml, inspected: {name}", lambda c, t=text: ["inspect", *experiment(c, t)[-2:-1]])
    for name, make in {"a folder": lambda p: p.mkdir(), "a FIFO": os.mkfifo, "a link to nothing": lambda p: p.symlink_to("nowhere"), "/dev/zero": lambda p: p.symlink_to("/dev/zero")}.items():
        def other(c, m=make):
            arguments = experiment(c)
            (c.source / "config.yaml").unlink()
            m(c.source / "config.yaml")
            return arguments
        h.either(f"config.yaml is {name}", other)
    odd = ("0100", "-1", "1e3", "18446744073709551616", "9" * 40, "100 ", "\x1b[31m", "latest")
    for step in odd:
        h.works(f"a folder next to the steps: {step!r}", lambda c, s=step: experiment(c, steps=("100", s)))
        h.refused(f"only a folder that is no step: {step!r}", lambda c, s=step: experiment(c, steps=(s,)), codes=(2, 3))
    for asked in ("0", "-1", "99999999999999999999", "1e2", "\x1b[31m", "", "../..", "/etc", "x" * 5000):
        h.refused(f"-c {asked[:12]!r}", lambda c, a=asked: ["-c", a, *experiment(c)], codes=(2, 3, 4))
    h.refused("a step without ok", lambda c: experiment(c, ok=False), '"ok"', codes=(3,))

    def many(c):
        arguments = experiment(c)
        for i in range(20000):
            (c.source / "checkpoint" / str(1000 + i)).mkdir()
        return ["inspect", arguments[-2]]
    h.works("20,000 steps, inspected", many, "more")

    def circle(c):
        c.source.mkdir()
        (c.source / "config.yaml").write_text("training: {}\n")
        (c.source / "checkpoint").mkdir()
        pathlib.Path(c.source / "checkpoint/100").symlink_to("..")
        return [*CONVERT, c.source, c.out]
    h.refused("a step that is a link to the folder above", circle, codes=(2, 3))


def parts(h):
    for part in (metadata, layout, files, experiments):
        part(h)
