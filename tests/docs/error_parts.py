#!/usr/bin/env python3
"""What fails says where: error objects have file, key, found and expected: error_parts.py --fgconv build/fgconv [--print]

Each case breaks a small model, or an option, in one way. --print prints what the errors have, to be looked at and put into CASES.
"""
import argparse
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import ROOT, Tally, environment, load, tensors, write_safetensors  # noqa: E402
from directories import prepare  # noqa: E402

CONVERTERS = ROOT / "converters"
MODEL, PLAIN = "Llama-3.2-1B-Instruct", "Qwen3-0.6B"
NORM, HEAD = "model.norm.weight", "model.embed_tokens.weight"
CASES = []


def case(arguments, code, file=None, key=None, found=None, expected=None):
    """A row of CASES: the function makes the directory `bad`, a copy of a model, wrong. A part that ends with ... is the beginning."""
    def put(breaks):
        CASES.append((breaks, arguments, code, (file, key, found, expected)))
        return breaks
    return put


def nothing(_):
    """The command line alone is wrong."""


def change_config(bad, **values):
    config = {key: value for key, value in (load(bad / "config.json") | values).items() if value is not ...}
    (bad / "config.json").write_text(json.dumps(config))


def change_tensors(bad, change):
    held = tensors(bad)
    change(held)
    for path in bad.glob("*.safetensors*"):
        path.unlink()
    write_safetensors(bad / "model.safetensors", held)


def change_header(bad, change):
    """Of the file model.safetensors, whose data stay."""
    change_tensors(bad, lambda held: None)
    path = bad / "model.safetensors"
    whole = path.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    header = change(json.loads(whole[8:8 + size]))
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + size:])


CONVERT = ["bad", "out"]
FILE = "bad/model.safetensors"


# ---- options ----

