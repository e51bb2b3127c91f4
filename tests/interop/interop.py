#!/usr/bin/env python3
"""Compare fgconv's output with the real transformers: interop.py --fgconv build/fgconv [--data DIR...]

Each Hugging Face checkpoint is converted to Forgather and loaded with the code that fgconv wrote next to it; logits,
loss, gradients and generated tokens must equal those of the Hugging Face class. The tokens that fgconv itself generates
from its default prompt must be those that transformers generates from source and result. Then it is converted back and
compared bit by bit. Of checkpoints after --generate the generated tokens alone are compared. Directories of the real
Forgather in tests/data/golden are updated, loaded, and converted to Hugging Face, against what the real tool made of them.
Without --data the checkpoints of make_models.py are used. Needs no network; runs with transformers 4.57 and 5.
Prints a line a check and "N passed, N failed"; the exit status is 1 if anything failed.
"""

import argparse
import gc
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

WORK = tempfile.TemporaryDirectory(prefix="fgconv-interop-")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_MODULES_CACHE"] = WORK.name + "/modules"  # never code that an earlier run left in the user's cache
sys.path[:0] = map(str, pathlib.Path(__file__).resolve().parents[:2])

import numpy
import torch
import transformers
from checkpoint import digests
from make_models import FURTHER_MODELS, MODELS, make_models
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, StaticCache

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data/golden"
TOLERANCE = 1e-5  # of the largest logit
NEW_TOKENS = 16
PROMPT = "The old bookstore at the corner of Elm Street had always held secrets, but today it was closed."
SHORT_PROMPT = "When fog comes in"
DEFAULT_PROMPT = (  # fgconv's
    "The old bookstore at the corner of Elm Street had always held secrets, but today, something unusual caught Emma's eye."
)
FGCONV_TOKENS = 64
# What must come back as it was. Other keys (versions, dtype, defaults of the class) may be spelled in other ways.
CONFIG_KEYS = (
    "model_type vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads "
    "hidden_act rms_norm_eps tie_word_embeddings max_position_embeddings bos_token_id eos_token_id pad_token_id "
    "attention_bias mlp_bias sliding_window layer_types rope_theta rope_scaling rope_parameters hidden_activation "
    "rope_local_base_freq partial_rotary_factor original_max_position_embeddings no_rope_layers no_rope_layer_interval "
    "embedding_multiplier attention_multiplier residual_multiplier logits_scaling query_pre_attn_scalar "
    "attn_logit_softcapping final_logit_softcapping use_sliding_window max_window_layers resid_pdrop embd_pdrop"
).split()


class Failure(Exception):
    """A check that did not hold; the text says what was found and what was expected."""


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def run(self, name: str, check, *args) -> bool:
        """Run one check. It returns a remark to print, or raises."""
        try:
            remark = check(*args) or ""
        except Failure as failure:
            return self.note(False, name, str(failure))
        except Exception:
            return self.note(False, name, "\n" + traceback.format_exc())
        return self.note(True, name, remark)

    def note(self, good: bool, name: str, remark: str) -> bool:
        self.passed += good
        self.failed += not good
        print("ok  " if good else "FAIL", name, f"({remark})" if good and remark else remark, flush=True)
        return good


# Conversion and loading


def convert(args, source: pathlib.Path, destination: pathlib.Path, *words: str):
    """Other commands than convert, and their own options, come in `words`."""
    command = [*args.launcher.split(), args.fgconv, *words, *args.converters, *args.option, str(source), str(destination)]
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


def load(directory: pathlib.Path, attention: str, own_code: bool):
    """The model in float32. Every weight must come from the file, and every weight of the file must have a place."""
    if not own_code and json.loads((directory / "config.json").read_text()).get("attn_logit_softcapping"):
        attention = "eager"  # transformers caps no scores elsewhere
    model, report = AutoModelForCausalLM.from_pretrained(
        directory,
        trust_remote_code=own_code,
        dtype=torch.float32,
        attn_implementation=attention,
        output_loading_info=True,
    )
    wrong = {name: keys for name, keys in report.items() if keys and name != "error_msgs"}
    if wrong:
        raise Failure(f"{directory.name}: loading reported {wrong}")
    return model.eval()


