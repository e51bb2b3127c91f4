#!/usr/bin/env python3
"""Compares `fgconv update` with directories that it must lead to.

    update.py --fgconv build/fgconv

Forgather directories that fgconv made of golden models are put into older schemas here, with Python alone: names, keys and layouts as
tests/data/update/migrations says that they were. The chain of migrations must give the directories back, tensor by tensor and key by key, with logits
equal bit for bit on the way, for every number of ranks. A wrong migration must be detected; what is refused leaves nothing behind.
"""
import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, digests, load, run, tensors, write_safetensors

MIGRATIONS = DATA / "update"
CASES = ["llama_untied_fp32", "llama_tied_rope3_bf16_sharded", "mistral_window_to_fp32", "qwen3_tied_bf16"]
SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}
MADE = {"fgconv_report.json", "forgather_update.json"}
tally = Tally()


# ---- older schemas ----

def transposed(dtype, shape, data):
    size, (rows, columns) = SIZES[dtype], shape
    cells = [data[i:i + size] for i in range(0, len(data), size)]
    return dtype, [columns, rows], b"".join(cells[r * columns + c] for c in range(columns) for r in range(rows))


def older_layout(name, held):
    return transposed(*held) if name == "lm_head.weight" or name.endswith("down_proj.weight") else held


def older_name(name):
    for new, old in ((r"causal_lm\.input_encoder\.embedding\.", "transformer.embedding."), (r"causal_lm\.layer_stack\.layer_norm\.", "transformer.layer_norm."),
                     (r"causal_lm\.layer_stack\.layers\.(\d+)\.", r"transformer.blocks.\1."), (r"attention\.(query|key|value|output)_linear\.", r"attn.\1."),
                     (r"attention\.", "attn."), (r"feedforward\.(gate|up|down)_proj\.", r"mlp.\1."), (r"^lm_head\.", "head.")):
        name = re.sub(new, old, name)
    return name


def older_config(config):
    config = dict(config, d_model=config["hidden_size"], norm={"eps": config["rms_norm_eps"]}, legacy_init=True)
    del config["hidden_size"], config["rms_norm_eps"]
    if config["rope_theta"] == 500000:
        del config["rope_theta"]
    return config


def make_older(current, folder, version):
    """A copy of a current directory in the schema of `version`."""
    folder.mkdir()
    config, held = load(current / "config.json"), tensors(current)
    held = {name: older_layout(name, tensor) for name, tensor in held.items()}
    if version <= "0.2":
        config = older_config(config)
    if version <= "0.1":
        held = {older_name(name): tensor for name, tensor in held.items()}
    if version == "0.0.1":
        heads = config["num_attention_heads"]
        for name, (dtype, shape, data) in list(held.items()):
            if name.endswith("attn.query.weight"):
                held[name] = dtype, [heads, shape[0] // heads, shape[1]], data
    config["forgather_arch_version"] = version
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", held)
    for path in current.iterdir():
        if path.suffix not in (".safetensors", ".py") and path.name not in MADE | {"config.json", "model.safetensors.index.json"}:
            shutil.copy(path, folder)


# ---- comparing ----

def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in MADE}


def proof(folder):
    return load(folder / "fgconv_report.json").get("proof", {})


def same_directory(name, out, current):
    """Everything but the reports; config.json as JSON, since a value of the older one may be spelled otherwise (1e-5)."""
    ours, theirs = files(out), files(current)
    tally.check(f"{name}: the same tensors", digests(out) == digests(current), set(digests(out)) ^ set(digests(current)))
    mine, wanted = load(out / "config.json"), load(current / "config.json")
    tally.check(f"{name}: the same configuration", mine == wanted, {k: (mine.get(k), wanted.get(k)) for k in {*mine, *wanted} if mine.get(k) != wanted.get(k)})
    differ = [n for n in {*ours, *theirs} if n != "config.json" and not n.endswith(".safetensors") and ours.get(n) != theirs.get(n)]
    tally.check(f"{name}: code, index and side files", not differ, differ)


def audited(out, **wanted):
    audit = load(out / "forgather_update.json")
    keys = ["schema", "timestamp", "source", "arch", "from_version", "to_version", "migrations", "dtype", "missing_keys", "unexpected_keys"]
    good = list(audit) == keys and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", audit["timestamp"]) and audit["schema"] == "forgather_update.v1"
    return good and all(audit[k] == v for k, v in wanted.items()), audit


# ---- the chain ----

