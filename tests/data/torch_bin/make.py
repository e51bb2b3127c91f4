"""Writes the files of this folder with a real torch (2.13 was used): python make.py

expected.json says what torch itself reads back: per file, per name: dtype, shape and the bytes (hex) of the tensor made
contiguous. Files whose name begins with "refused_" are ones that fgconv does not accept.
"""

import collections
import json
import pathlib
import warnings
import zipfile

import torch

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
FLOATS = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]
INTEGERS = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]


def counted(*shape, dtype=torch.float32):
    size = 1
    for n in shape:
        size *= n
    return (torch.arange(size, dtype=torch.float32) % 7).to(dtype).reshape(shape)


def dtypes():
    return {name: counted(2, 3, dtype=getattr(torch, name)) for name in FLOATS + INTEGERS}


def views():
    base = counted(4, 6)
    halves = torch.arange(12, dtype=torch.bfloat16)
    words = torch.arange(10).to(torch.uint16)
    return {
        "base": base,
        "shared": base,
        "offset": base[2:],
        "column": base[:, 3],
        "inner": base[1:3, 2:5],
        "transposed": base.t(),
        "permuted": counted(2, 3, 4).permute(2, 0, 1),
        "expanded": counted(3).expand(4, 3),
        "repeated": torch.full((1,), 5.0).expand(2, 3),
        "stepped": base[::2, ::3],
        "scalar": torch.tensor(2.5),
        "scalar_view": base[3, 5],
        "empty": torch.zeros(0),
        "empty_rows": torch.zeros(0, 3),
        "empty_view": base[4:],
        "five": counted(1, 2, 1, 2, 3),
        "half_offset": halves[5:],
        "word_offset": words[3:7],
        "layer.0/ünï \"quoted\"": torch.ones(1),
        "one": torch.as_strided(torch.ones(3), (1, 2), (77, 1)),
    }


def module():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    return model.state_dict()


def parameters():
    marked = torch.nn.Parameter(counted(2))
    marked.partition = 1
    noted = counted(4)[1:]
    noted.origin = "test"
    return {
        "parameter": torch.nn.Parameter(counted(2, 2)),
        "marked": marked,
        "noted": noted,
        "buffer": torch.nn.Buffer(counted(3)),
        "gradient": counted(2).requires_grad_(),
    }


def many():
    return collections.OrderedDict((f"layers.{i}.weight", torch.tensor([i], dtype=torch.int16)) for i in range(60))


def repack(source, target, compression=zipfile.ZIP_STORED, zip64=False, change=None):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for info in old.infolist():
            data = old.read(info)
            fresh = zipfile.ZipInfo(info.filename)
            fresh.compress_type = compression
            if change:
                data = change(info.filename, data)
            with new.open(fresh, "w", force_zip64=zip64) as out:
                out.write(data)


def describe(path):
    result = {}
    for name, tensor in torch.load(path, weights_only=False).items():
        tensor = tensor.detach()
        result[name] = {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "bytes": bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist()).hex() if tensor.numel() else "",
        }
    return result


def main():
    accepted = {"dtypes": dtypes(), "views": views(), "module": module(), "parameters": parameters(), "many": many(), "none": {}}
    for name, state in accepted.items():
        torch.save(state, HERE / f"{name}.bin")
    repack(HERE / "dtypes.bin", HERE / "force_zip64.bin", zip64=True)
    expected = {path.name: describe(path) for path in sorted(HERE.glob("*.bin")) if not path.name.startswith("refused_")}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")

    small = {"a": counted(2)}
    repack(HERE / "module.bin", HERE / "refused_compressed.bin", zipfile.ZIP_DEFLATED)
    repack(HERE / "module.bin", HERE / "refused_big_endian.bin",
           change=lambda name, data: b"big" if name.endswith("byteorder") else data)
    torch.save(small, HERE / "refused_legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(small, HERE / "refused_protocol4.bin", pickle_protocol=4)
    torch.save({"model": small, "epoch": 3}, HERE / "refused_nested.bin")
    torch.save({**small, "step": 3}, HERE / "refused_integer.bin")
    torch.save([counted(2)], HERE / "refused_list.bin")
    torch.save(counted(2), HERE / "refused_tensor.bin")
    torch.save({**small, 7: counted(2)}, HERE / "refused_key.bin")
    torch.save({**small, "s": torch.eye(2).to_sparse()}, HERE / "refused_sparse.bin")
    torch.save({**small, "q": torch.quantize_per_tensor(counted(2), 0.1, 0, torch.qint8)}, HERE / "refused_quantized.bin")
    torch.save({**small, "c": torch.zeros(2, dtype=torch.complex64)}, HERE / "refused_complex.bin")
    torch.save({**small, "n": torch._neg_view(counted(2))}, HERE / "refused_negated.bin")
    torch.save({**small, "m": torch.zeros(2, device="meta")}, HERE / "refused_meta.bin")
    torch.save({**small, "f": torch.zeros(2).to(torch.float8_e4m3fnuz)}, HERE / "refused_fnuz.bin")
    torch.save({**small, "six": torch.zeros(1, 1, 1, 1, 1, 1)}, HERE / "refused_six.bin")
    torch.save({**small, "path": pathlib.PurePosixPath("x")}, HERE / "refused_class.bin")
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(HERE / "refused_script.bin"))


main()
