"""Hostile JSON, YAML, converters, migrations, specs of models, reports, images, configurations and options."""
import json
import os
import pathlib
import shutil
import struct

from hostile_run import DATA, GOLDEN, TESTS

CONVERTERS = TESTS.parent / "converters"
PLAIN = GOLDEN / "llama_untied_fp32/hf"

# What no JSON file may be.
BROKEN = {
    "empty": b"", "spaces": b" \n\t ", "a NUL": b"\0", "200,000 arrays": b"[" * 200000, "200,000 arrays that close": b"[" * 200000 + b"]" * 200000,
    "200,000 objects": b'{"a":' * 200000 + b"1" + b"}" * 200000, "UTF-16": "{}".encode("utf-16"), "invalid UTF-8": b'{"model_type":"\xff\xfe"}', "a key twice": b'{"a":1,"a":2}',
    "NaN": b'{"a":NaN}', "Infinity": b'{"a":-Infinity}', "1e999": b'{"a":1e999}', "a number of a million digits": b'{"a":' + b"9" * 1000000 + b"}", "half a surrogate": b'{"a":"\\ud800"}',
    "a string without an end": b'{"a":"' + b"x" * 100000, "text behind the end": b'{} {"a":1}', "a list": b"[]", "a string": b'"x"', "null": b"null", "a number": b"1",
    "comments": b'{"a":1 /* b */}', "single quotes": b"{'a': 1}", "a comma at the end": b'{"a":1,}', "a control in a string": b'{"a":"\x1b[2J"}', "an unknown escape": b'{"a":"\\x1b"}',
    "Python": b"__import__('os').system('true')", "a pickle": b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.", "1,000,000 opening quotes": b'"' * 1000001, "XML": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
}
# What a JSON file may be, with a meaning that it does not have here.
LARGE = {"1,000,000 numbers": lambda: {"a": list(range(1000000))}, "200,000 keys": lambda: {f"k{i}": i for i in range(200000)}, "a string of 20 MB": lambda: {"a": "x" * 20000000},
         "1,000,000 empty lists": lambda: {"a": [[]] * 1000000}}


def documents(h):
    files = {"config.json": None, "generation_config.json": None, "tokenizer.json": None, "tokenizer_config.json": None, "special_tokens_map.json": None,
             "report.json": lambda c: ["verify", "--report", c.source / "report.json", c.source, GOLDEN / "llama_untied_fp32/forgather"], "base/config.json": lambda c: ["--hf-base", c.source / "base", DATA / "fast_llm/llama/basic/fast_llm", c.out],
             "plug/acme.json": lambda c: ["lint", c.source / "plug/acme.json"], "plug/models/acme.json": lambda c: ["lint", c.source / "plug/models/acme.json"]}
    names = list(BROKEN)
    for k, (file, arguments) in enumerate(files.items()):
        for i, name in enumerate(names):
            if (i + k) % 3 and file != "config.json":
                continue
            (h.either if (file, name) == ("report.json", "a list") else h.refused)(f"{file}: {name}", lambda c, file=file, name=name, arguments=arguments: (c.model(), c.write(file, BROKEN[name])) and arguments and arguments(c), file.split("/")[-1])
        for name, make in LARGE.items():
            h.either(f"{file}: {name}", lambda c, file=file, make=make, arguments=arguments: (c.model(), c.write(file, json.dumps(make()))) and arguments and arguments(c))


# ---- configurations ----

HUGE = [2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**64, 10**40, -1, -2**63, 1e308, -0.0, "\x1b[2J", [[]], {"a": {}}]
COUNTS = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size", "intermediate_size", "vocab_size", "head_dim")
REALS = ("rms_norm_eps", "rope_theta", "attention_dropout", "initializer_range")


