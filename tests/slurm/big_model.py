#!/usr/bin/env python3
"""Writes a Hugging Face Llama with made-up weights that takes a while to convert: for tests that stop a run in the middle.

    big_model.py OUT [LAYERS] [SHARDS]      1024 wide, 32 MiB a layer, bfloat16; finite weights, no two layers alike

Python's standard library alone. There is no tokenizer: fgconv converts without one and warns.
"""
import json
import os
import pathlib
import struct
import sys

HIDDEN, INTERMEDIATE, VOCAB, HEADS, KV_HEADS = 1024, 4096, 8192, 16, 8
SCALES = bytes(0x3c if b & 1 else 0xbc for b in range(256))  # the high byte of a bfloat16: 0.008 to 0.03, both signs


def config(layers):
    return {"architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
            "head_dim": HIDDEN // HEADS, "hidden_act": "silu", "hidden_size": HIDDEN, "initializer_range": 0.02,
            "intermediate_size": INTERMEDIATE, "max_position_embeddings": 4096, "mlp_bias": False, "model_type": "llama",
            "num_attention_heads": HEADS, "num_hidden_layers": layers, "num_key_value_heads": KV_HEADS, "pretraining_tp": 1,
            "rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
            "use_cache": True, "vocab_size": VOCAB}


def shapes(layers):
    kv = HIDDEN * KV_HEADS // HEADS
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for i in range(layers):
        block = f"model.layers.{i}."
        yield block + "input_layernorm.weight", (HIDDEN,)
        for name, rows in (("q", HIDDEN), ("k", kv), ("v", kv), ("o", HIDDEN)):
            yield f"{block}self_attn.{name}_proj.weight", (rows, HIDDEN)
        yield block + "post_attention_layernorm.weight", (HIDDEN,)
        yield block + "mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield block + "mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield block + "mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCAB, HIDDEN)


def numbers(count):
    """`count` random bfloat16 values; long tensors repeat one stretch of 1 Mi values."""
    stretch = bytearray(2 * min(count, 1 << 20))
    stretch[0::2] = os.urandom(len(stretch) // 2)
    stretch[1::2] = os.urandom(len(stretch) // 2).translate(SCALES)
    return bytes(stretch) * (count // (len(stretch) // 2))


def write_shard(path, tensors):
    entries, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors:
            f.write(numbers(shape[0] * (shape[1] if len(shape) > 1 else 1)))
    return offset


def write_model(out, layers=8, shards=1):
    out = pathlib.Path(out)
    out.mkdir(parents=True)
    (out / "config.json").write_text(json.dumps(config(layers), indent=2))
    tensors = list(shapes(layers))
    if shards == 1:
        write_shard(out / "model.safetensors", tensors)
        return
    index, total = {}, 0
    for s in range(shards):
        name = f"model-{s + 1:05}-of-{shards:05}.safetensors"
        part = tensors[len(tensors) * s // shards:len(tensors) * (s + 1) // shards]
        total += write_shard(out / name, part)
        index.update((tensor, name) for tensor, _ in part)
    (out / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2))


if __name__ == "__main__":
    write_model(sys.argv[1], *map(int, sys.argv[2:]))
