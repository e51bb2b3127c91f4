#!/usr/bin/env python3
"""Compares fgconv with what the real Fast-LLM exported from its own distributed checkpoints (tests/data/distributed).

    distributed.py --fgconv build/fgconv PART...       "cases", "proof", "trouble", "experiment"
    distributed.py --record GOLDEN                     rewrites expected.json from the golden directory of the real program

cases       every checkpoint to hf and fast_llm, alone and with 3 ranks: tensors equal to those of the real program, the same files from any number
            of ranks; forgather as from hf; a report that is valid
proof       casts, --dry-run, --dump, -g, --resume, validate and verify over a distributed source
trouble     copies that differ, NaN, files that are missing, too many or in each other's place
experiment  EXPERIMENT in place of a checkpoint: which step, `ok`, verify when there are later steps
"""
import argparse
import json
import pathlib
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "docs"))
from checkpoint import DATA, ROOT, Tally, digests, load, run
import json_schema

CHECKPOINTS = DATA / "distributed/checkpoints"
EXPECTED = DATA / "distributed/expected.json"
FAMILIES = {"mtp-tp2-pp3": "mtp_llama"}
tally = Tally()


def family(name):
    return FAMILIES.get(name, "llama")


def own_digests(directory):
    """Those of a directory, by names without Fast-LLM's suffix, and without a head that a tied model need not have."""
    return {k.removesuffix("/weights"): v for k, v in digests(directory).items()}


def files(directory):
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.name != "fgconv_report.json"}


def convert(fgconv, source, target, *arguments, ranks=0, model="llama", **more):
    return run(fgconv, ["--no-fsync", "--model-type", model, *arguments, source, target], ranks=ranks, **more)


def good(name, result):
    code, text = result
    return tally.check(f"{name} exit", code == 0, f"{code}: {text}")


def refused(name, result, code, *parts, out=None):
    found, text = result
    missing = [p for p in parts if p not in text]
    tally.check(f"{name} is refused", found == code and not missing, f"exit {found}, no {missing} in {text}")
    if out:
        left = [p.name for p in out.parent.iterdir() if p.name.startswith(out.name)]
        expected = [f"{out.name}.fgconv_report.json"] if code == 10 else []
        tally.check(f"{name} leaves nothing", left == expected, left)


# ---- the real program's exports ----

def check_report(name, directory, ranks):
    report = load(directory / "fgconv_report.json")
    wrong = list(json_schema.problems(report, *[load(ROOT / "docs/report.schema.json")] * 2))
    tally.check(f"{name}: the report is valid", not wrong, wrong[:3])
    facts = report["source"]["distributed"]
    tally.check(f"{name}: the report has the layout", facts["ranks"] == ranks and facts["duplicates"]["differ"] == [], facts)
    tally.check(f"{name}: proved by its logits", report["proof"]["kind"] == "logits" and report["proof"]["verdict"] == "proved", report["proof"])
    names = {t["source"] for t in report["tensors"]}
    tally.check(f"{name}: the report names the model's tensors", any(str(n).startswith("decoder.0.") for n in names), names)


def cases(fgconv, work):
    for name, formats in load(EXPECTED).items():
        source, made = CHECKPOINTS / name, {}
        for to, expected in formats.items():
            for ranks in (0, 3):
                out = work / f"{name}-{to}-{ranks}"
                if not good(f"{name} to {to} on {ranks}", convert(fgconv, source, out, "--to", to, ranks=ranks, model=family(name))):
                    continue
                found = own_digests(out)
                wrong = {k: (found.get(k), v) for k, v in expected.items() if found.get(k) != v} or set(found) - set(expected) - {"lm_head.weight"}
                tally.check(f"{name} to {to} on {ranks}: {len(expected)} tensors", expected and not wrong, wrong)
                check_report(f"{name} to {to} on {ranks}", out, len(list(source.glob("rank_*.safetensors"))))
                made[to, ranks] = files(out)
            same = made.get((to, 0)) == made.get((to, 3))
            tally.check(f"{name} to {to}: the same files from any number of ranks", same)
        if name in ("llama-training", "mqa-tp4"):  # models that Forgather has
            hf, through, direct = work / f"{name}-hf-0", work / f"{name}-fg1", work / f"{name}-fg2"
            if good(f"{name} hf to forgather", run(fgconv, [hf, through], ranks=0)) and \
                    good(f"{name} to forgather", convert(fgconv, source, direct, "--to", "forgather", ranks=3)):
                tally.check(f"{name} to forgather: as from hf", digests(through) == digests(direct))
    orders(fgconv, work)


