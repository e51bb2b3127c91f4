#!/usr/bin/env python3
"""Writes a Llama of the shape of 8B (16 GB, bfloat16, random weights) as Hugging Face has it, for tests/cuda/run and scaling.py. Needs numpy.

    make_llama.py DIR [--layers 32]
"""
import argparse
import json
import multiprocessing
import pathlib
import struct

import numpy as np

HIDDEN, INTER, KV, VOCAB = 4096, 14336, 1024, 128256


def tensors_of(layers):
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for i in range(layers):
        at = f"model.layers.{i}."
        for name, shape in (("self_attn.q_proj", (HIDDEN, HIDDEN)), ("self_attn.k_proj", (KV, HIDDEN)), ("self_attn.v_proj", (KV, HIDDEN)),
                            ("self_attn.o_proj", (HIDDEN, HIDDEN)), ("mlp.gate_proj", (INTER, HIDDEN)), ("mlp.up_proj", (INTER, HIDDEN)),
                            ("mlp.down_proj", (HIDDEN, INTER)), ("input_layernorm", (HIDDEN,)), ("post_attention_layernorm", (HIDDEN,))):
            yield f"{at}{name}.weight", shape
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCAB, HIDDEN)


def numbers(name, shape, pool):
    """bfloat16 near N(0, 0.02), or near 1 for a norm; a stretch of the pool that depends on the name."""
    count = int(np.prod(shape))
    if len(shape) == 1:
        values = (1 + pool[:count].astype(np.float32)).view(np.uint32)
        return (values >> 16).astype(np.uint16)
    begin = sum(name.encode()) * 7919 % (len(pool) // 2)
    stored = (pool.view(np.uint32) >> 16).astype(np.uint16)[begin:]
    return np.resize(stored[: len(pool) // 2 - 1], count)


def write_shard(job):
    path, names, seed = job
    pool = np.random.default_rng(seed).standard_normal(1 << 24, dtype=np.float32) * np.float32(0.02)
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in names:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, shape in names:
            numbers(name, shape, pool).tofile(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=32)
    options = parser.parse_args()
    options.directory.mkdir(parents=True)
    names, shards = list(tensors_of(options.layers)), 16
    size = sum(np.prod(shape) for _, shape in names) / shards
    groups, done = [[] for _ in range(shards)], 0
    for name, shape in names:
        groups[min(shards - 1, int(done / size))].append((name, shape))
        done += np.prod(shape)
    groups = [group for group in groups if group]
    files = [f"model-{i + 1:05}-of-{len(groups):05}.safetensors" for i in range(len(groups))]
    with multiprocessing.Pool(8) as workers:
        workers.map(write_shard, [(options.directory / file, group, i) for i, (file, group) in enumerate(zip(files, groups))])
    index = {"metadata": {"total_size": int(2 * done)}, "weight_map": {name: file for file, group in zip(files, groups) for name, _ in group}}
    (options.directory / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False, "hidden_act": "silu",
              "hidden_size": HIDDEN, "head_dim": 128, "intermediate_size": INTER, "num_hidden_layers": options.layers, "num_attention_heads": 32,
              "num_key_value_heads": 8, "vocab_size": VOCAB, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
              "rope_scaling": None, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2}
    (options.directory / "config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main()
