#!/usr/bin/env python3
"""Compares fgconv with conversions that the real Fast-LLM made (tests/data/fast_llm).

    fast_llm.py --fgconv build/fgconv PART...      FORMAT/CASE, "configs", "tokens", "eos", "qwen3", "losses", "lacking", "length", "explicit", "original_length", "families", "hf_base" or "broken_tensors"

A case: HF to Fast-LLM and back, and the real program's directory to HF; tensors must be the real ones after widening to float32, the way
back must give the source bit for bit and lose no key of its config.json. "configs": changed configurations, which must translate as the
real program does once defaults are filled in, or be refused, and give the answer that is on record (answers.py). "broken_tensors": sources that must be refused. "tokens": a vocabulary that grows on the way.
"eos": its end tokens.
"qwen3": a family that the real program does not have. "losses": what Fast-LLM changes. "lacking": what a checkpoint may lack. "length": --max-length. "explicit": keys that say what their absence
says. "original_length": rotary settings without one. "families": what is detected where nothing names the family. "hf_base": what another directory gives to one that lacks it.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import answers
from answers import differences, leaves
from checkpoint import DATA, ROOT, Tally, load, run, tensors, write_safetensors

GOLDEN = DATA / "fast_llm"
CLASSES = load(ROOT / "converters/defaults/fast_llm.json")
# They describe the file, not the model.
OF_THE_FILE = ("transformers_version", "dtype", "torch_dtype", "_name_or_path")
tally = Tally()


# ---- configurations ----


def class_of(kind, value, default):
    """The class of a value of a field of this type, or None."""
    for one in kind.replace("dict[str, ", "").replace("]", "").split(" | "):
        if one in CLASSES["registries"]:
            types = CLASSES["registries"][one]
            return types["types"].get(value["type"]) if value.get("type") else default or types.get("default")
        if one in CLASSES["classes"]:
            return one
    return None


def complete(name, value):
    """The configuration with every default that its classes have."""
    entry = CLASSES["classes"][name]
    out = {"type": entry["type"]}
    for field, about in entry["fields"].items():
        kind = about.get("architecture", about.get("other"))
        held = value[field] if field in value else {} if about.get("class") in CLASSES["classes"] else about.get("default")
        if kind.startswith("dict[") and isinstance(held, dict):
            out[field] = {k: complete(class_of(kind, v, None), v) for k, v in held.items() if isinstance(v, dict)}
        elif isinstance(held, dict) and class_of(kind, held, about.get("class")):
            out[field] = complete(class_of(kind, held, about.get("class")), held)
        else:
            out[field] = held
    return out


def newer(ours, real):
    """ours with rotary settings in the newer spelling wherever the other has it."""
    ours = dict(ours)
    if "rope_parameters" in real and "rope_parameters" not in ours:
        rotary = ours.pop("rope_scaling", None) or {"rope_type": "default"}
        ours["rope_parameters"] = {**rotary, "rope_theta": ours.get("rope_theta")}
        if "rope_theta" not in real:
            del ours["rope_theta"]
    return {k: newer(v, real[k]) if isinstance(v, dict) and isinstance(real.get(k), dict) else v for k, v in ours.items()}


def not_exported(ours, real):
    """Keys of the real export that ours lacks; "type" next to them is an accident of the real program."""
    a, b = leaves(newer(ours, real)), leaves(real)
    return {k: (a.get(k, "(absent)"), v) for k, v in b.items() if a.get(k, "(absent)") != v and k != "/type"}


def check_config(row, question, got):
    """What fgconv answers against what the real program does with it."""
    code, said, got = got
    if row.get("refused"):
        tally.check(question.name + " is refused", code == 3 and "config.json: " in said[0], f"exit {code}: {said}")
        return
    if not tally.check(question.name + " exit", code == 0, f"exit {code}: {said}"):
        return
    if row["direction"] == "import":
        got, real = got["config"]["base_model"], row["expected"]
        root = "MultiModalBaseModelConfig" if "vision_encoder" in real else "GPTBaseModelConfig"
        wrong = differences(complete(root, got), complete(root, real))
        wrong = {k: v for k, v in wrong.items() if not k.startswith("/vision_encoder/normalization")}  # how images are scaled, by default
    else:
        wrong = not_exported(got, row["expected"])
    tally.check(question.name, not wrong, wrong)


def check_configs(fgconv):
    record, asked = answers.Record("fast_llm"), []
    for row in answers.config_rows():
        question = answers.fast_llm_question(row)
        got = answers.answer(fgconv, question)
        check_config(row, question, got)
        record.check(tally, question, got)
        asked.append(question.name)
    for question in answers.further_fast_llm_questions():
        asked.append(question.name)
        record.check(tally, question, answers.answer(fgconv, question))
    record.check_rest(tally, asked)


# ---- tensors ----


def widened(tensor):
    """bfloat16 and float32 as float32."""
    dtype, shape, data = tensor
    if dtype != "bfloat16":
        return dtype, shape, data
    wide = bytearray(2 * len(data))
    wide[2::4], wide[3::4] = data[0::2], data[1::2]
    return "float32", shape, bytes(wide)


def compare(name, ours, real):
    missing, extra = sorted(set(real) - set(ours)), sorted(set(ours) - set(real))
    if tally.check(f"{name}: names", not missing and not extra, f"missing {missing[:3]}, too many {extra[:3]}"):
        wrong = [k for k in real if widened(ours[k]) != widened(real[k])]
        tally.check(f"{name}: values", not wrong, f"{len(wrong)} of {len(real)}: {wrong[:3]}")


def convert(fgconv, name, arguments):
    code, out = run(fgconv, ["-q", "--validate", "bytes", *arguments], ranks=2)
    return tally.check(f"{name}: exit", code == 0, f"exit {code}: {out[-400:]}")


def check_case(fgconv, case):
    directory, name = GOLDEN / case, case.split("/")[0]
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        source = tensors(directory / "hf")
        if convert(fgconv, f"{case} to fast_llm", ["--to", "fast_llm", directory / "hf", work / "there"]):
            compare(f"{case} to fast_llm", tensors(work / "there"), tensors(directory / "fast_llm"))
            kinds = [[line for line in (d / "metadata.yaml").read_text().splitlines() if line.startswith(("format:", "model:"))] for d in (work / "there", directory / "fast_llm")]
            tally.check(f"{case} to fast_llm: the kind of model", kinds[0] == kinds[1] and len(kinds[0]) == 2, kinds)
            written = {p.name: p.stat().st_mtime_ns for p in (work / "there").iterdir()}
            tally.check(f"{case}: ok is written last", written.get("ok") == max(written.values()), written)
            code, out = run(fgconv, ["-q", "verify", directory / "hf", work / "there"])
            tally.check(f"{case}: is verified", code == 0, f"exit {code}: {out[-300:]}")
            if convert(fgconv, f"{case} and back", ["--to", "hf", work / "there", work / "back"]):
                held = tensors(work / "back")
                tally.check(f"{case} and back: every bit", held == source, sorted(set(held) ^ set(source))[:3])
                before, after = load(directory / "hf/config.json"), load(work / "back/config.json")
                after = newer(after, before)
                lost = {k: (after.get(k, "(absent)"), v) for k, v in before.items()
                        if after.get(k, "(absent)") != v and k not in OF_THE_FILE}
                tally.check(f"{case} and back: config.json", not lost, lost)
        if convert(fgconv, f"{case} from the real one", ["--to", "hf", "--model-type", name, directory / "fast_llm", work / "hf"]):
            compare(f"{case} from the real one", tensors(work / "hf"), source)


def check_tokens(fgconv):
    """Tokens that are added on the way: rows, the size in the configuration, and ids that come back with it."""
    source, yaml = DATA / "golden/llama_untied_fp32/hf", DATA / "golden/qwen3_add_tokens_fp32/tokens.yaml"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        if not (convert(fgconv, "tokens to fast_llm", ["--add-tokens", yaml, "--to", "fast_llm", source, work / "there"])
                and convert(fgconv, "tokens and back", ["--to", "hf", work / "there", work / "back"])):
            return
        before, after = load(source / "config.json"), load(work / "back/config.json")
        ids = {t["content"]: t["id"] for t in load(work / "there/tokenizer.json")["added_tokens"]}
        tally.check("tokens: the configuration grows", after["vocab_size"] == max(ids.values()) + 1 > before["vocab_size"], after["vocab_size"])
        tally.check("tokens: ids", (after["bos_token_id"], after["pad_token_id"]) == (ids["<|new_bos|>"], ids["<|pad|>"]), after)
        there, back = tensors(work / "there"), tensors(work / "back")
        for name, other in (("embeddings.word_embeddings_weight/weights", "model.embed_tokens.weight"), ("head.output_weights/weights", "lm_head.weight")):
            tally.check(f"tokens: rows of {name}", there[name][1][0] == after["vocab_size"] and there[name] == back[other]
                        and there[name][2].startswith(tensors(source)[other][2]), there[name][1])


def check_families(fgconv):
    """Fast-LLM's own directories do not say the family: the one that holds all of the configuration is taken, several or none are refused."""
    like_llama = "apriel2_text, diffusion_llama, llama, mistral, mtp_llama; with a warning\n  apriel_hybrid_ssm: \"hybrid_block_layout\" names "
    several = {"llama/basic": like_llama, "llama/pattern": like_llama, "diffusion_llama/yarn": like_llama, "qwen2/tied": "apriel2_text, dream, qwen2\n",
               "mistral/window": "apriel2_text, mistral; with a warning\n", "apriel_hybrid_ssm/attention-mamba": "apriel2_text; with a warning\n  apriel_hybrid_ssm: "}
    for case, families in several.items():
        code, out = run(fgconv, ["config", GOLDEN / case / "fast_llm"], ranks=0)
        tally.check(f"{case}: the families are listed", code == 3 and f"several families accept it: {families}" in out and "--model-type" in out
                    and "fgconv: warning" not in out, f"exit {code}: {out}")
    tally.check("what a family would lose is said", "\n  diffusion_llama, llama, mtp_llama: window_size is lost" in
                run(fgconv, ["config", GOLDEN / "mistral/window/fast_llm"], ranks=0)[1])
    code, out = run(fgconv, ["config", "--model-type", "llama", GOLDEN / "mistral/window/fast_llm"], ranks=0)
    tally.check("a family without windows says that one is lost", code == 0 and "window_size is lost" in out, f"exit {code}: {out}")
    for case in ("mixtral/experts4", "mtp_llama/heads3", "gemma4/dense", "gemma4/moe", "apriel2_text/hybrid"):
        directory, family = GOLDEN / case, case.split("/")[0]
        found, given = (run(fgconv, ["config", *more, directory / "fast_llm"], ranks=0) for more in ([], ["--model-type", family]))
        tally.check(f"{case}: the family is found", found == given and found[0] == 0, f"exit {found[0]}: {found[1][-300:]}")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        case = GOLDEN / "mixtral/experts4"
        if convert(fgconv, "a directory of a family to be found", ["--to", "hf", case / "fast_llm", work / "hf"]):
            compare("a directory of a family to be found", tensors(work / "hf"), tensors(case / "hf"))
        shutil.copytree(case / "fast_llm", work / "odd")
        text = (work / "odd/metadata.yaml").read_text()
        (work / "odd/metadata.yaml").write_text(text.replace("causal: true", "causal: false"))
        code, out = run(fgconv, ["--to", "hf", work / "odd", work / "none"], ranks=0)
        said = [line for line in out.splitlines() if line.startswith("  ") and ": " in line]
        tally.check("no family: what each refuses", code == 3 and "no family can hold all of it:\n" in out and "warning" not in out and len(said) > 2
                    and "decoder/block/mixer/causal\" = false" in out and all(name in out for name in ("gemma4: ", "mixtral", "qwen2", "apriel2_text")), f"exit {code}: {out}")


