"""What the acme_llama plug-in of the tests writes next to config.json: Llama with plain rotary embeddings.

acme_code.json declares the keys that it reads and the parameters that it makes.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class AcmeForgatherConfig(PretrainedConfig):
    model_type = "forgather-dynamic-causal-acme_llama"
    rope_scaling = None  # a plain attribute instead of the property that transformers 5 has

    def __init__(self, vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_dim = head_dim
        self.rms_norm_eps = rms_norm_eps
        self.rope_theta = rope_theta
        self.tie_word_embeddings = tie_word_embeddings


class Norm(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.hidden_size))
        self.eps = config.rms_norm_eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


def rotate(x, theta):
    """Rotary embeddings of x, [b, heads, tokens, d], whose dimension i is paired with dimension i + d / 2."""
    tokens, size = x.shape[-2:]
    frequencies = theta ** (-torch.arange(0, size, 2, device=x.device, dtype=torch.float32) / size)
    angles = torch.arange(tokens, device=x.device, dtype=torch.float32)[:, None] * frequencies
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        query_size, key_size = (n * config.head_dim for n in (config.num_attention_heads, config.num_key_value_heads))
        self.query_linear = nn.Linear(config.hidden_size, query_size, bias=False)
        self.key_linear = nn.Linear(config.hidden_size, key_size, bias=False)
        self.value_linear = nn.Linear(config.hidden_size, key_size, bias=False)
        self.output_linear = nn.Linear(query_size, config.hidden_size, bias=False)

    def forward(self, x):
        query, key, value = (linear(x).unflatten(-1, (-1, self.config.head_dim)).transpose(1, 2)
                             for linear in (self.query_linear, self.key_linear, self.value_linear))
        query, key = rotate(query, self.config.rope_theta), rotate(key, self.config.rope_theta)
        group = self.config.num_attention_heads // self.config.num_key_value_heads
        key, value = (kv.repeat_interleave(group, dim=1) for kv in (key, value))
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output_linear(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm1, self.attention = Norm(config), Attention(config)
        self.norm2, self.feedforward = Norm(config), FeedForward(config)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feedforward(self.norm2(x))


class AcmeForgatherModel(PreTrainedModel):
    config_class = AcmeForgatherConfig
    base_model_prefix = "causal_lm"

    def __init__(self, config):
        super().__init__(config)
        self.causal_lm = nn.ModuleDict({
            "input_encoder": nn.ModuleDict({"embedding": nn.Embedding(config.vocab_size, config.hidden_size)}),
            "layer_stack": nn.ModuleDict({
                "layers": nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers)), "layer_norm": Norm(config)}),
        })
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args, output_loading_info=False, **kwargs):
        """The base class only warns of weights that are missing or unexpected."""
        model, report = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        if report["missing_keys"] or report["unexpected_keys"]:
            raise ValueError(f"missing: {sorted(report['missing_keys'])}, unexpected: {sorted(report['unexpected_keys'])}")
        return (model, report) if output_loading_info else model

    def forward(self, input_ids, **kwargs):
        x = self.causal_lm["input_encoder"]["embedding"](input_ids)
        for layer in self.causal_lm["layer_stack"]["layers"]:
            x = layer(x)
        return CausalLMOutput(logits=self.lm_head(self.causal_lm["layer_stack"]["layer_norm"](x)))
