#!/usr/bin/env python3
"""What verify says of a destination that is not what the conversion made.

    verify.py --fgconv build/fgconv
"""
import argparse
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, run, tensors, write_safetensors

tally = Tally()


class Conversion:
    def __init__(self, fgconv, work):
        self.fgconv, self.work, self.source, self.count = fgconv, work, DATA / "golden/llama_untied_fp32/hf", 0
        code, text = run(fgconv, [self.source, work / "out"], ranks=0)
        tally.check("a conversion", code == 0, text)

    def refused(self, name, destination, code, *said, options=()):
        for ranks in (0, 3):
            found, text = run(self.fgconv, ["verify", *options, self.source, destination], ranks=ranks)
            tally.check(f"{name}, {ranks} ranks", found == code and all(word in text for word in said), (found, text))

    def changed(self, change):
        self.count += 1
        there = self.work / f"changed{self.count}"
        shutil.copytree(self.work / "out", there, ignore=shutil.ignore_patterns("*.safetensors*"))
        write_safetensors(there / "model.safetensors", change(tensors(self.work / "out")))
        return there


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fgconv", required=True)
    with tempfile.TemporaryDirectory() as folder:
        case = Conversion(parser.parse_args().fgconv, pathlib.Path(folder))
        out = case.work / "out"
        case.refused("a file", out / "config.json", 2, "a file, not a directory")
        case.refused("nothing", case.work / "nothing", 2, "nothing: no such directory")
        case.refused("a report that is not there", out, 2, "--report none.json: there is no such file", options=["--report", "none.json"])
        surplus = case.changed(lambda held: {**held, "extra.weight": held["lm_head.weight"]})
        case.refused("a tensor too much", surplus, 10, '"extra.weight" is too much')
        missing = case.changed(lambda held: {n: t for n, t in held.items() if n != "lm_head.weight"})
        case.refused("a tensor too few", missing, 10, "lm_head.weight is missing")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