def check_eos(fgconv):
    """End tokens that change on the way to Fast-LLM come back as through Forgather; those that do not, as they were."""
    case = DATA / "golden/qwen3_add_tokens_fp32"
    files = ("config.json", "generation_config.json")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        shutil.copytree(case / "hf", work / "hf")
        write = lambda file, value: (work / "hf" / file).write_text(json.dumps({**load(work / "hf" / file), "eos_token_id": value}))
        write("config.json", 5), write("generation_config.json", [383, 7])
        eos = lambda name: [load(work / name / file)["eos_token_id"] for file in files]
        (work / "tokens.yaml").write_text('eos_token: "<|stop|>"\n')
        add = ["--add-tokens", work / "tokens.yaml"]
        ways = {"there": ["--to", "fast_llm", work / "hf"], "back": [work / "there"], "added": [*add, "--to", "fast_llm", work / "hf"], "added_back": ["--to", "hf", work / "added"],
                "fg": [*add, work / "hf"], "fg_back": [work / "fg"], "fg_there": ["--to", "fast_llm", work / "fg"], "fg_there_back": ["--to", "hf", work / "fg_there"]}
        for name, arguments in ways.items():
            if not convert(fgconv, f"eos: {name}", [*arguments, work / name]):
                return
        tally.check("eos: unchanged", eos("back") == [5, [383, 7]], eos("back"))
        new = {t["content"]: t["id"] for t in load(work / "added/tokenizer.json")["added_tokens"]}["<|stop|>"]
        tally.check("eos: merged with the new one", eos("fg_back") == [[5, 383, 7, new]] * 2, eos("fg_back"))
        tally.check("eos: the same through Fast-LLM", eos("added_back") == eos("fg_there_back") == eos("fg_back"), (eos("added_back"), eos("fg_there_back")))
        for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            tally.check(f"eos: {file}", (work / "added_back" / file).read_bytes() == (work / "fg_back" / file).read_bytes())