case(["--max-shard-size", "5XB", PLAIN, "out"], 2, None, "--max-shard-size", '"5XB"', "a number with a unit (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)")(nothing)
case(["--dtype", "int4", PLAIN, "out"], 2, None, "--dtype", '"int4"', "one of bfloat16, float32, float16")(nothing)
case(["--dtype"], 2, None, "--dtype", None, "one of bfloat16, float32, float16")(nothing)
case(["--ranks", "0", PLAIN, "out"], 2, None, "--ranks", '"0"', "a positive integer (below 2^64)")(nothing)
case(["--nonsense", PLAIN, "out"], 2, None, "--nonsense")(nothing)
case(["--json=1", PLAIN, "out"], 2, None, "--json", '"1"', "no value")(nothing)
case(["validate", PLAIN], 2, None, None, "only Qwen3-0.6B", "A B")(nothing)
case(["inspect", PLAIN, "more"], 2, None, None, '"more"', "DIR")(nothing)
case(["list", "more"], 2, None, None, '"more"', "no file or directory")(nothing)
case(["inspect", "--atol", "1", PLAIN], 2, None, "--atol")(nothing)
case(["--reverse", "--from", "hf", PLAIN, "out"], 2, None, "--reverse", "hf", "forgather")(nothing)
case(["--from", "fast_llm", PLAIN, "out"], 2, "Qwen3-0.6B", "--from", "hf", "fast_llm")(nothing)
case(["--to", "hf", PLAIN, "out"], 2, None, "--to", "hf")(nothing)
case(["--token-ids", "999999", PLAIN, "out"], 2, None, "--token-ids", "999999", "an id below 384")(nothing)
case(["--converter-path", "nowhere", PLAIN, "out"], 2, "nowhere", "--converter-path")(nothing)
case(["--hf-base", "nowhere", PLAIN, "out"], 2, "nowhere", "--hf-base")(nothing)
case(["--hf-base", PLAIN, PLAIN, "out"], 2, "Qwen3-0.6B", "--hf-base")(nothing)
case(["-c", "7", PLAIN, "out"], 2, "7", "-c")(nothing)
case(["-c", "7", "fl_run", "out"], 2, "fl_run/checkpoint", "-c", "7", "one of 1, 2")(nothing)
case(["--dump", "nowhere/a.h5", PLAIN, "out"], 2, "nowhere/a.h5", "--dump")(nothing)
case(["--html", PLAIN, PLAIN, "out"], 2, "Qwen3-0.6B", "--html")(nothing)
case(["--report", "nowhere/r.json", PLAIN, "out"], 2, "nowhere/r.json", "--report")(nothing)
case(["--image", "no.npy", PLAIN, "out"], 2, "no.npy", "--image")(nothing)
case(["--ignore-key", "hidden_size", PLAIN, "out"], 2, None, "--ignore-key", "hidden_size")(nothing)
case(["--model-type", "unheard", PLAIN, "out"], 3, "Qwen3-0.6B", "model_type", '"unheard"', "gemma2, gemma3_text, glm4, ...")(nothing)
case(["--add-tokens", "nowhere.yaml", PLAIN, "out"], 3, "nowhere.yaml")(nothing)
case([PLAIN, "nowhere/out"], 2, "nowhere/out")(nothing)
case([PLAIN, "fg"], 2, "fg")(nothing)
case(["nowhere", "out"], 2, "nowhere")(nothing)
case(["inspect", "nowhere"], 2, "nowhere")(nothing)
case(["verify", "--report", "nowhere.json", PLAIN, "fg"], 2, "nowhere.json", "--report")(nothing)
case(["report", "nowhere"], 3, "nowhere")(nothing)
case(["report", PLAIN], 3, "Qwen3-0.6B/fgconv_report.json")(nothing)
case(["report", PLAIN + "/config.json"], 3, "Qwen3-0.6B/config.json")(nothing)
case(["new-family", PLAIN, "out"], 3, f"{CONVERTERS}/forgather/qwen3.json", "model_type", '"qwen3"')(nothing)
case(["new-family", "fg", "out"], 3, "fg", None, "forgather", "hf")(nothing)
case(["update", PLAIN, "out"], 2, "Qwen3-0.6B", None, "hf", "forgather")(nothing)
case(["finalize", "fl", "out"], 3, "fl", None, "fast_llm")(nothing)
case(["tokenize", "--decode", PLAIN, "x"], 3, None, None, '"x"', "a JSON array of ids")(nothing)
case(["tokenize", "--decode", PLAIN, "[99999999]"], 3, None, None, "99999999", "an id of the vocabulary")(nothing)
case(["lint", "nowhere.json"], 2, "nowhere.json")(nothing)
case(["help", "nothing"], 2, None, None, '"nothing"')(nothing)
case(["config", "nowhere.json"], 2, "nowhere.json")(nothing)
case(["verify", "changed", "fg"], 10, "fg/model.safetensors", "causal_lm.layer_stack.layer_norm.weight", "0.890625 (0x3f64)", "0 (0x0000)")(nothing)


# ---- configurations ----

@case(CONVERT, 3, "bad/config.json", None, "string or '}' expected near end of file", "valid JSON")
def bad_json(bad):
    (bad / "config.json").write_text('{"model_type": "llama",')


@case(CONVERT, 3, "bad/config.json", None, 'duplicate object key near \'"a"\'', "valid JSON")
def duplicate_key(bad):
    (bad / "config.json").write_text('{"a": 1, "a": 2}')


@case(CONVERT, 3, "bad/config.json", None, "an array", "an object")
def an_array(bad):
    (bad / "config.json").write_text("[]")


@case(CONVERT, 3, "bad/config.json")
def empty_config(bad):
    (bad / "config.json").write_text("")


@case(CONVERT, 3, "bad/config.json", None, "a Git LFS pointer")
def lfs_pointer(bad):
    (bad / "config.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")


@case(CONVERT, 3, "bad", None, None, "config.json")
def no_config(bad):
    (bad / "config.json").unlink()


@case(CONVERT, 3, "bad/config.json")
def a_dangling_link(bad):
    (bad / "config.json").unlink()
    (bad / "config.json").symlink_to("../blobs/none")


@case(CONVERT, 3, "bad", "model_type", '"unheard"', "gemma2, gemma3_text, glm4, ...")
def unknown_family(bad):
    change_config(bad, model_type="unheard")


@case(CONVERT, 3, "bad/config.json", "model_type")
def no_family(bad):
    change_config(bad, model_type=..., architectures=...)


