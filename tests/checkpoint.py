"""Reading checkpoints with Python's standard library alone, and running fgconv: what the test scripts share.

Nothing here uses fgconv's own code: a mistake in its readers must not cancel itself out.
"""
import argparse
import atexit
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "tests/data"
TORCH_NAMES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64", "I64": "int64", "I32": "int32",
               "U8": "uint8", "I8": "int8", "BOOL": "bool", "I16": "int16"}


# Where mpirun has its session directory, for this process alone: several mpirun that share one remove it and make it at the same time, and fail.
SESSIONS = tempfile.mkdtemp(prefix="mpi-")
atexit.register(shutil.rmtree, SESSIONS, ignore_errors=True)


def environment(**more):
    if "TMPDIR" not in more:
        more.setdefault("OMPI_MCA_orte_tmpdir_base", SESSIONS)
        more.setdefault("PRTE_MCA_prte_tmpdir_base", more["OMPI_MCA_orte_tmpdir_base"])  # Open MPI 5
    return dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1",
                OMPI_MCA_btl_vader_single_copy_mechanism="none", FGCONV_CHECK_LEAKS="1",
                HWLOC_COMPONENTS="-gl",  # mpirun would ask X displays for graphics cards
                ASAN_OPTIONS="detect_leaks=0", **more)  # of a sanitized build: Open MPI's leaks are not ours


def run(fgconv, arguments, ranks=2, cwd=None, timeout=300, **more):
    """fgconv under mpirun (ranks 0: alone). Returns the exit code and what it printed."""
    command = [str(pathlib.Path(fgconv).resolve()), *map(str, arguments)]
    if ranks:
        command = ["mpirun", "--oversubscribe", "-n", str(ranks), *command]
    done = subprocess.run(command, cwd=cwd, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


@functools.lru_cache(None)
def open_mpi():
    """The first number of the version of the Open MPI whose mpirun is called."""
    text = subprocess.run(["mpirun", "--version"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    found = re.search(r"\(Open MPI\) (\d+)", text)
    return int(found[1]) if found else 0


def load(path):
    path = pathlib.Path(path)
    return json.loads(path.read_text()) if path.exists() else {}


def header(path):
    """The entries of a safetensors file and where its data begins."""
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        entries = json.loads(f.read(size))
    entries.pop("__metadata__", None)
    return entries, 8 + size


def tensors(directory):
    """name -> (dtype, shape, bytes) of every safetensors file of a directory."""
    held = {}
    for path in sorted(pathlib.Path(directory).glob("*.safetensors")):
        entries, start = header(path)
        blob = path.read_bytes()
        for name, entry in entries.items():
            begin, end = entry["data_offsets"]
            held[name] = (TORCH_NAMES.get(entry["dtype"], entry["dtype"]), entry["shape"], blob[start + begin:start + end])
    return held


def digests(directory):
    """name -> {dtype, shape, sha256}, as the golden files list them."""
    return {name: {"dtype": dtype, "shape": shape, "sha256": hashlib.sha256(data).hexdigest()}
            for name, (dtype, shape, data) in tensors(directory).items()}


def write_safetensors(path, held):
    """The reverse of tensors(): name -> (dtype, shape, bytes)."""
    names = {torch: short for short, torch in TORCH_NAMES.items()}
    entries, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in held.items():
        entries[name] = {"dtype": names[dtype], "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in held.values():
            f.write(data)


def npy(path):
    """Shape and little-endian float32 values of a .npy file."""
    blob = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<H", blob[8:10])
    description = eval(blob[10:10 + length].decode(), {"__builtins__": {}})  # a literal dictionary, from this repository
    assert description["descr"] == "<f4" and not description["fortran_order"], description
    count = 1
    for extent in description["shape"]:
        count *= extent
    return description["shape"], struct.unpack(f"<{count}f", blob[10 + length:10 + length + 4 * count])


def write_npy(path, shape, numbers, descr="<f4", fortran=False, letter="f"):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {tuple(shape)}, }}".encode()
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + struct.pack(f"<{len(numbers)}{letter}", *numbers))
    return path


def hdf5_floats(path, dataset, scratch, kind="f"):
    """A dataset of an HDF5 file as a tuple, float32 or (kind "d") float64, by h5dump (an implementation that is not ours)."""
    out = pathlib.Path(scratch) / "h5dump.bin"
    subprocess.run(["h5dump", "-d", dataset, "-b", "LE", "-o", str(out), str(path)], check=True, stdout=subprocess.DEVNULL)
    blob = out.read_bytes()
    out.unlink()
    return struct.unpack(f"<{len(blob) // struct.calcsize(kind)}{kind}", blob)


class Tally:
    """Prints a line a check, and the closing line that counts them."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, good, detail=""):
        self.passed += bool(good)
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f": {str(detail)[-1500:]}"), flush=True)
        return bool(good)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def hdf5_texts(path, dataset):
    """The texts of a dataset of an HDF5 file, in their order."""
    done = subprocess.run(["h5dump", "-y", "-w", "0", "-d", dataset, str(path)], capture_output=True, text=True, check=False)
    data = done.stdout.partition("DATA {")[2].partition("\n   }")[0]
    return [json.loads(text) for text in re.findall(r'"(?:[^"\\]|\\.)*"', data)]


def run_parts(tally, about, parts):
    """The program of a test: each part gets the path of fgconv and a directory of its own. The exit code."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            part(fgconv, pathlib.Path(folder))
    return tally.end()