def read_tensors(directory: pathlib.Path) -> dict:
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        tensors.update(load_file(path))
    if not tensors:
        for path in sorted(directory.glob("pytorch_model*.bin")):
            tensors.update(torch.load(path, weights_only=True))
    return tensors


# Comparing


def compare(found: torch.Tensor, expected: torch.Tensor, what: str, tolerance: float = TOLERANCE) -> str:
    if found.shape != expected.shape:
        raise Failure(f"{what}: shape {tuple(found.shape)}, expected {tuple(expected.shape)}")
    distance = (found - expected).abs().max().item() / expected.abs().max().item()
    if not distance <= tolerance:  # so that NaN fails
        raise Failure(f"{what}: differs by {distance:.3g} of the largest value, expected at most {tolerance:.3g}")
    return f"{distance:.1e}"


def same_tokens(found: torch.Tensor, expected: torch.Tensor, what: str):
    if found.tolist() != expected.tolist():
        raise Failure(f"{what}: {found.tolist()}, expected {expected.tolist()}")


class Inputs:
    """Token ids for one checkpoint: one row, and a batch whose first row is padded on the left."""

    def __init__(self, directory: pathlib.Path, vocab_size: int):
        tokenizer = AutoTokenizer.from_pretrained(directory)
        long, short = (tokenizer(text)["input_ids"] for text in (PROMPT, SHORT_PROMPT))
        long = [token % vocab_size for token in long][:40]
        padding = [0] * (len(long) - len(short))
        self.ids = torch.tensor([long])
        self.batch = torch.tensor([padding + short, long])
        self.mask = torch.tensor([[0] * len(padding) + [1] * len(short), [1] * len(long)])
        self.positions = (self.mask.cumsum(1) - 1).clamp(min=0)


def generate(model, inputs: Inputs, batch: bool = False, **settings) -> torch.Tensor:
    ids, mask = (inputs.batch, inputs.mask) if batch else (inputs.ids, torch.ones_like(inputs.ids))
    # No end token and no sampling settings from the checkpoint: all 16 tokens, decoded greedily.
    model.generation_config = transformers.GenerationConfig(pad_token_id=0)
    made = model.generate(ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, **settings)
    if made.shape[1] != ids.shape[1] + NEW_TOKENS:
        raise Failure(f"generated {made.shape[1] - ids.shape[1]} tokens, expected {NEW_TOKENS}")
    return made


# The checks of the Forgather side. `ours` is the model with fgconv's code, `hf` the one with transformers' code.


def check_logits(ours, hf, inputs: Inputs):
    with torch.no_grad():
        return compare(ours(inputs.ids).logits, hf(inputs.ids).logits, "logits")


def check_padding(ours, hf, inputs: Inputs):
    given = {"input_ids": inputs.batch, "attention_mask": inputs.mask, "position_ids": inputs.positions}
    real = inputs.mask.bool()
    with torch.no_grad():
        found, alone = ours(**given).logits, ours(inputs.batch[:1, real[0]]).logits
        if not found.isfinite().all():
            raise Failure("logits of a padded batch are not all finite")
        compare(found[0][real[0]], alone[0], "the padded row against the same row without padding")
        return compare(found[real], hf(**given).logits[real], "logits of a padded batch")


def check_hidden_states(ours, hf, inputs: Inputs):
    with torch.no_grad():
        found = ours(inputs.ids, output_hidden_states=True).hidden_states
        expected = hf(inputs.ids, output_hidden_states=True).hidden_states
    if len(found) != len(expected):
        raise Failure(f"{len(found)} hidden states, expected {len(expected)}")
    for number, (state, wanted) in enumerate(zip(found, expected)):
        compare(state, wanted, f"hidden state {number}")


