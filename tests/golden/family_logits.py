#!/usr/bin/env python3
"""fgconv's logits of tests/data/families are those of transformers, and the same bits for every number of ranks. Each family goes to Forgather,
proved, and comes back with the same tensors.

    family_logits.py --fgconv build/fgconv [--ranks 0,3]
"""
import argparse
import array
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, hdf5_floats, run

TOLERANCE = 2e-5
tally = Tally()


def npy_floats(path):
    data = path.read_bytes()
    assert b"'<f4', 'fortran_order': False" in data[:128]
    return list(array.array("f", data[10 + int.from_bytes(data[8:10], "little") :]))


def logits(fgconv, case, ranks, folder):
    tokens = ",".join(map(str, json.loads((case / "tokens.json").read_text())["input_ids"]))
    dump = folder / f"{ranks}.h5"
    code, text = run(fgconv, ["validate", "--token-ids", tokens, "--dump", dump, case, case], ranks=ranks)
    return list(hdf5_floats(dump, "source/logits", folder)) if code == 0 else text


def there_and_back(fgconv, case, name):
    with tempfile.TemporaryDirectory() as folder:
        there, back = pathlib.Path(folder, "there"), pathlib.Path(folder, "back")
        code, text = run(fgconv, ["--to", "forgather", "--skip-default-tokens", case, there], ranks=0)
        if not tally.check(f"{name}: to Forgather", code == 0, f"{code}: {text}"):
            return
        code, text = run(fgconv, [there, back], ranks=0)
        tally.check(f"{name}: and back", code == 0 and digests(back) == digests(case), f"{code}: {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--ranks", default="0,3")
    options = parser.parse_args()
    for case in sorted(DATA.glob("families/*/*/")):
        name, reference = "/".join(case.parts[-2:]), npy_floats(case / "logits.npy")
        with tempfile.TemporaryDirectory() as folder:
            found = [logits(options.fgconv, case, int(ranks), pathlib.Path(folder)) for ranks in options.ranks.split(",")]
        if not tally.check(f"{name}: validate", all(isinstance(f, list) for f in found), found[0]):
            continue
        apart = max(abs(a - b) for a, b in zip(found[0], reference)) / max(map(abs, reference))
        tally.check(f"{name}: as transformers", len(found[0]) == len(reference) and apart <= TOLERANCE, apart)
        tally.check(f"{name}: the same for all ranks", all(f == found[0] for f in found))
        there_and_back(options.fgconv, case, name)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