def orders(fgconv, work):
    """Where both orders are possible, values decide, or the option."""
    older = load(EXPECTED)["older-tied-tp2-pp2"]["hf"]
    for name, order, right in (("older-tied-tp2-pp2", "older", True), ("older-tied-tp2-pp2", "newer", False), ("tied-tp2-pp2", "newer", True)):
        out = work / f"{name}-as-{order}"
        if not good(f"{name} as {order}", convert(fgconv, CHECKPOINTS / name, out, "--parameter-order", order)):
            continue
        found = own_digests(out)
        tally.check(f"{name} as {order}: {'right' if right else 'other'} tensors", all(found[k] == v for k, v in older.items()) == right)
        facts = load(out / "fgconv_report.json")["source"]["distributed"]["parameter_order"]
        tally.check(f"{name} as {order}: the report says so", facts["order"] == order and "--parameter-order" in facts["why"], facts)
        code, text = run(fgconv, ["verify", CHECKPOINTS / name, out], ranks=0)
        tally.check(f"{name} as {order}: verify recalls the order", code == 0, text)


# ---- models that run over the same boxes ----

def proof(fgconv, work):
    source, plain, cast = CHECKPOINTS / "llama-training", work / "plain", work / "cast"
    good("plain", convert(fgconv, source, plain, "--validate", "bytes", ranks=2))
    good("validate of two", run(fgconv, ["validate", "--model-type", "llama", source, plain], ranks=2))
    good("cast", convert(fgconv, source, cast, "--dtype", "bfloat16", ranks=3))
    report = load(cast / "fgconv_report.json")
    tally.check("cast: the rounding is measured", report["proof"].get("rounding", {}).get("max_abs", 0) > 0, report["proof"])
    good("cast of hf", run(fgconv, ["--to", "fast_llm", "--dtype", "bfloat16", plain, work / "cast-of-hf"], ranks=0))
    good("cast to fast_llm", convert(fgconv, source, work / "cast-fast", "--to", "fast_llm", "--dtype", "bfloat16"))
    tally.check("cast: as that of the converted model", digests(work / "cast-fast") == digests(work / "cast-of-hf"))
    good("validate of two types", run(fgconv, ["validate", "--model-type", "llama", source, cast], ranks=2))
    for label, arguments in (("dry run", ["--dry-run"]), ("dry run with a cast", ["--dry-run", "--dtype", "bfloat16"])):
        good(label, convert(fgconv, source, work / "dry", *arguments, ranks=2))
    tally.check("a dry run leaves nothing", not (work / "dry").exists())
    good("dump and -g", convert(fgconv, source, work / "dumped", "--dump", work / "both.h5", "-g", "--token-ids", "1,2,3", "--max-new-tokens", "4", ranks=2))
    tally.check("dump: the file is there", (work / "both.h5").exists())
    good("--resume", run(fgconv, ["--resume", "--model-type", "llama", source, work / "resumed"], ranks=2))
    tally.check("--resume: the same files", files(work / "resumed") == files(plain))
    good("verify", run(fgconv, ["verify", source, plain], ranks=2))
    path = plain / "model.safetensors"
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    code, text = run(fgconv, ["verify", source, plain], ranks=2)
    tally.check("verify sees a changed byte", code == 10, text)
    code, text = run(fgconv, ["validate", "--model-type", "llama", source, plain], ranks=2)
    tally.check("validate sees a changed byte", code == 10, text)
    diff(fgconv, work)
    lines = run(fgconv, ["--debug-params", "--dry-run", "--model-type", "llama", source, work / "dry"], ranks=0)[1]
    tally.check("--debug-params names the model's tensors", "decoder.0.norm_1.weight -> model.layers.0.input_layernorm.weight" in lines, lines)


def diff(fgconv, work):
    """The model's tensors are compared, whatever the layout: with an export, and with a checkpoint of another layout."""
    source, export, other = CHECKPOINTS / "tied-tp2-pp2", work / "export", work / "other"
    good("diff: export", convert(fgconv, source, export, "--to", "fast_llm"))
    for label, a, b in (("an export", source, export), ("from an export", export, source)):
        code, text = run(fgconv, ["diff", "--json", a, b], ranks=0)
        found = json.loads(text.split("\nfgconv: error")[0])["tensors"] if code == 10 else {}
        tally.check(f"diff: {label} has the same tensors", found.get("equal") == 26 and not any(found[k] for k in ("only_a", "only_b", "layout", "values")), text)
    shutil.copytree(source, other)
    code, text = run(fgconv, ["diff", source, other], ranks=0)
    tally.check("diff: of a copy", code == 0, text)
    put_floats(other / "rank_2.safetensors", 512, [0.5])  # rank 0 of tensor, of decoder.0
    code, text = run(fgconv, ["diff", source, other], ranks=0)
    tally.check("diff: a number", code == 10 and "25 equal, 1 with other values" in text and "decoder.0.mixer.query.bias: 1 of 16 elements differ" in text, text)


