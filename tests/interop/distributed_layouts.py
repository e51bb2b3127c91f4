#!/usr/bin/env python3
"""Layouts of runs that the real Fast-LLM would make: distributed_layouts.py OUT [--seed N] [--count N] [--older]

To be run where Fast-LLM can be imported. For random configurations and grids of ranks its own layout objects are written to OUT, a file for
each, in the form of tests/data/distributed/layouts; `FGCONV_LAYOUTS=OUT build/tests/test_language_distributed_layout` compares them with
fgconv's. Configurations that Fast-LLM refuses are passed over.
"""
import argparse
import json
import logging
import pathlib
import random
import sys
import traceback

sys.path.pop(0)  # this folder, which has a fast_llm.py

import torch  # noqa: F401  (Fast-LLM needs it first)

import fast_llm.cli  # noqa: F401  (registers every type)
from fast_llm.engine.config_utils.tensor_dim import CompositeTensorDim, ConcatenatedTensorDim
from fast_llm.models.gpt.config import GPTModelConfig
from fast_llm.models.multimodal.config import MultiModalModelConfig

MODELS = {"gpt": GPTModelConfig, "multimodal": MultiModalModelConfig}


# ---- real layouts as data ----

def dim(d):
    if isinstance(d, CompositeTensorDim):
        return {"product": [dim(x) for x in d._tensor_dims]}
    if isinstance(d, ConcatenatedTensorDim):
        return {"sum": [dim(x) for x in d._tensor_dims]}
    return [d.name, d.global_size] + (["tp"] if d.parallel_dim is not None else [])


def parameter(fsdp, name):
    meta = fsdp._parameter_metas[name]
    return {"name": name, "begin": fsdp._parameter_begins_in_buffer[name], "shape": list(meta.shape), "dims": [dim(d) for d in meta.dims],
            "decay": bool(meta.param_weight_decay)}


def buffer(fsdp):
    return {"name": fsdp._name, "frozen": not fsdp.requires_grad, "parameter_count": fsdp.parameter_count, "shard_size": fsdp._shard_size,
            "parameters": [parameter(fsdp, name) for name in fsdp.parameter_names]}


def rank_layout(model, distributed):
    stages, offset, offsets = model._stages_on_device, 0, []
    for stage in stages.values():
        begins = []
        for fsdp in stage.fsdps:
            begins.append(offset)
            offset += fsdp.weight_shard_meta.numel()
        offsets.append(begins)
    return {"rank": distributed.rank, "tensor_rank": distributed.tensor_rank, "data_rank": distributed.data_rank,
            "pipeline_rank": distributed.pipeline_rank, "stages": list(stages), "weights_shard": offset, "offsets": offsets,
            "dtype": str(model._shard_dtype)}


def layout(config):
    kind = MODELS[config["type"]]
    ranks, stages = [], None
    for rank in range(config["distributed"]["world_size"]):
        full = kind.from_dict({**{k: v for k, v in config.items() if k != "type"}, "distributed": {**config["distributed"], "rank": rank}})
        model = full.get_model_class()(full, verbose=False)
        ranks.append(rank_layout(model, full.distributed))
        stages = stages or [{"stage": s.index, "fsdps": [buffer(f) for f in s.fsdps]} for s in model._stages]
    return {"data_parallel": full.distributed.data_parallel, "ranks": ranks, "stages": stages}


# ---- random configurations ----

