#!/usr/bin/env python3
"""What cannot work is said before the first byte is written, and no output file takes the place of a file that is not an older report.

    outputs.py --fgconv build/fgconv

For every command that writes a directory, and for validate: token ids, --dump, --report, sampling settings, a forward pass that does not fit, a disk that is too small. After each
refusal the source is as it was, and nothing is left next to it.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, header, load, run, write_safetensors
from halted import Halted

IDS = ["--token-ids", "1,2,3"]
SHARD = "model-00001-of-00003.safetensors"
tally = Tally()


def contents(directory):
    return {str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.rglob("*")) if p.is_file()}


class Refusals:
    """Runs that end before they write: `work` holds the sources and is afterwards what it was before."""

    def __init__(self, fgconv, work):
        self.fgconv, self.work = fgconv, work

    def refused(self, command, what, options, code, said):
        before = contents(self.work)
        found, text = run(self.fgconv, [*command, *options], ranks=0, cwd=self.work)
        early = not any(word in text for word in ("writing", "proving", "Converted"))
        tally.check(f"{command[0]}: {what}", found == code and early and all(word in text for word in said) and text.count("error:") == 1,
                    f"exit {found}, expected {code}: {text}")
        tally.check(f"{command[0]}: {what}: nothing changed", contents(self.work) == before, sorted(contents(self.work).items() ^ before.items()))

    def all_of(self, command):
        """What every command with a proof refuses; `command` ends in its source and its destination."""
        source = command[-2]
        for option in ("--report", "--dump"):
            self.refused(command, f"{option} over a shard", [*IDS, option, min((self.work / source).rglob("*.safetensors"))], 2, [option, "exists already"])
            self.refused(command, f"{option} over config.json", [*IDS, option, f"{source}/config.json"], 2, [option, "exists already"])
            self.refused(command, f"{option} in no directory", [*IDS, option, "none/file"], 2, [option, "none does not exist"])
            for path in ("-", "/dev/stdout", "/dev/fd/1", "/dev/null"):
                self.refused(command, f"{option} {path}", [*IDS, option, path], 2, [f"{option} {path}: this is not a file", "--json prints the report"])
            self.refused(command, f"{option} at a directory", [*IDS, option, source], 2, [option, "directory"])
        self.refused(command, "one name for two files", [*IDS, "--report", "new", "--dump", "./new"], 2, ["--report", "--dump"])
        self.refused(command, "a token id", ["--token-ids", "1,999999"], 2, ["999999"])
        self.refused(command, "a token id, with files asked for", ["--token-ids", "999999", "--report", "r.json", "--dump", "d.h5"], 2, ["999999"])
        self.refused(command, "too many new tokens", [*IDS, "-g", "--max-new-tokens", "99999999999"], 2, ["--max-new-tokens"])
        self.refused(command, "a forward pass that does not fit", [*IDS, "--converter-path", "plugin"], 3, ["final.missing"])


def make_sources(fgconv, work):
    shutil.copytree(DATA / "model/llama/hf", work / "hf")
    code, text = run(fgconv, ["--to", "forgather", "--max-shard-size", "150KB", *IDS, work / "hf", work / "fg"], ranks=0)
    tally.check("a Forgather directory", code == 0, text)
    spec = load(ROOT / "converters/models/llama.json")
    changed = json.dumps(spec).replace('"model.norm.weight"', '"final.missing"').replace('"causal_lm.layer_stack.layer_norm.weight"', '"final.missing"')
    (work / "plugin/models").mkdir(parents=True)
    (work / "plugin/models/llama.json").write_text(changed)
    return changed != json.dumps(spec)


def every_command(fgconv, work):
    commands = [["convert", "hf", "out"], ["convert", "fg", "out"], ["finalize", "fg", "out"], ["update-vocab", "fg", "out"], ["update", "fg", "out"], ["validate", "hf", "fg"]]
    refusals = Refusals(fgconv, work)
    for command in commands:
        refusals.all_of(command)
    for option in ("--report", "--dump"):
        for path in ("out", "out/r", "out.partial", "hf/../out.partial"):
            said = [option] if path == "out/r" else [option, "inside the destination"]
            refusals.refused(["convert", "hf", "out"], f"{option} {path}", [*IDS, option, path], 2, said)
    refusals.refused(["update-vocab", "--in-place", "fg"], "--report in what is replaced", ["--report", "fg/new.json"], 2, ["inside the destination"])


def sampling(fgconv, work):
    refusals = Refusals(fgconv, work)
    (work / "hf/generation_config.json").write_text('{"temperature": -1}')
    refusals.refused(["convert", "hf", "out"], "sampling settings", [*IDS, "-g", "--sample"], 3, ["temperature"])
    (work / "hf/generation_config.json").unlink()


def older_reports(fgconv, work):
    arguments = ["--report", "r.json", *IDS, "hf"]
    code, text = run(fgconv, [*arguments, "one"], ranks=0, cwd=work)
    tally.check("a new report", code == 0 and load(work / "r.json")["status"] == "done", text)
    first = (work / "r.json").read_text()
    code, text = run(fgconv, ["--token-ids", "999999", *arguments[:2], "hf", "two"], ranks=0, cwd=work)
    tally.check("a run that fails leaves the older report", code == 2 and (work / "r.json").read_text() == first, text)
    code, text = run(fgconv, [*arguments, "two"], ranks=2, cwd=work)
    tally.check("a report takes the place of an older one", code == 0 and load(work / "r.json")["destination"]["directory"] == "two", text)
    code, text = run(fgconv, ["--dry-run", *arguments, "three"], ranks=0, cwd=work)
    tally.check("a dry run's too", code == 0 and load(work / "r.json")["dry_run"] is True and not (work / "three").exists(), text)
    tally.check("nothing else is left", not (work / "r.json.partial").exists())


def killed(fgconv, work):
    """kill -9 leaves no file that could be taken for a report or a dump; the next run says what to remove."""
    report, dump, out = work / "k.json", work / "k.h5", work / "killed"
    left = [pathlib.Path(f"{path}.partial") for path in (report, dump)]
    arguments = [*IDS, "--report", report, "--dump", dump]
    for _ in range(20):
        with Halted(fgconv, arguments, work / "hf", out, ranks=0) as run_:
            run_.signal(signal.SIGKILL)
        if run_.met:
            break
        for path in (report, dump):
            path.unlink()
        shutil.rmtree(out)
    found = [path.exists() for path in (report, dump, *left)]
    tally.check("kill -9 leaves reserved files alone", run_.met and found == [False, False, True, True], (run_.text, found))
    shutil.rmtree(f"{out}.partial")
    for path in left[::-1]:
        code, text = run(fgconv, [*arguments, work / "hf", out], ranks=0)
        tally.check(f"the next run names {path.name}", code == 2 and f"rm {path}" in text and not out.exists(), text)
        path.unlink()
    code, text = run(fgconv, [*arguments, work / "hf", out], ranks=0)
    tally.check("what the messages advise helps", code == 0 and load(report)["status"] == "done" and not any(map(pathlib.Path.exists, left)), text)


def a_difference_is_kept(fgconv, work):
    """Report and dump of models that differ are there to be looked at."""
    shutil.copytree(work / "hf", work / "other")
    shard = work / "other" / SHARD
    shard.write_bytes(shard.read_bytes()[:-1] + b"\x3c")
    code, text = run(fgconv, ["validate", *IDS, "--report", "differ.json", "--dump", "differ.h5", "hf", "other"], ranks=0, cwd=work)
    kept = load(work / "differ.json").get("status") == "differ" and (work / "differ.h5").stat().st_size > 1000 if code == 10 else False
    tally.check("a difference is kept", kept, f"exit {code}: {text}")


def make_sparse(directory, bytes_needed):
    """A llama of one block whose embedding alone is so large, without the bytes."""
    hidden, layers = 64, 1
    rows = bytes_needed // (2 * hidden)
    config = {**load(DATA / "model/llama/hf/config.json"), "vocab_size": rows, "num_hidden_layers": layers, "tie_word_embeddings": True}
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    inner, kv = config["intermediate_size"], config["num_key_value_heads"] * config["head_dim"]
    block = "model.layers.0."
    shapes = {"model.embed_tokens.weight": [rows, hidden], "model.norm.weight": [hidden], f"{block}input_layernorm.weight": [hidden],
              f"{block}post_attention_layernorm.weight": [hidden], f"{block}self_attn.q_proj.weight": [hidden, hidden],
              f"{block}self_attn.o_proj.weight": [hidden, hidden], f"{block}self_attn.k_proj.weight": [kv, hidden],
              f"{block}self_attn.v_proj.weight": [kv, hidden], f"{block}mlp.gate_proj.weight": [inner, hidden],
              f"{block}mlp.up_proj.weight": [inner, hidden], f"{block}mlp.down_proj.weight": [hidden, inner]}
    file = directory / "model.safetensors"
    write_safetensors(file, {name: ("bfloat16", shape, Hole(shape)) for name, shape in shapes.items()})
    entries, start = header(file)
    os.truncate(file, start + max(entry["data_offsets"][1] for entry in entries.values()))


class Hole(bytes):
    """Counts as so many bytes in a header, and is written as none."""

    def __new__(cls, shape):
        self = super().__new__(cls)
        self.size = 2
        for extent in shape:
            self.size *= extent
        return self

    def __len__(self):
        return self.size


def small_disk(fgconv, work):
    make_sparse(work / "huge", 2 * shutil.disk_usage(work).free)
    for options in (["--dry-run"], []):
        code, text = run(fgconv, [*options, "--validate", "bytes", "huge", "out"], ranks=0, cwd=work)
        tally.check(f"a disk that is too small {options}", code == 4 and " free, " in text and " needed" in text and "writing" not in text
                    and "would work" not in text and not (work / "out").exists(), f"exit {code}: {text}")


def dump_space(fgconv, work):
    """A dump whose logits do not fit: the embedding of this model is a hole, and its rows are many."""
    free = shutil.disk_usage(work).free
    make_sparse(work / "wide", 2**27)
    tokens = ",".join(["1"] * (free // (8 * 2**20) + 2))  # two models, 2 ** 20 rows
    refusals = Refusals(fgconv, work)
    for command in (["convert", "wide", "out"], ["--dry-run", "convert", "wide", "out"], ["validate", "wide", "wide"]):
        name = "convert" if "convert" in command else "validate"
        command = [name, *[word for word in command if word != name]]
        refusals.refused(command, "no room for the dump", ["--token-ids", tokens, "--dump", "big.h5"], 4, ["--dump big.h5: ", " free, ", "needed for it"])


def dry_run(fgconv, work):
    code, text = run(fgconv, ["--dry-run", *IDS, "-g", "--max-new-tokens", "2", "hf", "out"], ranks=0, cwd=work)
    for word in ("disk", " needed, ", " free", "to write", "to prove", "to generate", "an estimate"):
        tally.check(f"--dry-run says \"{word}\"", code == 0 and word in text, text)
    code, text = run(fgconv, ["--dry-run", *IDS, "-g", "--max-new-tokens", "2", "--report", "plan.json", "hf", "out"], ranks=0, cwd=work)
    memory = load(work / "plan.json").get("memory", {})
    expected = [memory.get(f"expected_{part}bytes_per_rank", 0) for part in ("", "proof_", "generation_")]
    tally.check("--dry-run: no rank needs more memory than was said", min(expected) > 0 and memory["peak_bytes_per_rank"] <= max(expected), memory)
    code, text = run(fgconv, ["--dry-run", *IDS, "hf", "none/out"], ranks=0, cwd=work)
    tally.check("--dry-run: a parent that does not exist", code == 2 and "none does not exist" in text, text)
    code, text = run(fgconv, ["--dry-run", *IDS, "hf", "hf/config.json/out"], ranks=0, cwd=work)
    tally.check("--dry-run: a parent that is a file", code == 2 and "is not a directory" in text, text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        tally.check("a forward pass that does not fit", make_sources(fgconv, work))
        every_command(fgconv, work)
        sampling(fgconv, work)
        older_reports(fgconv, work)
        killed(fgconv, work)
        a_difference_is_kept(fgconv, work)
        dry_run(fgconv, work)
        dump_space(fgconv, work)
        small_disk(fgconv, work)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
