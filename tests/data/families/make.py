#!/usr/bin/env python3
"""Tiny models of families that transformers has, with settings that change how they compute, and their logits, computed by transformers 5 (eager attention,
float32). make.py writes FAMILY/CASE: config.json as given below, model.safetensors, tokens.json, logits.npy [tokens, vocab]."""
import json, pathlib

import numpy as np, torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

here = pathlib.Path(__file__).parent
TOKENS = 20
COMMON = {"vocab_size": 40, "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
          "max_position_embeddings": 64, "rms_norm_eps": 1e-3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
GEMMA = {"head_dim": 8, "query_pre_attn_scalar": 5, "sliding_window": 4}
LONG = {"short_factor": [1.0, 1.5], "long_factor": [2.0, 7.5]}
CASES = {
    "qwen2/last_layers": {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1, "rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.5}, "tie_word_embeddings": False},
    "qwen2/types": {"use_sliding_window": True, "sliding_window": 3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "head_dim": 8, "max_position_embeddings": 16,
                    "rope_parameters": {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 500.0}, "tie_word_embeddings": True},
    "smollm3/interval": {"no_rope_layer_interval": 2, "attention_bias": True, "mlp_bias": True, "rope_theta": 300.0, "hidden_act": "gelu"},
    "smollm3/list": {"no_rope_layers": [1, 0, 0], "use_sliding_window": True, "sliding_window": 4, "tie_word_embeddings": False, "rope_parameters": {"rope_type": "default", "rope_theta": 300.0}},
    "gemma2/caps": {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 4.0, "rope_theta": 300.0},
    "gemma2/types": {**GEMMA, "layer_types": ["full_attention", "full_attention", "sliding_attention"], "attention_bias": True, "attn_logit_softcapping": None, "final_logit_softcapping": None,
                     "hidden_activation": "silu", "tie_word_embeddings": False,
                     "rope_parameters": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 300.0}},
    "gemma3_text/pattern": {**GEMMA, "sliding_window_pattern": 2, "rope_theta": 3000.0, "rope_local_base_freq": 100.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "gemma3_text/types": {**GEMMA, "layer_types": ["full_attention", "sliding_attention", "full_attention"], "final_logit_softcapping": 5.0, "attention_bias": True,
                          "rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 300.0},
                                              "sliding_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 100.0}}},
    "olmo2/basic": {"rope_theta": 300.0, "tie_word_embeddings": False},
    "olmo2/bias": {"attention_bias": True, "max_position_embeddings": 16, "rope_theta": 300.0, "rope_scaling": {"type": "dynamic", "factor": 2.0}, "tie_word_embeddings": True},
    "granite/multipliers": {"embedding_multiplier": 6.0, "attention_multiplier": 0.7, "residual_multiplier": 0.6, "logits_scaling": 3.0, "rope_theta": 300.0, "tie_word_embeddings": True},
    "granite/bias": {"attention_bias": True, "mlp_bias": True, "residual_multiplier": 0.8, "hidden_act": "gelu_pytorch_tanh",
                     "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 300.0, "beta_fast": 16.0}},
    "phi3/short": {"partial_rotary_factor": 0.75, "original_max_position_embeddings": 32, "sliding_window": 6, "rope_theta": 300.0, "rope_scaling": {"type": "longrope", **LONG}, "tie_word_embeddings": False},
    "phi3/long": {"original_max_position_embeddings": 16, "num_key_value_heads": 1, "tie_word_embeddings": False,
                  "rope_parameters": {"rope_type": "longrope", "short_factor": [1.0, 1.5, 1.75], "long_factor": [2.0, 7.5, 3.0], "rope_theta": 300.0, "partial_rotary_factor": 1.0, "original_max_position_embeddings": 16}},
    "glm4/basic": {"head_dim": 8, "rope_theta": 300.0},
    "glm4/odd": {"head_dim": 12, "attention_bias": False, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 300.0, "partial_rotary_factor": 0.75}},
    "smollm3/window": {"num_hidden_layers": 4, "use_sliding_window": True, "sliding_window": 4, "rope_theta": 300.0},
}
CLASSES = {"qwen2": "Qwen2", "smollm3": "SmolLM3", "gemma2": "Gemma2", "gemma3_text": "Gemma3", "olmo2": "Olmo2", "granite": "Granite", "phi3": "Phi3", "glm4": "Glm4"}


def draw(name, tensor):
    """Weights that make attention far from uniform; norms around what leaves a number as it is."""
    if tensor.ndim > 1:
        return torch.randn_like(tensor) * (0.35 if "mlp" not in name else 0.25)
    return torch.randn_like(tensor) * 0.2 + float(bool(tensor.detach().abs().sum() > 0))


for number, (name, settings) in enumerate(CASES.items()):
    family, target = name.split("/")[0], here / name
    target.mkdir(parents=True, exist_ok=True)
    config = {"architectures": [CLASSES[family] + "ForCausalLM"], "model_type": family, **COMMON, **settings}
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    torch.manual_seed(number)
    loaded = AutoConfig.from_pretrained(target)
    model = AutoModelForCausalLM.from_config(loaded, attn_implementation="eager", dtype=torch.float32).eval()
    ids = torch.randint(3, COMMON["vocab_size"], (1, TOKENS))
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            tensor.copy_(draw(key, tensor))
        logits = model(input_ids=ids, use_cache=False).logits[0].float().numpy()
    tensors = {k: v.contiguous().clone() for k, v in model.state_dict().items() if k != "lm_head.weight" or not loaded.tie_word_embeddings}
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    (target / "tokens.json").write_text(json.dumps({"input_ids": ids[0].tolist()}) + "\n")
    np.save(target / "logits.npy", logits)
    print(f"{name}: largest logit {abs(logits).max():.3f}")
