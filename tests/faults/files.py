#!/usr/bin/env python3
"""Files that are not what they seem: links to nothing, Git LFS pointers, empty ones, disks that fail when asked, and directories without a model.

    files.py --fgconv build/fgconv

A path that cannot be looked at must never count as one that is not there: a result without its chat template, with exit 0, is a wrong result.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, run

GOLDEN = DATA / "golden"
HF, FORGATHER, SHARDED = GOLDEN / "llama_untied_fp32/hf", GOLDEN / "llama_checkpoints/forgather", GOLDEN / "llama_tied_rope3_bf16_sharded/hf"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4d" * 32 + "\nsize 4943162240\n"
SIDE_FILES = ["generation_config.json", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "chat_template.jinja",
              "additional_chat_templates/rag.jinja", "tokenizer.model", "vocab.json", "LICENSE", "fgconv_carried.json"]
tally = Tally()


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def put(path, text):
    """In place of whatever has that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)


def link_to_nothing(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to("../../blobs/4d7a")


def refused(name, fgconv, arguments, words, code=3, out=None):
    got, text = run(fgconv, arguments, ranks=0, timeout=60)
    good = got == code and text.count("fgconv: error:") == 1 and all(w in text for w in words) and not (out and out.exists())
    tally.check(name, good, f"exit {got}: {text}")


class Folder:
    """A scratch folder with a copy of a model in it."""

    def __init__(self, model=HF):
        self.keep = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.keep.name)
        self.source, self.out, self.model = self.path / "source", self.path / "out", model
        self.copy()

    def copy(self):
        shutil.copytree(self.model, self.source)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keep.cleanup()


def commands(f, tokens, fast_llm):
    """Each command with the directory in each of its places: name, arguments, what it must not make."""
    return [("convert", ["convert", f.source, f.out], f.out),
            ("convert to Fast-LLM", ["convert", f.source, f.out, "--to", "fast_llm"], f.out),
            ("inspect", ["inspect", f.source], None),
            ("validate, first", ["validate", f.source, HF], None),
            ("validate, second", ["validate", HF, f.source], None),
            ("verify, first", ["verify", f.source, HF], None),
            ("diff, first", ["diff", f.source, HF], None),
            ("diff, second", ["diff", HF, f.source], None),
            ("--hf-base", ["convert", fast_llm, f.out, "--hf-base", f.source], f.out),
            ("update-vocab --in-place", ["update-vocab", f.source, "--in-place", "--add-tokens", tokens], None)]


def damaged_side_files(fgconv, what, damage, words, fast_llm):
    """Every command refuses a damaged side file, names it and leaves all as it was."""
    for name in SIDE_FILES:
        with Folder() as f:
            tokens = f.path / "tokens.yaml"
            tokens.write_text('pad_token: "<|p|>"\n')
            damage(f.source / name)
            before = contents(f.source)
            every = commands(f, tokens, fast_llm)
            for command, arguments, out in every if name in ("chat_template.jinja", "tokenizer_config.json") else every[:3]:
                refused(f"{what}: {name}: {command}", fgconv, arguments, [f"{f.source}/{name}", *words], out=out)
            tally.check(f"{what}: {name}: the source is as it was", contents(f.source) == before)


def damaged_models(fgconv):
    for what, damage, words in (("link to nothing", link_to_nothing, ["a link to ../../blobs/4d7a, which does not exist"]),
                                ("Git LFS pointer", lambda path: put(path, POINTER), ["Git LFS pointer", "git lfs pull"]),
                                ("empty file", lambda path: put(path, ""), ["the file is empty"])):
        for model, name in ((HF, "model.safetensors"), (SHARDED, "model-00002-of-00003.safetensors"), (SHARDED, "model.safetensors.index.json"),
                            (HF, "config.json"), (GOLDEN / "mistral_nowindow_bin_skipdefault/hf", "pytorch_model.bin")):
            with Folder(model) as f:
                damage(f.source / name)
                for command in ("convert", "inspect", "config") if name == "config.json" else ("convert", "inspect"):
                    refused(f"{what}: {name}: {command}", fgconv, [command, f.source, *([f.out] if command == "convert" else [])],
                            [f"{f.source}/{name}", *words], out=f.out)
    with Folder(FORGATHER) as f:
        shutil.rmtree(f.source / "checkpoints", ignore_errors=True)
        (f.source / "checkpoints").symlink_to("/nowhere/run")
        refused("link to nothing: checkpoints", fgconv, [f.source, f.out], [f"{f.source}/checkpoints", "a link to /nowhere/run"], out=f.out)
    with Folder() as f:
        (f.path / "link").symlink_to("blobs/none")
        refused("link to nothing: SRC", fgconv, [f.path / "link", f.out], ["a link to blobs/none"], out=f.out)
        refused("link to nothing: --converter-path", fgconv, [f.source, f.out, "--converter-path", f.path / "link"], ["a link to blobs/none"],
                out=f.out)
    with Folder() as f:
        (f.source / "events.out").symlink_to("gone")
        code, text = run(fgconv, [f.source, f.out], ranks=0)
        tally.check("a link to nothing that does not travel with a model is passed over", code == 0, text)