def check_qwen3(fgconv):
    """A family that Fast-LLM has no converter for: its attention holds the norms of queries and keys."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for case in ("qwen3_tied_bf16", "qwen3_add_tokens_fp32"):
            source, there, back = DATA / "golden" / case / "hf", work / case, work / f"{case}_back"
            code, out = run(fgconv, ["--to", "fast_llm", "--report", work / f"{case}.json", source, there])
            proof = load(work / f"{case}.json")["proof"] if code == 0 else {}
            if not tally.check(f"{case} to fast_llm, logits equal", code == 0 and proof.get("max_abs") == 0 and proof.get("kind") == "logits" and "warning" not in out, f"exit {code}: {out[-400:]}"):
                continue
            held = tensors(there)
            tally.check(f"{case}: norms of queries and keys", held["decoder.0.mixer.query_norm.weight/weights"] == tensors(source)["model.layers.0.self_attn.q_norm.weight"]
                        and held["decoder.0.mixer.key_norm.weight/weights"] == tensors(source)["model.layers.0.self_attn.k_norm.weight"])
            code, out = run(fgconv, ["--to", "hf", there, back])
            tally.check(f"{case} and back", code == 0 and "logits equal bit for bit" in out and tensors(back) == tensors(source), f"exit {code}: {out[-400:]}")
            tally.check(f"{case}: config.json", load(back / "config.json") == load(source / "config.json"))
            plain(there)
            code, out = run(fgconv, ["config", there], ranks=0)
            tally.check(f"{case}: the family is found", code == 0 and '"Qwen3ForCausalLM"' in out, f"exit {code}: {out[-400:]}")
        for name, arguments, expected in (("long", ["--to", "fast_llm", source], None), ("long_back", [work / "long"], 77), ("longer", ["--max-length", "99", work / "long"], 99)):
            arguments = ["--max-length", "77", *arguments] if name == "long" else arguments
            if convert(fgconv, f"--max-length: {name}", [*arguments, work / name]) and expected:
                got = load(work / name / "config.json")["max_position_embeddings"]
                tally.check(f"--max-length: {name} has {expected}", got == expected, got)
        config = load(DATA / "golden/qwen3_tied_bf16/hf/config.json")
        file = work / "config.json"
        changes = [({"attention_bias": True}, None, '"add_linear_biases": true'), ({"head_dim": None}, "head_dim", None), ({"use_mrope": False}, "use_mrope", None),
                   ({"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}, "some layers have a sliding window", None), ({"mlp_bias": True}, "mlp_bias", None),
                   ({"num_attention_heads": 3, "num_key_value_heads": 1}, None, '"heads": 3')]
        for change, refusal, said in changes:
            file.write_text(json.dumps({**config, **change}))
            code, out = run(fgconv, ["config", "--to", "fast_llm", file], ranks=0)
            tally.check(f"qwen3 {json.dumps(change)}", code == 3 and refusal in out if refusal else code == 0 and said in out, f"exit {code}: {out[-400:]}")
        file.write_text(json.dumps(config))
        code, out = run(fgconv, ["config", "--to", "fast_llm", file], ranks=0)
        for change, refusal in (("epsilon", "rms_norm_eps"), ("zero_centered", "zero_centered")):
            target = json.loads(out)["config"]["base_model"]
            target["decoder"]["block"]["mixer"]["key_norm"][change] = 1e-3 if change == "epsilon" else True
            file.write_text(json.dumps({"base_model": target}))
            code, said = run(fgconv, ["config", "--model-type", "qwen3", file], ranks=0)
            tally.check(f"qwen3 from Fast-LLM, another {change} for keys", code == 3 and refusal in said, f"exit {code}: {said[-400:]}")


def check_losses(fgconv):
    """What Fast-LLM takes and changes: done as it does it, with a word about it."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        source = work / "gelu"
        shutil.copytree(GOLDEN / "llama/basic/hf", source)
        (source / "config.json").write_text(json.dumps({**load(source / "config.json"), "hidden_act": "gelu"}))
        word = 'config.json: key "hidden_act" = "gelu": approximated with tanh in Fast-LLM'
        code, out = run(fgconv, ["--to", "fast_llm", source, work / "there"], ranks=0)
        tally.check("gelu: the logits differ", code == 10 and word in out and "the feed-forward layer of block 0" in out and not (work / "there").exists(), f"exit {code}: {out}")
        hint = 'hint: "hidden_act" = "gelu": approximated with tanh in Fast-LLM'
        tally.check("gelu: the hint says why, and what can be done", hint in out and "--validate bytes" in out.split(hint)[-1], out)
        code, out = run(fgconv, ["--to", "fast_llm", "--validate", "bytes", source, work / "there"], ranks=0)
        tally.check("gelu: without that proof, which is said", "not proved: every byte was read back" in out and load(work / "there/fgconv_report.json")["proof"]["verdict"] == "not_proved", out)
        tally.check("gelu: without that proof", code == 0 and out.count(word) == 1 and "activation: gelu\n" in (work / "there/metadata.yaml").read_text(), f"exit {code}: {out}")
        code, out = run(fgconv, ["--validate", "bytes", work / "there", work / "back"], ranks=0)
        tally.check("gelu: comes back", code == 0 and load(work / "back/config.json")["hidden_act"] == "gelu" and "tanh" not in out, f"exit {code}: {out}")
        hybrid = GOLDEN / "apriel_hybrid_ssm/attention-mamba"
        word = '"hybrid_block_layout" names {} of 4 layers and is repeated'
        code, out = run(fgconv, ["config", "--to", "fast_llm", "--model-type", "apriel_hybrid_ssm", hybrid / "hf"], ranks=0)
        tally.check("a layout that names the pattern", code == 0 and word.format(2) in out and '"pattern": [' in out, f"exit {code}: {out[-400:]}")
        code, out = run(fgconv, ["config", "--model-type", "apriel_hybrid_ssm", hybrid / "fast_llm"], ranks=0)
        tally.check("a layout that names the pattern, from Fast-LLM", code == 0 and word.format(2) in out, f"exit {code}: {out[-400:]}")
        config = load(hybrid / "hf/config.json")
        (work / "config.json").write_text(json.dumps({**config, "hybrid_block_layout": config["hybrid_block_layout"] * 2}))
        code, out = run(fgconv, ["config", "--to", "fast_llm", "--model-type", "apriel_hybrid_ssm", work / "config.json"], ranks=0)
        tally.check("a layout that names each layer", code == 0 and "warning" not in out, f"exit {code}: {out[-400:]}")
        check_last_layer(fgconv, work)


