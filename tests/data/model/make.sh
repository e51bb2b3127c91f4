#!/bin/sh
# Makes the cases of this folder from golden conversions: make.sh GOLDEN_FORGATHER_DIRECTORY
# hf/ is the HuggingFace checkpoint; forgather.json the config.json of its conversion; logits.npy and tokens.json the
# reference logits [24, 384] of transformers in float32 and the token ids that they belong to.
set -eu
golden=$1
here=$(dirname "$0")
for pair in llama:llama_tied_rope3_bf16_sharded mistral:mistral_window_to_fp32 qwen3:qwen3_tied_bf16; do
    case=$here/${pair%%:*} source=$golden/${pair#*:}
    mkdir -p "$case/hf"
    cp "$source"/hf/config.json "$source"/hf/model*.safetensors* "$case/hf/"
    cp "$source/forgather/config.json" "$case/forgather.json"
    cp "$source/logits.npy" "$case/logits.npy"
    cp "$source/logits.json" "$case/tokens.json"
    chmod -R u+w "$case"
done
