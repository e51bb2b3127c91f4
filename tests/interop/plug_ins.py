#!/usr/bin/env python3
"""Hold what plug-ins and their code make against the real transformers: plug_ins.py --fgconv build/fgconv

Families that fgconv does not know are converted with the plug-ins of tests/data/convert and pass the checks of interop.py. The
declaration next to each code file must say what its classes make and read. And whatever the family, the emitted class loads
exactly its weights: it refuses a directory that lacks one or has one more, and loads with a dtype, over several devices' map
and from a configuration alone.
"""

import copy
import importlib.util
import inspect
import itertools
import json
import pathlib
import shutil
import sys

import interop
import torch
import transformers
from interop import Failure, Tally, compare, load
from make_models import FURTHER_MODELS, MODELS, SIZES, TOKEN_IDS, make_models, write_json, write_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

WORK = pathlib.Path(interop.WORK.name)
ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUG_INS = ROOT / "tests/data/convert"


def family(model_type: str, config_class, model_class):
    """A family of that name which computes as another one does, for transformers alone."""
    name = "".join(word.title() for word in model_type.split("_"))
    config = type(f"{name}Config", (config_class,), {"model_type": model_type})
    model = type(f"{name}ForCausalLM", (model_class,), {"config_class": config})
    AutoConfig.register(model_type, config)
    AutoModelForCausalLM.register(config, model)
    return config, model


MY_MODEL = family("my_model", Qwen3Config, Qwen3ForCausalLM)
MY_BIASES = family("my_biases", LlamaConfig, LlamaForCausalLM)
MY_QWEN2 = family("my_qwen2", Qwen2Config, Qwen2ForCausalLM)

# name: plug-in, then as in make_models.py
FAMILIES = {
    "q_norm": ("q_norm", *MY_MODEL, {"head_dim": 16, "tie_word_embeddings": False}, torch.float32, "100KB"),
    "all-biases": (
        "biases",
        *MY_BIASES,
        {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
        torch.float32,
        "60KB",
    ),
    "mlp-biases": ("biases", *MY_BIASES, {"mlp_bias": True, "tie_word_embeddings": False}, torch.bfloat16, "5GB"),
    "no-biases": ("biases", *MY_BIASES, {"tie_word_embeddings": False}, torch.bfloat16, "5GB"),
    "query-biases": ("biases", *MY_QWEN2, {"tie_word_embeddings": False}, torch.float32, "5GB"),
}


# What the emitted class refuses


def rewrite(source: pathlib.Path, destination: pathlib.Path, change):
    """A copy of a directory whose weights `change` has edited, in one file and with an index that fits."""
    shutil.copytree(source, destination)
    tensors = interop.read_tensors(destination)
    for path in destination.glob("*.safetensors"):
        path.unlink()
    change(tensors)
    save_file(tensors, destination / "model.safetensors", {"format": "pt"})
    index = json.loads((destination / "model.safetensors.index.json").read_text())
    index["weight_map"] = dict.fromkeys(tensors, "model.safetensors")
    write_json(destination / "model.safetensors.index.json", index)


def expect_refusal(directory: pathlib.Path, name: str):
    try:
        AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True)
    except ValueError as error:
        if name in str(error):
            return
        raise Failure(f"refused without naming {name}: {error}")
    raise Failure(f"{directory.name} was loaded")


def check_damaged(forgather: pathlib.Path):
    """Without any one kind of its weights, and with one more, the directory is refused."""
    names = interop.read_tensors(forgather)
    tied = json.loads((forgather / "config.json").read_text()).get("tie_word_embeddings", True)
    kinds = [name for name in names if ".layers." not in name or ".layers.1." in name]
    kinds = [name for name in kinds if not (tied and name in ("lm_head.weight", "causal_lm.input_encoder.embedding.weight"))]
    for number, name in enumerate(kinds):
        damaged = forgather.with_name(f"{forgather.name}-without-{number}")
        rewrite(forgather, damaged, lambda tensors: tensors.pop(name))
        expect_refusal(damaged, name)
        shutil.rmtree(damaged)
    for name in ("causal_lm.layer_stack.layers.1.attention.qkv_linear.bias", "causal_lm.layer_stack.layers.7.norm1.weight"):
        damaged = forgather.with_name(f"{forgather.name}-more")
        rewrite(forgather, damaged, lambda tensors: tensors.update({name: torch.ones(3)}))
        expect_refusal(damaged, name)
        shutil.rmtree(damaged)
    return f"{len(kinds)} kinds of weights"