def failing_lookups(fgconv, fast_llm):
    """EIO at each call that touches the disk: exit 4, or an answer that is the good one. Every fifth of them with sanitizers, which take ten times as long."""
    step = 5 if b"__asan_init" in pathlib.Path(fgconv).read_bytes() else 1
    with Folder() as f:
        tokens = f.path / "tokens.yaml"
        tokens.write_text('pad_token: "<|p|>"\n')
        f.kept = contents(f.source)
        for name, arguments in (("inspect", ["inspect", f.source]), ("config", ["config", f.source]), ("diff", ["diff", f.source, f.source]),
                                ("--hf-base", [fast_llm, f.out, "--hf-base", f.source, "--validate", "none"]),
                                ("update-vocab --in-place", ["update-vocab", f.source, "--in-place", "--add-tokens", tokens, "--validate", "none"])):
            wrong = []
            for n in range(1, 600, step):
                shutil.rmtree(f.source)
                f.copy()
                code, text = run(fgconv, arguments, ranks=0, timeout=60, FGCONV_FAIL_IO=str(n))
                if code == 0:
                    break
                kept = "is complete" in text or (contents(f.source) == f.kept and not f.out.exists())
                if code != 4 or text.count("fgconv: error:") != 1 or not kept:
                    wrong.append((n, code, text[-300:]))
                shutil.rmtree(f.out, ignore_errors=True)
            shutil.rmtree(f.out, ignore_errors=True)
            tally.check(f"EIO at each of {n - 1} calls: {name}", not wrong and n > 5 and code == 0, wrong[:3])


NO_WEIGHTS = [  # files next to config.json, what the message says
    (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], ["shards without their index", "model-00001-of-00002.safetensors", "1 more"]),
    (["pytorch_model-00001-of-00002.bin"], ["shards without their index", "pytorch_model.bin.index.json"]),
    (["consolidated.safetensors", "params.json"], ["consolidated.safetensors", "model*.safetensors"]),
    (["consolidated.00.pth"], ["consolidated.00.pth"]),
    (["model.fp16.safetensors"], ["model.fp16.safetensors", "variant"]),
    (["model.fp16-00001-of-00002.safetensors", "model.safetensors.index.fp16.json"], ["model.fp16-00001-of-00002.safetensors", "variant"]),
    (["pytorch_model.fp16.bin"], ["pytorch_model.fp16.bin", "variant"]),
    (["llama-2-7b.Q4_K_M.gguf"], ["llama-2-7b.Q4_K_M.gguf", "llama.cpp"]),
    (["__0_0.distcp", ".metadata"], ["distributed checkpoint of PyTorch", "dcp_to_torch"]),
    (["model.nemo"], ["model.nemo", "NeMo"]),
    (["model.onnx"], ["model.onnx", "ONNX"]),
    (["tf_model.h5"], ["tf_model.h5", "TensorFlow"]),
    (["flax_model.msgpack"], ["flax_model.msgpack", "Flax"]),
    (["adapter_model.safetensors"], ["adapter_model.safetensors", "merge"]),
    (["global_step100/mp_rank_00_model_states.pt"], ["global_step100", "DeepSpeed"]),
    (["pytorch_model_fsdp_0/.metadata"], ["pytorch_model_fsdp_0", "accelerate"]),
    (["model.safetensors.incomplete"], ["model.safetensors.incomplete", "not complete"]),
    (["weights.pt"], ["weights.pt"]),
    (["my.safetensors"], ["my.safetensors"]),
    (["training_args.bin", "README.md"], ["it holds README.md, config.json"]),
    (["checkpoint-20/config.json", "checkpoint-9/config.json"], ["checkpoint-9, checkpoint-20", "source/checkpoint-20"]),
    ([], ["it holds config.json"]),
]
NO_CONFIG = [
    (["snapshots/0a1b/config.json", "snapshots/ffff/config.json", "refs/main", "blobs/1"], ["cache of the Hugging Face hub", "source/snapshots/0a1b"]),
    (["models--a--b/snapshots/0a1b/config.json"], ["cache of the Hugging Face hub", "source/models--a--b/snapshots/0a1b"]),
    (["hub/models--a--b/snapshots/0a1b/config.json"], ["source/hub/models--a--b/snapshots/0a1b"]),
    (["checkpoint-20/config.json", "checkpoint-100/config.json", "training_args.bin"], ["training run", "source/checkpoint-100"]),
    (["Llama-3.2-1B/config.json"], ["source/Llama-3.2-1B"]),
    (["tiny.gguf"], ["tiny.gguf", "llama.cpp"]),
    (["consolidated.safetensors", "params.json"], ["consolidated.safetensors"]),
    (["model.nemo"], ["NeMo"]),
    ([".metadata", "__0_0.distcp"], ["distributed checkpoint of PyTorch"]),
    (["model.safetensors"], ["it holds", "model.safetensors"]),
    ([], ["the directory is empty"]),
]