def configurations(h):
    def config(edit, *arguments):
        return lambda c: c.model().change("config.json", edit) or ([*arguments, c.source, c.out] if arguments else None)
    for i, key in enumerate(COUNTS):
        for k, value in enumerate(HUGE):
            if (i + k) % 2 == 0:
                h.refused(f"config.json: {key} = {json.dumps(value)}", config(lambda d, key=key, value=value: d.update({key: value})))
    for key in REALS[:2]:
        for value in (1e308, -1e308, 5e-324, 2**63, 10**400, -0.0):
            h.either(f"config.json: {key} = {str(value)[:20]}", config(lambda d, key=key, value=value: d.update({key: value})))
    for name, edit in {
            "10^6 layer_types": lambda d: d.update(layer_types=["full_attention"] * 1000000), "10^6 architectures": lambda d: d.update(architectures=["A"] * 1000000),
            "an architecture with ESC": lambda d: d.update(architectures=["\x1b[2J"]), "a model_type with a path": lambda d: d.update(model_type="../../models/llama"),
            "a model_type with a newline": lambda d: d.update(model_type="llama\nfgconv: done"), "a model_type of a megabyte": lambda d: d.update(model_type="l" * 1000000),
            "a model_type that is an absolute path": lambda d: d.update(model_type="/etc/passwd"), "a model_type with %s": lambda d: d.update(model_type="%s%n"),
            "auto_map": lambda d: d.update(auto_map={"AutoModelForCausalLM": "evil.Model"}, unknown=1), "an unknown key with ESC": lambda d: d.update({"\x1b[2J": 1}),
            "an unknown key with a newline": lambda d: d.update({"a\nb": 1}), "an unknown key of a megabyte": lambda d: d.update({"k" * 1000000: 1}),
            "an unknown key with a right-to-left override": lambda d: d.update({"\u202eyek": 1}), "a key that is empty": lambda d: d.update({"": 1}), "a key with a slash": lambda d: d.update({"a/b": 1}),
            "100,000 unknown keys": lambda d: d.update((f"k{i}", i) for i in range(100000)), "rope_scaling 100 deep": lambda d: d.update(rope_scaling=json.loads('{"a":' * 100 + "1" + "}" * 100)),
            "a rope type with ESC": lambda d: d.update(rope_scaling={"rope_type": "\x1b[2J", "factor": 2.0}), "a factor of 1e308": lambda d: d.update(rope_scaling={"rope_type": "linear", "factor": 1e308 * 10}),
            "yarn of 0": lambda d: d.update(rope_scaling={"rope_type": "yarn", "factor": 0, "original_max_position_embeddings": 0}),
            "longrope of 10^6 factors": lambda d: d.update(rope_scaling={"rope_type": "longrope", "long_factor": [1.0] * 1000000, "short_factor": [1.0] * 1000000}),
            "quantization": lambda d: d.update(quantization_config={"quant_method": "\x1b[2J"})}.items():
        h.refused(f"config.json: {name}", config(edit))
    for name, edit in {
            "10^6 eos tokens": lambda d: d.update(eos_token_id=list(range(1000000))), "eos_token_id 2^40": lambda d: d.update(eos_token_id=2**40), "eos_token_id -5": lambda d: d.update(eos_token_id=-5),
            "eos_token_id a text": lambda d: d.update(eos_token_id="\x1b[2J"), "max_position_embeddings 2^63 - 1": lambda d: d.update(max_position_embeddings=2**63 - 1),
            "a dtype with ESC": lambda d: d.update(torch_dtype="\x1b[2J"), "a name_or_path with ESC": lambda d: d.update(_name_or_path="\x1b[2J\n")}.items():
        h.either(f"config.json: {name}", config(edit))
    for key in COUNTS:
        for value in (2**31, 2**63 - 1, -1, 1e308, "x", None, []):
            h.either(f"fgconv config: {key} = {json.dumps(value)}", lambda c, key=key, value=value: c.model().change("config.json", lambda d: d.update({key: value})) or
                     ["config", "--from", "hf", "--to", "fast_llm", c.source / "config.json"])
    for name, edit in {"layers 10^6": {"num_hidden_layers": 10**6}, "layers 10^6, layer_types": {"num_hidden_layers": 10**6, "layer_types": ["full_attention"] * 10**6}, "experts 2^31": {"num_local_experts": 2**31, "num_experts_per_tok": 2**31}}.items():
        for kind in ("llama", "qwen3", "mixtral", "gemma3_text", "qwen3_next"):
            h.either(f"fgconv config: {kind}, {name}", lambda c, edit=edit, kind=kind: c.model().change("config.json", lambda d: d.update(edit, model_type=kind)) or
                     ["config", "--from", "hf", "--to", "fast_llm", c.source / "config.json"])
    generation = {"temperature 1e308": {"temperature": 1e308, "do_sample": True}, "temperature -1": {"temperature": -1, "do_sample": True}, "temperature 0": {"temperature": 0.0, "do_sample": True},
                  "top_k 2^63 - 1": {"top_k": 2**63 - 1, "do_sample": True}, "top_k -1": {"top_k": -1, "do_sample": True}, "top_p 2": {"top_p": 2.0, "do_sample": True}, "top_p a text": {"top_p": "\x1b"},
                  "10^6 eos tokens": {"eos_token_id": list(range(1000000))}, "eos_token_id 2^63 - 1": {"eos_token_id": 2**63 - 1}, "eos_token_id nested": {"eos_token_id": [[1]]}, "max_new_tokens 2^31": {"max_new_tokens": 2**31},
                  "repetition_penalty 0": {"repetition_penalty": 0.0}, "penalty_alpha": {"penalty_alpha": 0.6, "top_k": 4}, "num_beams 2^31": {"num_beams": 2**31}}
    for name, edit in generation.items():
        h.either(f"generation_config.json: {name}", lambda c, edit=edit: c.model().change("generation_config.json", lambda d: d.update(edit)) or ["-g", "--sample", "--max-new-tokens", "3", c.source, c.out])