@case(CONVERT, 3, "bad/model-00001-of-00003.safetensors", "model.embed_tokens.weight", "[384, 64]", "[384, 4096]")
def a_missing_key(bad):
    change_config(bad, hidden_size=...)


@case(CONVERT, 3, "bad/config.json", "num_hidden_layers", '"two"', "an integer of 1 or more")
def a_key_of_another_type(bad):
    change_config(bad, num_hidden_layers="two")


@case(CONVERT, 3, "bad/config.json", "quite_new", "true")
def a_key_without_rule(bad):
    change_config(bad, quite_new=True)


@case(CONVERT, 3, "bad/config.json", "attention_bias", "true", "false")
def a_value_without_place(bad):
    change_config(bad, attention_bias=True)


@case(CONVERT, 3, "bad/config.json", None, 'rope_scaling = {"rope_type": "spiral", "factor": 2.0}, rope_scaling.rope_type = "spiral"')
def an_unknown_rotary_type(bad):
    change_config(bad, rope_scaling={"rope_type": "spiral", "factor": 2.0})


@case(CONVERT, 3, "bad/config.json", None, "num_attention_heads = 4, num_key_value_heads = 3")
def heads_that_do_not_fit(bad):
    change_config(bad, num_key_value_heads=3)


@case(CONVERT, 3, "bad/config.json", "hidden_act", '"sine"', '"silu"')
def an_unknown_activation(bad):
    change_config(bad, hidden_act="sine")


@case(CONVERT, 3, "bad", "model.layers.1.self_attn.k_proj.weight", "a tensor that no rule covers")
def too_few_layers(bad):
    change_config(bad, num_hidden_layers=1)


@case(CONVERT, 3, "bad", "model.layers.3.self_attn.q_proj.weight", "no such tensor")
def too_many_layers(bad):
    change_config(bad, num_hidden_layers=9)


# ---- weights ----

