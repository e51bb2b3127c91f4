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
import socket
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

    def refused(self, command, what, options, code, said, ranks=0):
        before = contents(self.work)
        found, text = run(self.fgconv, [*command, *options], ranks=ranks, cwd=self.work, timeout=30)
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
        for names in (("new", "./new"), ("new", "new.partial"), ("new.partial", "new"), ("new", "to_here/new")):
            self.refused(command, f"one name for two files {names}", [*IDS, "--report", names[0], "--dump", names[1]], 2, ["--report and --dump both name"])
        self.refused(command, "a token id", ["--token-ids", "1,999999"], 2, ["999999"])
        self.refused(command, "a token id, with files asked for", ["--token-ids", "999999", "--report", "r.json", "--dump", "d.h5"], 2, ["999999"])
        self.refused(command, "too many new tokens", [*IDS, "-g", "--max-new-tokens", "99999999999"], 2, ["--max-new-tokens"])
        self.refused(command, "a forward pass that does not fit", [*IDS, "--converter-path", "plugin"], 3, ["final.missing"])


def make_sources(fgconv, work):
    shutil.copytree(DATA / "model/llama/hf", work / "hf")
    code, text = run(fgconv, ["--to", "forgather", "--max-shard-size", "150KB", *IDS, work / "hf", work / "fg"], ranks=0)
    tally.check("a Forgather directory", code == 0, text)
    (work / "to_here").symlink_to(".")
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


def named_and_linked(fgconv, work):
    """Files by their other names, and what is not a file. Nothing blocks."""
    shard, links = work / "hf" / SHARD, work / "links"
    links.mkdir()
    (links / "tokens.yaml").write_text("bos_token: <s>\n")
    (links / "template.jinja").write_text("{{ messages }}")
    (links / "image.npy").write_bytes(b"no image")
    (links / "family.json").write_text("{}")
    os.link(shard, links / "hard")
    for name, target in (("soft", shard), ("config", work / "fg/config.json"), ("dangling", "nowhere"), ("loop", "loop"), ("far", links / "soft"), ("to_dir", work / "hf")):
        (links / name).symlink_to(target)
    os.mkfifo(links / "fifo")
    (links / "to_fifo").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(links / "socket"))
    for number, kind in enumerate(("fifo", "link", "file", "directory")):
        taken = links / f"taken{number}.partial"
        {"fifo": os.mkfifo, "link": lambda path: path.symlink_to(shard), "file": pathlib.Path.touch, "directory": pathlib.Path.mkdir}[kind](taken)
    refusals = Refusals(fgconv, work)
    for command in (["convert", "hf", "out"], ["update-vocab", "--in-place", "fg"], ["validate", "hf", "fg"]):
        for option in ("--report", "--dump"):
            for name in ("hard", "soft", "dangling", "loop", "far", "tokens.yaml", "template.jinja", "image.npy", "family.json"):
                refusals.refused(command, f"{option} {name}", [*IDS, option, f"links/{name}"], 2, [option, "exists already"])
            for name in ("fifo", "to_fifo", "socket"):
                refusals.refused(command, f"{option} {name}", [*IDS, option, f"links/{name}"], 2, [f"{option} links/{name}: this is not a file"])
            refusals.refused(command, f"{option} to_dir", [*IDS, option, "links/to_dir"], 2, [option, "this is a directory"])
            if "--in-place" not in command:
                refusals.refused(command, f"{option} config", [*IDS, option, "links/config"], 2, [option, "exists already"])
            refusals.refused(command, f"{option} to_dir/config.json", [*IDS, option, "links/to_dir/config.json"], 2, [option, "exists already"])
            for number in range(4):
                refusals.refused(command, f"{option} taken{number}", [*IDS, option, f"links/taken{number}"], 2, [option, f"taken{number}.partial exists already"])
    refusals.refused(["convert", "hf", "out"], "--report over that of --chat-template",
                     [*IDS, "--chat-template", "links/template.jinja", "--report", "links/template.jinja"], 2, ["exists already"])
    refusals.refused(["convert", "hf", "out"], "--report over a converter", [*IDS, "--converter-path", "links", "--report", "links/family.json"], 2, ["exists already"])
    for option in ("--report", "--dump"):
        for name, said in (("fifo", "not a file"), ("soft", "exists already"), ("taken0", "exists already")):
            refusals.refused(["convert", "hf", "out"], f"3 ranks: {option} {name}", [*IDS, option, f"links/{name}"], 2, [option, said], ranks=3)
    shutil.rmtree(links)


