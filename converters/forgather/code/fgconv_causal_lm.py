# SPDX-License-Identifier: Apache-2.0
"""A decoder-only language model with Forgather's parameter names, as one file for `trust_remote_code`.

fgconv writes this file next to config.json. It holds everything that the model computes, so change it freely:

    FgconvConfig          the settings in config.json; what a missing key means is in its __init__
    rotary_angles         positions -> cosines and sines, plain or with llama3 scaling
    visible_keys          who may look at whom: causal order, sliding window, padding, packed documents
    CausalLM              embedding, layers and final norm (the part before the head)
    FgconvForCausalLM     the model: CausalLM, head, loss, generate()

fgconv_causal_lm.json declares the keys and parameters below for fgconv, which writes a model with this file only if the
model has exactly those. It runs with transformers 4.57 and with transformers 5. In the comments on shapes, b is the batch, q the number of
tokens fed in, k the number of tokens that attention looks back on (q plus what the cache holds), d the head size.
"""

from typing import Optional, Union

import torch
import torch.nn.functional as F
from torch import nn
from transformers import DynamicCache, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import CausalLMOutputWithPast


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
        hidden_act: str = "silu",  # no other activation is known here
        rms_norm_eps: float = 1e-6,
        qk_norm: Optional[bool] = None,  # RMSNorm of queries and keys, per head; absent: only if the family is qwen3
        attention_bias: bool = False,  # of queries, keys and values
        attention_out_bias: Optional[bool] = None,  # of attention's output; absent: as attention_bias
        mlp_bias: bool = False,  # of all three projections of the feed-forward network
        max_position_embeddings: int = 2048,  # a promise, not a limit: nothing here is that long
        rope_theta: Optional[float] = None,  # absent: 10000
        rope_scaling: Optional[dict] = None,  # absent or rope_type "default": none; else rope_type "llama3"
        rope_parameters: Optional[dict] = None,  # transformers 5: theta and scaling in one object; wins over both
        sliding_window: Optional[int] = None,  # a token sees itself and the window - 1 tokens before it; absent: all
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
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads or num_attention_heads
        self.head_dim = head_dim or hidden_size // num_attention_heads
        self.hidden_act = hidden_act
        self.rms_norm_eps = rms_norm_eps
        self.qk_norm = (forgather_arch or hf_model_type) == "qwen3" if qk_norm is None else qk_norm
        self.attention_bias = attention_bias
        self.attention_out_bias = attention_bias if attention_out_bias is None else attention_out_bias
        self.mlp_bias = mlp_bias
        self.max_position_embeddings = max_position_embeddings
        if rope_parameters:
            rope_scaling = dict(rope_parameters)
            rope_theta = rope_scaling.pop("rope_theta", rope_theta)
        self.rope_theta = 10000.0 if rope_theta is None else rope_theta
        self.rope_scaling = rope_scaling
        self.sliding_window = sliding_window
        self.tie_word_embeddings = tie_word_embeddings
        self.attention_dropout = attention_dropout
        self.activation_dropout = activation_dropout
        self.layer_dropout = layer_dropout
        self.residual_dropout = residual_dropout
        self.embedding_dropout = embedding_dropout
        self.initializer_range = initializer_range
        self.use_cache = use_cache
        self.forgather_arch = forgather_arch
        self.hf_model_type = hf_model_type
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        self.pad_token_id = pad_token_id
        self._refuse_what_is_not_computed()

    def _refuse_what_is_not_computed(self):
        """A setting that the code below does not follow must not pass in silence."""
        if self.hidden_act != "silu":
            raise ValueError(f"config.json: hidden_act is {self.hidden_act!r}; this code has silu only")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"config.json: num_attention_heads ({self.num_attention_heads}) is not a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads})"
            )
        if self.head_dim % 2:
            raise ValueError(f"config.json: head_dim is {self.head_dim}; rotary embeddings need an even number")
        if self.sliding_window is not None and self.sliding_window < 1:
            raise ValueError(f"config.json: sliding_window is {self.sliding_window}; expected null or at least 1")
        if self.rope_type not in ("default", "llama3"):
            raise ValueError(f"config.json: rope_scaling has type {self.rope_type!r}; this code has default and llama3")

    @property
    def rope_type(self) -> str:
        scaling = self.rope_scaling or {}
        return scaling.get("rope_type", scaling.get("type", "default"))

    # One class serves every family, so model_type ("forgather-dynamic-causal-llama" and so on) belongs to the instance.
    # transformers takes it from the class at two places, which these two methods replace: when it reads a file it
    # would warn about another name, and when it writes one it would write the class's.

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        settings, unused = cls.get_config_dict(pretrained_model_name_or_path, **kwargs)
        return cls.from_dict(settings, **unused)

    def to_dict(self):
        return {**super().to_dict(), "model_type": self.model_type}


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) over the last dimension, in float32, then times a weight in the type of x."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


