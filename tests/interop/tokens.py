#!/usr/bin/env python3
"""Compares the tokens that fgconv adds with the real transformers: tokens.py --fgconv build/fgconv

Each model gets the tokens of several YAML files, with fgconv and with transformers' own calls (add_special_tokens, add_tokens) on the
source's tokenizer. AutoTokenizer must then give the same from what fgconv wrote: ids, length, roles, flags, what texts are cut into,
chat templates; the model class loads with rows for all of them, the configurations name the ids, and generate() stops at a new eos.
Both directions. Prints a line a check and "N passed, N failed"; needs no network.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
WORK = tempfile.TemporaryDirectory(prefix="fgconv-tokens-")
os.environ["HF_MODULES_CACHE"] = WORK.name + "/modules"

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests/data/golden"
MODELS = ["llama_untied_fp32", "llama_tied_rope3_bf16_sharded", "mistral_window_to_fp32", "qwen3_add_tokens_fp32", "llama_maxlen_padded_vocab"]
ROLES = ["unk", "bos", "eos", "pad"]  # the order of new ids
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
TEXTS = ["Hello<|tool|> zzyzx x", "<|new_eos|>a <new_unk>b", "harbourmasters [PAD] <|im_start|>user\nhi<|im_end|>\n", "caf\u00e9 <|b|>  \n zzyzx"]
# name: what is asked for; a role's value is its text
REQUESTS = {
    "default": {},
    "roles": {"bos": "<|new_bos|>", "eos": "<|new_eos|>", "pad": "<|pad|>", "unk": "<new_unk>"},
    "chat": {"eos": "<|im_end|>", "special": ["<|im_start|>", "<|im_end|>", "<|tool|>"], "regular": ["harbourmaster", "zzyzx"]},
    "lists": {"special": ["<|tool|>", "<|b|>"], "regular": ["zzyzx"]},
}
passed = failed = 0


def check(name, good, detail=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f": {str(detail)[-1500:]}"), flush=True)
    return good


def as_yaml(request):
    lines = [f"{role}_token: {json.dumps(request[role])}" for role in ROLES if role in request]
    for kind in ("special", "regular"):
        lines += [f"{kind}_tokens: {json.dumps(request[kind])}"] if kind in request else []
    return "\n".join(lines) + "\n"


def by_transformers(directory, request, towards_forgather):
    """The source's tokenizer with the request carried out by transformers, in fgconv's order."""
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    if not request:
        if towards_forgather and tokenizer.pad_token is None:
            tokenizer.add_special_tokens({"pad_token": "[PAD]"})
        return tokenizer
    for role in ROLES:
        if role in request and getattr(tokenizer, f"{role}_token") != request[role]:
            tokenizer.add_special_tokens({f"{role}_token": request[role]})
    more = "additional_special_tokens" if transformers.__version__ < "5" else "extra_special_tokens"
    held = list(getattr(tokenizer, more, None) or [])
    new = [t for t in request.get("special", []) if t not in held]
    if new:
        tokenizer.add_special_tokens({more: held + new})
    tokenizer.add_tokens([t for t in request.get("regular", []) if t not in tokenizer.get_vocab()])
    return tokenizer


def looks(tokenizer):
    """What must be the same, each part under a name."""
    decoder = {i: (t.content, t.special, t.lstrip, t.rstrip, t.single_word, t.normalized) for i, t in tokenizer.added_tokens_decoder.items()}
    return {
        "length": len(tokenizer),
        "roles": {role: (getattr(tokenizer, f"{role}_token"), getattr(tokenizer, f"{role}_token_id")) for role in ROLES},
        "special tokens": sorted(tokenizer.all_special_tokens),
        "added tokens": decoder,
        "ids of texts": [tokenizer(text)["input_ids"] for text in TEXTS],
        "texts of ids": [tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) for text in TEXTS],
    }


def convert(fgconv, source, destination, *options):
    command = ["mpirun", "--oversubscribe", "-n", "2", fgconv, *map(str, options), str(source), str(destination)]
    done = subprocess.run(command, capture_output=True, text=True)
    return check(f"{destination.name} exit", done.returncode == 0, done.stdout + done.stderr)


def load(path):
    return json.loads(path.read_text()) if path.exists() else {}


def as_list(ids):
    return ids if isinstance(ids, list) else [] if ids is None else [ids]


def check_model(name, directory, tokenizer, own_code):
    model, report = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=own_code, dtype=torch.float32, output_loading_info=True)
    check(f"{name}: exactly its weights are loaded", not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report)
    model.eval()
    rows = {model.get_input_embeddings().weight.shape[0], model.get_output_embeddings().weight.shape[0], model.config.vocab_size}
    check(f"{name}: one row a token", len(rows) == 1 and rows.pop() >= len(tokenizer), rows)
    config, generation = load(directory / "config.json"), load(directory / "generation_config.json")
    for role in ("bos", "pad"):
        wanted, held = getattr(tokenizer, f"{role}_token_id"), generation.get(f"{role}_token_id")
        if wanted is not None:
            check(f"{name}: {role} in config.json", config.get(f"{role}_token_id") == wanted, config.get(f"{role}_token_id"))
            check(f"{name}: {role} in generation_config.json agrees", held in (None, wanted), held)
    for file, document in (("config.json", config), ("generation_config.json", generation)):
        if document:
            check(f"{name}: eos in {file}", tokenizer.eos_token_id in as_list(document.get("eos_token_id")), document.get("eos_token_id"))
    ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    with torch.no_grad():  # the eos token gets the largest logit, so that generation must stop at once
        head = model.get_output_embeddings().weight
        head[tokenizer.eos_token_id] = 100 * model(ids).logits[0, -1].abs().max() * torch.sign(hidden(model, ids))
    made = model.generate(ids, max_new_tokens=8, do_sample=False)
    check(f"{name}: generate() stops at eos", made.shape[1] == ids.shape[1] + 1 and made[0, -1] == tokenizer.eos_token_id, made)


def hidden(model, ids):
    """What the head gets for the last token."""
    seen = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(ids)
    hook.remove()
    return seen[0].reshape(-1, seen[0].shape[-1])[-1]


def compare(name, directory, expected):
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    found = looks(tokenizer)
    for part, value in expected.items():
        check(f"{name}: {part}", found[part] == value, (found[part], value))
    return tokenizer


def one(fgconv, work, model, title, request):
    source, forgather, back = GOLDEN / model / "hf", work / f"{model}-{title}-forgather", work / f"{model}-{title}-hf"
    options = []
    if request:
        (work / "tokens.yaml").write_text(as_yaml(request))
        options = ["--add-tokens", work / "tokens.yaml"]
    if convert(fgconv, source, forgather, *options):
        tokenizer = compare(forgather.name, forgather, looks(by_transformers(source, request, True)))
        check_model(forgather.name, forgather, tokenizer, True)
        if convert(fgconv, forgather, back):  # and back, where nothing is added
            compare(f"{back.name} after the way there", back, looks(tokenizer))
    # towards Hugging Face, from a directory without the tokens
    plain, other = work / f"{model}-{title}-plain", work / f"{model}-{title}-other"
    if convert(fgconv, source, plain, "--skip-default-tokens") and convert(fgconv, plain, other, *options):
        tokenizer = compare(other.name, other, looks(by_transformers(source, request, False)))
        check_model(other.name, other, tokenizer, False)


def templates(fgconv, work):
    (work / "chat.jinja").write_text(TEMPLATE)
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "oh"}]
    want = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\noh<|im_end|>\n"
    source = GOLDEN / MODELS[0] / "hf"
    there, back = work / "template-forgather", work / "template-hf"
    if convert(fgconv, source, there, "-t", work / "chat.jinja"):
        tokenizer = AutoTokenizer.from_pretrained(there, trust_remote_code=True)
        check("the template of -t is used", tokenizer.apply_chat_template(messages, tokenize=False) == want)
        if convert(fgconv, there, back, "--chat-template", work / "chat.jinja"):
            tokenizer = AutoTokenizer.from_pretrained(back)
            check("on the way back too", tokenizer.apply_chat_template(messages, tokenize=False) == want)
    held = work / "held"  # templates inside tokenizer_config.json, one of them named
    subprocess.run(["cp", "-r", str(source), str(held)], check=True)
    (held / "chat_template.jinja").unlink(missing_ok=True)
    config = load(held / "tokenizer_config.json")
    config["chat_template"] = [{"name": "default", "template": "old"}, {"name": "tool_use", "template": "with tools"}]
    (held / "tokenizer_config.json").write_text(json.dumps(config))
    if convert(fgconv, held, work / "held-forgather", "-t", work / "chat.jinja"):
        tokenizer = AutoTokenizer.from_pretrained(work / "held-forgather", trust_remote_code=True)
        check("it replaces the default of several", tokenizer.apply_chat_template(messages, tokenize=False) == want)
        check("and the others stay", tokenizer.apply_chat_template(messages, chat_template="tool_use", tokenize=False) == "with tools")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    work = pathlib.Path(WORK.name)
    for model in MODELS:
        for title, request in REQUESTS.items():
            one(fgconv, work, model, title, request)
    templates(fgconv, work)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