def check_last_layer(fgconv, work):
    """The last layer of a gemma4 sees all, whatever layer_types says; what it says comes back."""
    source = work / "sliding"
    shutil.copytree(GOLDEN / "gemma4/dense/hf", source)
    config = {**load(source / "config.json"), "layer_types": ["sliding_attention"] * 4}
    (source / "config.json").write_text(json.dumps(config))
    code, out = run(fgconv, ["--to", "fast_llm", source, work / "seen"], ranks=0)
    tally.check("the last layer sees all", code == 0 and "the last layer is \"sliding_attention\" but becomes \"full_attention\"" in out, f"exit {code}: {out[-400:]}")
    compare("the last layer sees all", tensors(work / "seen"), tensors(GOLDEN / "gemma4/dense/fast_llm"))
    code, out = run(fgconv, ["--to", "hf", work / "seen", work / "unseen"], ranks=0)
    tally.check("the last layer: layer_types comes back", code == 0 and load(work / "unseen/config.json")["layer_types"] == config["layer_types"], f"exit {code}: {out[-400:]}")
    rows = [json.loads(line) for line in (GOLDEN / "configs.jsonl").read_text().splitlines()]
    for pattern, said in (["sliding_attention"], True), (["full_attention"], False):
        (row,) = [r for r in rows if r["format"] == "gemma4" and r["change"] == {"decoder.pattern": pattern}]
        (work / "config.json").write_text(json.dumps(row["document"]))
        code, out = run(fgconv, ["config", "--from", "fast_llm", "--to", "hf", "--model-type", "gemma4", work / "config.json"], ranks=0)
        tally.check(f"the last layer is a {pattern[0]}, from Fast-LLM", code == 0 and ("computes another model" in out) == said, f"exit {code}: {out[-400:]}")