def rotary_frequencies(config: FgconvConfig, device) -> torch.Tensor:
    """How far each pair of a head's dimensions turns from one position to the next: radians, [d / 2], float32."""
    even = torch.arange(0, config.head_dim, 2, device=device, dtype=torch.float32)
    frequencies = 1.0 / config.rope_theta ** (even / config.head_dim)
    if config.rope_type != "llama3":
        return frequencies
    # Llama 3 was stretched to longer texts after training: slow turns are slowed down by `factor`, fast ones are
    # kept, and between the two limits (in turns per original text length) one passes smoothly into the other.
    scaling = config.rope_scaling
    original_length = scaling.get("original_max_position_embeddings") or config.max_position_embeddings
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = original_length / (2 * torch.pi / frequencies)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - kept) * frequencies / scaling["factor"] + kept * frequencies


def rotary_angles(config: FgconvConfig, position_ids, dtype):
    """Cosines and sines for positions [b, q], each [b, 1, q, d / 2].

    They are recomputed in each forward pass: it is cheap, and there is no table that could be too short, be lost
    when a model is loaded, or be rounded when it is cast.
    """
    turned = position_ids[:, None, :, None].float() * rotary_frequencies(config, position_ids.device)
    return turned.cos().to(dtype), turned.sin().to(dtype)