def check_generate(ours, hf, inputs: Inputs):
    same_tokens(generate(ours, inputs), generate(hf, inputs), "greedy generation")
    same_tokens(generate(ours, inputs, batch=True), generate(hf, inputs, batch=True), "greedy generation, padded batch")


def check_cache(ours, hf, inputs: Inputs):
    """The same tokens in one pass, in pieces of 1 to 7 with a cache, and through caches of other kinds."""
    with torch.no_grad():
        whole = ours(inputs.ids, use_cache=False)
        if whole.past_key_values is not None:
            raise Failure("use_cache=False returned a cache")
        kinds = {"its own": None, "without a window": DynamicCache()}
        kinds["of fixed length"] = StaticCache(config=ours.config, max_cache_len=64)
        for kind, cache in kinds.items():
            pieces, start = [], 0
            for length in (7, 1, 1, 5, 3, inputs.ids.shape[1]):
                piece = inputs.ids[:, start : start + length]
                if piece.shape[1] == 0:
                    break
                output = ours(piece, past_key_values=cache, use_cache=True)
                cache, start = output.past_key_values, start + length
                pieces.append(output.logits)
            compare(torch.cat(pieces, dim=1), whole.logits, f"logits in pieces, cache {kind}")
    uncached = generate(ours, inputs, use_cache=False)
    same_tokens(generate(ours, inputs), uncached, "generation with and without cache")
    fixed = generate(ours, inputs, batch=True, cache_implementation="static")
    same_tokens(fixed, generate(ours, inputs, batch=True), "generation with a cache of fixed length")


def check_longrope(ours, hf, inputs: Inputs):
    """Texts on both sides of the original length, and generation that crosses it and drops its cache."""
    original = ours.config.original_max_position_embeddings
    if not inputs.ids.shape[1] < original < inputs.ids.shape[1] + NEW_TOKENS:
        raise Failure(f"{inputs.ids.shape[1]} tokens of prompt and {NEW_TOKENS} new ones do not cross {original}")
    with torch.no_grad():
        for length in (original, original + 1):
            ids = torch.cat((inputs.ids, inputs.ids), dim=1)[:, :length]
            remark = compare(ours(ids).logits, hf(ids).logits, f"logits of {length} tokens")
    for batch in (False, True):
        uncached = generate(ours, inputs, batch, use_cache=False)
        # transformers 4 computes a wrong mask where it drops the cache.
        same_tokens(uncached, generate(hf, inputs, batch, use_cache=False), f"generation without cache, batch {batch}")
        same_tokens(generate(ours, inputs, batch), uncached, f"generation with and without cache, batch {batch}")
    return remark


def check_options(ours, hf, inputs: Inputs):
    """logits_to_keep, inputs_embeds, tuples."""
    with torch.no_grad():
        whole = ours(inputs.ids).logits
        compare(ours(inputs.ids, logits_to_keep=1).logits, whole[:, -1:], "logits_to_keep=1")
        compare(ours(inputs.ids, logits_to_keep=torch.tensor([2, 5])).logits, whole[:, [2, 5]], "logits_to_keep=[2, 5]")
        embedded = ours.get_input_embeddings()(inputs.ids)
        compare(ours(inputs_embeds=embedded).logits, whole, "inputs_embeds")
        compare(ours(inputs.ids, return_dict=False)[0], whole, "return_dict=False")


def check_packing(ours, hf, inputs: Inputs):
    """Two texts in one row, distinguished by their positions, do not see each other."""
    both = torch.cat((inputs.ids[:, :9], inputs.ids), dim=1)
    positions = torch.cat((torch.arange(9), torch.arange(inputs.ids.shape[1])))[None]
    with torch.no_grad():
        packed = ours(both, position_ids=positions, use_cache=False).logits
        compare(packed[:, 9:], ours(inputs.ids).logits, "the second of two packed texts")


def gradients(model, inputs: Inputs) -> dict:
    # Neither padding nor the first token after it counts: what is foretold on padding has no meaning.
    labels = inputs.batch.masked_fill(inputs.mask.cumsum(1) < 2, -100)
    given = {"attention_mask": inputs.mask, "position_ids": inputs.positions, "labels": labels, "use_cache": False}
    model.zero_grad()
    loss = model(inputs.batch, **given).loss
    loss.backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    return {"loss": loss.detach(), **found}