@case(CONVERT, 3, "bad/model.safetensors", "model.layers.1.mlp.down_proj.weight", "152412 bytes of data", "168320 bytes of data or more")
def a_truncated_shard(bad):
    change_tensors(bad, lambda held: None)
    whole = (bad / "model.safetensors").read_bytes()
    (bad / "model.safetensors").write_bytes(whole[:len(whole) // 2])


@case(CONVERT, 3, "bad/model.safetensors", None, "20 bytes", "3272 bytes or more")
def a_header_alone(bad):
    change_tensors(bad, lambda held: None)
    (bad / "model.safetensors").write_bytes((bad / "model.safetensors").read_bytes()[:20])


@case(CONVERT, 3, "bad/model.safetensors", None, "3 bytes", "8 bytes or more")
def a_few_bytes(bad):
    change_tensors(bad, lambda held: None)
    (bad / "model.safetensors").write_bytes(b"abc")


@case(CONVERT, 3, "bad/model.safetensors")
def an_empty_shard(bad):
    change_tensors(bad, lambda held: None)
    (bad / "model.safetensors").write_bytes(b"")


@case(CONVERT, 3, "bad/model.safetensors", None, "a header of 1099511627776 bytes", "100000000 bytes or less")
def a_huge_header(bad):
    change_tensors(bad, lambda held: None)
    (bad / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 40) + bytes(100))


@case(CONVERT, 3, "bad/model.safetensors", None, "string or '}' expected", "valid JSON")
def a_header_that_is_no_json(bad):
    change_header(bad, lambda header: b"{" + b"x" * 100)


@case(CONVERT, 3, "bad/model.safetensors", "model.norm.weight", '"F7"', "a dtype that fgconv knows, such as BF16")
def an_unknown_dtype(bad):
    change_header(bad, lambda header: header | {NORM: header[NORM] | {"dtype": "F7"}})


@case(CONVERT, 3, "bad/model.safetensors", "model.norm.weight", "3", "an array")
def a_shape_that_is_no_list(bad):
    change_header(bad, lambda header: header | {NORM: header[NORM] | {"shape": 3}})


@case(CONVERT, 3, "bad/model.safetensors", "model.norm.weight", "128 bytes", "4 bytes")
def offsets_that_do_not_fit(bad):
    change_header(bad, lambda header: header | {NORM: header[NORM] | {"shape": [2]}})


@case(CONVERT, 3, "bad/model.safetensors", "model.norm.weight", "[32, 2]", "[64]")
def a_wrong_shape(bad):
    change_tensors(bad, lambda held: held.update({NORM: (held[NORM][0], [len(held[NORM][2]) // 4, 2], held[NORM][2])}))


@case(CONVERT, 3, "bad/model.safetensors", "model.norm.weight", "int16", "a float: weights are floats")
def a_wrong_dtype(bad):
    change_tensors(bad, lambda held: held.update({NORM: ("int16", *held[NORM][1:])}))


@case(CONVERT, 3, "bad", "model.norm.weight", "no such tensor")
def a_missing_tensor(bad):
    change_tensors(bad, lambda held: held.pop(NORM))


@case(CONVERT, 3, "bad", "model.extra.weight", "a tensor that no rule covers")
def a_tensor_too_many(bad):
    change_tensors(bad, lambda held: held.update({"model.extra.weight": held[NORM]}))


@case(CONVERT, 3, "bad", None, None, "weights")
def no_weights(bad):
    for path in bad.glob("*.safetensors*"):
        path.unlink()


@case(CONVERT, 3, "bad/model.safetensors.index.json", "model-00001-of-00001.safetensors")
def a_missing_shard(bad):
    change_tensors(bad, lambda held: None)
    (bad / "model.safetensors").rename(bad / "model-00001-of-00001.safetensors")
    names = tensors(bad)
    index = {"metadata": {}, "weight_map": {name: "model-00001-of-00001.safetensors" for name in names}}
    (bad / "model.safetensors.index.json").write_text(json.dumps(index))
    (bad / "model-00001-of-00001.safetensors").unlink()


@case(CONVERT, 3, "bad/model.safetensors.index.json", "model.layers.0.self_attn.k_norm.weight")
def an_index_that_lists_more(bad):
    a_missing_shard(bad)
    shutil.copy(bad.parent / PLAIN / "model.safetensors", bad / "model-00001-of-00001.safetensors")


@case(CONVERT, 3, "bad/model.safetensors.index.json", "weight_map", "an integer", "an object")
def an_index_without_map(bad):
    a_missing_shard(bad)
    (bad / "model.safetensors.index.json").write_text('{"weight_map": 3}')


@case(CONVERT, 3, "bad/pytorch_model.bin")
def a_bin_that_is_none(bad):
    no_weights(bad)
    (bad / "pytorch_model.bin").write_bytes(b"what is this" * 20)


# ---- tokenizers and tokens ----

@case(["--add-tokens", "bad/tokens.yaml", "bad", "out"], 3, "bad/tokens.yaml", None, "did not find expected node content", "valid YAML")
def yaml_that_is_none(bad):
    (bad / "tokens.yaml").write_text("a: [1,\n")


@case(["--add-tokens", "bad/tokens.yaml", "bad", "out"], 3, "bad/tokens.yaml", "bos_tokens", None, "bos_token, eos_token, pad_token, unk_token, special_tokens and regular_tokens")
def an_unknown_token_key(bad):
    (bad / "tokens.yaml").write_text("bos_tokens: x\n")


@case(["--add-tokens", "bad/tokens.yaml", "bad", "out"], 3, "bad")
def tokens_without_tokenizer(bad):
    (bad / "tokens.yaml").write_text('special_tokens: ["<|x|>"]\n')
    (bad / "tokenizer.json").unlink()


@case(["tokenize", "bad", "Hello"], 3, "bad/tokenizer.json", "model", '"Unheard"', "BPE")
def a_tokenizer_of_another_kind(bad):
    tokenizer = load(bad / "tokenizer.json")
    (bad / "tokenizer.json").write_text(json.dumps(tokenizer | {"model": tokenizer["model"] | {"type": "Unheard"}}))


@case(["tokenize", "bad", "Hello"], 3, "bad/tokenizer.json", "vocab", "an integer", "an object")
def a_vocabulary_that_is_none(bad):
    tokenizer = load(bad / "tokenizer.json")
    (bad / "tokenizer.json").write_text(json.dumps(tokenizer | {"model": tokenizer["model"] | {"vocab": 3}}))


@case(["--chat-template-path", "bad/template", "bad", "out"], 3, "bad/template", None, "not UTF-8 text", "a chat template")
def a_template_that_is_no_text(bad):
    (bad / "template").write_bytes(b"\xff\xfe")


# ---- converters ----

@case(["--converter-path", "bad", PLAIN, "out"], 3, "bad/forgather/qwen3.json", "surprise")
def a_converter_with_an_unknown_key(bad):
    (bad / "forgather").mkdir()
    (bad / "forgather/qwen3.json").write_text('{"format": "forgather", "extends": "forgather/llama.json", "model_type": "qwen3", "surprise": 1}')


@case(["--converter-path", "bad", PLAIN, "out"], 3, "bad/forgather/qwen3.json", None, "string or '}' expected near end of file", "valid JSON")
def a_converter_that_is_no_json(bad):
    (bad / "forgather").mkdir()
    (bad / "forgather/qwen3.json").write_text("{")


@case(["--converter-path", "bad", PLAIN, "out"], 3, "bad/forgather/qwen3.json", "extends")
def a_converter_that_extends_nothing(bad):
    (bad / "forgather").mkdir()
    (bad / "forgather/qwen3.json").write_text('{"format": "forgather", "extends": "nowhere.json", "model_type": "qwen3"}')


# ---- Fast-LLM and training checkpoints ----

def trained(bad):
    shutil.rmtree(bad)
    shutil.copytree(bad.parent / "fl_run/checkpoint/1", bad)


@case(CONVERT, 3, "bad/metadata.yaml", "metadata/fgconv/model_type")
def an_unfinished_checkpoint(bad):
    trained(bad)
    (bad / "ok").unlink()


@case(CONVERT, 3, "bad", None, "the files of 3 ranks", "4")
def a_rank_file_that_is_missing(bad):
    trained(bad)
    next(bad.glob("rank_*.safetensors")).unlink()


@case(CONVERT, 3, "bad/metadata.yaml", None, "did not find expected node content", "valid YAML")
def metadata_that_is_no_yaml(bad):
    trained(bad)
    (bad / "metadata.yaml").write_text("a: [")


def agrees(held, part):
    return held is not None and held.startswith(part[:-3]) if part and part.endswith("...") else held == part


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--print", action="store_true")
    options = parser.parse_args()
    fgconv = str(pathlib.Path(options.fgconv).resolve())
    tally = Tally()
    with tempfile.TemporaryDirectory() as made:
        place = pathlib.Path(made)
        prepare(place, f"{MODEL} {PLAIN} fl_trained fl_run converters", fgconv)
        for arguments in ([PLAIN, "fg"], ["--to", "fast_llm", PLAIN, "fl"]):
            subprocess.run([fgconv, "-q", *arguments], cwd=place, check=True, env=environment())
        shutil.copytree(place / PLAIN, place / "changed", symlinks=True)
        change_tensors(place / "changed", lambda held: held.update({NORM: (*held[NORM][:2], bytes(2) + held[NORM][2][2:])}))
        for breaks, arguments, code, parts in CASES:
            name = f"{breaks.__name__}: {' '.join(arguments)}"
            shutil.copytree(place / MODEL, place / "bad")
            for path in (place / "bad").iterdir():
                if path.is_symlink():
                    target = path.resolve()
                    path.unlink()
                    shutil.copy(target, path)
            breaks(place / "bad")
            done = subprocess.run([fgconv, "--json", *arguments], cwd=place, capture_output=True, text=True, env=environment())
            try:
                error = json.loads(done.stdout)
            except ValueError:
                error = {"status": "none", "exit": None}
            held = tuple(error.get(key) for key in ("file", "key", "found", "expected"))
            if options.print:
                print(name, done.returncode, held, "|", (error.get("what") or done.stdout + done.stderr)[:200].replace("\n", "\\n"))
            else:
                tally.check(f"{name}: exit {code}", done.returncode == code == error["exit"], done.stdout + done.stderr)
                tally.check(f"{name}: its parts", all(map(agrees, held, parts)), f"{held}: {done.stderr}")
            shutil.rmtree(place / "bad")
            shutil.rmtree(place / "out", ignore_errors=True)
    return tally.end()


sys.exit(main())