# ---- trouble ----

def copy(work, name, case):
    target = work / name
    shutil.copytree(CHECKPOINTS / case, target)
    return target


def put_floats(path, first, values):
    """Changes numbers of weights_shard in place."""
    with open(path, "r+b") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        begin = json.loads(f.read(length))["weights_shard"]["data_offsets"][0]
        f.seek(8 + length + begin + 4 * first)
        f.write(struct.pack(f"<{len(values)}f", *values))


def trouble(fgconv, work):
    source = copy(work, "tied", "tied-tp2-pp2")
    put_floats(source / "rank_3.safetensors", 0, [0.5] * 16)  # its copy of the embedding
    out = work / "tied-out"
    code, text = convert(fgconv, source, out, ranks=3)
    tally.check("a copy that differs is a warning", code == 0 and "differs from the values" in text and "rank_2.safetensors, rank_3.safetensors" in text, text)
    differ = load(out / "fgconv_report.json")["source"]["distributed"]["duplicates"]["differ"]
    tally.check("a copy that differs is in the report", len(differ) == 1 and differ[0]["numbers"] == 16 and differ[0]["files"] == ["rank_2.safetensors", "rank_3.safetensors"], differ)
    expected = load(EXPECTED)["tied-tp2-pp2"]["hf"]
    found = own_digests(out)
    tally.check("the owner's values count", all(found[k] == v for k, v in expected.items()))

    source, out = copy(work, "nan", "mqa-tp4"), work / "nan-out"
    put_floats(source / "rank_0.safetensors", 0, [float("nan"), float("inf")])
    code, text = convert(fgconv, source, out, ranks=3)
    report = load(out / "fgconv_report.json")
    tally.check("NaN and infinity are carried", code == 0 and "2 values of the source are NaN or infinite" in text, text)
    tally.check("NaN and infinity: counted, proved by bytes", report.get("non_finite") == 2 and report["proof"]["kind"] == "bytes", report.get("proof"))
    for ranks in (0, 3):
        code, text = convert(fgconv, source, work / "nan-dry", "--dry-run", "--report", work / "dry.json", ranks=ranks)
        held = load(work / "dry.json")
        tally.check(f"NaN and infinity: counted in a dry run on {ranks}", code == 0 and "2 values of the source are NaN or infinite" in text and held.get("non_finite") == 2, text)
    code, text = convert(fgconv, source, work / "nan-dry", "--dry-run", "--validate", "none", "--report", work / "dry.json")
    tally.check("NaN and infinity: a dry run with --validate none does not read the weights", code == 0 and "non_finite" not in load(work / "dry.json") and "NaN" not in text, text)
    infinite_by_a_cast(fgconv, work, source)
    refused("NaN and --validate logits", convert(fgconv, source, work / "nan-logits", "--validate", "logits"), 10, "not finite", out=work / "nan-logits")
    rejects(fgconv, work)


def infinite_by_a_cast(fgconv, work, nan):
    """Values that a cast makes infinite are counted apart, in a dry run too."""
    source = copy(work, "large", "mqa-tp4")
    put_floats(source / "rank_0.safetensors", 0, [1e30] * 3)
    for case, overflows, non_finite in ((source, 3, 3), (nan, 0, 2)):
        for label, more in (("a dry run", ["--dry-run"]), ("a run", [])):
            report = work / "cast.json"
            report.unlink(missing_ok=True)
            out = work / f"{case.name}-{len(more)}"
            code, text = convert(fgconv, case, out, "--dtype", "float16", "--validate", "bytes", "--report", report, *more, ranks=2)
            held = load(report)
            tally.check(f"{case.name} in float16, {label}", code == 0 and (held.get("overflows"), held.get("non_finite")) == (overflows, non_finite),
                        f"{code}: {held.get('overflows')}, {held.get('non_finite')}: {text}")