def rotate(x, cos, sin):
    """Turn x, [b, heads, q, d], whose dimension i is paired with dimension i + d / 2."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def visible_keys(config: FgconvConfig, attention_mask, document_ids, past: int, new: int, device):
    """True where a query may look at a key: [b or 1, 1, q, k], keys being all tokens from the first one on.

    attention_mask is [b, k], 0 for padding, or None; document_ids is [b, q] if texts are packed into one row, or None.
    """
    keys = torch.arange(past + new, device=device)
    queries = keys[past:, None]
    visible = keys <= queries
    if config.sliding_window is not None:
        visible &= keys > queries - config.sliding_window
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
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()

    def forward(self, x, cos, sin, mask, past_key_values):
        def heads(projected):  # [b, q, heads * d] -> [b, q, heads, d]
            return projected.unflatten(-1, (-1, self.config.head_dim))

        query = rotate(self.q_norm(heads(self.query_linear(x))).transpose(1, 2), cos, sin)
        key = rotate(self.k_norm(heads(self.key_linear(x))).transpose(1, 2), cos, sin)
        value = heads(self.value_linear(x)).transpose(1, 2)
        if past_key_values is not None:
            key, value, mask = self.extend_cache(past_key_values, key, value, mask)
        group = self.config.num_attention_heads // self.config.num_key_value_heads
        key, value = (kv.repeat_interleave(group, dim=1) for kv in (key, value))
        dropout = self.config.attention_dropout if self.training else 0.0
        attend = eager_attention if self.config._attn_implementation == "eager" else torch_attention
        return self.output_linear(attend(query, key, value, mask, dropout).transpose(1, 2).flatten(2))

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


def torch_attention(query, key, value, mask, dropout: float):
    return F.scaled_dot_product_attention(query, key, value, mask, dropout, is_causal=mask is None)


def eager_attention(query, key, value, mask, dropout: float):
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    if mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    else:
        scores = scores + mask
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    return F.dropout(weights, dropout) @ value


class FeedForward(nn.Module):
    """down(silu(gate(x)) * up(x))"""

    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.mlp_bias)
        self.dropout = nn.Dropout(config.activation_dropout)

    def forward(self, x):
        return self.down_proj(self.dropout(F.silu(self.gate_proj(x)) * self.up_proj(x)))


class DecoderLayer(GradientCheckpointingLayer):
    """Attention and feed-forward, each added to the residual stream and fed from its normalised copy.

    The base class recomputes the layer in the backward pass after model.gradient_checkpointing_enable(); it needs the
    cache under the name past_key_values, as a keyword, to leave it out then.
    """

    def __init__(self, config: FgconvConfig, layer_index: int):
        super().__init__()
        self.norm1 = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = Attention(config, layer_index)
        self.norm2 = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.feedforward = FeedForward(config)
        self.layer_dropout = nn.Dropout(config.layer_dropout)
        self.residual_dropout = nn.Dropout(config.residual_dropout)

    def forward(self, x, cos, sin, mask, past_key_values=None):
        attended = self.attention(self.norm1(x), cos, sin, mask, past_key_values)
        x = self.residual_dropout(x) + self.layer_dropout(attended)
        return self.residual_dropout(x) + self.layer_dropout(self.feedforward(self.norm2(x)))


class InputEncoder(nn.Module):
    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)


class LayerStack(nn.Module):
    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config, index) for index in range(config.num_hidden_layers))
        self.layer_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class CausalLM(nn.Module):
    """Embeddings to the normalised output of the last layer. The two modules inside only give names to weights."""

    def __init__(self, config: FgconvConfig):
        super().__init__()
        self.config = config
        self.input_encoder = InputEncoder(config)
        self.layer_stack = LayerStack(config)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)

    def forward(self, inputs_embeds, attention_mask, position_ids, past_key_values, every_state: bool):
        """Return the output, [b, q, hidden], and if every_state each layer's input and the output, else None."""
        new = inputs_embeds.shape[1]
        past = int(past_key_values.get_seq_length()) if past_key_values is not None else 0
        mask = self.make_mask(attention_mask, position_ids, past, new, inputs_embeds.device)
        if position_ids is None:
            position_ids = torch.arange(past, past + new, device=inputs_embeds.device)[None]
        cos, sin = rotary_angles(self.config, position_ids, inputs_embeds.dtype)
        x = self.embedding_dropout(inputs_embeds)
        states = []
        for layer in self.layer_stack.layers:
            if every_state:
                states.append(x)
            x = layer(x, cos, sin, mask, past_key_values=past_key_values)
        x = self.layer_stack.layer_norm(x)
        return x, (*states, x) if every_state else None

    def make_mask(self, attention_mask, position_ids, past: int, new: int, device):
        """The mask for attention; None for the plain causal one, which torch has a faster way for."""
        if attention_mask is not None and attention_mask.dim() == 4:
            return attention_mask  # the caller has decided
        document_ids = None
        if attention_mask is None and position_ids is not None and past == 0:
            # Positions that start again inside a row: several texts are packed in it, which must not see each other.
            starts = position_ids.diff(dim=1, prepend=position_ids[:, :1] - 1) != 1
            document_ids = starts.cumsum(dim=1) if starts.any() else None
        padded = attention_mask is not None and not attention_mask.all()
        window_matters = self.config.sliding_window is not None and past + new > self.config.sliding_window
        if past == 0 and not padded and not window_matters and document_ids is None:
            return None
        return visible_keys(self.config, attention_mask if padded else None, document_ids, past, new, device)


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
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        output = CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=past_key_values if use_cache else None, hidden_states=states
        )
        return output if return_dict else output.to_tuple()