# ---- YAML ----

ANCHORS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12))
YAML = {"anchors that double": ANCHORS, "an alias in itself": "a: &a [*a]\n", "an unknown alias": "a: *nobody\n", "a merge key": "a: &a {b: 1}\nc:\n  <<: *a\n", "a tag that calls": "a: !!python/object/apply:os.system ['true']\n",
        "a tag of its own": "!x {a: 1}\n", "two documents": "a: 1\n---\nb: 2\n", "200,000 deep": "[" * 200000, "200,000 levels of block": "".join(" " * (i % 500) + "a:\n" for i in range(500)) * 40, "a tab": "a:\n\tb: 1\n",
        "a key twice": "a: 1\na: 2\n", "a key that is a list": "[1, 2]: 3\n", "binary": b"\x00\x01\x02", "invalid UTF-8": b"a: \xff\xfe\n", "UTF-16": "a: 1\n".encode("utf-16"), "ESC": 'a: "\\e[2J"\n', "a directive": "%YAML 9.9\n---\na: 1\n", "empty": "", "a comment": "# x\n",
        "1e999": "1e999: [1e999]\n", "10 MB of one scalar": "a: " + "x" * 10000000 + "\n", "500,000 items": "a:\n" + "- x\n" * 500000, "a list": "- a\n", "base64": "a: !!binary aGVsbG8=\n", "a billion columns": "a: |9\n" + " " * 100000 + "x\n", "quotes": "a: \"" + "\\u0041" * 100000}


def yaml(h):
    for name, text in YAML.items():
        h.refused(f"--add-tokens: {name}", lambda c, text=text: (c.model(), c.write("../t.yaml", text)) and ["--add-tokens", c.folder / "t.yaml", c.source, c.out], "t.yaml")
        h.refused(f"metadata.yaml: {name}", lambda c, text=text: (shutil.copytree(DATA / "fast_llm/llama/basic/fast_llm", c.source), c.write("metadata.yaml", text)) and None, "metadata.yaml" if name not in ("empty", "a comment") else "")
    for name, text in {"a token of a megabyte": "bos_token: " + "x" * 1000000, "a token with ESC": 'special_tokens: ["\\e[2J"]', "a token of a newline": 'special_tokens: ["\\n"]', "a token that is empty": 'special_tokens: [""]',
                       "10,000 tokens": "regular_tokens:\n" + "".join(f"- t{i}\n" for i in range(10000)), "one token twice": "regular_tokens: [a1b2, a1b2]", "a token that is a number": "regular_tokens: [1e308]", "an id": "special_tokens: [{token: x, id: -1}]",
                       "an init of another kind": "bos_token: {token: x, init: '../../etc'}", "an unknown key": "evil: [x]"}.items():
        h.either(f"--add-tokens: {name}", lambda c, text=text: (c.model(), c.write("../t.yaml", text)) and ["--add-tokens", c.folder / "t.yaml", c.source, c.out])


# ---- converters, migrations, specs ----


