"""A decoder-only language model with Forgather's parameter names, as one file for `trust_remote_code`.

fgconv writes this file next to config.json. It holds everything that the model computes, so change it freely:

    FgconvConfig          the settings in config.json; what a missing key means is in its __init__
    RMSNorm, ACTIVATIONS  what blocks are made of
    rotary_angles         positions -> cosines and sines, for each rotary type
    visible_keys          who may look at whom: causal order, sliding window, padding, packed documents
    Attention, FeedForward
    BLOCKS                a block as a list of parts: norms before or after attention and feed-forward, or both
    CausalLM              embedding, layers and final norm (the part before the head)
    FgconvForCausalLM     the model: CausalLM, head, loss, generate()

fgconv_causal_lm.json declares the keys and parameters below for fgconv, which writes a model with this file only if the
model has exactly those. It runs with transformers 4.57 and with transformers 5. In the comments on shapes, b is the batch, q the number of
tokens fed in, k the number of tokens that attention looks back on (q plus what the cache holds), d the head size.
"""

import functools
import inspect
import itertools
import math
from typing import Optional, Union

import torch
import torch.nn.functional as F
from torch import nn
from transformers import DynamicCache, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import CausalLMOutputWithPast

ACTIVATIONS = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": functools.partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
}

# The parts of a block, by norm_position. What a row computes is added to the residual stream; names other than
# attention and feedforward are norms.
BLOCKS = {
    "before": [["norm1", "attention"], ["norm2", "feedforward"]],
    "after": [["attention", "post_attention_layernorm"], ["feedforward", "post_feedforward_layernorm"]],
    "both": [
        ["input_layernorm", "attention", "post_attention_layernorm"],
        ["pre_feedforward_layernorm", "feedforward", "post_feedforward_layernorm"],
    ],
}

# Keys that most families do not need: those that have their default are not written to a saved config.json, as
# converters do not know them all.
OPTIONAL_KEYS = (
    "hidden_activation norm_position norm_weight_offset qk_norm_all_heads late_rounding scale_embeddings embedding_multiplier "
    "residual_multiplier attention_multiplier query_pre_attn_scalar attn_logit_softcapping logits_scaling "
    "final_logit_softcapping layer_types no_rope_layer_interval no_rope_layers rope_parameters partial_rotary_factor "
    "rope_interleaved original_max_position_embeddings"
).split()

# Keys of other models, for computations that this code does not have.
UNKNOWN_COMPUTATIONS = (
    "alibi attention_chunk_size clip_qkv logit_scale num_experts num_local_experts per_layer_config qk_layernorm "
    "use_bidirectional_attention use_mrope use_qk_norm"
).split()


