"""Recurrent mixers of Fast-LLM in float64, token by token, from their definitions. Weights have Fast-LLM's names, with "mixer." in front."""
import math

import numpy as np

PLAIN = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "identity": lambda x: x,
}


def softplus(x):
    return np.logaddexp(0, x)


def has_bias(m, layer, usual):
    enabled = m.get(layer, {}).get("bias", {}).get("enabled")
    return usual if enabled is None else enabled


def linear(w, name, x):
    return w[name + ".weight"] @ x + w.get(name + ".bias", 0)


def convolved(m, w, name, rows):
    """The same for each channel: the last tokens, weighted, with the activation."""
    weight, act = w[name + ".weight"][:, 0], PLAIN[m.get("convolution_layer", {}).get("activation") or "silu"]
    kernel, out = weight.shape[1], []
    for t in range(len(rows)):
        total = np.zeros(len(weight)) + w.get(name + ".bias", 0)
        for back in range(min(kernel, t + 1)):
            total = total + weight[:, kernel - 1 - back] * rows[t - back]
        out.append(act(total))
    return out


def mamba(m, w, us):
    n, inner, group = m["state_size"], m["d_inner"], m["d_xb"]
    heads, groups = inner // n, group // n
    share = heads // groups
    widen = lambda x: np.concatenate([x[h // share * n : h // share * n + n] for h in range(heads)])
    rows = [linear(w, "in_proj", u) for u in us]
    z, x, b, c = ([r[at : at + size] for r in rows] for at, size in ((0, inner), (inner, group), (inner + group, group), (inner + 2 * group, inner)))
    if m.get("repeat_kv_before_conv", True):
        x = convolved(m, w, "convolution", [widen(r) for r in x])
    else:
        x = [widen(r) for r in convolved(m, w, "convolution", x)]
    bias = w.get("dt_proj.bias", 0)
    state, out = np.zeros((inner, n)), []
    for t, u in enumerate(us):
        dt = softplus(linear(w, "dt_proj", linear(w, "dt_in_proj", u)) + bias)
        y = np.zeros(inner)
        for i in range(inner):
            h = i // n
            state[i] = np.exp(-dt[i] * np.exp(w["A_log"][i])) * state[i] + dt[i] * b[t][h // share * n : h // share * n + n] * x[t][i]
            y[i] = state[i] @ c[t][h * n : h * n + n] + w["D"][i] * x[t][i]
        out.append(linear(w, "out_proj", y * PLAIN["silu"](z[t])))
    return out


def delta_rule(m, w, q, k, v, beta, decay, gate, heads, key_heads):
    """decay [token][head, key_size]; what the heads give, normed and gated."""
    norm = m.get("normalization", {})
    act, share, out = PLAIN[norm.get("activation", "silu")], heads // key_heads, []
    keys, values = len(q[0]) // key_heads, len(v[0]) // heads
    state = np.zeros((heads, keys, values))
    for t in range(len(q)):
        given = []
        for h in range(heads):
            g = h // share
            ask, key = (x / math.sqrt(x @ x + 1e-6) for x in (q[t][g * keys : (g + 1) * keys], k[t][g * keys : (g + 1) * keys]))
            state[h] *= np.broadcast_to(decay[t][h], keys)[:, None]
            off = v[t][h * values : (h + 1) * values] - key @ state[h]
            state[h] += np.outer(key, beta[t][h] * off)
            o = ask * keys**-0.5 @ state[h]
            o = o / np.sqrt(np.mean(o * o) + norm.get("epsilon", 1e-5)) * w["norm.weight"]
            given.append(o * act(gate[t][h * values : (h + 1) * values]))
        out.append(np.concatenate(given))
    return out


def gdn(m, w, us):
    heads, key_heads = m["value_heads"], m["key_heads"]
    key, value = key_heads * m["key_head_dim"], heads * m["value_head_dim"]
    rows, ba = [linear(w, "in_proj_qkvz", u) for u in us], [linear(w, "in_proj_ba", u) for u in us]
    mixed = convolved(m, w, "convolution", [r[: 2 * key + value] for r in rows])
    decay = [np.exp(-np.exp(w["A_log"]) * softplus(r[heads:] + w["dt_bias"]))[:, None] for r in ba]
    out = delta_rule(m, w, [r[:key] for r in mixed], [r[key : 2 * key] for r in mixed], [r[2 * key :] for r in mixed], [PLAIN["sigmoid"](r[:heads]) for r in ba], decay,
                     [r[2 * key + value :] for r in rows], heads, key_heads)
    return [linear(w, "out_proj", o) for o in out]


def kda(m, w, us):
    heads, size = m["heads"], m["head_dim"]
    q, k, v = (convolved(m, w, n + "_conv", [linear(w, n + "_proj", u) for u in us]) for n in "qkv")
    steps = [softplus(linear(w, "f_b_proj", linear(w, "f_a_proj", u)) + w["dt_bias"]).reshape(heads, size) for u in us]
    out = delta_rule(m, w, q, k, v, [PLAIN["sigmoid"](linear(w, "beta_proj", u)) for u in us], [np.exp(-np.exp(w["A_log"])[:, None] * s) for s in steps],
                     [linear(w, "g_b_proj", linear(w, "g_a_proj", u)) for u in us], heads, heads)
    return [linear(w, "o_proj", o) for o in out]


def main_name(m):
    return m.get("main_mixer_name") or next(iter(m["mixers"]))


def run(m, w, us):
    """`w` of the block; the mixer's weights lose their prefix."""
    prefix = "mixer."
    if m["type"] == "stochastic":
        prefix += f"mixers.{main_name(m)}."
        m = m["mixers"][main_name(m)]
    own = {k[len(prefix) :]: v for k, v in w.items() if k.startswith(prefix)}
    return {"mamba": mamba, "gdn": gdn, "kda": kda}[m["type"]](m, own, us)


MIXERS = {name: run for name in ("mamba", "gdn", "kda", "stochastic")}


# ---- weights ----
def shapes(m, hidden):
    """Names and shapes; a name that ends in .bias is there if the configuration says so."""
    kernel = m.get("convolution_layer", {}).get("kernel_size", 4)
    if m["type"] == "mamba":
        usual, inner, group, rank = m.get("add_linear_biases", True), m["d_inner"], m["d_xb"], m["dt_rank"]
        channels = inner if m.get("repeat_kv_before_conv", True) else group
        layers = {"in_proj": ("z_layer", 2 * inner + 2 * group, hidden), "dt_in_proj": ("dt_input_layer", rank, hidden), "dt_proj": ("dt_layer", inner, rank),
                  "convolution": ("convolution_layer", channels, 1, kernel), "out_proj": ("output_layer", hidden, inner)}
        others = {"A_log": (inner, m["state_size"]), "D": (inner,)}
    elif m["type"] == "gdn":
        usual, key, value = False, m["key_heads"] * m["key_head_dim"], m["value_heads"] * m["value_head_dim"]
        layers = {"in_proj_qkvz": ("qkv_projection_layer", 2 * key + 2 * value, hidden), "in_proj_ba": ("ba_projection_layer", 2 * m["value_heads"], hidden),
                  "convolution": ("convolution_layer", 2 * key + value, 1, kernel), "out_proj": ("output_layer", hidden, value)}
        others = {"A_log": (m["value_heads"],), "dt_bias": (m["value_heads"],), "norm.weight": (m["value_head_dim"],)}
    else:
        usual, size, every = False, m["head_dim"], m["heads"] * m["head_dim"]
        layers = {**{n + "_proj": (n + "_projection_layer", every, hidden) for n in "qkv"}, **{n + "_conv": ("convolution_layer", every, 1, kernel) for n in "qkv"},
                  **{n + "_a_proj": (n + "_a_projection_layer", size, hidden) for n in "fg"}, **{n + "_b_proj": (n + "_b_projection_layer", every, size) for n in "fg"},
                  "beta_proj": ("beta_projection_layer", m["heads"], hidden), "o_proj": ("output_projection_layer", hidden, every)}
        others = {"A_log": (m["heads"],), "dt_bias": (every,), "norm.weight": (size,)}
    for name, (layer, *shape) in layers.items():
        yield name + ".weight", shape
        if has_bias(m, layer, usual):
            yield name + ".bias", shape[:1]
    yield from others.items()


def make(m, hidden, draw):
    if m["type"] == "stochastic":
        return {f"mixer.mixers.{name}." + k[len("mixer.") :]: v for name, one in m["mixers"].items() for k, v in make(one, hidden, draw).items()}
    return {"mixer." + name: draw(*shape) + (1 if name == "norm.weight" else 0) for name, shape in shapes(m, hidden)}