def plug_ins(h):
    def plugged(edit, command=None, family="llama", room="forgather"):
        def make(c):
            c.model()
            plug = c.folder / "plug"
            shutil.copytree(CONVERTERS, plug)
            path = plug / room / f"{family}.json"
            held = json.loads(path.read_text())
            edit(held)
            path.write_text(json.dumps(held))
            return [*(command or []), "--converter-path", plug, c.source, c.out] if not command else [*command, "--converter-path", plug, path]
        return make
    edits = {"extends itself": lambda d: d.update(extends="llama.json"), "extends a path outside": lambda d: d.update(extends="../../../../etc/passwd"), "extends an absolute path": lambda d: d.update(extends="/etc/passwd"),
             "extends a device": lambda d: d.update(extends="/dev/zero"), "extends a list": lambda d: d.update(extends=["llama.json"]), "extends what is not there": lambda d: d.update(extends="\x1b[2J.json"),
             "a key that is not known": lambda d: d.update({"\x1b[2J": 1}), "a model_type with ESC": lambda d: d.update(model_type="\x1b[2J"), "a member 500 deep": lambda d: d.update(x=json.loads('{"a":' * 500 + "1" + "}" * 500)),
             "10^5 members": lambda d: d.update((f"k{i}", 1) for i in range(100000)), "sections of numbers": lambda d: d.update(sections=[1e308]), "nothing": lambda d: d.clear()}
    for room, family in (("forgather", "llama"), ("fast_llm", "llama"), ("models", "llama")):
        for i, (name, edit) in enumerate(edits.items()):
            h.either(f"{room}/{family}.json: {name}", plugged(edit, room=room))
            h.either(f"lint of {room}/{family}.json: {name}", plugged(edit, ["lint"], room=room)) if i % 2 else None
    def chain(c, length):
        c.model()
        plug = c.folder / "plug"
        plug.mkdir()
        for i in range(length):
            (plug / f"a{i}.json").write_text(json.dumps({"extends": f"a{i + 1}.json"}))
        (plug / f"a{length}.json").write_text(json.dumps({"extends": "a0.json"}))
        return ["lint", plug / "a0.json"]
    h.refused("converter: a loop of 2 files", lambda c: chain(c, 1))
    h.refused("converter: a loop of 2,000 files", lambda c: chain(c, 1999))
    bombs = {"names that backtrack": r"(a+)+$", "nested quantifiers": r"((a*)*)*b", "a bound of 65535": r"(a{1,65535}){1,65535}", "1,000 groups": "(a)" * 1000, "10,000 parentheses": "(" * 10000 + ")" * 10000, "a look-behind": r"(?<=a+)b",
             "recursion": r"(?R)", "a callout": r"(?C1)a", "code": r"(?{system('true')})", "a back-reference": r"(a)\1+", "invalid UTF-8": "\\x{d800}", "unfinished": "[a-", "a name twice": "(?<n>a)(?<n>b)", "a verb": "(*LIMIT_MATCH=4294967295)(a+)+$"}
    for name, pattern in bombs.items():
        h.either(f"converter: a pattern: {name}", plugged(lambda d, p=pattern: d.update(to_forgather={"names": [[p, "x", []], ["model\\.", p, []]]}), None))
        h.either(f"lint: a pattern: {name}", plugged(lambda d, p=pattern: d.update(names=[[p, "x", []]]), ["lint"]))
    expressions = {"200,000 parentheses": "= " + "(" * 200000, "a division by zero": "= hidden_size / 0", "an overflow": "= 9223372036854775807 * 9223372036854775807", "-2^63 / -1": "= (-9223372036854775807 - 1) / -1", "10^5 terms": "= 1" + " + 1" * 100000,
                   "a name of ESC": "= \x1b", "an attribute": "= ().__class__", "a call": "= __import__('os')", "a path": "= ../../x", "a loop": "= hidden_size"}
    for name, text in expressions.items():
        h.either(f"expression: {name}", plugged(lambda d, text=text: d["formats"]["hf"]["config"].update(hidden={"key": "hidden_size", "absent": text, "computed": text}) if "formats" in d else d.update(x=text), None, room="models"))
        h.refused(f"lint of an expression: {name}", plugged(lambda d, text=text: d.setdefault("sections", {}).setdefault("model", {}).setdefault("config", {}).update(hidden_size={"default": text}), ["lint"], room="fast_llm"))
    migrations = {"from itself": {"from": 1, "to": 1}, "in a loop": {"from": 2, "to": 1}, "a version of 2^63": {"from": 2**63 - 1, "to": 2**64}, "a path": {"from": "../x", "to": 2}, "a list": [], "nothing": {}}
    for name, migration in migrations.items():
        def make(c, migration=migration):
            c.model("llama_tied_rope3_bf16_sharded/forgather")
            (c.folder / "plug/migrations").mkdir(parents=True)
            (c.folder / "plug/migrations/llama.json").write_text(json.dumps(migration))
            (c.folder / "plug/migrations/other.json").write_text(json.dumps([migration] * 3))
            return ["update", "--converter-path", c.folder / "plug", "--arch", "llama", "--from-version", "0", c.source, c.out]
        h.refused(f"migration: {name}", make)


