#!/usr/bin/env python3
"""What is in the place of a file of SRC and is none: a link to nothing, a loop, a FIFO, a socket, a directory.

    odd_files.py --fgconv build/fgconv

Each file of a model, in each format, is replaced by each of them: fgconv refuses it and names it, and no DST appears. A file that is no part of a
model (notes, folders, weights that nothing reads) does not keep a conversion, and is named where it is left out.
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, run

GOLDEN = DATA / "golden"
MORE = ["README.md", "LICENSE", "own.py", "added_tokens.json", "additional_chat_templates/rag.jinja"]  # that a model may have
tally = Tally()


def dangling(path):
    path.symlink_to("../../blobs/4d7a")


def loop(path):
    path.symlink_to(path.name)


def fifo(path):
    os.mkfifo(path)


def at_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path.name)
    os.chdir(here)


KINDS = {"link to nothing": dangling, "loop": loop, "FIFO": fifo, "socket": at_socket, "directory": pathlib.Path.mkdir}


def files_of(model):
    return [str(p.relative_to(model)) for p in sorted(model.rglob("*")) if p.is_file() and p.name != "fgconv_report.json"]


def used(model, name):
    """Whether a conversion of the model looks at the file: of the weights, those that come first."""
    if name.startswith("pytorch_model") or name.startswith("checkpoints/"):
        return False
    return not (name.endswith(".index.json") and (model / "model.safetensors").exists())


def in_place_of_files(fgconv, label, model, folder):
    for name in [n for n in files_of(model) if used(model, n)] + MORE:
        for kind, make in KINDS.items():
            source, out = folder / "source", folder / "out"
            shutil.copytree(model, source)
            target = source / name
            target.parent.mkdir(exist_ok=True)
            target.unlink(missing_ok=True)
            make(target)
            code, text = run(fgconv, ["convert", source, out], ranks=0, timeout=20)
            good = code in (3, 4) and text.count("fgconv: error:") == 1 and target.name in text and not out.exists()
            tally.check(f"{label}: {kind} in place of {name}", good, f"exit {code}: {text}")
            shutil.rmtree(source)
            shutil.rmtree(out, ignore_errors=True)


def left_out(fgconv, folder):
    """Nothing is left out without a word; update-vocab takes along what is a file."""
    source = folder / "model"
    shutil.copytree(GOLDEN / "llama_untied_fp32/hf", source)
    for name in (".gitattributes", "notes.txt", "README.md", "modeling_x.py", "consolidated.safetensors"):
        (source / name).write_text("x")
    for name in ("original", "LICENSES"):
        (source / name).mkdir()
        (source / name / "x").write_text("x")
    (source / "events.out").symlink_to("gone")
    os.mkfifo(source / "pipe")
    special = {"LICENSES/", "original/", "events.out", "pipe", "consolidated.safetensors"}
    files = {".gitattributes", "notes.txt", "README.md", "modeling_x.py"}
    template = folder / "t.jinja"
    template.write_text("{{ messages }}")
    for name, arguments, expected, taken in (("convert", [source, folder / "a"], special | files, set()),
                                             ("to Fast-LLM", [source, folder / "b", "--to", "fast_llm"], special | files, set()),
                                             ("update-vocab", ["update-vocab", "-t", template, source, folder / "c"], special, files),
                                             ("update-vocab --no-code", ["update-vocab", "--no-code", "-t", template, source, folder / "d"],
                                              special | {"modeling_x.py"}, files - {"modeling_x.py"})):
        code, text = run(fgconv, ["-v", *arguments], ranks=0)
        out = folder / {"convert": "a", "to Fast-LLM": "b", "update-vocab": "c"}.get(name, "d")
        if not tally.check(f"{name}: exit 0", code == 0, text):
            continue
        left = json.loads((out / "fgconv_report.json").read_text())["left_files"]
        tally.check(f"{name}: the report names what is left out", set(left) == expected, f"{left}, expected {expected}")
        tally.check(f"{name}: so do the log and the summary", all(f"{n} is not copied" in text for n in expected) and "not taken" in text, text)
        tally.check(f"{name}: files that are copied", all((out / n).read_bytes() == b"x" for n in taken), sorted(p.name for p in out.iterdir()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        code, text = run(args.fgconv, [GOLDEN / "llama_untied_fp32/hf", folder / "fast_llm", "--to", "fast_llm"], ranks=0)
        tally.check("a Fast-LLM checkpoint to begin with", code == 0, text)
        for label, model in (("hf", GOLDEN / "llama_tied_rope3_bf16_sharded/hf"), ("hf, one file", GOLDEN / "llama_untied_fp32/hf"),
                             ("Forgather", GOLDEN / "llama_untied_fp32/forgather"), ("Fast-LLM", folder / "fast_llm")):
            in_place_of_files(args.fgconv, label, model, folder)
        left_out(args.fgconv, folder)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
