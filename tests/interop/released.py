#!/usr/bin/env python3
"""Compares what finalize and update-vocab write with the real transformers: released.py --fgconv build/fgconv [--model DIR]

Golden Forgather directories are finalized with tokens for chats, moved, and loaded by AutoModelForCausalLM and AutoTokenizer through their links:
logits must be those of the same model in Hugging Face's own class, generate() must stop at the added end of a turn and at the old end token, and
--generation-config presets must be settings that transformers takes. A model (--model, such as SmolLM2) goes through convert, update-vocab, finalize and back.
Prints a line a check and "N passed, N failed"; needs no network.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
WORK = tempfile.TemporaryDirectory(prefix="fgconv-released-")
os.environ["HF_MODULES_CACHE"] = WORK.name + "/modules"

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests/data/golden"
CASES = ["llama_checkpoints", "llama_untied_fp32", "llama_tied_rope3_bf16_sharded", "mistral_window_to_fp32", "qwen3_tied_bf16"]
CHAT = 'special_tokens: ["<|im_start|>", "<|im_end|>"]\n'
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
TEXT = "The old bookstore at the corner of Elm Street"
passed = failed = 0


def check(name, good, detail=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f": {str(detail)[-1500:]}"), flush=True)
    return good


def fgconv(name, *arguments):
    command = ["mpirun", "--oversubscribe", "-n", "2", PROGRAM, "-q", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return check(f"{name}: exit", done.returncode == 0, done.stdout + done.stderr)


def load(directory):
    model, report = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32, output_loading_info=True)
    check(f"{directory.name}: exactly its weights are loaded", not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report)
    return model.eval()


def emit_code(directory):
    """The golden directories come without the code of their model: fgconv's own takes its place."""
    config = json.loads((directory / "config.json").read_text())
    module, names = "fgconv_causal_lm", {"AutoConfig": "FgconvConfig", "AutoModel": "FgconvForCausalLM", "AutoModelForCausalLM": "FgconvForCausalLM"}
    config.update(auto_map={k: f"{module}.{v}" for k, v in names.items()}, architectures=["FgconvForCausalLM"])
    (directory / "config.json").write_text(json.dumps(config))
    (directory / f"{module}.py").write_bytes((ROOT / f"converters/forgather/code/{module}.py").read_bytes())


def hidden(model, ids):
    """What the head gets for the last token."""
    seen = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(ids)
    hook.remove()
    return seen[0].reshape(-1, seen[0].shape[-1])[-1]


def stops_at(name, model, ids, token):
    """The token is given the largest logit, so that generation must stop at once."""
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        before = head[token].clone()
        head[token] = 100 * model(ids).logits[0, -1].abs().max() * torch.sign(hidden(model, ids))
        made = model.generate(ids, max_new_tokens=8, do_sample=False)
        head[token] = before
    check(name, made.shape[1] == ids.shape[1] + 1 and made[0, -1] == token, made)


def same_logits(name, ids, ours, theirs):
    with torch.no_grad():
        a, b = ours(ids).logits, theirs(ids).logits
    check(name, (a - b).abs().max() <= 1e-5 * b.abs().max(), (a - b).abs().max())


def same_tensors(name, ours, theirs):
    a, b = load(ours).state_dict(), load(theirs).state_dict()
    check(name, set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a), set(a) ^ set(b))


def finalized(work, case):
    source, out, moved = work / f"{case}-run", work / f"{case}-out", work / "moved" / case
    subprocess.run(["cp", "-rp", str(GOLDEN / case / "forgather"), str(source)], check=True)
    emit_code(source)
    if not fgconv(f"{case} finalize", "finalize", "--add-tokens", work / "chat.yaml", "-t", work / "chat.jinja", source, out):
        return
    moved.parent.mkdir(exist_ok=True)
    out.rename(moved)  # links must hold
    model, tokenizer = load(moved), AutoTokenizer.from_pretrained(moved, trust_remote_code=True)
    old = []
    for file in ("config.json", "generation_config.json"):
        ids = json.loads((source / file).read_text()).get("eos_token_id", [])
        old += [i for i in (ids if isinstance(ids, list) else [ids]) if i not in old]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    check(f"{case}: what stops", model.generation_config.eos_token_id == [*old, *({end} - set(old))], model.generation_config.eos_token_id)
    check(f"{case}: rows", model.get_input_embeddings().weight.shape[0] == model.config.vocab_size >= len(tokenizer))
    check(f"{case}: template", tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) ==
          "<|im_start|>user\nhi<|im_end|>\n")
    for token in (end, *old):
        stops_at(f"{case}: generate() stops at {token}", model, ids, token)
    if fgconv(f"{case} back", moved, work / f"{case}-hf"):
        same_logits(f"{case}: logits of the class of transformers", ids, model, load(work / f"{case}-hf"))
        tokens = ["--add-tokens", work / "chat.yaml"]
        fgconv(f"{case} in one go", *tokens, source, work / f"{case}-straight")
        same_tensors(f"{case}: tensors as converted in one go", work / f"{case}-hf", work / f"{case}-straight")


def presets(work):
    preset = work / "preset.json"
    preset.write_text(json.dumps({"max_tokens": 5, "temperature": 0.7, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.1}))
    if fgconv("preset", "finalize", "--generation-config", preset, GOLDEN / "llama_untied_fp32/forgather", work / "preset"):
        config = GenerationConfig.from_pretrained(work / "preset")
        config.validate()
        check("preset: settings", (config.max_new_tokens, config.do_sample, config.top_k) == (5, True, 20), config)


def whole_way(work, source):
    """convert, update-vocab, finalize, and back to Hugging Face, with the tokens of ChatML."""
    tokens = ["--add-tokens", work / "chatml.yaml"]
    (work / "chatml.yaml").write_text('eos_token: "<|im_end|>"\nspecial_tokens: ["<|im_start|>", "<|tool|>"]\n')
    steps = [("convert", source, "fg"), ("update-vocab", *tokens, work / "fg", "vocab"),
             ("finalize", *tokens, "-t", work / "chat.jinja", work / "vocab", "final"), ("convert", work / "final", "back")]
    for *arguments, name in steps:
        if not fgconv(f"{source.name}: {arguments[0]}", *arguments, work / name):
            return
    tokenizer = AutoTokenizer.from_pretrained(work / "back", trust_remote_code=True)
    final, back, first = load(work / "final"), load(work / "back"), load(source)
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    same_logits(f"{source.name}: logits", ids, final, back)
    with torch.no_grad():
        rows = first.config.vocab_size
        kept = torch.equal(back(ids).logits[..., :rows], first(ids).logits)
    check(f"{source.name}: logits of old tokens are what they were", kept)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    stops = final.generation_config.eos_token_id
    check(f"{source.name}: old and new end stop", end in (stops if isinstance(stops, list) else [stops]), stops)
    stops_at(f"{source.name}: generate() stops at <|im_end|>", final, ids, end)


def main():
    global PROGRAM
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--model", type=pathlib.Path)
    arguments = parser.parse_args()
    PROGRAM = str(pathlib.Path(arguments.fgconv).resolve())
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    work = pathlib.Path(WORK.name)
    (work / "chat.yaml").write_text(CHAT)
    (work / "chat.jinja").write_text(TEMPLATE)
    for case in CASES:
        finalized(work, case)
    presets(work)
    whole_way(work, arguments.model or GOLDEN / "llama_untied_fp32/hf")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