def check_ways_to_load(forgather: pathlib.Path):
    """Ways to load that must go on working."""
    ids = torch.arange(5)[None]
    given = {"trust_remote_code": True, "output_loading_info": True}
    plain, _ = AutoModelForCausalLM.from_pretrained(forgather, **given, dtype=torch.float32)
    for settings in ({"device_map": "auto"}, {"low_cpu_mem_usage": True}, {"device_map": {"": "cpu"}}):
        model, report = AutoModelForCausalLM.from_pretrained(forgather, **given, dtype=torch.float32, **settings)
        if any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")):
            raise Failure(f"{settings}: loading reported {report}")
        with torch.no_grad():
            compare(model(ids).logits, plain(ids).logits, f"logits with {settings}", 0.0)
    model = AutoModelForCausalLM.from_pretrained(forgather, trust_remote_code=True, dtype=torch.bfloat16)
    if {parameter.dtype for parameter in model.parameters()} != {torch.bfloat16}:
        raise Failure("dtype=bfloat16 gave other types")
    fresh = AutoModelForCausalLM.from_config(plain.config, trust_remote_code=True)
    fresh.load_state_dict(plain.state_dict())  # strict, as Forgather's loader is
    held = interop.read_tensors(forgather)
    if fresh.state_dict().keys() != held.keys():
        raise Failure(f"the state dict has other names than the directory: {fresh.state_dict().keys() ^ held.keys()}")
    fresh.load_state_dict(held)
    with torch.no_grad():
        compare(fresh.float()(ids).logits, plain(ids).logits, "logits after load_state_dict", 0.0)


# What the declarations say


