"""make_bin.py SRC DST: a safetensors checkpoint as torch.save writes it, a .bin for each shard."""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file

source, target = map(pathlib.Path, sys.argv[1:3])
target.mkdir(parents=True)
names = {path.name: path.name.replace("model", "pytorch_model").replace(".safetensors", ".bin") for path in sorted(source.glob("*.safetensors"))}
places = {}
for name, stored in names.items():
    tensors = load_file(source / name)
    places |= dict.fromkeys(tensors, stored)
    torch.save(tensors, target / stored)
(target / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
shutil.copy(source / "config.json", target)
