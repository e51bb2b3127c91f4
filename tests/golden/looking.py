#!/usr/bin/env python3
"""What fgconv inspect and fgconv diff say of checkpoints.

    looking.py --fgconv build/fgconv

diff of two formats goes through the plan of a conversion: what was converted is equal, and a changed number is found under its new name.
"""
import argparse
import array
import json
import math
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, environment, hdf5_floats, header, run, tensors, write_safetensors

GOLDEN = DATA / "golden"
PATCHES = "vision_tower.patch_conv.weight"
tally = Tally()


def printed(fgconv, command, *arguments, ranks=0, expected=0):
    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
    done = subprocess.run([*launcher, str(fgconv), command, "--json", *map(str, arguments)], env=environment(), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    tally.check(f"{command} {' '.join(str(a) for a in arguments[-2:])}: exit {expected}", done.returncode == expected, (done.returncode, done.stderr[-600:]))
    return json.JSONDecoder().raw_decode(done.stdout)[0]


def change_one(directory, wanted):
    """One element of the tensor whose name ends so; its name."""
    for path in pathlib.Path(directory).glob("*.safetensors"):
        entries, start = header(path)
        for name, entry in entries.items():
            if name.split("/")[0].endswith(wanted):
                blob = bytearray(path.read_bytes())
                blob[start + entry["data_offsets"][0]] ^= 1
                path.write_bytes(blob)
                return name
    return None


def across_formats(fgconv, work):
    for case in ("llama_tied_rope3_bf16_sharded", "qwen3_tied_bf16", "llama_untied_fp32"):
        source = GOLDEN / case / "hf"
        for to in ("forgather", "fast_llm"):
            target = work / f"{case}-{to}"
            run(fgconv, ["-q", "--to", to, "--dtype", "bfloat16", source, target], ranks=0)
            found = printed(fgconv, "diff", source, target)
            held = sum(len(tensors_of) for tensors_of in (tensors(target),))
            tally.check(f"{case} to {to}: all tensors are equal after conversion",
                        (found["converted_to"], found["equal"], found["tensors"]["equal"]) == (to, True, held), found)
            code, text = run(fgconv, ["diff", source, target], ranks=0)
            tally.check(f"{case} to {to}: the text says so", code == 0 and f"tensors: {held} equal after conversion, 0 with other values" in text, text)
            name = change_one(target, "norm.weight" if to == "forgather" else "norm_1.weight")
            found = printed(fgconv, "diff", source, target, expected=10)
            tally.check(f"{case} to {to}: a changed number is found", [v["name"] for v in found["tensors"]["values"]] == [name and name.split("/")[0]], (name, found["tensors"]))


def not_convertible(fgconv, work):
    """Without a plan tensors are compared by name, and a warning says why."""
    source = work / "unknown"
    source.mkdir()
    config = json.loads((GOLDEN / "qwen3_tied_bf16/hf/config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "new_key": 1}))
    for path in (GOLDEN / "qwen3_tied_bf16/hf").glob("*.safetensors*"):
        (source / path.name).symlink_to(path)
    code, text = run(fgconv, ["diff", source, work / "qwen3_tied_bf16-forgather"], ranks=0)
    tally.check("no plan: by name", code == 10 and "compared by name, as" in text and "new_key" in text and "only in" in text, text)


def rotary_spellings(fgconv, work):
    there, four, five = work / "spelled", work / "four", work / "five"
    run(fgconv, ["-q", GOLDEN / "llama_tied_rope3_bf16_sharded/hf", there], ranks=0)
    for version, out in (("4", four), ("5", five)):
        run(fgconv, ["-q", "--hf-version", version, there, out], ranks=0)
    configs = [json.loads((out / "config.json").read_text()) for out in (four, five)]
    tally.check("two spellings of rotary settings", "rope_scaling" in configs[0] and "rope_parameters" in configs[1], configs)
    found = printed(fgconv, "diff", four, five)["config"]
    tally.check("rotary settings are no difference", not any("rope" in key for part in found.values() for key in part), found)
    config = configs[1]
    config["rope_parameters"]["factor"] += 1
    (five / "config.json").write_text(json.dumps(config))
    found = printed(fgconv, "diff", four, five, expected=10)["config"]
    tally.check("another factor is", "rope_parameters/factor" in found["changed"], found)


def templates(fgconv, work):
    source = GOLDEN / "llama_tied_rope3_bf16_sharded/hf"
    found = printed(fgconv, "inspect", source)
    held = {t["name"]: (t["tensors"], t["dtype"], t["shape"]) for t in found["templates"]}
    tally.check("templates: a line for all layers", held.get("model.layers.{0..2}.mlp.up_proj.weight") == (3, "bfloat16", [160, 64])
                and held.get("model.norm.weight") == (1, "bfloat16", [64]) and sum(t[0] for t in held.values()) == 29, held)
    code, text = run(fgconv, ["inspect", source], ranks=0)
    tally.check("templates: the text", code == 0 and "model.layers.{0..2}.mlp.up_proj.weight: 3 x bfloat16 [160, 64]\n" in text and "layers.1." not in text, text)
    code, text = run(fgconv, ["inspect", "-v", source], ranks=0)
    tally.check("templates: -v lists tensors", code == 0 and "model.layers.1.mlp.up_proj.weight bfloat16 [160, 64]" in text and "{0..2}" not in text, text)


def tied(fgconv, work):
    """A tied weight counts once, whether a format writes it once or twice; other matrices of one shape are two."""
    source = GOLDEN / "llama_tied_rope3_bf16_sharded/hf"
    run(fgconv, ["-q", "--skip-default-tokens", source, work / "twice"], ranks=0)
    once, twice, untied = (printed(fgconv, "inspect", d) for d in (source, work / "twice", GOLDEN / "llama_untied_fp32/hf"))
    tally.check("tied: as many parameters in both formats", once["parameters"] == twice["parameters"] > 0, (once["parameters"], twice["parameters"]))
    tally.check("tied: named", once["tied"] == {} and list(twice["tied"]) == ["lm_head.weight"] and untied["tied"] == {}, (once["tied"], twice["tied"]))
    tally.check("tied: untied ones count twice", untied["parameters"] == sum(math.prod(t["shape"]) for t in untied["tensors"]), untied["parameters"])


def statistics_of(values):
    """Mean and deviation."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))


def statistics(fgconv, work):
    """As the standard library computes them, the same bits on any number of ranks, also of what is not finite."""
    source, draw = work / "numbers", random.Random(1)
    made = {f"model.layers.{i}.w": array.array("f", (draw.gauss(i, 2) for _ in range(300 * 70))) for i in range(2)}
    made["model.large"] = array.array("f", (draw.gauss(0, 0.1) for _ in range(60000))) * 200  # of several blocks
    made["model.layers.0.w"][355:358] = array.array("f", [math.nan, math.inf, -math.inf])
    made["model.layers.1.w"][:140] = array.array("f", [0] * 140)
    source.mkdir()
    (source / "config.json").write_text((GOLDEN / "llama_untied_fp32/hf/config.json").read_text())
    shapes = {"model.large": [4000, 3000]}
    write_safetensors(source / "model.safetensors", {k: ("float32", shapes.get(k, [300, 70]), v.tobytes()) for k, v in made.items()})
    found = printed(fgconv, "inspect", "--stats", source)
    groups = {**made, "model.layers.{0..1}.w": made["model.layers.0.w"] + made["model.layers.1.w"]}
    for entry in found["tensors"] + found["templates"]:
        stats, values = entry["stats"], groups[entry["name"]]
        good = [v for v in values[:60000] if math.isfinite(v)]  # the large one repeats itself
        mean, deviation = statistics_of(good)
        counts = [values.count(0.0), sum(map(math.isnan, values)), sum(map(math.isinf, values))]
        near = math.isclose(stats["mean"], mean, rel_tol=1e-9, abs_tol=1e-12) and math.isclose(stats["deviation"], deviation, rel_tol=1e-9)
        tally.check(f"stats of {entry['name']}", near and (stats["min"], stats["max"]) == (min(good), max(good))
                    and [stats[k] for k in ("zeros", "nan", "infinite")] == counts, (stats, counts, mean, deviation))
    for ranks in (2, 3):
        tally.check(f"stats: the same on {ranks} ranks", printed(fgconv, "inspect", "--stats", source, ranks=ranks) == found)
    tally.check("stats: --ranks", printed(fgconv, "inspect", "--stats", "--ranks", "2", source) == found)
    code, text = run(fgconv, ["inspect", "--stats", source], ranks=0)
    tally.check("stats: the text", code == 0 and ", 140 zero, 1 NaN, 2 infinite" in text and " from -" in text, text)


COLUMNS = ("largest", "mean", "source_norm", "destination_norm", "relative", "cosine")
ITEMS = ("mixer", "mlp", "output")


def check_rows(name, dump, group, expected_points, work):
    """A group of /difference, from the hidden states of the same dump."""
    printed_points = subprocess.run(["h5dump", "-d", f"{group}/point", str(dump)], capture_output=True, text=True, check=True).stdout
    points = re.findall(r'"([a-z0-9_/]+)(?:\\000)*"', printed_points.split("DATA {")[1].split("ATTRIBUTE")[0])
    tally.check(f"{name}: a row for each half-block", points == expected_points, points)
    columns = [hdf5_floats(dump, f"{group}/{c}", work, "d") for c in COLUMNS]
    for row, point in enumerate(points):
        a, b = (hdf5_floats(dump, f"/{side}/{point}", work) for side in ("source", "destination"))
        norms, apart = (math.hypot(*a), math.hypot(*b)), [abs(x - y) for x, y in zip(a, b)]
        expected = [max(apart), math.fsum(apart) / len(apart), *norms, max(apart) / max(map(abs, a)),
                    math.fsum(x * y for x, y in zip(a, b)) / norms[0] / norms[1]]
        found = [column[row] for column in columns]
        near = all(math.isclose(x, y, rel_tol=1e-9) for x, y in zip(found, expected))
        tally.check(f"{name}: {point}", near and max(apart) > 0, (found, expected))


def differences(fgconv, work):
    """The group /difference of a dump; attributes are UTF-8 of any length."""
    source, rounded, dump = work / "mod\u00e8le", work / "rounded", work / "dump.h5"
    source.symlink_to(GOLDEN / "llama_untied_fp32/hf")
    run(fgconv, ["-q", "--skip-default-tokens", "--dtype", "bfloat16", source, rounded], ranks=0)
    for ranks in (0, 3):
        dump.unlink(missing_ok=True)
        code, text = run(fgconv, ["validate", "--profile", "relaxed", "--dump", dump, source, rounded], ranks=ranks)
        tally.check(f"differences on {ranks} ranks: exit", code == 0, text)
        points = ["embedding", *(f"blocks/{b:04}/{item}" for b in range(2) for item in ITEMS), "final_norm"]
        check_rows(f"differences on {ranks} ranks", dump, "/difference", points, work)
        text = subprocess.run(["h5dump", "-A", str(dump)], capture_output=True, text=True, check=True).stdout
        tally.check(f"attributes on {ranks} ranks: of variable length, UTF-8", text.count("H5T_VARIABLE") == text.count("ATTRIBUTE ") == text.count("CSET_UTF8") > 20
                    and f"{work}/mod" in text, [text.count(w) for w in ("H5T_VARIABLE", "ATTRIBUTE ", "CSET_UTF8")])


def differences_of_vision(fgconv, work):
    """The same of a vision encoder."""
    source, changed, dump = DATA / "fast_llm/llava/basic/hf", work / "changed_vision", work / "vision.h5"
    shutil.copytree(source, changed, symlinks=True)
    held = tensors(source)
    dtype, shape, data = held[PATCHES]
    held[PATCHES] = dtype, shape, b"\x00\x3f" + data[2:]  # 0.5
    (changed / "model.safetensors").unlink()
    write_safetensors(changed / "model.safetensors", held)
    for ranks in (0, 3):
        dump.unlink(missing_ok=True)
        code, text = run(fgconv, ["validate", "--atol", "9", "--dump", dump, source, changed], ranks=ranks)
        tally.check(f"differences of vision on {ranks} ranks: exit", code == 0, text)
        points = ["vision/embedding", *(f"vision/blocks/{b:04}/{item}" for b in range(2) for item in ITEMS), "vision/adapter"]
        check_rows(f"differences of vision on {ranks} ranks", dump, "/difference/vision", points, work)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = pathlib.Path(parser.parse_args().fgconv).resolve()
    with tempfile.TemporaryDirectory() as folder:
        for test in (across_formats, not_convertible, rotary_spellings, templates, tied, statistics, differences, differences_of_vision):
            test(fgconv, pathlib.Path(folder))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