def chain(fgconv, work, case):
    arch = case.split("_")[0]
    current, old = work / f"{case}.current", work / f"{case}.old"
    code, text = run(fgconv, [DATA / "golden" / case / "hf", current], ranks=1)
    if not tally.check(f"{case}: made", code == 0, text):
        return
    make_older(current, old, "0.1")
    first = None
    for ranks in (0, 1, 2, 4):
        out = work / f"{case}.out{ranks}"
        code, text = run(fgconv, ["update", "--converter-path", MIGRATIONS, old, out], ranks=ranks)
        if not tally.check(f"{case}: three migrations with {ranks or 'no'} ranks", code == 0, text):
            continue
        first = first or files(out)
        tally.check(f"{case}: {ranks or 'no'} ranks, the same bytes", files(out) == first)
    out = work / f"{case}.out2"
    same_directory(case, out, current)
    held = proof(out)
    tally.check(f"{case}: logits equal bit for bit", held.get("kind") == "logits" and held.get("passed") and held.get("max_abs") == 0, held)
    migrations = [f"{m['from']}->{m['to']}: {m['about']}" for m in (load(MIGRATIONS / f"migrations/{n}.json") for n in ("names", "config", "layout"))]
    tally.check(f"{case}: audit", *audited(out, source=str(old), arch=arch, from_version="0.1", to_version="1", migrations=migrations,
                                           dtype=load(current / "config.json")["dtype"], missing_keys=[], unexpected_keys=[]))
    code, text = run(fgconv, ["verify", "--converter-path", MIGRATIONS, old, out])
    tally.check(f"{case}: verified", code == 0, text)
    code, text = run(fgconv, ["update", "--converter-path", MIGRATIONS, "--dry-run", old, work / "dry"])
    tally.check(f"{case}: a dry run", code == 0 and "0.1->0.2" in text and not (work / "dry").exists(), text)
    back = work / f"{case}.hf"
    code, text = run(fgconv, [out, back])
    again = work / f"{case}.hf_of_current"
    code2, text2 = run(fgconv, [current, again])
    tally.check(f"{case}: to hf, bit for bit", code == code2 == 0 and files(back) == files(again), text + text2)


def half_way(fgconv, work, case):
    """A chain that stops, and goes on later; a version whose models cannot be run."""
    current, old = work / f"{case}.current", work / "heads"
    make_older(current, old, "0.0.1")
    code, text = run(fgconv, ["update", "--converter-path", MIGRATIONS, "--to-version", "0.3", old, work / "heads.3"])
    tally.check("stopped half way, by bytes", code == 0 and "queries of three dimensions" in text and proof(work / "heads.3")["kind"] == "bytes", text)
    config = load(work / "heads.3/config.json")
    tally.check("no code for an older version", config["forgather_arch_version"] == "0.3" and "auto_map" not in config and not list((work / "heads.3").glob("*.py")), config)
    code, text = run(fgconv, ["update", "--converter-path", MIGRATIONS, work / "heads.3", work / "heads.1"])
    tally.check("and on to the current one", code == 0 and proof(work / "heads.1")["kind"] == "logits", text)
    same_directory("in two updates", work / "heads.1", current)
    make_older(current, work / "two", "0.2")
    code, text = run(fgconv, ["update", "--converter-path", MIGRATIONS, "--to-version", "0.3", work / "two", work / "two.3"])
    held = proof(work / "two.3") if code == 0 else {}
    tally.check("between two older versions, by logits", held.get("kind") == "logits" and held.get("max_abs") == 0, text)


def from_a_converter(fgconv, work, case):
    """Migrations in a plug-in's converter file, and one that is in both: the converter's counts."""
    plugin, out = work / "converter", work / "converter.out"
    plugin.mkdir()
    steps = [load(MIGRATIONS / f"migrations/{name}.json") for name in ("layout", "names", "config")]
    for step in steps:
        del step["arch"]
    (plugin / "llama.json").write_text(json.dumps({"format": "forgather", "extends": "llama.json", "migrations": steps}))
    (plugin / "migrations").mkdir()
    (plugin / "migrations/names.json").write_text(json.dumps({"arch": "llama", "from": "0.1", "to": "0.2", "about": "does nothing"}))
    code, text = run(fgconv, ["lint", plugin / "llama.json"], ranks=0)
    tally.check("linted: a converter with migrations", code == 0 and "0.3->1: the head" in text, text)
    code, text = run(fgconv, ["update", "--converter-path", plugin, work / f"{case}.old", out])
    tally.check("migrations of a converter file", code == 0, text)
    same_directory("migrations of a converter file", out, work / f"{case}.current")
    steps[1]["names"][0][0] = "transformer("
    (plugin / "llama.json").write_text(json.dumps({"format": "forgather", "extends": "llama.json", "migrations": steps}, indent=1))
    code, text = run(fgconv, ["lint", plugin / "llama.json"], ranks=0)
    tally.check("linted: a broken pattern in it", code == 3 and re.search(r"llama.json: line \d+: migrations/1/names/0", text), text)
    code, text = run(fgconv, ["update", "--converter-path", plugin, work / f"{case}.old", work / "converter.out2"])
    tally.check("refused: a broken pattern in it", code == 3 and "migrations/1/names/0" in text, text)


