#!/bin/sh
# Copies cases of golden conversions by Fast-LLM: make.sh GOLDEN_FAST_LLM_DIRECTORY
# hf/ and fast_llm/ are one model on both sides; logits*.npy are reference logits [heads,] tokens, vocab (x8: after every
# tensor was multiplied by 8 in float32; causal: where the model's own code has no mask; image: with the image
# pixel_values.npy); logits.json has the token ids.
set -eu
golden=$1
here=$(dirname "$0")
for case in llama/basic llama/llama3-tied-bias llama/pattern mistral/window qwen2/tied mixtral/experts4 mtp_llama/heads3 \
    dream/basic diffusion_llama/yarn apriel2_text/hybrid apriel2_text/stochastic apriel_hybrid_ssm/attention-mamba \
    llava/basic apriel2/vision; do
    mkdir -p "$here/$case"
    cp -r "$golden/$case/hf" "$golden/$case/fast_llm" "$golden/$case"/logits*.npy "$golden/$case/logits.json" "$here/$case/"
    if [ -e "$golden/$case/pixel_values.npy" ]; then cp "$golden/$case/pixel_values.npy" "$here/$case/"; fi
    chmod -R u+w "$here/$case"
done