class Maker:
    def __init__(self, seed, older=False):
        self.random = random.Random(seed)
        self.frozen = self.random.random() < 0.4
        self.settings = self.random.random() < 0.3 and not older
        self.tensor = self.one(1, 1, 2, 2, 3, 4)

    def one(self, *values):
        return self.random.choice(values)

    def heads(self):
        return self.tensor * self.one(1, 2, 3) if self.random.random() < 0.8 else 1

    def maybe(self, share, make, other=None):
        return make() if self.random.random() < share else other

    def training(self, config, decay=False):
        """Perhaps a learning rate scale or a weight decay."""
        if self.frozen and self.random.random() < 0.12:
            config["lr_scale"] = self.one(0.0, 0.0, 0.0, 0.5, 1e-200, None)
        if decay and self.settings and self.random.random() < 0.2:
            config["weight_decay"] = self.one(True, False, 0.0, 0.1, None)
        return config

    def parameter(self):
        return self.training({}, True)

    def optional(self, share=0.3):
        return {**self.parameter(), "enabled": self.one(True, False, None) if self.random.random() < share else None}

    def linear(self):
        return self.training({"weight": self.parameter(), "bias": self.optional()})

    def norm(self, gated=False):
        if gated:
            return self.training({"type": "gated_rms_norm", "weight": self.parameter(), "zero_centered": self.one(True, False)})
        kind = self.one("rms_norm", "rms_norm", "layer_norm", "fixed_rms_norm", "none")
        norm = self.training({"type": kind})
        if kind in ("rms_norm", "layer_norm"):
            norm["weight"] = self.parameter()
        if kind == "layer_norm":
            norm["bias"] = self.parameter()
        return norm

    def attention(self):
        groups = self.heads()
        keys = ("query_layer", "key_layer", "value_layer", "dense_layer")
        return self.training({"type": "attention", "head_groups": groups, "heads": groups * (self.one(1, 2, 3) if groups > 1 else 12), "head_size": self.one(2, 4, 6),
                              "add_linear_biases": self.one(True, False), "shared_key_value": self.one(True, False, False),
                              **{k: self.linear() for k in keys if self.random.random() < 0.5},
                              **{k: self.maybe(0.3, self.norm) for k in ("query_norm", "key_norm", "value_norm")}})

    def convolution(self):
        return self.training({"kernel_size": self.one(2, 3, 4), "weight": self.parameter(), "bias": self.optional()})

    def mamba(self):
        state, groups = self.one(2, 4), self.tensor * self.one(1, 2)
        keys = ("z_layer", "dt_layer", "dt_input_layer", "output_layer")
        return self.training({"type": "mamba", "state_size": state, "d_xb": state * groups, "d_inner": state * groups * self.one(1, 2, 3), "dt_rank": self.one(1, 3),
                              "add_linear_biases": self.one(True, False), "repeat_kv_before_conv": self.one(True, False),
                              "convolution_layer": self.convolution(), "d_weight": self.parameter(), "a_log_weight": self.parameter(),
                              **{k: self.linear() for k in keys if self.random.random() < 0.5}})

    def gdn(self):
        keys = self.heads()
        layers = ("qkv_projection_layer", "ba_projection_layer", "output_layer")
        return self.training({"type": "gdn", "key_heads": keys, "value_heads": keys * self.one(1, self.tensor), "key_head_dim": self.one(2, 4),
                              "value_head_dim": self.one(3, 4), "normalization": self.norm(True), "convolution_layer": self.convolution(),
                              "dt_bias_weight": self.parameter(), "a_log_weight": self.parameter(),
                              **{k: self.linear() for k in layers if self.random.random() < 0.5}})

    def kda(self):
        layers = [f"{k}_projection_layer" for k in ("q", "k", "v", "f_a", "f_b", "g_a", "g_b", "beta", "output")]
        return self.training({"type": "kda", "heads": self.heads(), "head_dim": self.one(2, 5), "normalization": self.norm(True),
                              "convolution_layer": self.convolution(), "dt_bias_weight": self.parameter(), "a_log_weight": self.parameter(),
                              **{k: self.linear() for k in layers if self.random.random() < 0.5}})

    def mixer(self, inside=False):
        kind = self.one("attention", "attention", "mamba", "gdn", "kda", *([] if inside else ["stochastic"]))
        if kind != "stochastic":
            return getattr(self, kind)()
        names = self.random.sample(["b", "a", "Z", "a_b", "ab", "é", "main", "m2", "m10"], self.one(1, 2, 3))
        return self.training({"type": "stochastic", "mixers": {n: self.mixer(True) for n in names}, "main_mixer_name": names[0]})

    def mlp_base(self, gated, activation="silu"):
        return {"gated": gated, "activation": activation, "intermediate_size": self.one(12, 24, 36), "pre_norm": self.maybe(0.2, self.norm),
                "post_norm": self.maybe(0.2, self.norm)}

    def dense(self, gated):
        return self.training({"type": "mlp", **self.mlp_base(gated), "add_linear_biases": self.one(True, False),
                              **{k: self.linear() for k in ("layer_1", "layer_2") if self.random.random() < 0.5}})

    def moe(self, gated, shared=True):
        experts = self.one(2, 3, 4)
        return self.training({"type": "moe", **self.mlp_base(gated), "add_linear_biases": False, "experts": experts,
                              "shared_experts": self.one(0, 1) if shared else 0, "experts_per_token": 1,
                              "router": self.training({"weight": self.parameter()}), "router_normalization": self.maybe(0.3, self.norm),
                              "router_scale": self.optional(0.5), "router_per_expert_scale": self.optional(0.5)})

    def mlp(self):
        kind, gated = self.one("mlp", "mlp", "moe", "hybrid_moe"), self.one(True, False)
        if kind == "mlp":
            return self.dense(gated)
        if kind == "moe":
            return self.moe(gated)
        return self.training({"type": kind, "dense": self.dense(gated), "routed": self.moe(gated, False), "pre_norm": self.maybe(0.3, self.norm),
                              "post_norm": self.maybe(0.3, self.norm)})

    def block(self):
        norms = ("pre_mixer_normalization", "pre_mlp_normalization", "post_mixer_normalization", "post_mlp_normalization")
        return self.training({"type": "decoder", "mixer": self.mixer(), "mlp": self.mlp(), "normalization": self.norm(),
                              "output_scale": {**self.parameter(), "enabled": self.one(True, False, None)}, **{k: self.maybe(0.3, self.norm) for k in norms}})

    def sequence(self):
        count = self.one(1, 2, 3, 5)
        if self.random.random() < 0.5:
            return self.training({"type": "fixed", "num_blocks": count, "block": self.block()})
        names = ["x", "y", "z"][: self.one(1, 2, 3)]
        return self.training({"type": "pattern", "num_blocks": count, "blocks": {n: self.block() for n in names},
                              "pattern": [self.one(*names) for _ in range(self.one(1, 2, 3))]})

    def vision(self):
        return self.training({"hidden_size": self.one(6, 8), "encoder": self.sequence(), "adapter": self.mlp(),
                              "embeddings": self.training({"patch_height": self.one(1, 2), "patch_width": self.one(2, 3), "normalization": self.norm(),
                                                           "patch_embeddings": self.linear()})})

    def model(self, vision):
        model = self.training({"hidden_size": self.one(8, 10), "tied_embedding_weight": self.one(True, False), "decoder": self.sequence(),
                               "embeddings": self.training({"vocab_size": self.one(24, 48), "vocab_parallel": self.one(True, True, False),
                                                            "word_embeddings": self.parameter(), "num_position_embeddings": 7,
                                                            "position_embeddings": self.optional(0.5)}),
                               "head": self.training({"normalization": self.norm(), "output_weight": self.parameter(), "prediction_heads": self.one(1, 1, 2, 3)})})
        return {**model, "vision_encoder": self.vision(), "image_token_index": 3} if vision else model

    def config(self):
        tensor, pipeline, data = self.tensor, self.one(1, 1, 2, 3), self.one(1, 1, 2, 3, 5)
        vision = self.random.random() < 0.25
        world = tensor * pipeline * data
        return {"type": "multimodal" if vision else "gpt", "base_model": self.model(vision),
                "distributed": {"world_size": world, "local_world_size": world, "tensor_parallel": tensor, "pipeline_parallel": pipeline,
                                "pipeline_first": self.one(True, False), "use_cuda": False, "backend": "gloo", "compute_dtype": self.one("float32", "bfloat16")},
                "multi_stage": {"layers_per_stage": self.one(1.0, 1.0, 0.5, 1.5, 2.0, 2.5, 3.0, 1000.0, 1001.0, 1002.5),
                                "store_frozen_weights_in_optimization_precision": self.one(True, True, False)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--older", action="store_true", help="the Fast-LLM here is one before commit 288513c, which knows no weight_decay")
    parser.add_argument("--verbose", action="store_true", help="why a configuration was refused")
    args = parser.parse_args()
    logging.disable(logging.ERROR)
    args.out.mkdir(parents=True, exist_ok=True)
    made, refused = 0, 0
    for seed in range(args.seed, args.seed + args.count):
        config = Maker(seed, args.older).config()
        try:
            real = layout(config)
        except Exception as error:
            refused += 1
            if args.verbose:
                print(seed, "refused:", type(error).__name__, str(error)[-300:].replace("\n", " "), traceback.extract_tb(error.__traceback__)[-1])
            continue
        made += 1
        (args.out / f"random-{seed}.json").write_text(json.dumps({"order": "older" if args.older else "newer", "config": config, "layout": real}) + "\n")
    print(f"{made} layouts, {refused} configurations refused")


if __name__ == "__main__":
    main()
