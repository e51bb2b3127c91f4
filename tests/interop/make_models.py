#!/usr/bin/env python3
"""Write tiny Hugging Face checkpoints with seeded random weights: make_models.py DIR

One directory a model, under 2 MB in all. Together they have what Llama, Mistral and Qwen3 checkpoints differ in: tied
and untied heads, both rotary kinds, a sliding window, a head size other than hidden_size / num_attention_heads, norms of
queries and keys, float32 and bfloat16, one file and several. config.json is spelled as the installed transformers
spells it. The tokenizer is a real byte-level BPE with 384 tokens.
"""

import argparse
import json
import pathlib

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GenerationConfig,
    Glm4Config,
    Glm4ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

VOCAB_SIZE = 384
SPECIAL_TOKENS = ["<s>", "</s>", "<unk>", "<pad>"]  # their ids are 0 to 3
CORPUS = [
    "A lighthouse keeper counts ships, and writes each name in a long ledger.",
    "The ships carry grain, salt, copper wire and letters from people far away.",
    "When fog comes in from the sea, the keeper lights the lamp and rings the bell.",
    "In winter there are few ships; the ledger stays closed for 12 or 13 days.",
    "She reads the old pages then: names, dates, cargo, weather, and one drawing of a whale.",
    "for i in range(10): print(i * i, end='\\n')",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Où est la gare? ¿Qué hora es?",
]

SIZES = {"vocab_size": VOCAB_SIZE, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256}
TOKEN_IDS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 3}
LLAMA3_ROPE = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3_ROPE |= {"original_max_position_embeddings": 32}

# name: configuration class, model class, what differs from SIZES, dtype, largest file
MODELS = {
    "llama-untied": (LlamaConfig, LlamaForCausalLM, {"tie_word_embeddings": False}, torch.float32, "100KB"),
    "llama-tied-llama3": (
        LlamaConfig,
        LlamaForCausalLM,
        {"tie_word_embeddings": True, "rope_theta": 500000.0, "rope_scaling": LLAMA3_ROPE, "rms_norm_eps": 1e-5},
        torch.bfloat16,
        "5GB",
    ),
    "llama-head-dim": (
        LlamaConfig,
        LlamaForCausalLM,
        {"head_dim": 20, "num_key_value_heads": 1, "tie_word_embeddings": False},
        torch.bfloat16,
        "5GB",
    ),
    "mistral-window": (
        MistralConfig,
        MistralForCausalLM,
        {"head_dim": 24, "sliding_window": 8, "tie_word_embeddings": False},
        torch.bfloat16,
        "60KB",
    ),
    "qwen3-tied": (
        Qwen3Config,
        Qwen3ForCausalLM,
        {"head_dim": 32, "rope_theta": 1000000.0, "tie_word_embeddings": True},
        torch.float32,
        "5GB",
    ),
}

LONGROPE = {"type": "longrope", "short_factor": [1.0, 1.3, 1.7], "long_factor": [1.0, 3.0, 5.0]}