def check_training(ours, hf, inputs: Inputs):
    """Loss and gradients as transformers has them, with and without recomputing the layers."""
    found, expected = gradients(ours, inputs), gradients(hf, inputs)
    remark = compare(found["loss"], expected["loss"], "loss")
    wanted = sum(gradient.norm() ** 2 for gradient in expected.values())
    compare(sum(gradient.norm() ** 2 for gradient in found.values()), wanted, "norm of all gradients", 1e-4)
    ours.train()
    calls = []
    counter = ours.causal_lm.layer_stack.layers[0].attention.register_forward_hook(lambda *_: calls.append(None))
    for reentrant in (True, False):
        ours.gradient_checkpointing_enable({"use_reentrant": reentrant})
        calls.clear()
        again = gradients(ours, inputs)
        if len(calls) != 2:
            raise Failure(f"gradient checkpointing: the first layer ran {len(calls)} times, expected 2")
        for name, gradient in found.items():
            compare(again[name], gradient, f"gradient of {name} when layers are recomputed")
        ours.gradient_checkpointing_disable()
    counter.remove()
    ours.eval()
    return remark


def changed(model, **settings):
    """A copy of the model of fgconv's code with other settings and the same weights."""
    config = type(model.config)(**{**model.config.to_dict(), **settings})
    config._attn_implementation = model.config._attn_implementation
    copy = type(model)(config)
    copy.load_state_dict(model.state_dict())
    return copy.eval()


def check_dropout(ours, hf, inputs: Inputs):
    """Each dropout key works while training, and only then."""
    with torch.no_grad():
        plain = ours(inputs.ids).logits
        for kind in ("attention", "activation", "layer", "residual", "embedding"):
            model = changed(ours, **{kind + "_dropout": 0.3})
            compare(model(inputs.ids).logits, plain, f"{kind}_dropout, not training", 0.0)
            trained = model.train()(inputs.ids).logits
            if not trained.isfinite().all() or torch.equal(trained, plain):
                raise Failure(f"{kind}_dropout has no effect while training")