def next_to_destination(fgconv, work):
    """The names that a destination has while it is written."""
    refusals = Refusals(fgconv, work)
    for option in ("--report", "--dump"):
        for target, name in (("out.partial", "out"), ("out.partial/x", "out"), ("new", "new.partial"), ("new", "new.old")):
            said = ["does not exist"] if "/" in target else [option, "inside the destination"]
            refusals.refused(["convert", "hf", target], f"{option} {name}", [*IDS, option, name], 2, said)


def reports_that_are_kept(fgconv, work):
    """That of a checkpoint directory says where it comes from."""
    refusals = Refusals(fgconv, work)
    shutil.copytree(work / "fg", work / "unrelated")
    os.link(work / "fg/fgconv_report.json", work / "hard.json")
    (work / "soft.json").symlink_to("fg/fgconv_report.json")
    (work / "dir").symlink_to("fg")
    shutil.copy(work / "hard.json", work / "fg/mine.json")
    for command, names in ((["convert", "fg", "out"], ["fg/fgconv_report.json", "soft.json", "dir/fgconv_report.json", "fg/mine.json", "unrelated/fgconv_report.json"]),
                           (["convert", "hf", "out"], ["fg/fgconv_report.json"]),
                           (["validate", "hf", "fg"], ["fg/fgconv_report.json", "fg/mine.json", "soft.json"]),
                           (["validate", "fg", "hf"], ["fg/fgconv_report.json", "fg/mine.json"]),
                           (["update-vocab", "fg", "out"], ["fg/fgconv_report.json", "fg/mine.json"])):
        for name in names:
            refusals.refused(command, f"--report {name}", [*IDS, "--report", name], 2, ["--report", "the report of a checkpoint directory"])
    before = contents(work / "fg")
    code, text = run(fgconv, ["--report", "hard.json", *IDS, "hf", "out"], ranks=0, cwd=work)
    tally.check("a report that is a hard link to a directory's: only the link is replaced",
                code == 0 and contents(work / "fg") == before and load(work / "hard.json")["destination"]["directory"] == "out", f"exit {code}: {text}")
    for path in (work / "out", work / "unrelated"):
        shutil.rmtree(path)
    for path in (work / "hard.json", work / "soft.json", work / "dir", work / "fg/mine.json"):
        path.unlink()


def files_that_come_later(fgconv, work):
    """Another program writes where the report and the dump will be."""
    for ranks in (0, 3):
        for option, older in (("--report", False), ("--report", True), ("--dump", False)):
            target, out = work / "later", work / "later_out"
            if older:
                run(fgconv, ["--report", target, "-q", work / "hf", out], ranks=0)
                shutil.rmtree(out)
            for _ in range(20):
                with Halted(fgconv, [*IDS, option, target], work / "hf", out, ranks=ranks) as run_:
                    target.write_text("another program's")
                if run_.met:
                    break
            name = f"{option}, another file came, {ranks} ranks, {'an older one' if older else 'none'} was there"
            said = ["fgconv: error:", str(target), f"{out} is complete and may be used"]
            tally.check(name, run_.code == 4 and target.read_text() == "another program's" and out.exists() and all(word in run_.text for word in said)
                        and run_.text.count("error:") == 1, (run_.met, run_.code, run_.text))
            tally.check(f"{name}: nothing else is left", not list(work.glob("later*.partial")), os.listdir(work))
            target.unlink()
            shutil.rmtree(out)


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
        named_and_linked(fgconv, work)
        next_to_destination(fgconv, work)
        reports_that_are_kept(fgconv, work)
        files_that_come_later(fgconv, work)
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
