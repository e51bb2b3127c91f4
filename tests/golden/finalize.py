#!/usr/bin/env python3
"""finalize and update-vocab, whole runs: the same tensors as the source's, links, manifests, stop tokens, presets, replacing in place.

    finalize.py --fgconv build/fgconv PART...        cases, training, stopping, vocabulary, in_place, faults
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, load, run, tensors

GOLDEN = DATA / "golden"
TRAINING = GOLDEN / "llama_checkpoints/forgather"
CHAT = 'eos_token: "<|im_end|>"\nspecial_tokens: ["<|im_start|>"]\nregular_tokens: ["<|eot|>"]\n'
STATES = ("scheduler_state.pt", "dataset_state.pt", "rng_state.pt", "trainer_state.pt")
tally = Tally()


def contents(directory):
    """Every file and link below a directory, but for the report, which holds times."""
    held = {}
    for path in sorted(pathlib.Path(directory).rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            held[name] = "-> " + os.readlink(path)
        elif path.is_file() and name != "fgconv_report.json":
            held[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return held


def done(name, fgconv, *arguments, ranks=0, code=0, **more):
    found, text = run(fgconv, arguments, ranks=ranks, **more)
    tally.check(f"{name}: exit {code}", found == code, f"{found}: {text}")
    return text


def refused(name, fgconv, code, message, *arguments, **more):
    text = done(name, fgconv, *arguments, code=code, **more)
    tally.check(f"{name}: message", message in text, text)


def expect(name, found, expected):
    tally.check(name, found == expected, f"found {found}, expected {expected}")


# ---- every golden directory, finalized ----

def check_layout(name, directory, source):
    (checkpoint,) = (directory / "checkpoints").iterdir()
    weights = [p.name for p in checkpoint.iterdir() if "safetensors" in p.name]
    links = {p.name: os.readlink(p) for p in directory.iterdir() if p.is_symlink()}
    expect(f"{name}: links", links, {w: f"checkpoints/{checkpoint.name}/{w}" for w in weights})
    manifest = load(checkpoint / "checkpoint_manifest.json")
    expect(f"{name}: manifest", (manifest["checkpoint_path"], list(manifest["components"]), manifest["world_size"]),
           (f"checkpoints/{checkpoint.name}", ["model"], 1))
    for path in source.iterdir():
        if path.name in ("config.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            expect(f"{name}: {path.name} is the same", (directory / path.name).read_bytes(), path.read_bytes())
    return checkpoint


def cases(fgconv, work):
    for case in sorted(p.parent.name for p in GOLDEN.glob("*/case.json")):
        if case == TRAINING.parent.name:
            continue  # has a part of its own
        source, out = GOLDEN / case / "forgather", work / case
        done(case, fgconv, "finalize", "--skip-default-tokens", source, out, ranks=2)
        checkpoint = check_layout(case, out, source)
        expected = load(GOLDEN / case / "expected.json")["forgather"]["tensors"]
        expect(f"{case}: tensors", digests(checkpoint), expected)
        moved = work / "elsewhere" / case
        moved.parent.mkdir(exist_ok=True)
        out.rename(moved)
        done(f"{case}, moved, verified", fgconv, "verify", source, moved)
        done(f"{case}, moved, to hf", fgconv, "-q", moved, work / f"{case}-hf")
        done(f"{case} to hf", fgconv, "-q", source, work / f"{case}-straight")
        a, b = contents(work / f"{case}-hf"), contents(work / f"{case}-straight")
        a.pop("generation_config.json", None), b.pop("generation_config.json", None)  # finalize makes one where there was none
        expect(f"{case}: the same in hf", a, b)
        done(f"{case}: inspect", fgconv, "inspect", moved)
        refused(f"{case}: again", fgconv, 2, "the destination exists already", "finalize", source, moved)


# ---- a training run ----

def training_run(directory):
    """The golden run with three checkpoints, with manifests and state of training. checkpoint-100 is the latest by its manifest."""
    shutil.copytree(TRAINING, directory)
    for step, minute in ((9, 1), (100, 3), (200, 2)):
        checkpoint = directory / f"checkpoints/checkpoint-{step}"
        for name in ("optimizer_state.pt", *STATES):
            (checkpoint / name).write_bytes(f"{name} of {step}".encode() * 1000)
        components = {key: {"key": key, "sharing_pattern": "global", "ranks": [0], "replicated_across": None, "group_name": None,
                            "size_bytes": 7, "checksum": f"{key}-{step}", "metadata": {}}
                      for key in ("model", "optimizer", "scheduler", "rng")}
        manifest = {"checkpoint_path": f"/home/me/run/checkpoints/checkpoint-{step}", "world_size": 4,
                    "timestamp": f"2026-01-02T03:{minute:02}:00.000001", "components": components, "training_args_hash": "abc",
                    "forgather_version": None, "pytorch_version": "2.9.0", "metadata": {"run": "mine"}}
        (checkpoint / "checkpoint_manifest.json").write_text(json.dumps(manifest))
    (directory / "llama.py").write_text("# code that the run brings\n")
    (directory / "runs").mkdir()
    (directory / "runs/log.txt").write_text("x")
    (directory / "notes.txt").write_text("x")


def training(fgconv, work):
    source = work / "run"
    training_run(source)
    expected = load(GOLDEN / "llama_checkpoints/expected.json")
    first = None
    for ranks in (1, 2, 4):
        out = work / f"out{ranks}"
        text = done(f"{ranks} ranks", fgconv, "finalize", "--keep-optimizer", "--max-shard-size", "60kB", source, out, ranks=ranks)
        first = first or contents(out)
        expect(f"{ranks} ranks: the same bytes", contents(out), first)
    tally.check("several shards", sum(n.startswith("checkpoints") and n.endswith(".safetensors") for n in first) > 1, first)
    checkpoint = work / "out1/checkpoints/checkpoint-100"
    expect("the latest by its manifest", digests(checkpoint), expected["forgather/checkpoints/checkpoint-100"]["tensors"])
    optimizer = (checkpoint / "optimizer_state.pt").read_bytes()
    expect("the optimizer's state", optimizer, (source / "checkpoints/checkpoint-100/optimizer_state.pt").read_bytes())
    manifest = load(checkpoint / "checkpoint_manifest.json")
    expect("the manifest's components", list(manifest["components"]), ["model", "optimizer"])
    expect("the optimizer's size and checksum", [manifest["components"]["optimizer"][k] for k in ("size_bytes", "checksum")],
           [len(optimizer), "optimizer-100"])
    expect("the rest of the manifest", [manifest[k] for k in ("timestamp", "training_args_hash", "pytorch_version", "metadata")],
           ["2026-01-02T03:03:00.000001", "abc", "2.9.0", {"run": "mine", "finalized": True}])
    expect("its code is carried", (work / "out1/llama.py").read_text(), "# code that the run brings\n")
    tally.check("state of training is dropped", not [n for n in first if pathlib.Path(n).name in STATES or "notes" in n or "log" in n], first)
    left = load(work / "out1/fgconv_report.json")["left_files"]
    expect("the report lists what was left", sorted(pathlib.Path(n).name for n in left), sorted([*STATES, "notes.txt", "runs", "pytorch_model-00001-of-00001.bin"]))
    published = (work / "out1/fgconv_report.json").read_text()
    local = [p for p in (str(work), str(source.parent), str(pathlib.Path(fgconv).resolve().parent)) if p in published]
    tally.check("no path of this machine is published", not local and source.name in load(work / "out1/fgconv_report.json")["arguments"], local)
    tally.check("the summary says what stops", 'stops at  token 381 "<|end_of_text|>": config.json' in text, text)

    done("-c", fgconv, "finalize", "-c", source / "checkpoints/checkpoint-9", source, work / "nine")
    expect("-c: tensors", digests(work / "nine/checkpoints/checkpoint-9"), expected["forgather/checkpoints/checkpoint-9"]["tensors"])
    tally.check("no optimizer unasked", not (work / "nine/checkpoints/checkpoint-9/optimizer_state.pt").exists())
    done("-c SRC", fgconv, "finalize", "-c", source, source, work / "zero")
    expect("-c SRC: tensors", digests(work / "zero/checkpoints/checkpoint-0"), expected["forgather"]["tensors"])
    done("--root-copy", fgconv, "finalize", "--root-copy", "--dtype", "float32", source, work / "root", ranks=2)
    tally.check("--root-copy: no links, no checkpoints/", not any(p.is_symlink() or p.is_dir() for p in (work / "root").iterdir()))
    expect("--root-copy --dtype", {t[0] for t in tensors(work / "root").values()}, {"float32"})
    expect("--dtype: config.json", load(work / "root/config.json")["dtype"], "float32")
    done("--root-copy: verified", fgconv, "verify", source, work / "root")
    done("--dry-run", fgconv, "finalize", "--dry-run", source, work / "dry")
    tally.check("--dry-run writes nothing", not (work / "dry").exists())
    for name in ("bytes", "none"):
        done(f"--validate {name}", fgconv, "finalize", "--validate", name, source, work / f"validate-{name}", ranks=2)
        expect(f"--validate {name}: the same", contents(work / f"validate-{name}"), contents(work / "validate-bytes"))

    (source / "checkpoints/checkpoint-100/optimizer_state.pt").unlink()
    refused("no optimizer", fgconv, 3, "optimizer_state.pt: --keep-optimizer: there is no such file",
            "finalize", "--keep-optimizer", source, work / "no")
    refused("SRC absent", fgconv, 2, "no such directory", "finalize", work / "nowhere", work / "no")
    refused("Fast-LLM", fgconv, 3, "cannot hold training checkpoints", "finalize", DATA / "fast_llm/llama/basic/fast_llm", work / "no")
    refused("--root-copy --keep-optimizer", fgconv, 2, "and --root-copy writes none",
            "finalize", "--root-copy", "--keep-optimizer", source, work / "no")
    tally.check("what is refused leaves nothing", not [p for p in work.iterdir() if p.name.startswith("no")])


# ---- what stops a generation ----

def stops(directory):
    return [(t["id"], t["text"], t["reason"]) for t in load(directory / "fgconv_report.json")["stop_tokens"]]


def stopping(fgconv, work):
    source = GOLDEN / "llama_untied_fp32/forgather"  # eos 381, no pad before
    before, (tokens, template) = load(source / "config.json"), (work / "chat.yaml", work / "chat.jinja")
    rows = before["vocab_size"]
    tokens.write_text(CHAT)
    template.write_text("{{ messages }}")
    text = done("chat tokens", fgconv, "finalize", "--add-tokens", tokens, "-t", template, source, work / "chat", ranks=2)
    after = load(work / "chat/config.json")
    expect("config.json changes in its vocabulary alone", {k for k in after if after[k] != before.get(k)}, {"vocab_size"})
    expect("rows for the new tokens", after["vocab_size"], rows + 3)
    eos, end, turn = before["eos_token_id"], rows, rows + 2
    expect("old eos first, then the new", load(work / "chat/generation_config.json")["eos_token_id"], [eos, end, turn])
    reasons = [(eos, "<|end_of_text|>", "config.json"), (end, "<|im_end|>", "eos_token of the tokens that were added"),
               (turn, "<|eot|>", "an added token that ends a turn")]
    expect("the report says why", stops(work / "chat"), reasons)
    for token, name, why in reasons:
        tally.check(f"the summary says why of {name}", f'token {token} "{name}": {why}' in text, text)
    tally.check("no warning of a template", "has no chat template" not in text, text)
    expect("the template", (work / "chat/chat_template.jinja").read_text(), "{{ messages }}")
    done("verify knows the tokens", fgconv, "verify", source, work / "chat")
    done("to hf", fgconv, "-q", work / "chat", work / "chat-hf", ranks=2)
    done("to hf in one go", fgconv, "-q", "--add-tokens", tokens, source, work / "straight-hf")
    expect("the same tensors as a conversion that adds tokens", tensors(work / "chat-hf"), tensors(work / "straight-hf"))

    done("--no-auto-stop-tokens", fgconv, "finalize", "--no-auto-stop-tokens", "--stop-tokens", "<|im_start|>,<|eot|>", "--add-tokens", tokens,
         source, work / "manual")
    expect("--stop-tokens alone", load(work / "manual/generation_config.json")["eos_token_id"], [eos, rows + 1, turn])
    refused("unknown stop token", fgconv, 3, 'has no token "<|nope|>"', "finalize", "--stop-tokens", "<|nope|>", source, work / "no")

    wide = work / "wide"  # a wider list stays; no template and no eos in config.json
    shutil.copytree(source, wide)
    (wide / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, eos, 7], "top_k": 9}))
    (wide / "chat_template.jinja").unlink(missing_ok=True)
    text = done("a wider list", fgconv, "finalize", "--add-tokens", tokens, wide, work / "wide-out")
    kept = load(work / "wide-out/generation_config.json")
    expect("a wider list is kept", (kept["eos_token_id"], kept["top_k"]), ([eos, 5, 7, end, turn], 9))
    tally.check("a warning without a template", "has no chat template; add one with -t" in text, text)

    home = work / "home"
    (home / ".forgather/generation_config").mkdir(parents=True)
    (home / ".forgather/generation_config/precise.json").write_text(json.dumps({"max_tokens": 12, "temperature": 0.3}))
    done("a preset", fgconv, "finalize", "--generation-config", "precise", source, work / "preset", HOME=str(home))
    preset = load(work / "preset/generation_config.json")
    expect("a preset's settings", {k: preset.get(k) for k in ("max_new_tokens", "temperature", "do_sample", "max_tokens", "eos_token_id")},
           {"max_new_tokens": 12, "temperature": 0.3, "do_sample": True, "max_tokens": None, "eos_token_id": eos})
    (work / "odd.json").write_text('{"max_tokens": 1, "temprature": 1}')
    refused("a preset with an unknown key", fgconv, 3, 'the key "temprature" is not a generation setting; known are max_tokens',
            "finalize", "--generation-config", work / "odd.json", source, work / "no")
    refused("a preset that does not exist", fgconv, 2, "/.forgather/generation_config/vague.json", "finalize", "--generation-config", "vague",
            source, work / "no", HOME=str(home))
    text = done("none", fgconv, "finalize", "--generation-config", "none", "--add-tokens", tokens, source, work / "none")
    tally.check("none: there is none", not (work / "none/generation_config.json").exists())
    tally.check("none: a warning", "only the eos_token_id of config.json stops generation" in text, text)
    expect("none: what stops", stops(work / "none"), reasons[:1])
    (wide / "generation_config.json").unlink()
    done("no generation_config.json", fgconv, "finalize", wide, work / "minimal")
    minimal = load(work / "minimal/generation_config.json")
    expect("a minimal one is made", set(minimal), {"bos_token_id", "eos_token_id", "pad_token_id"})


# ---- vocabulary alone ----

def vocabulary(fgconv, work):
    tokens = work / "chat.yaml"
    tokens.write_text(CHAT)
    hf = GOLDEN / "llama_untied_fp32/hf"
    done("to Fast-LLM", fgconv, "-q", "--to", "fast_llm", hf, work / "fast_llm")
    done("to Forgather", fgconv, "-q", "--skip-default-tokens", hf, work / "forgather")
    first = None
    for name, source in (("hf", hf), ("forgather", work / "forgather"), ("fast_llm", work / "fast_llm")):
        copy = work / f"{name}-source"
        shutil.copytree(source, copy)
        (copy / "README.md").write_text("a card\n")
        (copy / "own.py").write_text("# code\n")
        outs = {}
        for ranks in (1, 2, 4):
            out = work / f"{name}{ranks}"
            done(f"{name}, {ranks} ranks", fgconv, "update-vocab", "--add-tokens", tokens, copy, out, ranks=ranks)
            outs[ranks] = contents(out)
            expect(f"{name}, {ranks} ranks: the same bytes", outs[ranks], outs[1])
        expect(f"{name}: other files and code come along", [outs[1].get(n) for n in ("README.md", "own.py")],
               [contents(copy)[n] for n in ("README.md", "own.py")])
        refused(f"{name}: DST there", fgconv, 2, "the destination exists already", "update-vocab", copy, work / f"{name}1")
        done(f"{name}: verified", fgconv, "verify", copy, work / f"{name}1", ranks=2)
        back = work / f"{name}1"
        if name != "hf":
            back = work / f"{name}-hf"
            done(f"{name} to hf", fgconv, "-q", work / f"{name}1", back)
        first = first or tensors(back)
        tally.check(f"{name}: the same model in hf", tensors(back) == first)
        config = load(back / "config.json")
        expect(f"{name}: vocab_size and eos", (config["vocab_size"], config["eos_token_id"]), (387, [382, 384]))
        template = work / "t.jinja"
        template.write_text("{{ x }}")
        done(f"{name}: a template alone", fgconv, "update-vocab", "--skip-default-tokens", "-t", template, copy, work / f"{name}-t")
        changed = {n for n, digest in contents(work / f"{name}-t").items() if contents(copy).get(n) != digest}
        own = {"chat_template.jinja", "tokenizer_config.json"}
        tally.check(f"{name}: only the template changes", "chat_template.jinja" in changed and "tokenizer.json" not in changed and
                    "config.json" not in changed, changed - own)
    expect("tokens of a Forgather directory: config.json", {k for k, v in load(work / "forgather1/config.json").items()
                                                            if load(work / "forgather/config.json").get(k) != v}, {"vocab_size", "eos_token_id"})
    odd = work / "odd"
    shutil.copytree(hf, odd)
    (odd / "config.json").write_text(json.dumps({**load(hf / "config.json"), "novel_key": False}))
    text = done("a key that is off", fgconv, "-q", "update-vocab", "-t", work / "t.jinja", odd, work / "odd2")
    expect("it is warned of once, whichever converter is tried before", text.count("novel_key"), 1)
    refused("no DST", fgconv, 2, "needs SRC DST", "update-vocab", hf)


def in_place(fgconv, work):
    tokens = work / "chat.yaml"
    tokens.write_text(CHAT)
    hf = GOLDEN / "llama_untied_fp32/hf"
    done("separate", fgconv, "update-vocab", "--add-tokens", tokens, hf, work / "separate")
    shutil.copytree(hf, work / "model")
    (work / "link").symlink_to("model")
    done("in place", fgconv, "update-vocab", "--in-place", "--add-tokens", tokens, work / "link", ranks=2)
    expect("in place: as with a DST", contents(work / "model"), contents(work / "separate"))
    expect("in place: nothing else is left", sorted(p.name for p in work.iterdir()), ["chat.yaml", "link", "model", "separate"])
    tally.check("in place: the link leads there still", (work / "link").is_symlink() and (work / "link/config.json").exists())
    (work / "model/original").mkdir()
    refused("a folder would be lost", fgconv, 3, "--in-place would lose original: a folder", "update-vocab", "--in-place", work / "model")
    (work / "model/original").rmdir()
    shutil.copy(work / "model/model.safetensors", work / "model/other.safetensors")
    refused("weights would be lost", fgconv, 3, "would lose other.safetensors: weights that are not read", "update-vocab", "--in-place",
            work / "model")
    refused("checkpoints would be lost", fgconv, 3, "would lose checkpoints: a folder", "update-vocab", "--in-place", TRAINING)
    refused("SRC absent", fgconv, 2, "no such directory", "update-vocab", "--in-place", work / "nowhere")
    (work / "model/other.safetensors").unlink()
    before = contents(work / "model")
    (work / "model.partial").mkdir()
    refused("interrupted before", fgconv, 2, "model.partial exists already", "update-vocab", "--in-place", work / "model")
    expect("interrupted before: SRC as it was", contents(work / "model"), before)
    (work / "model.partial").rmdir()
    (work / "model").rename(work / "model.old")
    refused("interrupted between", fgconv, 2, "was interrupted while it replaced this directory", "update-vocab", "--in-place", work / "model")


# ---- failures ----

def faults(fgconv, work):
    """Every call to the disk fails once: DST is whole or not there, SRC the old one or the new one."""
    source, tokens = work / "run", work / "chat.yaml"
    training_run(source)
    tokens.write_text(CHAT)
    arguments = ["-q", "finalize", "--keep-optimizer", "--add-tokens", tokens, source, work / "out"]
    done("unharmed", fgconv, *arguments)
    whole, count, passed = contents(work / "out"), 0, 0
    while passed < 3:  # a failure that comes after publishing may be a warning
        shutil.rmtree(work / "out", ignore_errors=True)
        count += 1
        code, text = run(fgconv, arguments, ranks=0, FGCONV_FAIL_IO=str(count))
        out, partial = (work / "out").exists(), (work / "out.partial").exists()
        good = not partial and (contents(work / "out") == whole if out else code in (3, 4))
        if not good or count > 2000:
            tally.check(f"finalize, call {count}", False, f"{code}: {text}")
            break
        passed = passed + 1 if code == 0 else 0
    tally.check(f"finalize: each of {count} calls failed once", passed and count > 100, text)

    model, old = work / "model", contents(GOLDEN / "llama_untied_fp32/hf")
    arguments = ["-q", "update-vocab", "--in-place", "--add-tokens", tokens, model]
    new, count, passed = None, 0, 0
    while passed < 3:
        for path in work.glob("model*"):
            shutil.rmtree(path)
        shutil.copytree(GOLDEN / "llama_untied_fp32/hf", model)
        new = new or (done("in place, unharmed", fgconv, *arguments), contents(model))[1]
        if not count:
            shutil.rmtree(model)
            shutil.copytree(GOLDEN / "llama_untied_fp32/hf", model)
        count += 1
        code, text = run(fgconv, arguments, ranks=0, FGCONV_FAIL_IO=str(count))
        if contents(model) not in (old, new) or count > 2000:
            tally.check(f"in place, call {count}", False, f"{code}: {text}")
            break
        passed = passed + 1 if code == 0 else 0
    tally.check(f"in place: each of {count} calls failed once", passed and count > 50, text)


def main():
    parts = {"cases": cases, "training": training, "stopping": stopping, "vocabulary": vocabulary, "in_place": in_place, "faults": faults}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("parts", nargs="+", metavar="PART", choices=list(parts))
    arguments = parser.parse_args()
    for part in arguments.parts:
        with tempfile.TemporaryDirectory(prefix=f"fgconv-{part}-") as work:
            parts[part](arguments.fgconv, pathlib.Path(work))
    return tally.end()


sys.exit(main())