def check_explicit(fgconv):
    """What says no more than its absence comes back if it was there."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        shutil.copytree(GOLDEN / "apriel2_text/biases/hf", work / "hf")
        config = load(work / "hf/config.json")
        blocks = config["decoder"]["blocks"]
        blocks["s"]["mixer"]["sampling_strategy"] = "uniform"
        blocks["a"]["mixer"].update(add_linear_biases=True, window_size=None, query_layer={"bias": {"enabled": None}})
        blocks["a"]["mlp"]["layer_1"] = {"bias": {"enabled": None}}
        (work / "hf/config.json").write_text(json.dumps(config))
        if convert(fgconv, "explicit defaults: to fast_llm", ["--to", "fast_llm", work / "hf", work / "there"]) \
                and convert(fgconv, "explicit defaults: and back", [work / "there", work / "back"]):
            back = load(work / "back/config.json")
            tally.check("explicit defaults: come back", back["decoder"] == config["decoder"], differences(back["decoder"], config["decoder"]))
            metadata = work / "there/metadata.yaml"
            metadata.write_text(metadata.read_text().replace("sampling_strategy: uniform", "sampling_strategy: weighted", 1))
            code, out = run(fgconv, ["config", "--model-type", "apriel2_text", work / "there"], ranks=0)
            tally.check("explicit defaults: what the model says now wins", code == 0 and '"sampling_strategy": "weighted"' in out, f"exit {code}: {out[-400:]}")


def check_original_length(fgconv):
    """Rotary settings without the length that they scale from: it is the model's."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        shutil.copytree(GOLDEN / "llama/llama3-tied-bias/hf", work / "hf")
        config = load(work / "hf/config.json")
        length = config["max_position_embeddings"] = config["rope_parameters"].pop("original_max_position_embeddings")
        (work / "hf/config.json").write_text(json.dumps(config))
        code, out = run(fgconv, ["-q", "--to", "fast_llm", "--report", work / "report.json", work / "hf", work / "there"], ranks=0)
        proof = load(work / "report.json")["proof"] if code == 0 else {}
        held = (work / "there/metadata.yaml").read_text() if code == 0 else ""
        tally.check("the original length is the model's, logits equal", proof.get("max_abs") == 0 and f"original_context_length: {length}\n" in held, f"exit {code}: {out[-400:]}")
        if code == 0 and convert(fgconv, "the original length: and back", [work / "there", work / "back"]):
            back = load(work / "back/config.json")
            scaling = back.get("rope_parameters") or back["rope_scaling"]
            tally.check("the original length comes back", scaling["original_max_position_embeddings"] == back["max_position_embeddings"] == length, scaling)


