"""Llama and Mixtral checkpoints whose weights are holes: headers, an index, and files made long by truncation. Standard library only."""
import json
import os
import pathlib
import random
import struct

DATA = 1 << 20  # bytes of real data at the start of every large tensor of a `mixed` model


def names_of(layers, hidden, inter, kv, vocab, experts=0):
    """Of a llama, or with experts of a mixtral."""
    yield "model.embed_tokens.weight", (vocab, hidden)
    for i in range(layers):
        p = f"model.layers.{i}."
        yield p + "self_attn.q_proj.weight", (hidden, hidden)
        yield p + "self_attn.k_proj.weight", (kv, hidden)
        yield p + "self_attn.v_proj.weight", (kv, hidden)
        yield p + "self_attn.o_proj.weight", (hidden, hidden)
        if experts:
            yield p + "block_sparse_moe.gate.weight", (experts, hidden)
        for mlp in [f"block_sparse_moe.experts.{e}." for e in range(experts)] or ["mlp."]:
            gate, up, down = ("w1", "w3", "w2") if experts else ("gate_proj", "up_proj", "down_proj")
            yield f"{p}{mlp}{gate}.weight", (inter, hidden)
            yield f"{p}{mlp}{up}.weight", (inter, hidden)
            yield f"{p}{mlp}{down}.weight", (hidden, inter)
        yield p + "input_layernorm.weight", (hidden,)
        yield p + "post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocab, hidden)


def config_of(layers, hidden, inter, heads, kv_heads, vocab, experts=0):
    if experts:
        more = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "num_local_experts": experts, "num_experts_per_tok": 2, "sliding_window": None}
    else:
        more = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False}
    return {**more, "hidden_size": hidden, "head_dim": hidden // heads,
            "intermediate_size": inter, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "vocab_size": vocab, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": None,
            "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
            "tie_word_embeddings": False, "torch_dtype": "bfloat16"}


def write_shard(path, tensors, mixed):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    block = random.Random(0).randbytes(DATA)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
        for entry in header.values():
            first, end = entry.get("data_offsets", (0, 0))
            if mixed and end - first > DATA:
                file.seek(8 + len(text) + first)
                file.write(block)


def write(folder, layers, hidden, inter, heads, kv_heads, vocab, shards, mixed=False, experts=0):
    """`mixed`: large tensors begin with a mebibyte of data; otherwise everything is a hole."""
    folder = pathlib.Path(folder)
    os.makedirs(folder, exist_ok=True)
    tensors = list(names_of(layers, hidden, inter, hidden // heads * kv_heads, vocab, experts))
    share = -(-len(tensors) // shards)
    index = {}
    for s in range(shards):
        part, name = tensors[s * share:(s + 1) * share], f"model-{s + 1:05d}-of-{shards:05d}.safetensors"
        write_shard(folder / name, part, mixed)
        index |= {n: name for n, _ in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (folder / "config.json").write_text(json.dumps(config_of(layers, hidden, inter, heads, kv_heads, vocab, experts), indent=2))
    return len(tensors)


def many(folder, tensors):
    """About that many tiny tensors (nine a layer), in shards of 50,000."""
    return write(folder, layers=tensors // 9, hidden=8, inter=8, heads=1, kv_heads=1, vocab=32, shards=-(-tensors // 50000))


def experts(folder, tensors):
    """About that many tensors of experts: three each, 256 a layer."""
    each = 256
    return write(folder, layers=tensors // (3 * each), hidden=8, inter=8, heads=1, kv_heads=1, vocab=32, shards=-(-tensors // 50000), experts=each)


def large(folder, gigabytes):
    """About that many gigabytes, nearly all of them holes, in five shards."""
    hidden, inter, vocab = 3072, 12288, 32000
    layer = 2 * (2 * hidden * hidden + 2 * hidden * hidden // 4 + 3 * hidden * inter)
    return write(folder, layers=max(1, round(gigabytes * 1e9 / layer)), hidden=hidden, inter=inter, heads=48, kv_heads=12, vocab=vocab,
                 shards=5, mixed=True)