# ---- reports, images, options ----


def npy(shape, descr="<f4", data=b"", header=None, version=1):
    text = header if header is not None else f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + data


def others(h):
    images = {"2^40 numbers": npy("(3, 1048576, 1048576)"), "a shape that overflows": npy("(4294967296, 4294967296, 4294967296)"), "a negative shape": npy("(3, -1, 1)"), "code": npy("__import__('os').system('true')"), "an object array": npy("(1,)", "|O", b"\x80\x02."),
              "a header of 65535 bytes": npy("", header=b"{" * 65535), "no header": b"\x93NUMPY", "another magic": b"\x89PNG\r\n\x1a\n", "version 9": npy("(3, 1, 1)", version=9), "no data": npy("(3, 8, 8)"), "NaN": npy("(3, 2, 2)", data=struct.pack("<f", float("nan")) * 12),
              "ESC": npy("(3,)", "\x1b[2J"), "100,000 dimensions": npy("(" + "1," * 20000 + ")"), "empty": b""}
    for name, blob in images.items():
        h.refused(f"--image: {name}", lambda c, blob=blob: (shutil.copytree(DATA / "fast_llm/llava/basic/hf", c.source), c.write("../i.npy", blob)) and ["--to", "fast_llm", "--image", c.folder / "i.npy", c.source, c.out])
    options = {"--token-ids of 2^64": ["--token-ids", "18446744073709551616"], "--token-ids -1": ["--token-ids", "-1"], "--token-ids beyond the vocabulary": ["--token-ids", "999999999"], "--token-ids of nothing": ["--token-ids", ""], "--token-ids of commas": ["--token-ids", ",,,"],
               "--token-ids 1e3": ["--token-ids", "1e3"], "--token-ids with ESC": ["--token-ids", "\x1b[2J"], "--max-shard-size 0": ["--max-shard-size", "0"], "--max-shard-size 2^64": ["--max-shard-size", "18446744073709551616GB"], "--max-shard-size NaN": ["--max-shard-size", "nan"],
               "--max-length -1": ["--max-length", "-1"], "--max-length 2^64": ["--max-length", "18446744073709551616"], "--model-type ESC": ["--model-type", "\x1b[2J"], "--model-type a path": ["--model-type", "../llama"], "--model-type /etc/passwd": ["--model-type", "/etc/passwd"],
               "--seed -1": ["--seed", "-1", "-g", "--sample"], "--temperature nan": ["--temperature", "nan", "-g"], "--temperature inf": ["--temperature", "inf", "-g"], "--top-p -1": ["--top-p", "-1", "-g"], "--max-new-tokens 2^63": ["--max-new-tokens", "9223372036854775808", "-g"],
               "--ignore-key of nothing": ["--ignore-key", ""], "--ignore-key with a newline": ["--ignore-key", "a\nb"], "-c with ESC": ["-c", "\x1b[2J"], "-c of dots": ["-c", "../../../.."], "-c /dev/zero": ["-c", "/dev/zero"], "-c of 2^64": ["-c", "18446744073709551616"],
               "--converter-path /dev/null": ["--converter-path", "/dev/null"], "--converter-path that is not there": ["--converter-path", "/nowhere\x1b"], "--hf-base /proc/self": ["--hf-base", "/proc/self"], "--report /dev/full": ["--report", "/dev/full"], "--report a directory": ["--report", "."],
               "--dump a directory": ["--dump", "."], "--dump /dev/full": ["--dump", "/dev/full"], "an option with ESC": ["--\x1b[2J"], "an option of a megabyte": ["--" + "x" * 100000], "a value with invalid UTF-8": ["--model-type", "\udcff\udcfe"], "a value of a newline": ["--model-type", "a\nb"],
               "--dtype with an override of direction": ["--dtype", "\u202e16taolf"], "--max-shard-size with C1": ["--max-shard-size", "\x9b5GB"]}
    for name, option in options.items():
        test = h.either if name in ("--ignore-key of nothing", "--ignore-key with a newline", "--hf-base /proc/self") else h.refused
        test(f"option: {name}", lambda c, option=option: c.model() and [*option, c.source, c.out])
    h.refused("option: SRC with ESC that is not there", lambda c: ["/nowhere\x1b[2J", c.out])
    h.refused("option: SRC of invalid UTF-8", lambda c: ["/nowhere\udcff", c.out])
    h.refused("option: 10,000 files", lambda c: ["lint", *(["/nowhere"] * 10000)])
    h.refused("option: a command with ESC", lambda c: ["\x1b[2J", "a", "b", "c"])
    for name in ("a\nb", "a\x1b[2Jb", "a\udcffb", "\u202eab", "-rf", "a b;$(true)`true`"):
        h.works(f"a model in a folder {name!r}", lambda c, name=name: (c.model(), c.source.rename(c.folder / name)) and [c.folder / name, c.out])
        h.refused(f"a folder {name!r} without a model", lambda c, name=name: (c.folder / name).mkdir() or [c.folder / name, c.out])
        h.refused(f"DST in a folder {name!r} that is not there", lambda c, name=name: c.model() and [c.source, c.folder / name / "x"], "mkdir -p")
    def reported(c, edit):
        shutil.copytree(GOLDEN / "llama_untied_fp32/forgather", c.out)
        c.model()
        c.keeps_out = True
        report = {"fgconv": {"version": "0.1.0"}, "command": "convert", "destination": {"format": "forgather"}, "options": {"dtype": None, "hf_version": 4}}
        edit(report)
        (c.out / "fgconv_report.json").write_text(json.dumps(report))
        return ["verify", c.source, c.out]
    for name, edit in {"options that are a list": lambda r: r.update(options=[1]), "a type that is a number": lambda r: r["options"].update(dtype=7), "a type that is not known": lambda r: r["options"].update(dtype="float99"), "a type with ESC": lambda r: r["options"].update(dtype="\x1b[2J"),
                       "hf_version 7": lambda r: r["options"].update(hf_version=7), "hf_version 2^63": lambda r: r["options"].update(hf_version=2**63), "a format that is a number": lambda r: r["options"].update(to=7), "a format with ESC": lambda r: r["options"].update(to="\x1b[2J"),
                       "a destination with ESC": lambda r: r["destination"].update(format="\x1b[2J"), "a flag that is a text": lambda r: r["options"].update(no_code="yes"), "max_shard_size -1": lambda r: r["options"].update(max_shard_size=-1), "max_shard_size 0": lambda r: r["options"].update(max_shard_size=0),
                       "tokens that are a list": lambda r: r["options"].update(tokens=[]), "a checkpoint elsewhere": lambda r: r["options"].update(checkpoint_path="/etc")}.items():
        h.refused(f"verify: a report with {name}", lambda c, edit=edit: reported(c, edit), codes=(2, 3))
    for name, edit in {"converter paths": lambda r: r["options"].update(converter_paths=["/etc"]), "options 300 deep": lambda r: r["options"].update(x=json.loads("[" * 300 + "]" * 300)), "options that are not known": lambda r: r["options"].update(evil=1),
                       "no options": lambda r: r.update(options=None), "add_tokens /dev/zero": lambda r: r["options"].update(add_tokens="/dev/zero"), "tokens of numbers": lambda r: r["options"].update(tokens={"pad_token": 1})}.items():
        h.either(f"verify: a report with {name}", lambda c, edit=edit: reported(c, edit))


def parts(h):
    documents(h)
    configurations(h)
    yaml(h)
    plug_ins(h)
    others(h)
