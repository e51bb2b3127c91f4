"""Hostile weights: safetensors, torch pickles, zip archives, indices, special files, names of tensors."""
import io
import json
import os
import socket
import struct
import zipfile

from hostile_run import DATA, tensors, write_safetensors

UP = "model.layers.1.mlp.up_proj.weight"
BIN_MODEL = "llama_tied_rope3_bf16_sharded/forgather"
BIN = "pytorch_model-00001-of-00001.bin"


# ---- safetensors ----


def header_file(text, data=b"", size=None):
    text = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def one(shape="[1]", offsets="[0,4]", dtype='"F32"', name="a", more=""):
    return f'{{"{name}":{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}}}'


HEADERS = {
    "a header of 2^64 - 1 bytes": header_file(b"{}", size=2**64 - 1),
    "a header of 2^63 bytes": header_file(b"{}", size=2**63),
    "a header of 2^63 - 8 bytes": header_file(b"{}", size=2**63 - 8),
    "a header of 2^40 bytes": header_file(b"{}", size=2**40),
    "a header longer than the file by a byte": header_file(b"{}", size=3),
    "a header of 0 bytes": header_file(b""),
    "200,000 objects deep": header_file(b'{"a":' * 200000),
    "200,000 arrays deep": header_file(b'{"a":' + b"[" * 200000),
    "a shape of 10^6 numbers": header_file(one("[" + "1," * 999999 + "1]")),
    "a shape that overflows in 64 bits": header_file(one("[4294967296,4294967296]")),
    "a shape of 2^64": header_file(one("[18446744073709551616]")),
    "a shape of -1": header_file(one("[-1]"), bytes(4)),
    "a shape of 1.0": header_file(one("[1.0]"), bytes(4)),
    "a shape of true": header_file(one("[true]"), bytes(4)),
    "a shape that is a number": header_file(one("1"), bytes(4)),
    "a shape in a string": header_file(one('"[1]"'), bytes(4)),
    "a shape in another shape": header_file(one("[[1]]"), bytes(4)),
    "nine dimensions": header_file(one("[1,1,1,1,1,1,1,1,1]"), bytes(4)),
    "offsets turned round": header_file(one(offsets="[4,0]"), bytes(4)),
    "offsets of 2^63": header_file(one(offsets="[9223372036854775807,9223372036854775807]"), bytes(4)),
    "one offset": header_file(one(offsets="[0]"), bytes(4)),
    "three offsets": header_file(one(offsets="[0,4,8]"), bytes(8)),
    "offsets with a fraction": header_file(one(offsets="[0,4.5]"), bytes(8)),
    "a dtype that is a number": header_file(one(dtype="32"), bytes(4)),
    "a dtype with an escape": header_file(one(dtype='"F\\u001b[31m"'), bytes(4)),
    "a dtype of a megabyte": header_file(one(dtype='"' + "F" * 1000000 + '"'), bytes(4)),
    "an entry without a dtype": header_file(b'{"a":{"shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "an entry that is a list": header_file(b'{"a":[]}'),
    "an entry that is null": header_file(b'{"a":null}'),
    "metadata that is a list": header_file(b'{"__metadata__":[1],"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "metadata of numbers": header_file(b'{"__metadata__":{"x":1},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "metadata of 8 MB": header_file(b'{"__metadata__":{"x":"' + b"y" * 8000000 + b'"}}'),
    "two tensors that overlap": header_file(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}', bytes(6)),
    "two tensors of the same bytes": header_file(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "bytes behind the last tensor": header_file(one(), bytes(400)),
    "data truncated": header_file(one(), bytes(3)),
    "a name that is empty": header_file(one(name=""), bytes(4)),
    "a name with a newline": header_file(one(name="a\\nfgconv: done"), bytes(4)),
    "a name with ESC": header_file(one(name="\\u001b[2J\\u001b]0;x\\u0007"), bytes(4)),
    "a name with C1 controls": header_file(one(name="\\u009b31m\\u0085"), bytes(4)),
    "a name with an override of direction": header_file(one(name="\\u202egnp.\\u2066"), bytes(4)),
    "a name with NUL": header_file(one(name="a\\u0000b"), bytes(4)),
    "a name of invalid UTF-8": header_file(b'{"a\xff\xfe":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "a name with half a surrogate": header_file(one(name="\\ud800"), bytes(4)),
    "a name of 4 MB": header_file(one(name="a" * 4000000), bytes(4)),
    "a name with % formats": header_file(one(name="%s%n%d%1000000d"), bytes(4)),
    "a name like a path": header_file(one(name="../../etc/passwd"), bytes(4)),
    "100,000 tensors that no rule covers": header_file("{" + ",".join(
        f'"x.{i}":{{"dtype":"U8","shape":[1],"data_offsets":[{i},{i + 1}]}}' for i in range(100000)) + "}", bytes(100000)),
    "100,000 tensors without elements": header_file("{" + ",".join(
        f'"x.{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(100000)) + "}"),
    "no tensors": header_file(b"{}"),
    "only metadata": header_file(b'{"__metadata__":{"format":"pt"}}'),
    "a pickle by the name of a safetensors file": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "an LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n",
}


def safetensors(h):
    for name, blob in HEADERS.items():
        h.refused(f"safetensors: {name}", lambda c, blob=blob: c.model().write("model.safetensors", blob) and None)
    for name, extra in (("a newline", "x\ny"), ("ESC", "x\x1b[2J"), ("bytes of another language", "模型.权重"), ("an emoji", "\U0001f600")):
        def more(c, extra=extra):
            c.model()
            held = tensors(c.source)
            held["model.layers.0." + extra] = ("float32", [2], bytes(8))
            write_safetensors(c.source / "model.safetensors", held)
        h.refused(f"a tensor too many with {name} in its name", more, "model.layers.0.x" if "x" in extra else "model.layers.0.")
        h.works(f"inspect shows a tensor with {name} in its name", lambda c, more=more: more(c) or ["inspect", c.source])
        h.refused(f"diff shows a tensor with {name} in its name", lambda c, more=more: more(c) or ["diff", c.source, DATA / "golden/llama_untied_fp32/hf"], codes=(10, 2, 3))
        seen = "model.layers.0." + extra.replace("\n", "\\n").replace("\x1b", "\\x1b")
        h.works(f"inspect -v shows it on one line: {name}", lambda c, more=more: more(c) or ["inspect", "-v", c.source], f"\n{seen} float32 [2]")
        h.refused(f"diff shows it on one line: {name}", lambda c, more=more: more(c) or ["diff", c.source, DATA / "golden/llama_untied_fp32/hf"], f"\n  {seen} only in", codes=(10,))


def sparse(h):
    """Files that claim to be large, and are, with holes."""
    def huge(c, size):
        c.model()
        text = one(f"[{size // 4}]", f"[0,{size}]")
        path = c.write("model.safetensors", header_file(text))
        os.truncate(path, 8 + len(text) + size)
    h.refused("safetensors: a tensor of 2^40 bytes, a hole", lambda c: huge(c, 1 << 40), "\"a\"")
    h.refused("safetensors: a tensor of 2^40 bytes, no check", lambda c: huge(c, 1 << 40) or ["--validate", "none", c.source, c.out], "\"a\"")
    h.either("inspect: a tensor of 2^40 bytes", lambda c: huge(c, 1 << 40) or ["inspect", c.source])
    def hole(c, name):
        c.model().write(name, b"{")
        os.truncate(c.source / name, 1 << 40)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "model.safetensors",
                 "chat_template.jinja"):
        h.refused(f"{name}: 2^40 bytes, a hole", lambda c, name=name: hole(c, name), name)


# ---- torch .bin ----


def archive(pickle, *, method=zipfile.ZIP_STORED, top="archive/", more=()):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr(top + "data.pkl", pickle)
        z.writestr(top + "byteorder", b"little")
        z.writestr(top + "data/0", bytes(64))
        z.writestr(top + "version", b"3\n")
        for name, blob in more:
            z.writestr(name, blob)
    return out.getvalue()


TENSOR = (b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x10tQK\0K\x10\x85K\x01\x85\x89"
          b"ccollections\nOrderedDict\n)RtRs.")


def calls(module, name, argument=b"X\x04\0\0\0true"):
    return b"\x80\x02c" + module + b"\n" + name + b"\n" + argument + b"\x85R."


PICKLES = {
    "os.system": calls(b"os", b"system"), "posix.system": calls(b"posix", b"system"), "builtins.eval": calls(b"builtins", b"eval"),
    "builtins.exec": calls(b"builtins", b"exec"), "subprocess.Popen": calls(b"subprocess", b"Popen"), "builtins.getattr": calls(b"builtins", b"getattr"),
    "torch.load": calls(b"torch", b"load"), "importlib.import_module": calls(b"importlib", b"import_module"), "webbrowser.open": calls(b"webbrowser", b"open"),
    "a name with a newline and ESC": calls(b"o\x1bs", b"sys\xff\x9btem"),
    "INST": b"\x80\x02(X\x04\0\0\0trueios\nsystem\n.", "OBJ": b"\x80\x02(cos\nsystem\nX\x04\0\0\0trueo.", "NEWOBJ": b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85\x81.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "EXT1": b"\x80\x02\x82\x01.", "EXT4": b"\x80\x02\x84\xff\xff\xff\x7f.",
    "BUILD on a global": b"\x80\x02cos\nsystem\n}b.", "a stack that runs empty": b"\x80\x02R.", "POP on nothing": b"\x80\x020.", "nothing": b"", "a protocol alone": b"\x80\x02",
    "no STOP": b"\x80\x02}", "STOP on nothing": b"\x80\x02.", "protocol 255": b"\x80\xff}.", "a string of 2^32 - 1 bytes": b"\x80\x02X\xff\xff\xff\xff.",
    "BINUNICODE8 of 2^63 bytes": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.", "LONG4 of 2^31 - 1 bytes": b"\x80\x02\x8b\xff\xff\xff\x7f.", "LONG4 of -1 bytes": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "FRAME of 2^63 bytes": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.", "a memo of 2^32 - 1": b"\x80\x02}r\xff\xff\xff\xff.", "a memo never put": b"\x80\x02h\x07.",
    "1,000,000 marks": b"\x80\x02" + b"(" * 1000000 + b".", "a dict in itself": b"\x80\x02}q\0X\x01\0\0\0ah\0s.", "10,000,000 dicts": b"\x80\x02" + b"}" * 10000000 + b".",
    "tuples that double": b"\x80\x02)" + b"q\0h\0\x86" * 200 + b".", "a persistent id that is a path": b"\x80\x02X\x0b\0\0\0/etc/passwdQ.", "text persistent id": b"P/etc/passwd\n.",
    "a string that is no UTF-8": b"\x80\x02X\x02\0\0\0\xff\xfe.", "REDUCE of a string": b"\x80\x02X\x01\0\0\0a)R.", "a float key": b"\x80\x02}G\0\0\0\0\0\0\0\0K\x01s.",
    "an integer in text": b"I123\n.", "an integer of a million digits": b"L" + b"1" * 1000000 + b"L\n.",
}


def torch(h):
    def put(c, blob, name=BIN):
        c.model(BIN_MODEL).write(name, blob)
    for name, pickle in PICKLES.items():
        h.refused(f"pickle: {name}", lambda c, pickle=pickle: put(c, archive(pickle)), BIN)
    good = archive(TENSOR)
    rows = {
        "deflate": archive(TENSOR, method=zipfile.ZIP_DEFLATED), "bzip2": archive(TENSOR, method=zipfile.ZIP_BZIP2),
        "a bomb of 300 MB": archive(b"\0" * 300000000, method=zipfile.ZIP_DEFLATED),
        "names that leave the directory": archive(TENSOR, top="../../"), "absolute names": archive(TENSOR, top="/tmp/"),
        "no data.pkl": archive(TENSOR, top="x/").replace(b"data.pkl", b"date.pkl"), "two data.pkl": archive(TENSOR, more=[("archive/data.pkl", b"\x80\x02}.")]),
        "no end record": good[:-22], "an end record alone": good[-22:], "a comment that is too long": good[:-2] + b"\xff\xff",
        "65535 entries said": good[:-14] + b"\xff\xff\xff\xff" + good[-10:], "a directory at 2^32 - 1": good[:-6] + b"\xff\xff\xff\xff" + good[-2:],
        "a directory of 2^32 - 1 bytes": good[:-10] + b"\xff\xff\xff\xff" + good[-6:], "0 entries said": good[:-14] + bytes(4) + good[-10:],
        "a legacy file": b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "a tar file": b"\0" * 257 + b"ustar\0" + b"\0" * 249, "only PK": b"PK",
        "a name of 65535 bytes": archive(TENSOR, more=[("n" * 65535, b"")]), "a name with ESC": archive(TENSOR, top="\x1b[2J/"),
        "100,000 entries": archive(b"\x80\x02}.", more=[(f"archive/data/x{i}", b"") for i in range(20000)]),
        "a tensor longer than its storage": archive(TENSOR.replace(b"K\0K\x10\x85", b"K\0K\x7f\x85")), "a storage beyond 2^31": archive(TENSOR.replace(b"cpuK\x10", b"cpuJ\xff\xff\xff\x7f")),
        "a negative offset": archive(TENSOR.replace(b"QK\0K\x10", b"QJ\xff\xff\xff\xffK\x10")), "a negative size": archive(TENSOR.replace(b"K\x10\x85K", b"J\xff\xff\xff\xff\x85K")),
        "a negative stride": archive(TENSOR.replace(b"K\x01\x85\x89", b"J\xff\xff\xff\xff\x85\x89")), "a storage that is a path": archive(TENSOR.replace(b"X\x01\0\0\x000", b"X\x0b\0\0\0/etc/passwd")),
        "a storage that is ..": archive(TENSOR.replace(b"X\x01\0\0\x000", b"X\x05\0\0\0../..")), "another device": archive(TENSOR.replace(b"X\x03\0\0\0cpu", b"X\x04\0\0\0cuda")),
    }
    for name, blob in rows.items():
        test = h.either if name == "another device" else h.refused
        test(f"zip: {name}", lambda c, blob=blob: put(c, blob))
    for place in range(0, len(good), len(good) // 24):
        h.either(f"zip: a bit of byte {place} changed", lambda c, place=place: put(c, good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1:]))


# ---- indices ----


def indices(h):
    sharded, index = "llama_tied_rope3_bf16_sharded/hf", "model.safetensors.index.json"

    def with_index(edit):
        return lambda c: c.model(sharded).change(index, edit)

    def entry(value):
        return with_index(lambda i: i["weight_map"].update({next(iter(i["weight_map"])): value}))
    for name, value in {
            "../ and back": "../source/model-00001-of-00003.safetensors", "./": "./model-00001-of-00003.safetensors", "an absolute path": "/etc/passwd",
            "a device": "/dev/zero", "/proc/self/mem": "/proc/self/mem", "dots": "..", "a dot": ".", "a newline": "a\nb.safetensors", "ESC": "\x1b[2J.safetensors",
            "NUL": "model-00001-of-00003.safetensors\0", "a backslash": "..\\x.safetensors", "a URL": "https://example.org/x.safetensors", "a megabyte": "x" * 1000000,
            "an override of direction": "\u202ex.safetensors", "a list": ["model-00001-of-00003.safetensors"], "an object": {}, "a number": 1e308, "true": True, "a folder": "sub/x.safetensors",
            "the index itself": index, "another kind": "tokenizer.json", "a slash at the end": "model-00001-of-00003.safetensors/", "~": "~/x.safetensors"}.items():
        h.refused(f"index: a shard's name is {name}", entry(value), "" if name == "another kind" else index)
    for name, edit in {
            "1,000,000 tensors more": lambda i: i["weight_map"].update((f"t{n}", "model-00001-of-00003.safetensors") for n in range(1000000)),
            "10,000 files that are not there": lambda i: i["weight_map"].update((f"t{n}", f"f{n}.safetensors") for n in range(10000)),
            "metadata a list": lambda i: i.update(metadata=[]), "total_size a string": lambda i: i["metadata"].update(total_size="\x1b[2J"),
            "total_size 1e308": lambda i: i["metadata"].update(total_size=1e308), "total_size -1": lambda i: i["metadata"].update(total_size=-1),
            "total_size nested": lambda i: i["metadata"].update(total_size=[[[[1]]]])}.items():
        h.either(f"index: {name}", with_index(edit))
    h.refused("index: .. as a link", lambda c: (c.model(sharded), (c.source / "out.safetensors").symlink_to("/etc/passwd"),
                                                c.change(index, lambda i: i["weight_map"].update(x="out.safetensors")))[2])


# ---- special files ----


def special(h):
    def fifo(path):
        os.mkfifo(path)

    def sock(path):
        s = socket.socket(socket.AF_UNIX)
        here = os.open(path.parent, os.O_RDONLY)
        s.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
        s.close()
    kinds = {"a FIFO": fifo, "a socket": sock, "a directory": lambda p: p.mkdir(), "a dangling link": lambda p: p.symlink_to("nowhere"), "a link to itself": lambda p: p.symlink_to(p.name),
             "a link to /dev/zero": lambda p: p.symlink_to("/dev/zero"), "a link to a FIFO": lambda p: (fifo(p.parent / "pipe"), p.symlink_to("pipe"))}
    names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "chat_template.jinja"]
    for i, name in enumerate(names):
        for k, (kind, put) in enumerate(kinds.items()):
            if name == "config.json" or (i + k) % 2 == 0:
                h.refused(f"{name} is {kind}", lambda c, name=name, put=put: (c.model(), (c.source / name).unlink(), put(c.source / name)) and None)
    for kind, put in kinds.items():
        h.refused(f"SRC is {kind}", lambda c, put=put: put(c.source))
        if kind != "a directory":
            h.refused(f"--add-tokens is {kind}", lambda c, put=put: (c.model(), put(c.folder / "t.yaml")) and ["--add-tokens", c.folder / "t.yaml", c.source, c.out])
            h.refused(f"-t is {kind}", lambda c, put=put: (c.model(), put(c.folder / "t.jinja")) and ["-t", c.folder / "t.jinja", c.source, c.out])
            h.refused(f"lint of {kind}", lambda c, put=put: put(c.folder / "c.json") or ["lint", c.folder / "c.json"])


def parts(h):
    safetensors(h)
    sparse(h)
    torch(h)
    indices(h)
    special(h)
