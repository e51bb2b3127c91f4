#!/usr/bin/env python3
"""Small models whose configurations combine words of converters/models that published families do not, and their logits, computed here in float64
from the definitions, token by token. make.py writes one directory a model: the checkpoint, tokens.json, logits.npy."""
import json, math, pathlib, struct

import numpy as np

import recurrent

here = pathlib.Path(__file__).parent
erf = np.vectorize(math.erf)


# ---- the forward pass, as plainly as it can be said ----
def rms(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x) + epsilon) * weight


ACTIVATIONS = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_erf": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "relu": lambda x: np.maximum(x, 0),
    "squared_relu": lambda x: np.maximum(x, 0) ** 2,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "identity": lambda x: x,
}


def frequencies(rotary, size):
    kind = rotary.get("type", "none")
    if kind == "none":
        return [0.0] * (size // 2), 1.0
    theta = rotary.get("theta", 10000.0)
    plain = [theta ** (-2 * i / size) for i in range(size // 2)]
    if kind == "default":
        return plain, 1.0
    factor, original = rotary.get("scale_factor", 8.0), rotary.get("original_context_length", 8192)
    if kind == "llama3":
        low, high, out = rotary.get("low_frequency_factor", 1.0), rotary.get("high_frequency_factor", 4.0), []
        for f in plain:
            wave = 2 * math.pi / f
            if wave < original / high:
                out.append(f)
            elif wave > original / low:
                out.append(f / factor)
            else:
                s = (original / wave - low) / (high - low)
                out.append(f * s + f / factor * (1 - s))
        return out, 1.0
    pair = lambda turns: size * math.log(original / (2 * math.pi * turns)) / (2 * math.log(theta))
    lo, hi = max(math.floor(pair(rotary.get("beta_fast", 32.0))), 0), min(math.ceil(pair(rotary.get("beta_slow", 1.0))), size - 1)
    hi += 0.001 if hi == lo else 0
    out = []
    for i, f in enumerate(plain):
        r = min(max((i - lo) / (hi - lo), 0), 1)
        out.append(f * (1 - r) + r * f / factor)
    return out, rotary.get("attention_factor") or 0.1 * math.log(factor) + 1


def turn(head, position, freq, length):
    half = len(head) // 2
    out = np.empty_like(head)
    for i in range(half):
        c, s = math.cos(position * freq[i]) * length, math.sin(position * freq[i]) * length
        out[i], out[i + half] = head[i] * c - head[i + half] * s, head[i + half] * c + head[i] * s
    return out


def attention(m, w, xs):
    heads, groups, size = m["heads"], m["head_groups"], m["head_size"]
    freq, length = frequencies(m.get("rotary", {}), size)
    ask, keys, values = [], [], []
    for t, x in enumerate(xs):
        q, k, v = (w[n] @ x + w.get(n + "_bias", 0) for n in ("query", "key", "value"))
        q, k, v = q.reshape(heads, size), k.reshape(groups, size), v.reshape(groups, size)
        if m.get("query_norm"):
            q = np.stack([rms(h, w["query_norm"], m["query_norm"]["epsilon"]) for h in q])
        if m.get("key_norm"):
            k = np.stack([rms(h, w["key_norm"], m["key_norm"]["epsilon"]) for h in k])
        ask.append([turn(h, t, freq, length) for h in q])
        keys.append([turn(h, t, freq, length) for h in k])
        values.append(v)
    out = []
    for t in range(len(xs)):
        last = t if m.get("causal", True) else len(xs) - 1
        first = max(0, t - m["window_size"] + 1) if m.get("window_size") else 0
        gathered = []
        for h in range(heads):
            g = h // (heads // groups)
            scores = np.array([ask[t][h] @ keys[s][g] for s in range(first, last + 1)]) * size ** -m.get("softmax_scale_power", 0.5)
            share = np.exp(scores - scores.max())
            share /= share.sum()
            gathered.append(sum(p * values[first + i][g] for i, p in enumerate(share)))
        out.append(w["dense"] @ np.concatenate(gathered) + w.get("dense_bias", 0))
    return out


def one_mlp(m, gate, up, down, bias, x):
    act = ACTIVATIONS[m["activation"]]
    inner = act(gate @ x + bias.get("gate", 0))
    if m["gated"]:
        inner = inner * (up @ x + bias.get("up", 0))
    return down @ inner + bias.get("down", 0)


def feed_forward(m, w, x):
    if m.get("type", "mlp") == "mlp":
        return one_mlp(m, w["gate"], w.get("up"), w["down"], {k[:-5]: v for k, v in w.items() if k in ("gate_bias", "up_bias", "down_bias")}, x)
    scores = w["router"] @ x
    chosen = sorted(range(m["experts"]), key=lambda e: -scores[e])[: m["experts_per_token"]]
    share = np.exp(scores[chosen] - scores[chosen].max())
    share /= share.sum()
    return sum(p * one_mlp(m, w["gate"][e], w["up"][e] if m["gated"] else None, w["down"][e], {}, x) for p, e in zip(share, chosen))


def block(config, w, xs):
    e = config["normalization"]["epsilon"]
    mix = {"attention": attention, **recurrent.MIXERS}[config["mixer"]["type"]]
    xs = [x + a for x, a in zip(xs, mix(config["mixer"], w, [rms(x, w["norm_1"], e) for x in xs]))]
    return [x + feed_forward(config["mlp"], w, rms(x, w["norm_2"], e)) for x in xs]


def forward(base, configs, weights, tokens):
    e = base["head"]["normalization"]["epsilon"]
    xs = [weights["embedding"][t] * base["embeddings"].get("embedding_scale", 1.0) for t in tokens]
    heads = base["head"].get("prediction_heads", 1)
    trunk = len(configs) - heads
    for c, w in list(zip(configs, weights["blocks"]))[: trunk if heads > 1 else len(configs)]:
        xs = block(c, w, xs)
    result = []
    for h in range(heads):
        ys = block(configs[trunk + h], weights["blocks"][trunk + h], xs) if heads > 1 else xs
        logits = np.stack([weights["output"] @ rms(y, weights["final_norms"][h], e) for y in ys])
        cap = base["head"].get("final_logit_softcap")
        result.append(cap * np.tanh(logits / cap) if cap else logits)
    return np.stack(result) if heads > 1 else result[0]


# ---- weights: made in the layout of the formulas above, stored as each format has them ----
def make_attention(m, hidden, draw):
    width, kv = m["heads"] * m["head_size"], m["head_groups"] * m["head_size"]
    w = {"query": draw(width, hidden), "key": draw(kv, hidden), "value": draw(kv, hidden), "dense": draw(hidden, width)}
    if m["add_linear_biases"]:
        w.update(query_bias=draw(width), key_bias=draw(kv), value_bias=draw(kv), dense_bias=draw(hidden))
    for n in ("query_norm", "key_norm"):
        if m.get(n):
            w[n] = 1 + draw(m["head_size"])
    return w


def make_block(config, hidden, draw):
    m, f = config["mixer"], config["mlp"]
    w = {"norm_1": 1 + draw(hidden), "norm_2": 1 + draw(hidden), **(make_attention if m["type"] == "attention" else recurrent.make)(m, hidden, draw)}
    experts = (f["experts"],) if f.get("type") == "moe" else ()
    w.update(gate=draw(*experts, f["intermediate_size"], hidden), down=draw(*experts, hidden, f["intermediate_size"]))
    if f["gated"]:
        w["up"] = draw(*experts, f["intermediate_size"], hidden)
    if experts:
        w["router"] = draw(f["experts"], hidden)
    if f["add_linear_biases"]:
        w.update(gate_bias=draw(f["intermediate_size"]), down_bias=draw(hidden), **({"up_bias": draw(f["intermediate_size"])} if f["gated"] else {}))
    return w


def fast_llm_tensors(base, weights):
    heads = base["head"].get("prediction_heads", 1)
    out = {"embeddings.word_embeddings_weight": weights["embedding"], "head.final_norm.weight": weights["final_norms"][0]}
    if not base["tied_embedding_weight"]:
        out["head.output_weights"] = weights["output"]
    for h in range(1, heads):
        out[f"multi_token_prediction.heads.{h - 1}.final_norm.weight"] = weights["final_norms"][h]
    count = base["decoder"]["num_blocks"]
    for i, w in enumerate(weights["blocks"]):
        p = f"decoder.{i}." if i < count else f"multi_token_prediction.blocks.{i - count}."
        out.update({p + "norm_1.weight": w["norm_1"], p + "norm_2.weight": w["norm_2"], **{p + k: v for k, v in w.items() if k.startswith("mixer.")}})
        if "query" in w:
            out.update({p + "mixer.query.weight": w["query"], p + "mixer.dense.weight": w["dense"], p + "mixer.key_value.weight": np.concatenate([w["key"], w["value"]])})
        if "query_bias" in w:
            out.update({p + "mixer.query.bias": w["query_bias"], p + "mixer.dense.bias": w["dense_bias"],
                        p + "mixer.key_value.bias": np.concatenate([w["key_bias"], w["value_bias"]])})
        for n in ("query_norm", "key_norm"):
            if n in w:
                out[p + f"mixer.{n}.weight"] = w[n]
        every = range(len(w["gate"])) if "router" in w else [...]
        first = [w[n][e] for e in every for n in ("gate", "up") if n in w]
        out.update({p + "mlp.layer_1.weight": np.concatenate(first), p + "mlp.layer_2.weight": np.concatenate([w["down"][e] for e in every], axis=-1).T})
        if "router" in w:
            out[p + "mlp.router.weight"] = w["router"]
        if "gate_bias" in w:
            out.update({p + "mlp.layer_1.bias": np.concatenate([w[n] for n in ("gate_bias", "up_bias") if n in w]), p + "mlp.layer_2.bias": w["down_bias"]})
    return {k + "/weights": v for k, v in out.items()}


def hf_tensors(weights):
    out = {"model.embed_tokens.weight": weights["embedding"], "model.norm.weight": weights["final_norms"][0], "lm_head.weight": weights["output"]}
    names = {"norm_1": "input_layernorm.weight", "norm_2": "post_attention_layernorm.weight"}
    for ours, theirs in (("query", "self_attn.q"), ("key", "self_attn.k"), ("value", "self_attn.v"), ("dense", "self_attn.o"), ("gate", "mlp.gate"), ("up", "mlp.up"), ("down", "mlp.down")):
        names.update({ours: theirs + "_proj.weight", ours + "_bias": theirs + "_proj.bias"})
    for i, w in enumerate(weights["blocks"]):
        out.update({f"model.layers.{i}.{names[k]}": v for k, v in w.items()})
    return out


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, value in sorted(tensors.items()):
        raw = np.ascontiguousarray(value, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def make(name, seed, base, configs, hf=None):
    random = np.random.default_rng(seed)
    hidden, vocab, heads = base["hidden_size"], base["embeddings"]["vocab_size"], base["head"].get("prediction_heads", 1)
    draw = lambda *shape: (random.standard_normal(shape) * 0.35).astype(np.float32).astype(np.float64)
    all_configs = configs + [configs[-1]] * (heads - 1)
    weights = {"embedding": draw(vocab, hidden), "output": draw(vocab, hidden), "final_norms": [1 + draw(hidden) for _ in range(heads)],
               "blocks": [make_block(c, hidden, draw) for c in all_configs]}
    round32 = lambda v: v.astype(np.float32).astype(np.float64)
    weights["final_norms"] = [round32(v) for v in weights["final_norms"]]
    weights["blocks"] = [{k: round32(v) for k, v in w.items()} for w in weights["blocks"]]
    if base["tied_embedding_weight"]:
        weights["output"] = weights["embedding"]
    tokens = [int(t) for t in random.integers(0, vocab, 16)]
    to = here / name
    to.mkdir(exist_ok=True)
    if hf:
        (to / "config.json").write_text(json.dumps(hf, indent=2) + "\n")
        write_safetensors(to / "model.safetensors", hf_tensors(weights))
    else:
        tensors = fast_llm_tensors(base, weights)
        document = {"config": {"base_model": base, "type": "gpt"}, "format": "fast_llm", "metadata": {"state_index": {k: "model_0.safetensors" for k in tensors}}}
        (to / "metadata.yaml").write_text(json.dumps(document, indent=1) + "\n")
        (to / "ok").write_text("")
        write_safetensors(to / "model_0.safetensors", tensors)
    (to / "tokens.json").write_text(json.dumps({"input_ids": tokens}) + "\n")
    np.save(to / "logits.npy", forward(base, all_configs, weights, tokens).astype("<f4"))


def describe(mixer, mlp, epsilon=0.0001):
    usual = {"add_linear_biases": False} if mixer.get("type", "attention") in ("attention", "mamba") else {}
    return {"type": "decoder", "mixer": {"type": "attention", **usual, **mixer}, "mlp": {"add_linear_biases": False, **mlp},
            "normalization": {"type": "rms_norm", "epsilon": epsilon}}


def model(hidden, vocab, decoder, tied=False, head=None, embeddings=None):
    return {"hidden_size": hidden, "embeddings": {"vocab_size": vocab, **(embeddings or {})}, "decoder": decoder, "tied_embedding_weight": tied,
            "head": {"normalization": {"type": "rms_norm", "epsilon": 0.001}, **(head or {})}}


plain = describe({"heads": 3, "head_groups": 3, "head_size": 6, "add_linear_biases": True, "softmax_scale_power": 0.25, "query_norm": {"type": "rms_norm", "epsilon": 0.01},
                  "key_norm": {"type": "rms_norm", "epsilon": 0.1}}, {"intermediate_size": 20, "gated": False, "activation": "squared_relu", "add_linear_biases": True})
make("ungated", 1, model(12, 40, {"type": "fixed", "block": plain, "num_blocks": 2}, head={"final_logit_softcap": 4.0}, embeddings={"embedding_scale": 2.5}), [plain] * 2)

narrow = describe({"heads": 4, "head_groups": 2, "head_size": 4, "window_size": 5, "rotary": {"type": "llama3", "theta": 500.0, "scale_factor": 4.0, "original_context_length": 16}},
                  {"intermediate_size": 18, "gated": True, "activation": "silu"})
expert = describe({"heads": 2, "head_groups": 1, "head_size": 8, "rotary": {"type": "yarn", "theta": 300.0, "scale_factor": 3.0, "original_context_length": 64}},
                  {"type": "moe", "experts": 5, "experts_per_token": 3, "intermediate_size": 10, "gated": False, "activation": "relu"}, 0.01)
ahead = describe({"heads": 2, "head_groups": 2, "head_size": 10, "causal": False, "rotary": {"type": "default", "theta": 100.0}},
                 {"intermediate_size": 14, "gated": True, "activation": "gelu", "add_linear_biases": True})
kinds, pattern = {"wide": ahead, "narrow": narrow, "expert": expert}, ["narrow", "expert", "wide", "expert"]
make("kinds", 2, model(14, 36, {"type": "pattern", "blocks": kinds, "pattern": pattern, "num_blocks": 6}, tied=True), [kinds[pattern[i % 4]] for i in range(6)])

routed = describe({"heads": 2, "head_groups": 1, "head_size": 6, "rotary": {"type": "default", "theta": 50.0}},
                  {"type": "moe", "experts": 4, "experts_per_token": 2, "intermediate_size": 8, "gated": True, "activation": "sigmoid"})
make("heads", 3, model(10, 30, {"type": "fixed", "block": routed, "num_blocks": 1}, head={"prediction_heads": 3}), [routed])

through = describe({"heads": 2, "head_groups": 2, "head_size": 4}, {"intermediate_size": 9, "gated": True, "activation": "identity"})
make("identity", 4, model(8, 20, {"block": through, "num_blocks": 2}), [through] * 2)

exact = describe({"heads": 4, "head_groups": 2, "head_size": 4, "add_linear_biases": True, "rotary": {"type": "default", "theta": 10000.0}},
                 {"intermediate_size": 11, "gated": True, "activation": "gelu_erf", "add_linear_biases": True}, 0.001)
make("hf_gelu", 5, model(16, 24, {}), [exact] * 2,
     {"model_type": "llama", "hidden_size": 16, "vocab_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 11,
      "hidden_act": "gelu", "attention_bias": True, "mlp_bias": True, "rms_norm_eps": 0.001, "tie_word_embeddings": False})

biased, plain_bias = {"bias": {"enabled": True}}, {"bias": {"enabled": False}}
small = {"intermediate_size": 9, "gated": True, "activation": "silu"}
mamba = {"type": "mamba", "state_size": 4, "d_inner": 16, "d_xb": 8, "dt_rank": 3}
late = describe({**mamba, "add_linear_biases": True, "repeat_kv_before_conv": False, "z_layer": plain_bias, "dt_layer": plain_bias, "convolution_layer": {"kernel_size": 3, "activation": "gelu"}}, small)
early = describe({**mamba, "dt_layer": biased, "output_layer": biased, "dt_input_layer": biased, "convolution_layer": {"kernel_size": 1, **biased}}, small)
delta = describe({"type": "gdn", "value_heads": 6, "key_heads": 2, "key_head_dim": 3, "value_head_dim": 5, "qkv_projection_layer": biased, "ba_projection_layer": biased, "output_layer": biased,
                  "convolution_layer": {"kernel_size": 2, "activation": "relu", **biased}, "normalization": {"epsilon": 0.01, "activation": "sigmoid"}}, small)
kimi = describe({"type": "kda", "heads": 2, "head_dim": 4, "convolution_layer": {"kernel_size": 5, "activation": "identity", **biased},
                 "normalization": {"epsilon": 0.02, "activation": "gelu"}, **{n + "_projection_layer": biased for n in ("q", "k", "v", "f_a", "f_b", "g_a", "g_b", "beta", "output")}}, small)
either = describe({"type": "stochastic", "main_mixer_name": "one", "mixers": {"other": kimi["mixer"], "one": late["mixer"]}}, small)
first = describe({"type": "stochastic", "mixers": {"one": {k: v for k, v in delta["mixer"].items() if not k.endswith("_layer")}, "other": early["mixer"]}}, small)
kinds = {"late": late, "early": early, "delta": delta, "kimi": kimi, "either": either, "first": first}
make("recurrent", 6, model(12, 30, {"type": "pattern", "blocks": kinds, "pattern": list(kinds), "num_blocks": 6}), list(kinds.values()))