def rejects(fgconv, work):
    def missing(d):
        (d / "rank_1.safetensors").unlink()

    def extra(d):
        shutil.copy(d / "rank_0.safetensors", d / "rank_4.safetensors")

    def swapped(d):
        a, b = ((d / f"rank_{i}.safetensors").read_bytes() for i in (0, 1))
        (d / "rank_0.safetensors").write_bytes(b), (d / "rank_1.safetensors").write_bytes(a)

    def cut(d):
        path = d / "rank_2.safetensors"
        path.write_bytes(path.read_bytes()[:-4])

    def ranks(d):
        path = d / "metadata.yaml"
        path.write_text(path.read_text().replace("world_size: 4", "world_size: 1000000000000"))
    for change, part in ((missing, "rank_1"), (extra, "rank_4"), (swapped, "rank"), (cut, "rank_2"), (ranks, "world_size")):
        source = copy(work, f"reject-{change.__name__}", "tied-tp2-pp2")
        change(source)
        out = work / f"rejected-{change.__name__}"
        refused(change.__name__, convert(fgconv, source, out, ranks=3), 3, part, out=out)


# ---- experiments ----

def consumed_tokens(fgconv, root):
    """Tokens of a run: what metadata.yaml says, else what config.yaml says of a batch, else none."""
    place = root / "checkpoint/120"
    shutil.copytree(CHECKPOINTS / "llama-training", place)  # two data ranks, 100 steps
    (place / "ok").touch()
    metadata, config = (place / "metadata.yaml").read_text(), (root / "config.yaml").read_text()
    logged = metadata.replace("      iteration: 100\n", "      iteration: 100\n      consumed_tokens: 6400\n")
    shared = metadata.replace("    tensor_parallel: 2\n", "    tensor_parallel: 2\n    sequence_data_parallel: 2\n")
    batch = "data: {micro_batch_size: 64}\nschedule: {depth_first_micro_batches: 3}\n"
    for label, text, run_config, expected, said in (
            ("that were logged", logged, batch, (6400, "metadata.yaml"), "6400 tokens\n"),
            ("of the batch size", metadata, batch, (100 * 64 * 3 * 2, "config.yaml"), "38400 tokens (computed: steps x batch size in config.yaml)"),
            ("of ranks that share sequences", shared, batch, (100 * 64 * 3, "config.yaml"), "19200 tokens (computed"),
            ("of older runs", metadata, "batch: {batch_size: 8, sequence_length: 16}\n", (100 * 8 * 16, "config.yaml"), "12800 tokens (computed"),
            ("that nobody says", metadata, "schedule: {depth_first_micro_batches: 3}\n", (None, None), "12345 documents\n"),
            ("of a batch that is no number", metadata, "data: {micro_batch_size: big}\n", (None, None), "12345 documents\n"),
            ("of a batch that is too large", metadata, "data: {micro_batch_size: 9000000000000000000}\n", (None, None), "12345 documents\n")):
        (place / "metadata.yaml").write_text(text)
        (root / "config.yaml").write_text(run_config)
        code, text = run(fgconv, ["inspect", "-c", "120", root], ranks=0)
        tally.check(f"tokens {label}", code == 0 and said in text, text)
        code, text = run(fgconv, ["inspect", "--json", "-c", "120", root], ranks=0)
        facts = json.loads(text)["distributed"] if code == 0 else {}
        found = facts.get("consumed_tokens"), facts.get("consumed_tokens_from")
        tally.check(f"tokens {label}: in the document", found == expected, found)
    shutil.rmtree(place)
    (root / "config.yaml").write_text(config)


def validate_steps(fgconv, root, work):
    """`validate` of an experiment takes the step of -c, whichever side it is; step 90 is made another than the latest for that."""
    put_floats(root / "checkpoint/90/rank_0.safetensors", 0, [0.25] * 16)
    step, latest = work / "step90", work / "latest"
    good("-c of a changed step", convert(fgconv, root, step, "-c", "90"))
    for label, arguments, code in (("latest", [root, step], 10), ("-c", ["-c", "90", root, step], 0), ("-c, second", ["-c", "90", step, root], 0), ("-c, other step", ["-c", "90", root, latest], 10),
                                   ("-c, both", ["-c", "90", root, root], 0)):
        for ranks in (0, 2):
            report = work / f"validate-{ranks}.json"
            found, text = run(fgconv, ["validate", "--report", report, *arguments], ranks=ranks)
            tally.check(f"validate, {label}, on {ranks}", found == code, f"exit {found}: {text}")
            sides = [load(report)[side] for side in ("source", "destination")]
            chosen = [side["training_checkpoint"] for side in sides if "experiment" in side]
            given = label != "latest"
            right = chosen and all((c["step"], c["chosen"]) == ((90, "given") if given else (100, "latest_step")) for c in chosen)
            tally.check(f"validate, {label}, on {ranks}: the report says which step", right, chosen)
            tally.check(f"validate, {label}, on {ranks}: the report counts the model's tensors", sides[0]["bytes"] == sides[1]["bytes"], sides)
    refused("validate of a step that is not there", run(fgconv, ["validate", "-c", "95", root, step], ranks=2), 2, "-c 95", "90, 100")
    refused("validate with -c where no step is", run(fgconv, ["validate", "-c", "90", step, latest], ranks=2), 2, "neither", "has training checkpoints")