def training_checkpoint(fgconv, work):
    """-c names a training checkpoint; configuration and side files come from the model's directory."""
    case = DATA / "golden/llama_checkpoints"
    out, back = work / "trained.c", work / "trained.hf"
    given = case / "forgather/checkpoints/checkpoint-100"
    code, text = run(fgconv, ["update", "--arch", "llama", "--from-version", "1", "-c", given, case / "forgather", out])
    tally.check("a training checkpoint: updated", code == 0, text)
    code, text = run(fgconv, [out, back])
    expected = load(case / "expected.json")["hf_back_c100"]["tensors"]
    tally.check("a training checkpoint: the one that was named", code == 0 and digests(back) == expected, text)


# ---- what must be detected ----

def wrong_rules(fgconv, work, case):
    """Migrations whose rules are wrong in ways that coverage does not see: the logits must."""
    old = work / f"{case}.old"
    for name in ("gate and up", "a transposition forgotten"):
        plugin = work / name.replace(" ", "_")
        shutil.copytree(MIGRATIONS, plugin)
        if name == "gate and up":
            path = plugin / "migrations/names.json"
            rules = load(path)
            rules["lists"]["block"][2:3] = [[r"mlp\.gate\.", "feedforward.up_proj."], [r"mlp\.up\.", "feedforward.gate_proj."], [r"mlp\.down\.", "feedforward.down_proj."]]
        else:
            path = plugin / "migrations/layout.json"
            rules = load(path)
            rules["tensors"][r"lm_head\.weight"] = {"new_shape": ["vocab_size", "hidden_size"]}
        path.write_text(json.dumps(rules))
        out = work / f"{plugin.name}.out"
        code, text = run(fgconv, ["update", "--converter-path", plugin, old, out])
        tally.check(f"wrong: {name}", code == 10 and not out.exists(), f"{code}: {text}")


def refused(fgconv, work, case):
    current, old = work / f"{case}.current", work / f"{case}.old"
    plugin = work / "gap"
    shutil.copytree(MIGRATIONS, plugin)
    (plugin / "migrations/config.json").unlink()
    unstamped = work / "unstamped"
    shutil.copytree(DATA / "golden" / case / "forgather", unstamped)
    broken = work / "broken"
    shutil.copytree(current, broken)
    (broken / "model.safetensors").write_bytes(b"no tensors")
    (broken / "config.json").write_text(json.dumps(dict(load(current / "config.json"), forgather_arch_version="0.2")))
    there = work / "there"
    there.mkdir()
    hf = DATA / "golden" / case / "hf"
    own = ["--converter-path", MIGRATIONS]
    rows = [("a missing step", ["--converter-path", plugin, old], 3, "there is no migration from version 0.2 on the way to 1"),
            ("a step back", [*own, "--to-version", "0.1", current], 2, "migrations only lead forward"),
            ("past the current version", [*own, "--to-version", "2", current], 3, "there is no migration from version 1 on the way to 2"),
            ("not stamped", [unstamped], 2, "has no forgather_arch: --arch is required"),
            ("no version", ["--arch", "llama", unstamped], 2, ": --from-version is required"),
            ("not a version", ["--arch", "llama", "--from-version", "one", unstamped], 2, 'option --from-version: found "one"'),
            ("another architecture", ["--arch", "mistral", current], 2, "has forgather_arch llama, but --arch is mistral"),
            ("another version", ["--from-version", "0.1", current], 2, "has forgather_arch_version 1, but --from-version is 0.1"),
            ("an unknown architecture", ["--arch", "nobody", "--from-version", "1", work / "no_type"], 3, "nobody"),
            ("a hf directory", ["--arch", "llama", "--from-version", "1", hf], 2, "only Forgather directories can be updated"),
            ("broken weights", [*own, broken], 3, "model.safetensors"),
            ("cuda", ["--device", "cuda", current], 2, "option --device cuda: ")]
    shutil.copytree(current, work / "no_type")
    config = load(current / "config.json")
    for key in ("hf_model_type", "forgather_arch", "forgather_arch_version"):
        del config[key]
    (work / "no_type/config.json").write_text(json.dumps(config))
    for name, arguments, code, message in rows:
        out = work / "refused"
        got, text = run(fgconv, ["update", *arguments, out], ranks=2 if code == 3 else 0)
        tally.check(f"refused: {name}", got == code and message in text and not out.exists() and not pathlib.Path(f"{out}.partial").exists(), f"{got}: {text}")
    got, text = run(fgconv, ["update", *own, old, there])
    tally.check("refused: DST is there", got == 2 and not list(there.iterdir()), text)