def plain(directory, keep=()):
    """Takes out of a directory what only fgconv writes there, as if Fast-LLM itself had made it."""
    for path in directory.iterdir():
        if path.suffix != ".safetensors" and path.name not in ("metadata.yaml", "ok", *keep):
            path.unlink()
    lines, inside = [], False
    for line in (directory / "metadata.yaml").read_text().splitlines():
        inside = line == "  fgconv:" or (inside and line.startswith("   "))
        lines += [] if inside else [line]
    (directory / "metadata.yaml").write_text("\n".join(lines) + "\n")


NORM = "\n              epsilon: 1.0e-06\n              type: rms_norm\n"
# What a checkpoint of Fast-LLM may lack: case, text of metadata.yaml, what is in its place, tensors that go, their names in hf, and what is said.
LACKING = [
    ("gemma4/dense", "enabled: true", "enabled: false", [".output_scale/"], ["layer_scalar"], "output_scale.enabled is lost"),
    ("gemma4/dense", f"heads: 4\n            key_norm:{NORM}            query_norm:{NORM}            rotary:\n              partial",
     "heads: 4\n            key_norm: null\n            query_norm: null\n            rotary:\n              partial",
     ["decoder.3.mixer.query_norm.", "decoder.3.mixer.key_norm."], ["layers.3.self_attn.q_norm", "layers.3.self_attn.k_norm"],
     "query_norm, key_norm or value_norm of the full-attention layers is lost"),
]


