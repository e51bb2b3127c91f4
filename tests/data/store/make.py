"""Makes hf/ and bin/ beside this file: one tiny random Llama as transformers and torch write it.

Needs torch, transformers and safetensors. hf/ has two safetensors shards and an index; bin/ is tied, has two
torch files and an index whose total_size counts the shared weight twice.
"""

import json
import pathlib
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent


def config(tied):
    return LlamaConfig(
        vocab_size=48, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=tied, dtype=torch.bfloat16)


def main():
    torch.manual_seed(1)
    LlamaForCausalLM(config(False)).to(torch.bfloat16).save_pretrained(here / "hf", max_shard_size="4KB")
    model = LlamaForCausalLM(config(True)).to(torch.bfloat16)
    target = here / "bin"
    target.mkdir(exist_ok=True)
    model.config.save_pretrained(target)
    state = dict(model.state_dict())
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    shared = ["model.embed_tokens.weight", "lm_head.weight"]
    rest = [name for name in state if name not in shared]
    files = {"pytorch_model-00001-of-00002.bin": shared, "pytorch_model-00002-of-00002.bin": rest}
    for file, names in files.items():
        torch.save({name: state[name] for name in names}, target / file)
    index = {"metadata": {"total_size": sum(t.numel() * t.element_size() for t in state.values())},
             "weight_map": {name: file for file, names in files.items() for name in names}}
    (target / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=4) + "\n")


if __name__ == "__main__":
    sys.exit(main())