# Families that Forgather's first versions do not have. All norms, scales and rotary types of the emitted code are here.
FURTHER_MODELS = {
    "qwen2-window": (
        Qwen2Config,
        Qwen2ForCausalLM,
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1, "tie_word_embeddings": False},
        torch.bfloat16,
        "60KB",
    ),
    "smollm3-window": (
        SmolLM3Config,
        SmolLM3ForCausalLM,
        {"num_hidden_layers": 3, "no_rope_layers": [1, 0, 1], "use_sliding_window": True, "sliding_window": 8},
        torch.bfloat16,
        "5GB",
    ),
    "smollm3-list": (  # which no interval follows
        SmolLM3Config,
        SmolLM3ForCausalLM,
        {"num_hidden_layers": 3, "no_rope_layers": [0, 1, 1], "tie_word_embeddings": False},
        torch.float32,
        "5GB",
    ),
    "gemma2": (
        Gemma2Config,
        Gemma2ForCausalLM,
        {"num_hidden_layers": 3, "head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 24, "attn_logit_softcapping": 5.0},
        torch.float32,
        "5GB",
    ),
    "gemma3-linear": (
        Gemma3TextConfig,
        Gemma3ForCausalLM,
        {
            "num_hidden_layers": 4,
            "head_dim": 16,
            "sliding_window": 8,
            "query_pre_attn_scalar": 24,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
            "rope_theta": 100000.0,
            "rope_local_base_freq": 5000.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
        torch.bfloat16,
        "5GB",
    ),
    "olmo2": (Olmo2Config, Olmo2ForCausalLM, {"attention_bias": True, "tie_word_embeddings": False}, torch.bfloat16, "5GB"),
    "granite": (
        GraniteConfig,
        GraniteForCausalLM,
        {
            "embedding_multiplier": 6.0,
            "attention_multiplier": 0.1,
            "residual_multiplier": 0.3,
            "logits_scaling": 4.0,
            "mlp_bias": True,
            "tie_word_embeddings": True,
        },
        torch.float32,
        "60KB",
    ),
    "phi3-partial": (
        Phi3Config,
        Phi3ForCausalLM,
        {"partial_rotary_factor": 0.5, "sliding_window": 8, "tie_word_embeddings": False},
        torch.bfloat16,
        "100KB",
    ),
    "phi3-longrope": (
        Phi3Config,
        Phi3ForCausalLM,
        {"partial_rotary_factor": 0.5, "rope_scaling": LONGROPE, "original_max_position_embeddings": 44},
        torch.float32,
        "5GB",
    ),
    "glm4": (Glm4Config, Glm4ForCausalLM, {"head_dim": 16, "tie_word_embeddings": False}, torch.bfloat16, "5GB"),
}

# Models for Fast-LLM alone: Forgather has no experts and no biases.
FAST_LLM_MODELS = {
    "llama-biases": (
        LlamaConfig,
        LlamaForCausalLM,
        {"attention_bias": True, "mlp_bias": True, "head_dim": 16, "tie_word_embeddings": True},
        torch.float32,
        "60KB",
    ),
    "qwen2-tied": (Qwen2Config, Qwen2ForCausalLM, {"tie_word_embeddings": True}, torch.bfloat16, "60KB"),
    "mixtral-experts": (
        MixtralConfig,
        MixtralForCausalLM,
        {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8, "tie_word_embeddings": False},
        torch.bfloat16,
        "100KB",
    ),
}


def write_tokenizer(directory: pathlib.Path):
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=1,
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if tokenizer.get_vocab_size() != VOCAB_SIZE:
        raise SystemExit(f"the corpus gives {tokenizer.get_vocab_size()} tokens, expected {VOCAB_SIZE}: lengthen it")
    tokenizer.save(str(directory / "tokenizer.json"))
    names = dict(zip(("bos_token", "eos_token", "unk_token", "pad_token"), SPECIAL_TOKENS))
    write_json(directory / "special_tokens_map.json", names)
    # By hand: transformers 5 would write a class name that transformers 4 does not know.
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": SIZES["max_position_embeddings"]}
    write_json(directory / "tokenizer_config.json", {**names, **settings, "clean_up_tokenization_spaces": False})


def write_json(path: pathlib.Path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_model(directory: pathlib.Path, seed: int, config_class, model_class, settings, dtype, largest_file: str):
    model = model_class(config_class(**{**SIZES, **TOKEN_IDS, **settings}))
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            # Norms near 1 but unequal, the others wide enough that every head and every position changes the logits.
            mean, deviation = (1.0, 0.2) if "norm" in name else (0.0, 0.2)
            weight.copy_(torch.empty_like(weight).normal_(mean, deviation, generator=random))
    model = model.to(dtype)
    model.config.dtype = dtype
    model.generation_config = GenerationConfig(**TOKEN_IDS)
    model.save_pretrained(directory, max_shard_size=largest_file)
    write_tokenizer(directory)


def make_models(directory: pathlib.Path, models: dict = MODELS) -> list:
    """Write the models below an existing directory and return their directories."""
    made = []
    for seed, (name, recipe) in enumerate(models.items()):
        write_model(directory / name, seed, *recipe)
        made.append(directory / name)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, help="made if it is not there")
    target = parser.parse_args().directory
    target.mkdir(parents=True, exist_ok=True)
    for made in make_models(target):
        print(made)