def model_elsewhere(fgconv):
    for cases, missing, keep in ((NO_WEIGHTS, "no weights", ["config.json"]), (NO_CONFIG, "no config.json", [])):
        for files, words in cases:
            with tempfile.TemporaryDirectory() as folder:
                source, out = pathlib.Path(folder) / "source", pathlib.Path(folder) / "out"
                source.mkdir()
                for name in keep:
                    shutil.copy(HF / name, source / name)
                for name in files:
                    put(source / name, "0a1b" if name.endswith("refs/main") else "x" * 2000)
                label = ", ".join(files) or "nothing"
                for command, arguments in (("convert", [source, out]), ("inspect", ["inspect", source]), ("config", ["config", source])):
                    if command == "config" and keep:
                        continue
                    refused(f"{missing}, but {label}: {command}", fgconv, arguments, [f"{source}: {missing}", *words, "hint:"], out=out)
                if files == NO_WEIGHTS[0][0] or files == NO_CONFIG[0][0]:
                    for command, arguments in (("validate", ["validate", source, HF]), ("verify", ["verify", source, HF]), ("diff", ["diff", HF, source])):
                        refused(f"{missing}, but {label}: {command}", fgconv, arguments, [f"{source}: {missing}", *words])


def only_exports(fgconv):
    """A folder of a training run that has no checkpoint, but models that the trainer exported."""
    with Folder() as f:
        shutil.rmtree(f.source)
        put(f.source / "config.yaml", "")
        for step in (20, 100):
            put(f.source / f"export/fast_llm/{step}/metadata.yaml", "")
        last = f"{f.source}/export/fast_llm/100"
        refused("an experiment without checkpoints: convert", fgconv, [f.source, f.out], ["an experiment of Fast-LLM", f"hint: convert the model that it exported: {last}"],
                out=f.out)
        code, text = run(fgconv, ["inspect", f.source], ranks=0)
        tally.check("an experiment without checkpoints: inspect", code == 0 and "fast_llm: 20 (not complete), 100 (not complete)" in text, text)


def file_for_directory(fgconv):
    with Folder() as f:
        (f.path / "x.gguf").write_text("GGUF")
        for name, words in (("source/config.json", [f"{f.source}/config.json: a file", "hint: give the directory"]),
                            ("source/model.safetensors", ["a file", f"{f.source}"]), ("x.gguf", ["x.gguf: a file", "llama.cpp"])):
            for arguments in ([f.path / name, f.out], ["inspect", f.path / name]):
                refused(f"a file in place of a directory: {name}: {arguments[0] if len(arguments) > 1 and arguments[0] == 'inspect' else 'convert'}",
                        fgconv, arguments, words, code=2, out=f.out)


def bytes_that_are_no_utf8(fgconv):
    """A path may have any bytes; the report has them as U+FFFD."""
    with Folder() as f:
        out = bytes(f.path) + b"/o\xff"
        code, text = run(fgconv, [f.source, out.decode(errors="surrogateescape")], ranks=0)
        report = pathlib.Path(out.decode(errors="surrogateescape")) / "fgconv_report.json"
        good = code == 0 and "\ufffd" in json.dumps(json.loads(report.read_text()), ensure_ascii=False)
        tally.check("a path that is not UTF-8", good, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fast_llm = pathlib.Path(folder) / "fast_llm"
        code, text = run(args.fgconv, [HF, fast_llm, "--to", "fast_llm"], ranks=0)
        tally.check("a Fast-LLM checkpoint to begin with", code == 0, text)
        damaged_side_files(args.fgconv, "link to nothing", link_to_nothing, ["a link to ../../blobs/4d7a, which does not exist", "download"], fast_llm)
        damaged_side_files(args.fgconv, "Git LFS pointer", lambda path: put(path, POINTER), ["Git LFS pointer", "git lfs pull"], fast_llm)
        failing_lookups(args.fgconv, fast_llm)
    damaged_models(args.fgconv)
    model_elsewhere(args.fgconv)
    only_exports(args.fgconv)
    file_for_directory(args.fgconv)
    bytes_that_are_no_utf8(args.fgconv)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