def check_lacking(fgconv):
    """Parameters that a block may lack: hf gets none, and a word about it."""
    for case, text, instead, gone, absent, said in LACKING:
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            shutil.copytree(GOLDEN / case / "fast_llm", work / "in", ignore=shutil.ignore_patterns("*.safetensors"))
            metadata = (work / "in/metadata.yaml").read_text()
            (work / "in/metadata.yaml").write_text(metadata.replace(text, instead))
            held = tensors(GOLDEN / case / "fast_llm")
            kept = {k: v for k, v in held.items() if not any(g in k for g in gone)}
            write_safetensors(work / "in/model_0.safetensors", kept)
            code, out = run(fgconv, ["--validate", "bytes", "--model-type", case.split("/")[0], work / "in", work / "out"], ranks=0)
            names = list(tensors(work / "out")) if code == 0 else []
            tally.check(f"{case} without {gone}", text in metadata and len(kept) < len(held) and code == 0 and said in out and names
                        and not any(a in n for a in absent for n in names), f"exit {code}: {out[-400:]}")


def check_length(fgconv):
    """--max-length reaches the text model of one with a vision encoder."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        if convert(fgconv, "length: to fast_llm", ["--max-length", "99", "--to", "fast_llm", GOLDEN / "llava/basic/hf", work / "there"]) \
                and convert(fgconv, "length: and back", [work / "there", work / "back"]):
            text = load(work / "back/config.json")["text_config"]
            tally.check("length: of the text model", text["max_position_embeddings"] == 99, text)


def check_hf_base(fgconv):
    """What a Fast-LLM directory has lost comes from the model that it started from; what it has kept wins."""
    source = DATA / "golden/llama_untied_fp32/hf"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        there, other = work / "there", work / "other"
        if not convert(fgconv, "hf-base: to fast_llm", ["--to", "fast_llm", source, there]):
            return
        shutil.copytree(there, work / "plain")
        plain(work / "plain")
        config = load(source / "config.json")
        if convert(fgconv, "hf-base: back", ["--hf-base", source, work / "plain", work / "back"]):
            back = load(work / "back/config.json")
            lost = {k: (back.get(k, "(absent)"), v) for k, v in config.items() if back.get(k, "(absent)") != v and k not in OF_THE_FILE}
            tally.check("hf-base: config.json", not lost, lost)
            files = [p.name for p in source.iterdir() if p.suffix != ".safetensors" and p.name != "config.json"]
            wrong = [n for n in files if not (work / "back" / n).exists() or (work / "back" / n).read_bytes() != (source / n).read_bytes()]
            tally.check("hf-base: files", files and not wrong, wrong)
            tally.check("hf-base: tensors", tensors(work / "back") == tensors(source))
            report = load(work / "back/fgconv_report.json")
            tally.check("hf-base: report", "max_position_embeddings" in report["hf_base"]["keys"] and "tokenizer.json" in report["hf_base"]["files"]
                        and report["options"]["hf_base"] == str(source.resolve()), report.get("hf_base"))
            code, out = run(fgconv, ["-q", "verify", work / "plain", work / "back"])
            tally.check("hf-base: verify recalls it", code == 0, f"exit {code}: {out[-300:]}")
        if convert(fgconv, "hf-base: on to forgather", ["--to", "forgather", "--hf-base", source, work / "plain", work / "on"]) \
                and convert(fgconv, "hf-base: forgather in one step", ["--to", "forgather", source, work / "direct"]):
            names = sorted(p.name for p in (work / "direct").iterdir())
            wrong = [n for n in names if n not in ("fgconv_report.json", "config.json") and (work / "on" / n).read_bytes() != (work / "direct" / n).read_bytes()]
            on, direct = (leaves(load(work / n / "config.json")) for n in ("on", "direct"))
            wrong += [k for k in {**on, **direct} if on.get(k) != direct.get(k) and k[1:] not in OF_THE_FILE]
            tally.check("hf-base: on to forgather as in one step", names == sorted(p.name for p in (work / "on").iterdir()) and not wrong, wrong)
        shutil.copytree(source, other)
        changed = dict(config, max_position_embeddings=999, bos_token_id=1, hidden_act="gelu", rope_theta=5.0, sep_token_id=3)
        (other / "config.json").write_text(json.dumps(changed))
        (other / "generation_config.json").write_text("{}")
        (other / "chat_template.jinja").write_text("{{ other }}")
        if convert(fgconv, "hf-base: own things win", ["--hf-base", other, there, work / "own"]):
            got = load(work / "own/config.json")
            wrong = {k: (got.get(k), v) for k, v in {**config, "sep_token_id": 3}.items() if got.get(k) != v and k not in OF_THE_FILE}
            tally.check("hf-base: own keys win", not wrong, wrong)
            wrong = [n for n in ("generation_config.json", "chat_template.jinja") if (work / "own" / n).read_bytes() != (source / n).read_bytes()]
            tally.check("hf-base: own files win", not wrong, wrong)
        plain(there, keep=("generation_config.json",))
        if convert(fgconv, "hf-base: the architecture is the checkpoint's", ["--hf-base", other, there, work / "mixed"]):
            got = load(work / "mixed/config.json")
            wrong = {k: got.get(k) for k in ("max_position_embeddings", "hidden_act", "rope_theta", "sep_token_id")
                     if got.get(k) != {"hidden_act": "silu", "rope_theta": 10000.0}.get(k, changed[k])}
            tally.check("hf-base: only what says nothing of the architecture", not wrong, wrong)
            tally.check("hf-base: file by file", (work / "mixed/chat_template.jinja").read_text() == "{{ other }}"
                        and load(work / "mixed/generation_config.json") == load(source / "generation_config.json"))
        refused = [(["--hf-base", work / "plain", there], 2, "found a fast_llm directory, expected hf"),
                   (["--hf-base", work / "none", there], 2, "none: no such directory"),
                   (["--hf-base", other, source], 2, "is in the format hf, which is complete by itself")]
        for arguments, status, message in refused:
            code, out = run(fgconv, [*arguments, work / "no"], ranks=0)
            tally.check(f"hf-base: {message}", code == status and message in out, f"exit {code}: {out[-400:]}")
        (other / "config.json").write_text(json.dumps(dict(config, vocab_size=400)))
        code, out = run(fgconv, ["--dry-run", "--hf-base", other, there, work / "no"], ranks=0)
        tally.check("hf-base: another vocabulary is a warning", code == 0 and "its vocab_size is 400, that of" in out, f"exit {code}: {out[-400:]}")
        tokenizer = load(other / "tokenizer.json")
        tokenizer["added_tokens"] += [{"id": 384 + i, "content": f"<{i}>", "special": True} for i in range(10)]
        (other / "tokenizer.json").write_text(json.dumps(tokenizer))
        code, out = run(fgconv, ["--dry-run", "--hf-base", other, there, work / "no"], ranks=0)
        tally.check("hf-base: another model's tokenizer", code == 3 and "its tokenizer has 394 tokens, but the model in" in out, f"exit {code}: {out[-400:]}")


def break_tensor(held, name, how):
    dtype, shape, data = held.get(name, ("float32", [4], bytes(16)))
    if how == "missing":
        held.pop(name)
    elif how == "extra":
        held[name] = (dtype, shape, data)
    elif how == "transposed":
        held[name] = (dtype, shape[::-1], data)
    elif how == "dtype":
        held[name] = ("int32" if dtype == "float32" else "int16", shape, data)
    else:  # a row too many
        held[name] = (dtype, [shape[0] + 1, *shape[1:]], data + data[:len(data) // shape[0]])


def check_broken_row(fgconv, row):
    name = f"{row['base']} {row['tensor']} {row['how']}"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        shutil.copytree(GOLDEN / row["base"], work / "src", ignore=shutil.ignore_patterns("*.safetensors", "*.index.json"))
        held = tensors(GOLDEN / row["base"])
        break_tensor(held, row["tensor"], row["how"])
        write_safetensors(work / "src/model.safetensors", held)
        code, out = run(fgconv, ["-q", "--to", "fast_llm", work / "src", work / "dst"], ranks=0)
        tally.check(name + " is refused", code == 3 and row["tensor"].rsplit(".", 1)[0] in out, f"exit {code}: {out[-300:]}")
        tally.check(name + " leaves nothing", sorted(p.name for p in work.iterdir()) == ["src"])


def check_broken(fgconv):
    for row in load(GOLDEN / "broken_tensors.json"):
        check_broken_row(fgconv, row)


PARTS = {"configs": check_configs, "tokens": check_tokens, "families": check_families, "eos": check_eos, "qwen3": check_qwen3,
         "losses": check_losses, "lacking": check_lacking, "length": check_length, "explicit": check_explicit, "original_length": check_original_length, "hf_base": check_hf_base, "broken_tensors": check_broken}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--fgconv", default=str(ROOT / "build/fgconv"))
    p.add_argument("parts", nargs="+")
    a = p.parse_args()
    for part in a.parts:
        PARTS[part](a.fgconv) if part in PARTS else check_case(a.fgconv, part)
    sys.exit(tally.end())


if __name__ == "__main__":
    main()
