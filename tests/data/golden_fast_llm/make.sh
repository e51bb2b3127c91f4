#!/bin/sh
# Copies cases of golden conversions by Fast-LLM: make.sh GOLDEN_FAST_LLM_DIRECTORY
# hf/ and fast_llm/ are one model on both sides; logits*.npy are reference logits [heads,] tokens, vocab (x8: after every
# tensor was multiplied by 8 in float32; causal: where the model's own code has no mask); logits.json has the token ids.
set -eu
golden=$1
here=$(dirname "$0")
for case in llama/basic llama/llama3-tied-bias llama/pattern mistral/window qwen2/tied mixtral/experts4 mtp_llama/heads3 \
    dream/basic diffusion_llama/yarn; do
    mkdir -p "$here/$case"
    cp -r "$golden/$case/hf" "$golden/$case/fast_llm" "$golden/$case"/logits*.npy "$golden/$case/logits.json" "$here/$case/"
    chmod -R u+w "$here/$case"
done