def experiment(fgconv, work):
    root = work / "run"
    (root / "checkpoint").mkdir(parents=True)
    (root / "config.yaml").write_text("training: {}\n")
    for step in (90, 100):
        shutil.copytree(CHECKPOINTS / "tied-tp2-pp2", root / f"checkpoint/{step}")
        (root / f"checkpoint/{step}/ok").touch()
    if good("experiment", convert(fgconv, root, work / "latest", ranks=2)):
        side = load(work / "latest/fgconv_report.json")["source"]
        tally.check("the latest step is taken", side["training_checkpoint"]["step"] == 100 and side["experiment"] == str(root), side)
    good("-c", convert(fgconv, root, work / "given", "-c", "90"))
    validate_steps(fgconv, root, work)
    consumed_tokens(fgconv, root)
    refused("a run that names no family", run(fgconv, [root, work / "unnamed"], ranks=0), 3, "several families accept it", "--model-type", out=work / "unnamed")
    for text, family in (("training:\n  export:\n    format: llama\n", "llama"), ("pretrained:\n  format: mtp_llama\n", "mtp_llama")):
        (root / "config.yaml").write_text(text)
        if good(f"a run that names {family}", run(fgconv, [root, work / family], ranks=0)):
            found = load(work / family / "config.json").get("model_type")
            tally.check(f"the family is {family}", found == family, found)
    (root / "config.yaml").write_text("pretrained:\n  format: unknown\n")
    refused("a run that names an unknown family", run(fgconv, [root, work / "unknown"], ranks=0), 3, "several families accept it", out=work / "unknown")
    shutil.copytree(CHECKPOINTS / "older-tied-tp2-pp2", root / "checkpoint/110")
    (root / "checkpoint/110/ok").unlink(missing_ok=True)
    for source in (root, root / "checkpoint/110"):
        refused(f"{source.name} without ok", convert(fgconv, source, work / "unfinished"), 3, 'no file "ok"', "step 100 is complete", out=work / "unfinished")
    good("--allow-unfinished", convert(fgconv, root, work / "allowed", "--allow-unfinished"))
    good("verify takes the step of the report", run(fgconv, ["verify", root, work / "latest"], ranks=0))
    good("verify of one without ok", run(fgconv, ["verify", root, work / "allowed"], ranks=0))
    refused("a step that is not there", convert(fgconv, root, work / "none", "-c", "95"), 2, "-c 95", "90, 100, 110", out=work / "none")
    code, text = run(fgconv, ["inspect", root], ranks=0)
    tally.check("inspect of an experiment", code == 0 and "90, 100, 110 (not complete)" in text, text)
    code, text = run(fgconv, ["inspect", "--json", root, "-c", "100"], ranks=0)
    held = json.loads(text) if code == 0 else {}
    tally.check("inspect of a step", held.get("distributed", {}).get("tensor_parallel") == 2, text)


def record(golden):
    expected = {}
    for path in sorted(CHECKPOINTS.iterdir()):
        base = golden / "bases" / load(golden / path.name / "case.json")["base"]
        expected[path.name] = {to: own_digests(base / to) for to in ("hf", "fast_llm") if (base / to).is_dir()}
    EXPECTED.write_text("{\n" + ",\n".join(f'"{name}": {json.dumps(held, sort_keys=True)}' for name, held in expected.items()) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fgconv")
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("parts", nargs="*")
    args = parser.parse_args()
    if args.record:
        return record(args.record)
    parts = {"cases": cases, "proof": proof, "trouble": trouble, "experiment": experiment}
    for part in args.parts or parts:
        with tempfile.TemporaryDirectory() as work:
            parts[part](args.fgconv, pathlib.Path(work))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