def load_module(path: pathlib.Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def evaluate(expression, config: dict):
    """The expressions of declarations are Python's, but for coalesce and a division that is exact."""
    known = {"coalesce": lambda *values: next((v for v in values if v is not None), None), "null": None}
    return eval(str(expression).replace(" / ", " // "), known, config)


def complete(declaration: dict, config: dict) -> dict:
    config = dict(config)
    for key, spec in declaration["config"].items():
        meaning = "absent" if key not in config else "null" if config[key] is None else ""
        if meaning in spec:
            value = spec[meaning]
            config[key] = evaluate(value[2:], config) if isinstance(value, str) and value.startswith("= ") else value
    return config


def declared_parameters(declaration: dict, config: dict) -> dict:
    shapes = {}
    for template, rule in declaration["parameters"].items():
        if "if" in rule and not evaluate(rule["if"], config):
            continue
        shape = [evaluate(size, config) for size in rule["shape"]]
        for i in range(evaluate(rule.get("repeat", 1), config)):
            shapes[template.replace("{i}", str(i))] = shape
    return shapes


def check_declaration(code: pathlib.Path, config_class: str, model_class: str, varied: list):
    """For every combination in each of `varied`: the class makes what the declaration says, and ties what it ties."""
    module, declaration = load_module(code), json.loads(code.with_suffix(".json").read_text())
    changes = [dict(zip(keys, values)) for keys in varied for values in itertools.product(*keys.values())]
    for change in changes:
        given = {**declaration["example"], **change}
        given = {key: value for key, value in given.items() if value != "absent"}
        with torch.device("meta"):
            model = getattr(module, model_class)(getattr(module, config_class)(**given))
        made = {name: list(weight.shape) for name, weight in model.state_dict().items()}
        full = complete(declaration, given)
        expected = declared_parameters(declaration, full)
        if made != expected:
            raise Failure(f"{given}: the class makes {made.items() ^ expected.items()}" if made.keys() == expected.keys()
                          else f"{given}: only one of the two has {sorted(made.keys() ^ expected.keys())}")
        rules = declaration["parameters"].items()
        ties = [(name, rule["tied_to"]) for name, rule in rules if "tied_if" in rule and evaluate(rule["tied_if"], full)]
        weights = dict(model.named_parameters(remove_duplicate=False))
        if any(weights[a] is not weights[b] for a, b in ties) or (len({id(w) for w in weights.values()}) != len(weights) - len(ties)):
            raise Failure(f"{given}: declared as tied: {ties}")
        wrong = {key: getattr(model.config, key) for key, value in full.items()
                 if key in declaration["config"] and key != "rope_parameters" and getattr(model.config, key) != value}
        if wrong:
            raise Failure(f"{given}: the class reads {wrong}, declared {[full[key] for key in wrong]}")
    parameters = inspect.signature(getattr(module, config_class).__init__).parameters
    read = {name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD} - {"self"}
    if read != declaration["config"].keys():
        raise Failure(f"only one of class and declaration reads {sorted(read ^ declaration['config'].keys())}")
    return f"{len(changes)} configurations"


VARIED = [
    {"attention_bias": [False, True, "absent"], "attention_out_bias": [False, True, None, "absent"], "mlp_bias": [True, "absent"]},
    {"qk_norm": [False, True, None, "absent"], "forgather_arch": ["llama", "qwen3"]},
    {"tie_word_embeddings": [False, True, "absent"]},
    {"num_key_value_heads": [2, None, "absent"], "head_dim": [16, "absent"]},
    {"norm_position": ["before", "after", "both", "absent"], "qk_norm": [False, True], "qk_norm_all_heads": [False, True, "absent"]},
    {"hidden_act": ["gelu", None, "absent"], "hidden_activation": ["relu", None, "absent"]},
    {"layer_types": [["full_attention", "sliding_attention", "full_attention"], "absent"], "sliding_window": [5]},
    {"no_rope_layer_interval": [2, None, "absent"], "no_rope_layers": [[1, 0, 1], None, "absent"]},
]


# One family


def check_family(tally: Tally, args, name: str, plug_in: str, *recipe):
    args = copy.copy(args)
    args.converters = ["--converter-path", str(PLUG_INS / plug_in)]
    source = WORK / name
    write_model(source, 5, *recipe)
    interop.check_checkpoint(tally, args, source)
    if (WORK / f"{name}-forgather").exists():
        check_loading(tally, f"{name}-forgather")


def check_loading(tally: Tally, name: str):
    forgather = WORK / name
    tally.run(f"{name}: damaged directories are refused", check_damaged, forgather)
    tally.run(f"{name}: other ways to load", check_ways_to_load, forgather)


ACME_NAMES = [
    ("model.embed_tokens.", "transformer.wte."),
    ("model.layers.", "transformer.blocks."),
    ("model.norm.", "transformer.norm_f."),
    ("lm_head.", "output."),
    ("self_attn.", "attn."),
    ("mlp.", "ffn."),
    ("_proj.", "."),
    ("input_layernorm.", "norm_1."),
    ("post_attention_layernorm.", "norm_2."),
]


def check_acme(tally: Tally, args):
    """A plug-in with names and code of its own. transformers does not know the family: it is Llama under other names."""
    recipe = (LlamaConfig, LlamaForCausalLM, {"tie_word_embeddings": False, "head_dim": 12}, torch.float32, "5GB")
    llama, acme, forgather = WORK / "acme-llama", WORK / "acme", WORK / "acme-forgather"
    write_model(llama, 6, *recipe)
    tensors = {}
    for name, tensor in load_file(llama / "model.safetensors").items():
        for old, new in ACME_NAMES:
            name = name.replace(old, new)
        tensors[name] = tensor
    shutil.copytree(llama, acme)
    save_file(tensors, acme / "model.safetensors", {"format": "pt"})
    config = {"architectures": ["AcmeForCausalLM"], "model_type": "acme_llama", "n_embd": SIZES["hidden_size"], "head_dim": 12}
    config |= {"n_layer": SIZES["num_hidden_layers"], "n_head": SIZES["num_attention_heads"], "n_head_kv": SIZES["num_key_value_heads"]}
    config |= {key: SIZES[key] for key in ("vocab_size", "intermediate_size", "max_position_embeddings")}
    write_json(acme / "config.json", {**config, **TOKEN_IDS, "rms_norm_eps": 1e-6, "rope_theta": 10000.0})
    args = copy.copy(args)
    args.converters = ["--converter-path", str(PLUG_INS / "plugin")]
    args.option = [*args.option, "--validate", "bytes"]
    if not tally.run("acme: convert to Forgather", interop.convert, args, acme, forgather):
        return

    def check_logits():
        ids = torch.arange(40)[None]
        with torch.no_grad():
            ours, theirs = load(forgather, "eager", own_code=True), load(llama, "eager", own_code=False)
            return compare(ours(ids).logits, theirs(ids).logits, "logits")

    tally.run("acme: logits", check_logits)
    check_loading(tally, "acme-forgather")


def main() -> int:
    args = interop.parse_arguments(__doc__.splitlines()[0])
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    tally = Tally()
    code = ROOT / "converters/forgather/code/fgconv_causal_lm.py"
    tally.run("the declaration of fgconv_causal_lm.py", check_declaration, code, "FgconvConfig", "FgconvForCausalLM", VARIED)
    acme = [{"num_key_value_heads": [2, 4], "head_dim": [8, 12]}]
    tally.run("the declaration of acme_code.py", check_declaration, PLUG_INS / "plugin/acme_code.py", "AcmeForgatherConfig", "AcmeForgatherModel", acme)
    check_acme(tally, args)
    for name, recipe in FAMILIES.items():
        check_family(tally, args, name, *recipe)
    (WORK / "models").mkdir()
    for source in make_models(WORK / "models", {**MODELS, **FURTHER_MODELS}):
        forgather = WORK / f"{source.name}-forgather"
        if tally.run(f"{source.name}: convert to Forgather", interop.convert, args, source, forgather):
            check_loading(tally, forgather.name)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