class FgconvConfig(PretrainedConfig):
    """The keys of config.json. Keys that are not named here are kept, written back and otherwise ignored."""

    # A plain attribute instead of the property that transformers 5 has, which would rename the key in a saved file.
    rope_scaling = None
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(
        self,
        vocab_size: int = 32000,
        hidden_size: int = 4096,
        intermediate_size: int = 11008,
        num_hidden_layers: int = 32,
        num_attention_heads: int = 32,
        num_key_value_heads: Optional[int] = None,  # absent: as many as num_attention_heads
        head_dim: Optional[int] = None,  # absent: hidden_size / num_attention_heads
        hidden_act: Optional[str] = None,  # see ACTIVATIONS; absent: hidden_activation, else silu
        hidden_activation: Optional[str] = None,  # the same under another name; wins
        # Norms.
        norm_position: str = "before",  # of attention and feed-forward; see BLOCKS
        rms_norm_eps: float = 1e-6,
        norm_weight_offset: float = 0.0,  # norms multiply by this plus their weight
        qk_norm: Optional[bool] = None,  # norms of queries and keys; absent: only if the family is qwen3
        qk_norm_all_heads: bool = False,  # over all heads at once, else per head
        late_rounding: bool = False,  # keep norms and rotary angles in float32 until they have been multiplied
        # Biases.
        attention_bias: bool = False,  # of queries, keys and values
        attention_out_bias: Optional[bool] = None,  # of attention's output; absent: as attention_bias
        mlp_bias: bool = False,  # of all three projections of the feed-forward network
        # Scales and soft caps: cap * tanh(x / cap).
        scale_embeddings: bool = False,  # embeddings are multiplied by the root of hidden_size
        embedding_multiplier: float = 1.0,
        residual_multiplier: float = 1.0,  # of what attention and feed-forward add to the residual stream
        attention_multiplier: Optional[float] = None,  # of attention's scores; absent: see query_pre_attn_scalar
        query_pre_attn_scalar: Optional[float] = None,  # scores are divided by the root of this; absent: of head_dim
        attn_logit_softcapping: Optional[float] = None,
        logits_scaling: float = 1.0,  # logits are divided by this
        final_logit_softcapping: Optional[float] = None,
        # Layers that differ.
        sliding_window: Optional[int] = None,  # a token sees itself and the window - 1 tokens before it; absent: all
        layer_types: Optional[list] = None,  # full_attention or sliding_attention; absent: the window is all layers'
        no_rope_layer_interval: Optional[int] = None,  # every so many layers, one is without rotary embeddings
        no_rope_layers: Optional[list] = None,  # by layer, 0: without rotary embeddings; wins over the interval
        # Rotary embeddings.
        rope_theta: Optional[float] = None,  # absent: 10000
        rope_scaling: Optional[dict] = None,  # the type and its settings; see ROTARY_TYPES
        rope_parameters: Optional[dict] = None,  # theta and scaling in one object, or one for each of layer_types; wins
        partial_rotary_factor: Optional[float] = None,  # of each head, this part from its start is turned; absent: all
        rope_interleaved: bool = False,  # dimension 2i is paired with 2i + 1; else i with i + half
        max_position_embeddings: int = 2048,  # a promise, not a limit: nothing here is that long
        original_max_position_embeddings: Optional[int] = None,  # the length before rotary scaling; absent: see there
        # Training, and what transformers reads.
        tie_word_embeddings: bool = True,  # absent means tied in Forgather's files
        attention_dropout: float = 0.0,  # on the attention weights
        activation_dropout: float = 0.0,  # inside the feed-forward network, before its last projection
        layer_dropout: float = 0.0,  # on what attention and feed-forward add to the residual stream
        residual_dropout: float = 0.0,  # on the residual stream itself
        embedding_dropout: float = 0.0,  # on the token embeddings
        initializer_range: float = 0.02,  # for training from nothing
        use_cache: bool = True,
        forgather_arch: Optional[str] = None,
        hf_model_type: Optional[str] = None,
        bos_token_id: Optional[int] = None,
        eos_token_id: Union[int, list, None] = None,
        pad_token_id: Optional[int] = None,
        **kwargs,
    ):
        given = {key: value for key, value in locals().items() if key not in ("self", "kwargs", "__class__")}
        super().__init__(**kwargs)
        if rope_parameters and not by_layer_type(rope_parameters):
            given["rope_scaling"] = dict(rope_parameters)
            for key in ("rope_theta", "partial_rotary_factor"):
                given[key] = given["rope_scaling"].pop(key, given[key])
            given["rope_parameters"] = None
        given["num_key_value_heads"] = num_key_value_heads or num_attention_heads
        given["head_dim"] = head_dim or hidden_size // num_attention_heads
        given["qk_norm"] = (forgather_arch or hf_model_type) == "qwen3" if qk_norm is None else qk_norm
        given["attention_out_bias"] = attention_bias if attention_out_bias is None else attention_out_bias
        given["hidden_act"] = hidden_act or hidden_activation or "silu"
        if given["rope_theta"] is None and not given["rope_parameters"]:
            given["rope_theta"] = 10000.0
        for key, value in given.items():
            setattr(self, key, value)
        self._refuse_what_is_not_computed(kwargs)

    def _refuse_what_is_not_computed(self, others: dict):
        """A setting that the code below does not follow must not pass in silence."""
        heads, layers, window = self.num_key_value_heads, self.num_hidden_layers, self.sliding_window
        types = ["full_attention", "sliding_attention"] if window is not None else ["full_attention"]
        for key in UNKNOWN_COMPUTATIONS:
            refuse(others.get(key), key, others.get(key), "nothing, as it has no such computation")
        refuse(self.activation not in ACTIVATIONS, "hidden_act", self.activation, f"one of {', '.join(ACTIVATIONS)}")
        refuse(self.norm_position not in BLOCKS, "norm_position", self.norm_position, f"one of {', '.join(BLOCKS)}")
        refuse(self.norm_weight_offset not in (0, 1), "norm_weight_offset", self.norm_weight_offset, "0 or 1")
        wrong = self.attention_multiplier is not None and self.query_pre_attn_scalar is not None
        refuse(wrong, "attention_multiplier", self.attention_multiplier, "nothing next to query_pre_attn_scalar")
        wrong = self.num_attention_heads % heads
        refuse(wrong, "num_attention_heads", self.num_attention_heads, f"a multiple of num_key_value_heads ({heads})")
        refuse(window is not None and window < 1, "sliding_window", window, "null or at least 1")
        if self.layer_types is not None:
            wrong = len(self.layer_types) != layers or not set(self.layer_types) <= set(types)
            refuse(wrong, "layer_types", self.layer_types, f"{layers} entries, each {' or '.join(types)}")
        wrong = self.no_rope_layers is not None and len(self.no_rope_layers) < layers
        refuse(wrong, "no_rope_layers", self.no_rope_layers, f"{layers} entries")
        kinds = self.layer_types if self.rope_parameters else []
        wrong = kinds is None or not set(kinds) <= set(self.rope_parameters or {})
        refuse(wrong, "rope_parameters", self.rope_parameters, "an object for each of layer_types")
        for kind in {self.rotary_kind(layer) for layer in range(layers)} - {None}:
            self._refuse_rotary(self.rotary_settings(kind))

    def _refuse_rotary(self, settings: dict):
        kind, size = settings["rope_type"], settings["size"]
        refuse(kind not in ROTARY_TYPES, "rope_scaling.rope_type", kind, f"one of {', '.join(ROTARY_TYPES)}")
        wrong = not 0 < size + size % 2 <= self.head_dim
        refuse(wrong, "head_dim", self.head_dim, f"pairs of dimensions to turn, not {size} dimensions")
        members = ROTARY_TYPES[kind][1:]
        known = {*ROTARY_MEMBERS, *itertools.chain(*(reads for _, *reads in ROTARY_TYPES.values()))}
        for key, value in settings.items():
            refuse(value is not None and key not in known, f"rope_scaling.{key}", value, "nothing")
        needed = ["rope_theta", *(members if kind in ("linear", "dynamic", "llama3") else [])]
        for key in needed:
            refuse(not settings.get(key), f"rope_scaling.{key}", settings.get(key), f"a number for rotary type {kind}")
        for key in {"short_factor", "long_factor"} & set(members):
            found = settings.get(key)
            refuse(len(found or []) != size // 2, f"rope_scaling.{key}", found, f"{size // 2} numbers")

    @property
    def activation(self) -> str:
        return self.hidden_activation or self.hidden_act

    def window(self, layer: int) -> Optional[int]:
        slides = self.layer_types is None or self.layer_types[layer] == "sliding_attention"
        return self.sliding_window if slides else None

    def rotary_kind(self, layer: int) -> Optional[str]:
        """What rotary_settings takes for this layer; None if it has no rotary embeddings."""
        every = self.no_rope_layer_interval
        if self.no_rope_layers is not None and not self.no_rope_layers[layer]:
            return None
        if self.no_rope_layers is None and every and (layer + 1) % every == 0:
            return None
        if not self.rope_parameters:
            return "every layer"
        kind = self.layer_types[layer]
        return kind if self.rope_parameters[kind] is not None else None

    def rotary_settings(self, kind: str) -> dict:
        """The rotary type and all that it reads, and the number of dimensions that are turned as "size"."""
        given = self.rope_parameters[kind] if self.rope_parameters else self.rope_scaling
        settings = {"rope_theta": self.rope_theta, "partial_rotary_factor": self.partial_rotary_factor, **(given or {})}
        settings["rope_type"] = settings.get("rope_type") or settings.get("type") or "default"
        part = settings["partial_rotary_factor"]
        settings["size"] = self.head_dim if part is None else int(self.head_dim * part)
        lengths = self.original_max_position_embeddings, settings.get("original_max_position_embeddings")
        settings["original_max_position_embeddings"] = lengths[0] or lengths[1] or self.max_position_embeddings
        settings["max_position_embeddings"] = self.max_position_embeddings
        return settings

    # One class serves every family, so model_type ("forgather-dynamic-causal-llama" and so on) belongs to the instance.
    # transformers takes it from the class at two places, which these two methods replace: when it reads a file it
    # would warn about another name, and when it writes one it would write the class's.

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        settings, unused = cls.get_config_dict(pretrained_model_name_or_path, **kwargs)
        return cls.from_dict(settings, **unused)

    def to_dict(self):
        settings = {**super().to_dict(), "model_type": self.model_type}
        known = inspect.signature(FgconvConfig.__init__).parameters
        unused = {key for key in OPTIONAL_KEYS if settings.get(key) == known[key].default}
        if settings.get("attention_out_bias") == settings.get("attention_bias"):
            unused.add("attention_out_bias")
        if settings.get("hidden_activation") is not None:
            unused.add("hidden_act")
        return {key: value for key, value in settings.items() if key not in unused}


def refuse(wrong, key: str, found, expected: str):
    if wrong:
        raise ValueError(f"config.json: {key} is {found!r}; this code expects {expected}")


def by_layer_type(rope_parameters: dict) -> bool:
    return any(isinstance(value, dict) for value in rope_parameters.values())


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) over the last dimension, in float32, then times the weight."""

    def __init__(self, config: FgconvConfig, size: int):
        super().__init__()
        self.offset = config.norm_weight_offset
        self.weight = nn.Parameter(torch.full((size,), 1.0 - self.offset))
        self.eps = config.rms_norm_eps
        self.late = config.late_rounding or self.offset != 0

    def forward(self, x):
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        if self.late:
            return (wide * (self.offset + self.weight.float())).to(x.dtype)
        return self.weight * wide.to(x.dtype)


def soft_cap(x, cap: Optional[float]):
    return x if cap is None else torch.tanh(x / cap) * cap


# Rotary types. Each takes how far each pair of dimensions turns from one position to the next, in radians, [size / 2],
# and returns it changed, with a factor for cosines and sines.


def plain_frequencies(frequencies, settings, position_ids):
    return frequencies, 1.0


def linear_frequencies(frequencies, settings, position_ids):
    return frequencies / settings["factor"], 1.0


def dynamic_frequencies(frequencies, settings, position_ids):
    """As if rope_theta had been larger, by as much as the text is longer than max_position_embeddings."""
    trained, size = settings["max_position_embeddings"], settings["size"]
    length = max(int(position_ids.max()) + 1, trained)
    growth = (settings["factor"] * length / trained - (settings["factor"] - 1)) ** (size / (size - 2))
    return frequencies / growth ** (torch.arange(0, size, 2, device=frequencies.device) / size), 1.0


def llama3_frequencies(frequencies, settings, position_ids):
    # Llama 3 was stretched to longer texts after training: slow turns are slowed down by `factor`, fast ones are
    # kept, and between the two limits (in turns per original text length) one passes smoothly into the other.
    low, high = settings["low_freq_factor"], settings["high_freq_factor"]
    turns = settings["original_max_position_embeddings"] / (2 * torch.pi / frequencies)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - kept) * frequencies / settings["factor"] + kept * frequencies, 1.0


def stretch(settings) -> float:
    return settings.get("factor") or settings["max_position_embeddings"] / settings["original_max_position_embeddings"]


def longrope_frequencies(frequencies, settings, position_ids):
    """A factor for each pair, of which there are two lists: for texts up to the original length, and for longer ones."""
    original, factor = settings["original_max_position_embeddings"], settings.get("attention_factor")
    chosen = settings["long_factor" if int(position_ids.max()) + 1 > original else "short_factor"]
    if factor is None:
        factor = math.sqrt(1 + math.log(stretch(settings)) / math.log(original)) if stretch(settings) > 1 else 1.0
    return frequencies / torch.tensor(chosen, dtype=torch.float32, device=frequencies.device), factor


def yarn_frequencies(frequencies, settings, position_ids):
    """As llama3, but one passes into the other along the index of the pair; and scores grow with the factor."""
    size, factor = settings["size"], stretch(settings)

    def index(turns: float) -> float:  # of the pair that turns so often in the original length
        length = settings["original_max_position_embeddings"]
        return size * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(settings["rope_theta"]))

    def growth(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    first, last = index(settings.get("beta_fast") or 32), index(settings.get("beta_slow") or 1)
    if settings.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, size - 1)
    last += 0.001 if first == last else 0
    slowed = ((torch.arange(size // 2, device=frequencies.device) - first) / (last - first)).clamp(0, 1)
    scale, weights = settings.get("attention_factor"), (settings.get("mscale"), settings.get("mscale_all_dim"))
    if scale is None:
        scale = growth(weights[0]) / growth(weights[1]) if all(weights) else growth(1.0)
    return frequencies / factor * slowed + frequencies * (1 - slowed), scale


# Name: the function, and what it reads besides ROTARY_MEMBERS.
ROTARY_TYPES = {
    "default": (plain_frequencies,),
    "linear": (linear_frequencies, "factor"),
    "dynamic": (dynamic_frequencies, "factor"),
    "llama3": (llama3_frequencies, "factor", "low_freq_factor", "high_freq_factor"),
    "longrope": (longrope_frequencies, "factor", "short_factor", "long_factor", "attention_factor"),
    "yarn": (
        yarn_frequencies,
        *("factor", "attention_factor", "beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim"),
    ),
}
ROTARY_MEMBERS = (
    "rope_type type rope_theta partial_rotary_factor size original_max_position_embeddings max_position_embeddings"
).split()


def rotary_angles(settings: dict, position_ids, dtype):
    """Cosines and sines for positions [b, q], each [b, 1, q, size / 2].

    They are recomputed in each forward pass: it is cheap, and there is no table that could be too short, be lost
    when a model is loaded, or be rounded when it is cast.
    """
    even = torch.arange(0, settings["size"], 2, device=position_ids.device, dtype=torch.float32)
    frequencies = 1.0 / settings["rope_theta"] ** (even / settings["size"])
    frequencies, factor = ROTARY_TYPES[settings["rope_type"]][0](frequencies, settings, position_ids)
    turned = position_ids[:, None, :, None].float() * frequencies
    return (turned.cos() * factor).to(dtype), (turned.sin() * factor).to(dtype)


def rotate(x, angles, interleaved: bool):
    """Turn the first dimensions of x, [b, heads, q, d], as many as there are angles for, in pairs; None: none."""
    if angles is None:
        return x
    cos, sin = angles
    size = 2 * cos.shape[-1]
    turned, rest = x[..., :size], x[..., size:]
    first, second = (turned[..., 0::2], turned[..., 1::2]) if interleaved else turned.chunk(2, dim=-1)
    first, second = first * cos - second * sin, second * cos + first * sin
    turned = torch.stack((first, second), dim=-1).flatten(-2) if interleaved else torch.cat((first, second), dim=-1)
    return torch.cat((turned.to(x.dtype), rest), dim=-1)


def visible_keys(window: Optional[int], attention_mask, document_ids, past: int, new: int, device):
    """True where a query may look at a key: [b or 1, 1, q, k], keys being all tokens from the first one on.

    attention_mask is [b, k], 0 for padding, or None; document_ids is [b, q] if texts are packed into one row, or None.
    """
    keys = torch.arange(past + new, device=device)
    queries = keys[past:, None]
    visible = keys <= queries
    if window is not None:
        visible &= keys > queries - window
    visible = visible[None, None]
    if attention_mask is not None:
        visible = visible & attention_mask[:, None, None, : past + new].bool()
    if document_ids is not None:
        visible = visible & (document_ids[:, None, :, None] == document_ids[:, None, None, :])
    # A padding token sees itself: a row without any key is NaN in some of torch's kernels, and NaN spreads.
    return visible | (keys == queries)


class Attention(nn.Module):
    """Grouped-query attention: each key and value head serves several query heads."""

    def __init__(self, config: FgconvConfig, layer_index: int):
        super().__init__()
        self.config = config
        self.layer_index = layer_index
        query_size = config.num_attention_heads * config.head_dim
        key_size = config.num_key_value_heads * config.head_dim
        self.query_linear = nn.Linear(config.hidden_size, query_size, bias=config.attention_bias)
        self.key_linear = nn.Linear(config.hidden_size, key_size, bias=config.attention_bias)
        self.value_linear = nn.Linear(config.hidden_size, key_size, bias=config.attention_bias)
        self.output_linear = nn.Linear(query_size, config.hidden_size, bias=config.attention_out_bias)
        together = config.qk_norm_all_heads
        self.q_norm = RMSNorm(config, query_size if together else config.head_dim) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config, key_size if together else config.head_dim) if config.qk_norm else nn.Identity()
        self.scale = config.attention_multiplier
        if self.scale is None:
            divided = config.query_pre_attn_scalar
            self.scale = (config.head_dim if divided is None else divided) ** -0.5

    def forward(self, x, angles, mask, past_key_values):
        def heads(projected):  # [b, q, heads * d] -> [b, q, heads, d]
            return projected.unflatten(-1, (-1, self.config.head_dim))

        def turned(projected, norm):  # [b, q, heads * d] -> [b, heads, q, d]
            normalised = heads(norm(projected)) if self.config.qk_norm_all_heads else norm(heads(projected))
            return rotate(normalised.transpose(1, 2), angles, self.config.rope_interleaved)

        query = turned(self.query_linear(x), self.q_norm)
        key = turned(self.key_linear(x), self.k_norm)
        value = heads(self.value_linear(x)).transpose(1, 2)
        if past_key_values is not None:
            key, value, mask = self.extend_cache(past_key_values, key, value, mask)
        group = self.config.num_attention_heads // self.config.num_key_value_heads
        key, value = (kv.repeat_interleave(group, dim=1) for kv in (key, value))
        dropout = self.config.attention_dropout if self.training else 0.0
        cap = self.config.attn_logit_softcapping
        if cap is None and self.config._attn_implementation != "eager":
            attended = torch_attention(query, key, value, mask, dropout, self.scale)
        else:
            attended = eager_attention(query, key, value, mask, dropout, self.scale, cap)
        return self.output_linear(attended.transpose(1, 2).flatten(2))

    def extend_cache(self, past_key_values, key, value, mask):
        """Store the new keys and values; return all of them, and the mask cut to the keys that are there.

        A cache with a window has forgotten the oldest keys. A cache of fixed length has slots after the newest key,
        which nothing may look at yet.
        """
        new = key.shape[2]
        seen = past_key_values.get_seq_length(self.layer_index)
        slots = {"cache_position": torch.arange(new, device=key.device) + seen}  # for fixed lengths in transformers 4
        key, value = past_key_values.update(key, value, self.layer_index, slots)
        if mask is not None:
            mask = F.pad(mask[..., -key.shape[2] :], (0, max(0, key.shape[2] - mask.shape[-1])))
        return key, value, mask


# Both take query [b, heads, q, d], key and value [b, heads, k, d] and a mask that is broadcast to [b, heads, q, k]:
# booleans (True: may look) or numbers to add to the scores. Without a mask, key j is seen by the queries from j on.


def torch_attention(query, key, value, mask, dropout: float, scale: float):
    return F.scaled_dot_product_attention(query, key, value, mask, dropout, is_causal=mask is None, scale=scale)


def eager_attention(query, key, value, mask, dropout: float, scale: float, cap: Optional[float]):
    scores = soft_cap(query @ key.transpose(2, 3) * scale, cap)
    if mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    else:
        scores = scores + mask
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    return F.dropout(weights, dropout) @ value


class FeedForward(nn.Module):
    """down(activation(gate(x)) * up(x))"""

    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.mlp_bias)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = nn.Dropout(config.activation_dropout)

    def forward(self, x):
        return self.down_proj(self.dropout(self.activation(self.gate_proj(x)) * self.up_proj(x)))


class DecoderLayer(GradientCheckpointingLayer):
    """Attention and feed-forward with their norms; what each row of parts computes is added to the residual stream.

    The base class recomputes the layer in the backward pass after model.gradient_checkpointing_enable(); it needs the
    cache under the name past_key_values, as a keyword, to leave it out then.
    """

    def __init__(self, config: FgconvConfig, layer_index: int):
        super().__init__()
        self.block = BLOCKS[config.norm_position]
        for part in itertools.chain(*self.block):
            if part == "attention":
                self.attention = Attention(config, layer_index)
            elif part == "feedforward":
                self.feedforward = FeedForward(config)
            else:
                self.add_module(part, RMSNorm(config, config.hidden_size))
        self.residual_multiplier = config.residual_multiplier
        self.layer_dropout = nn.Dropout(config.layer_dropout)
        self.residual_dropout = nn.Dropout(config.residual_dropout)

    def forward(self, x, angles, mask, past_key_values=None):
        for parts in self.block:
            added = x
            for part in parts:
                given = (angles, mask, past_key_values) if part == "attention" else ()
                added = getattr(self, part)(added, *given)
            x = self.residual_dropout(x) + self.layer_dropout(added * self.residual_multiplier)
        return x


class InputEncoder(nn.Module):
    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)


class LayerStack(nn.Module):
    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config, index) for index in range(config.num_hidden_layers))
        self.layer_norm = RMSNorm(config, config.hidden_size)


class CausalLM(nn.Module):
    """Embeddings to the normalised output of the last layer. The two modules inside only give names to weights."""

    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.config = config
        self.input_encoder = InputEncoder(config)
        self.layer_stack = LayerStack(config)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        layers = range(config.num_hidden_layers)
        self.windows = [config.window(layer) for layer in layers]
        self.rotary_kinds = [config.rotary_kind(layer) for layer in layers]
        self.rotary_settings = {kind: config.rotary_settings(kind) for kind in set(self.rotary_kinds) - {None}}

    def forward(self, inputs_embeds, attention_mask, position_ids, past_key_values, every_state: bool):
        """Return the output, [b, q, hidden], and if every_state each layer's input and the output, else None."""
        config, device, dtype = self.config, inputs_embeds.device, inputs_embeds.dtype
        new = inputs_embeds.shape[1]
        past = int(past_key_values.get_seq_length()) if past_key_values is not None else 0
        masks = {
            window: self.make_mask(window, attention_mask, position_ids, past, new, device) for window in set(self.windows)
        }
        if position_ids is None:
            position_ids = torch.arange(past, past + new, device=device)[None]
        precise = torch.float32 if config.late_rounding else dtype
        angles = {None: None}
        angles |= {kind: rotary_angles(settings, position_ids, precise) for kind, settings in self.rotary_settings.items()}
        x = self.embedding_dropout(inputs_embeds * config.embedding_multiplier)
        if config.scale_embeddings:
            x = x * torch.tensor(config.hidden_size**0.5, dtype=dtype, device=device)
        states = []
        for layer, window, kind in zip(self.layer_stack.layers, self.windows, self.rotary_kinds):
            if every_state:
                states.append(x)
            x = layer(x, angles[kind], masks[window], past_key_values=past_key_values)
        x = self.layer_stack.layer_norm(x)
        return x, (*states, x) if every_state else None

    def make_mask(self, window: Optional[int], attention_mask, position_ids, past: int, new: int, device):
        """The mask for attention; None for the plain causal one, which torch has a faster way for."""
        if attention_mask is not None and attention_mask.dim() == 4:
            return attention_mask  # the caller has decided
        document_ids = None
        if attention_mask is None and position_ids is not None and past == 0:
            # Positions that start again inside a row: several texts are packed in it, which must not see each other.
            starts = position_ids.diff(dim=1, prepend=position_ids[:, :1] - 1) != 1
            document_ids = starts.cumsum(dim=1) if starts.any() else None
        padded = attention_mask is not None and not attention_mask.all()
        window_matters = window is not None and past + new > window
        if past == 0 and not padded and not window_matters and document_ids is None:
            return None
        return visible_keys(window, attention_mask if padded else None, document_ids, past, new, device)


class FgconvForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = FgconvConfig
    base_model_prefix = "causal_lm"
    supports_gradient_checkpointing = True
    _no_split_modules = ["DecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    # transformers 4 wants the tied names alone and gets them, for to iterate over a dict is to iterate over its keys.
    _tied_weights_keys = {"lm_head.weight": "causal_lm.input_encoder.embedding.weight"}

    def __init__(self, config: FgconvConfig):
        super().__init__(config)
        self.causal_lm = CausalLM(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # ties the head to the embedding if the configuration says so

    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, RMSNorm):  # the base class knows norms that multiply by the weight alone
            nn.init.constant_(module.weight, 1.0 - module.offset)

    @classmethod
    def from_pretrained(cls, *args, output_loading_info: bool = False, **kwargs):
        """As the base class does it, but weights that are missing or unexpected are an error and not a warning.

        The base class starts a missing weight at random and ignores an unexpected one: a model that loads like this
        is not the one that was saved.
        """
        model, report = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        wrong = {kind: sorted(report[kind]) for kind in ("missing_keys", "unexpected_keys") if report[kind]}
        if wrong:
            listed = "; ".join(f"{kind.replace('_', ' ')}: {', '.join(names)}" for kind, names in wrong.items())
            raise ValueError(f"{args[0] if args else 'the checkpoint'}: the weights are not those of this code: {listed}")
        return (model, report) if output_loading_info else model

    def get_input_embeddings(self):
        return self.causal_lm.input_encoder.embedding

    def set_input_embeddings(self, value):
        self.causal_lm.input_encoder.embedding = value

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, new_embeddings):
        self.lm_head = new_embeddings

    @staticmethod
    def create_masks_for_generate(attention_mask=None, **kwargs):
        """generate() would make masks for caches of fixed length; forward makes them for each kind of cache."""
        return attention_mask

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, attention_mask=None, **kwargs):
        """As the base class does it, but with longrope, all keys get other angles once a text outgrows the original
        length: then nothing of the cache is kept."""
        used = [settings for settings in self.causal_lm.rotary_settings.values() if settings["rope_type"] == "longrope"]
        lengths = [settings["original_max_position_embeddings"] for settings in used]
        if lengths and past_key_values is not None and past_key_values.get_seq_length() > 0:
            longest = input_ids.shape[1] if attention_mask is None else int(attention_mask.sum(-1).max())
            before = longest - (input_ids.shape[1] - past_key_values.get_seq_length())
            if any(before <= length < longest for length in lengths):
                past_key_values = None
                if "next_sequence_length" in kwargs:  # transformers 5 would feed the newest token alone
                    kwargs["next_sequence_length"] = None
        return super().prepare_inputs_for_generation(
            input_ids, past_key_values=past_key_values, attention_mask=attention_mask, **kwargs
        )

    def forward(
        self,
        input_ids: Optional[torch.Tensor] = None,
        attention_mask: Optional[torch.Tensor] = None,
        position_ids: Optional[torch.Tensor] = None,
        past_key_values=None,
        inputs_embeds: Optional[torch.Tensor] = None,
        labels: Optional[torch.Tensor] = None,
        use_cache: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        logits_to_keep: Union[int, torch.Tensor] = 0,
        **kwargs,
    ):
        """
        input_ids [b, q] or inputs_embeds [b, q, hidden]: one of the two.
        attention_mask [b, k], 0 for padding, or [b or 1, 1, q, k] to decide everything. position_ids [b, q]; without
        them tokens are numbered from the first one on, padding included. labels [b, q]: the input again, -100 for
        tokens that do not count; the shift by one is made here. logits_to_keep: only the last so many positions (0:
        all), or the positions given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        if output_attentions:
            raise ValueError("this code does not return attention weights (output_attentions)")
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if return_dict is None:
            return_dict = self.config.return_dict

        x, states = self.causal_lm(inputs_embeds, attention_mask, position_ids, past_key_values, output_hidden_states)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(x[:, kept])
        if self.config.logits_scaling != 1:
            logits = logits / self.config.logits_scaling
        logits = soft_cap(logits, self.config.final_logit_softcapping)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        output = CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=past_key_values if use_cache else None, hidden_states=states
        )
        return output if return_dict else output.to_tuple()