def check_settings(ours, hf, inputs: Inputs):
    """Keys that may be missing or spelled in the newer way, and values that must be refused."""
    config = ours.config
    if not config.rope_parameters:
        rope = {**(config.rope_scaling or {"rope_type": "default"}), "rope_theta": config.rope_theta}
        newer = changed(ours, rope_parameters=rope, rope_scaling=None, rope_theta=None)
        with torch.no_grad():
            compare(newer(inputs.ids).logits, ours(inputs.ids).logits, "logits with rope_parameters", 0.0)
    few = type(config)(hidden_size=64, num_attention_heads=4, vocab_size=10)
    names = "head_dim num_key_value_heads qk_norm tie_word_embeddings sliding_window rope_theta".split()
    found = [getattr(few, name) for name in names]
    if found != [16, 4, False, True, None, 10000.0] or not type(config)(forgather_arch="qwen3").qk_norm:
        raise Failure(f"defaults of missing keys: {found}")
    refused = [{"hidden_act": "tanh"}, {"rope_scaling": {"rope_type": "axial", "factor": 2.0}}, {"sliding_window": 0}]
    refused += [{"head_dim": 15}, {"num_attention_heads": 4, "num_key_value_heads": 3}]
    refused += [{"rope_scaling": {"rope_type": "linear"}}, {"rope_scaling": {"rope_type": "default", "mystery": 2.0}}]
    refused += [{"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}]
    refused += [{"norm_position": "inside"}, {"norm_weight_offset": 0.5}, {"use_bidirectional_attention": True}]
    refused += [{"layer_types": ["full_attention"]}, {"layer_types": ["sliding_attention"] * 32}, {"no_rope_layers": [1]}]
    refused += [{"attention_multiplier": 0.5, "query_pre_attn_scalar": 16}, {"partial_rotary_factor": 0.0}]
    refused += [{"rope_parameters": {"full_attention": {"rope_theta": 10000.0}}}]
    for settings in refused:
        try:
            type(config)(**settings)
        except ValueError:
            continue
        raise Failure(f"accepted: {settings}")


def check_save(ours, hf, inputs: Inputs):
    """save_pretrained keeps the code, the configuration and the weights; the copy can be loaded by itself."""
    with tempfile.TemporaryDirectory(dir=WORK.name) as directory:
        copy = pathlib.Path(directory) / "copy"
        ours.save_pretrained(copy)
        reloaded = load(copy, ours.config._attn_implementation, own_code=True)
        saved = json.loads((copy / "config.json").read_text())
        with torch.no_grad():
            compare(reloaded(inputs.ids).logits, ours(inputs.ids).logits, "logits after a reload", 0.0)
    original = json.loads((pathlib.Path(ours.config._name_or_path) / "config.json").read_text())
    for key, value in original.items():
        changes = key in ("dtype", "transformers_version", "tie_word_embeddings", "architectures", "auto_map")
        changes |= key not in saved and getattr(type(ours.config)(), key, None) == value
        if not changes and (value is not None or saved.get(key) is not None) and saved.get(key) != value:
            raise Failure(f"config.json after saving: {key} is {saved.get(key)!r}, expected {value!r}")


def check_bfloat16(ours, hf, inputs: Inputs):
    """Both sides round alike, so that a model that is used in bfloat16 gives what it gave before."""
    models = [
        AutoModelForCausalLM.from_pretrained(
            model.config._name_or_path, trust_remote_code=own, dtype=torch.bfloat16, attn_implementation="eager"
        ).eval()
        for model, own in ((ours, True), (hf, False))
    ]
    with torch.no_grad():
        found, expected = (model(inputs.ids).logits.float() for model in models)
    # Where one side multiplies by two matrices at once, sums may be rounded in another order.
    fused = len(list(ours.parameters())) != len(list(hf.parameters()))
    return compare(found, expected, "logits in bfloat16", 0.02 if fused else 0.0)


CHECKS = {}
CHECKS["sdpa"] = [check_logits, check_padding, check_generate, check_cache, check_packing, check_training]
CHECKS["eager"] = [*CHECKS["sdpa"], check_hidden_states, check_options, check_dropout]
CHECKS["eager"] += [check_settings, check_bfloat16, check_save]
# What a text of another length does to the angles of all tokens, no cache and no padding can undo.
LENGTH_MATTERS = [check_padding, check_generate, check_cache, check_packing]


# The way back


def check_bits(source: pathlib.Path, back: pathlib.Path):
    found, expected = read_tensors(back), read_tensors(source)
    if found.keys() != expected.keys():
        raise Failure(f"tensor names differ: {sorted(found.keys() ^ expected.keys())}")
    for name, tensor in expected.items():
        other = found[name]
        if other.dtype != tensor.dtype or other.shape != tensor.shape:
            raise Failure(f"{name}: {other.dtype} {list(other.shape)}, expected {tensor.dtype} {list(tensor.shape)}")
        if not torch.equal(other.view(torch.uint8), tensor.view(torch.uint8)):
            raise Failure(f"{name}: bytes differ")
    return f"{len(expected)} tensors"


def check_saved(args, ours, source: pathlib.Path, saved: pathlib.Path, back: pathlib.Path):
    """A model that save_pretrained wrote, as after training, converts to Hugging Face."""
    ours.save_pretrained(saved)
    convert(args, saved, back)
    found, expected = read_tensors(back), read_tensors(source)
    wrong = [name for name in {**found, **expected} if name not in found or name not in expected]
    wrong += [name for name in found if not wrong and not torch.equal(found[name].float(), expected[name].float())]
    if wrong:
        raise Failure(f"tensors differ: {wrong}")


def check_back(source: pathlib.Path, back: pathlib.Path, inputs: Inputs):
    found, expected = load(back, "eager", own_code=False), load(source, "eager", own_code=False)
    if type(found) is not type(expected):
        raise Failure(f"class {type(found).__name__}, expected {type(expected).__name__}")
    with torch.no_grad():
        compare(found(inputs.ids).logits, expected(inputs.ids).logits, "logits", 0.0)
    ours, theirs = found.config.to_dict(), expected.config.to_dict()
    for key in CONFIG_KEYS:
        if ours.get(key) != theirs.get(key):
            raise Failure(f"config: {key} is {ours.get(key)!r}, expected {theirs.get(key)!r}")


# What fgconv generates


def ends_of(directory: pathlib.Path) -> list:
    ends = []
    for name in ("config.json", "generation_config.json"):
        path = directory / name
        held = json.loads(path.read_text()).get("eos_token_id") if path.exists() else None
        ends += [end for end in (held if isinstance(held, list) else [held]) if end is not None and end not in ends]
    return ends


def generated_by_fgconv(args, source: pathlib.Path, forgather: pathlib.Path) -> dict:
    report = pathlib.Path(WORK.name) / "generation.json"
    options = ["-q", "-g", "--max-new-tokens", str(FGCONV_TOKENS), "--report", str(report)]
    command = [*args.launcher.split(), args.fgconv, "validate", *options, *args.converters, str(source), str(forgather)]
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(report.read_text())["generation"]


def check_fgconv_tokens(args, source: pathlib.Path, forgather: pathlib.Path):
    """Greedy tokens of fgconv, of transformers on the source, and of transformers on what fgconv wrote; and their text."""
    ours = generated_by_fgconv(args, source, forgather)
    tokenizer = AutoTokenizer.from_pretrained(source)
    ids = tokenizer(DEFAULT_PROMPT, return_tensors="pt")["input_ids"]
    if ours["prompt_tokens"] != ids.shape[1]:
        raise Failure(f"the prompt has {ours['prompt_tokens']} tokens, expected {ids.shape[1]}")
    for directory, own in ((source, False), (forgather, True)):
        model = load(directory, "sdpa", own_code=own)
        model.generation_config = transformers.GenerationConfig(pad_token_id=0, eos_token_id=ends_of(forgather))
        with torch.no_grad():
            made = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=FGCONV_TOKENS, do_sample=False
            )[0, ids.shape[1] :]
        same_tokens(torch.tensor(ours["tokens"]), made, f"tokens after the default prompt, {directory.name}")
    text = tokenizer.decode(ours["tokens"], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    if ours["text"] != text:
        raise Failure(f"text {ours['text']!r}, expected {text!r}")
    return f"{len(ours['tokens'])} tokens, stopped by {ours['stopped_by']}"


# One checkpoint


def check_checkpoint(tally: Tally, args, source: pathlib.Path):
    # Golden checkpoints are all called "hf" below the name of their case.
    name = source.parent.name if source.name == "hf" else source.name
    forgather, back = (pathlib.Path(WORK.name) / f"{name}-{side}" for side in ("forgather", "back"))
    if not tally.run(f"{name}: convert to Forgather", convert, args, source, forgather):
        return
    vocab_size = json.loads((source / "config.json").read_text())["vocab_size"]
    inputs = Inputs(source, vocab_size)
    for attention, checks in CHECKS.items():
        pair = []

        def load_both():
            pair.append(load(forgather, attention, own_code=True))
            pair.append(load(source, attention, own_code=False))

        if tally.run(f"{name}: load, {attention}", load_both):
            longrope = (pair[0].config.rope_scaling or {}).get("rope_type") == "longrope"
            for check in [*(c for c in checks if c not in LENGTH_MATTERS), check_longrope] if longrope else checks:
                what = check.__name__.removeprefix("check_")
                tally.run(f"{name}: {what}, {attention}", check, *pair, inputs)
            if attention == "eager":
                saved, again = (pathlib.Path(WORK.name) / f"{name}-{side}" for side in ("saved", "saved-back"))
                tally.run(f"{name}: convert back what save_pretrained wrote", check_saved, args, pair[0], source, saved, again)
    tally.run(f"{name}: tokens that fgconv generates", check_fgconv_tokens, args, source, forgather)
    if tally.run(f"{name}: convert back", convert, args, forgather, back):
        tally.run(f"{name}: bits after the way back", check_bits, source, back)
        tally.run(f"{name}: model after the way back", check_back, source, back, inputs)
    gc.collect()


def check_golden_logits(case: pathlib.Path, updated: pathlib.Path):
    about = json.loads((case / "logits.json").read_text())
    expected = torch.from_numpy(numpy.load(case / "logits.npy"))
    with torch.no_grad():
        found = load(updated, "eager", own_code=True)(torch.tensor(about["input_ids"])).logits[0]
    # The real tool has added tokens to some, whose rows are new, and has removed rows behind them.
    new = {int(i) for rows in json.loads((case / "case.json").read_text()).get("new_rows", {}).values() for i in rows["changed"]}
    columns = [i for i in range(min(found.shape[1], expected.shape[1])) if i not in new]
    rounded = about["back"]["hf_back"]["max_abs_diff"] / expected.abs().max().item()  # by the real tool, when it cast
    return compare(found[:, columns], expected[:, columns], "logits", max(TOLERANCE, 1.01 * rounded))


def check_golden_bits(case: pathlib.Path, back: pathlib.Path):
    expected = json.loads((case / "expected.json").read_text())["hf_back"]["tensors"]
    wrong = [name for name in {**expected, **digests(back)} if expected.get(name) != digests(back).get(name)]
    if wrong:
        raise Failure(f"tensors differ from those of the real tool: {wrong}")
    return f"{len(expected)} tensors"


def check_update(tally: Tally, args, case: pathlib.Path):
    updated, back = (pathlib.Path(WORK.name) / f"{case.name}-{side}" for side in ("updated", "updated-hf"))
    words = ["update", "--arch", case.name.split("_")[0], "--from-version", "1"]
    if not tally.run(f"{case.name}: update", convert, args, case / "forgather", updated, *words):
        return
    tally.run(f"{case.name}: the updated model", check_golden_logits, case, updated)
    if tally.run(f"{case.name}: the updated directory to hf", convert, args, updated, back):
        tally.run(f"{case.name}: bits of the updated directory as hf", check_golden_bits, case, back)


def check_generation_only(tally: Tally, args, source: pathlib.Path):
    forgather = pathlib.Path(WORK.name) / f"{source.name}-forgather"
    if tally.run(f"{source.name}: convert to Forgather", convert, args, source, forgather):
        tally.run(f"{source.name}: tokens that fgconv generates", check_fgconv_tokens, args, source, forgather)
    gc.collect()


def parse_arguments(about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--fgconv", default="build/fgconv", help="the program (default: %(default)s)")
    parser.add_argument("--data", nargs="+", type=pathlib.Path, metavar="DIR", help="Hugging Face checkpoints")
    parser.add_argument("--generate", nargs="+", type=pathlib.Path, metavar="DIR", default=[], help="larger ones")
    parser.add_argument("--launcher", default="mpirun --oversubscribe -n 2", help="default: %(default)s")
    parser.add_argument("--option", action="append", default=[], help="for fgconv, repeatable: --option=--no-fsync")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    return argparse.Namespace(**vars(parser.parse_args()), converters=[])


def main() -> int:
    args = parse_arguments(__doc__.splitlines()[0])
    sources = args.data
    if not sources:
        models = pathlib.Path(WORK.name) / "models"
        models.mkdir()
        sources = make_models(models, {**MODELS, **FURTHER_MODELS})
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    tally = Tally()
    for source in sources:
        check_checkpoint(tally, args, source.resolve())
    for case in [] if args.data else sorted(GOLDEN.glob("*/hf_back")):
        if not (case.parent / "forgather/checkpoints").exists():  # of these the newest counts, and copies are all new
            check_update(tally, args, case.parent)
    for source in args.generate:
        check_generation_only(tally, args, source.resolve())
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