def gaps(fgconv, work, case):
    """--no-strict, and only it, leaves tensors out or unfilled."""
    old, gappy = work / f"{case}.old", work / "gappy"
    shutil.copytree(old, gappy)
    held = tensors(gappy)
    held["transformer.extra"] = held.pop("transformer.layer_norm.weight")
    write_safetensors(gappy / "model.safetensors", held)
    arguments = ["update", "--converter-path", MIGRATIONS, gappy, work / "gappy.out"]
    code, text = run(fgconv, arguments)
    tally.check("strict", code == 3 and "causal_lm.layer_stack.layer_norm.weight" in text and not (work / "gappy.out").exists(), text)
    code, text = run(fgconv, [*arguments, "--no-strict"])
    out = work / "gappy.out"
    tally.check("--no-strict", code == 0 and proof(out).get("kind") == "bytes" and "layer_norm" in text, text)
    tally.check("--no-strict: audit", *audited(out, missing_keys=["causal_lm.layer_stack.layer_norm.weight"], unexpected_keys=["transformer.extra"]))
    tally.check("--no-strict: left unfilled", set(digests(work / f"{case}.current")) - set(digests(out)) == {"causal_lm.layer_stack.layer_norm.weight"})


def ties(fgconv, work, case):
    """A tied head that is not the embedding any more is found without a proof, too, though a migration comes before the comparison."""
    old, untied = work / f"{case}.old", work / "untied"
    shutil.copytree(old, untied)
    held = tensors(untied)
    dtype, shape, data = held["head.weight"]
    held["head.weight"] = dtype, shape, data[:-2] + bytes([data[-2] ^ 1, data[-1]])
    write_safetensors(untied / "model.safetensors", held)
    code, text = run(fgconv, ["update", "--converter-path", MIGRATIONS, "--validate", "none", untied, work / "untied.out"])
    tally.check("refused: a tied head that differs", code == 3 and "are tied by the configuration, but differ" in text, f"{code}: {text}")


# ---- the first real one ----

def documented_norm(fgconv, work, case):
    """The name that the documentation gives is version 0; a directory of the real Forgather is version 1 without a stamp."""
    example = ROOT / "converters/examples/documented_norm"
    old, out, current = work / "documented", work / "documented.out", work / f"{case}.current"
    code, text = run(fgconv, ["--converter-path", example, DATA / "golden" / case / "hf", old])
    tally.check("documented norm: made", code == 0 and "causal_lm.layer_norm.weight" in digests(old) and load(old / "config.json")["forgather_arch_version"] == "0", text)
    code, text = run(fgconv, ["update", old, out])
    tally.check("documented norm: updated", code == 0 and proof(out).get("max_abs") == 0, text)
    same_directory("documented norm", out, current)
    real, out = DATA / "golden" / case / "forgather", work / "real.out"
    code, text = run(fgconv, ["update", "--arch", "llama", "--from-version", "1", "--safetensors", real, out])
    tally.check("real directory: updated", code == 0 and proof(out).get("max_abs") == 0, text)
    expected = load(DATA / "golden" / case / "expected.json")["forgather"]["tensors"]
    tally.check("real directory: its tensors", digests(out) == expected, digests(out))
    config, given = load(out / "config.json"), load(real / "config.json")
    rewritten = {"architectures", "auto_map", "code_generator"}
    tally.check("real directory: its configuration", all(config[k] == v for k, v in given.items() if k not in rewritten) and
                config["forgather_arch_version"] == "1" and (out / f"{config['auto_map']['AutoConfig'].split('.')[0]}.py").exists(), config)
    trained = dict(given, residual_dropout=0.1, checkpoint_stride=4)
    shutil.copytree(real, work / "trained")
    (work / "trained/config.json").write_text(json.dumps(trained))
    code, text = run(fgconv, ["update", "--arch", "llama", "--from-version", "1", "--dtype", "bfloat16", work / "trained", work / "trained.out"])
    config = load(work / "trained.out/config.json")
    tally.check("settings of the training and a cast", code == 0 and config["residual_dropout"] == 0.1 and config["checkpoint_stride"] == 4 and config["dtype"] == "bfloat16" and
                {t["dtype"] for t in digests(work / "trained.out").values()} == {"bfloat16"}, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for case in CASES:
            chain(fgconv, work, case)
        for part in (half_way, from_a_converter, wrong_rules, refused, gaps, documented_norm):
            part(fgconv, work, CASES[0])
        ties(fgconv, work, CASES[1])
        training_checkpoint(fgconv, work)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
