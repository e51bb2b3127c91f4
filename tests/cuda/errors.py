#!/usr/bin/env python3
"""--device cuda where it cannot work ends with exit code 2 and says what to do: without the module, with a file that is no module, and with the
module where no GPU can be seen.

    errors.py --fgconv build/fgconv
"""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, run, run_parts

CASE = DATA / "golden/llama_untied_fp32"
MODULE = "fgconv-cuda.so"
CONVERTERS = DATA.parent.parent / "converters"
tally = Tally()


def refused(name, fgconv, out, *messages, **environment):
    for ranks in (0, 2):
        for command in (["validate", "--device", "cuda", CASE / "hf", CASE / "forgather"],
                        ["convert", "--device", "cuda", "--to", "forgather", CASE / "hf", out]):
            code, text = run(fgconv, command, ranks=ranks, FGCONV_CONVERTERS=str(CONVERTERS), **environment)
            said = all(message in text for message in ("option --device cuda: ", "use --device cpu", *messages))
            tally.check(f"{name}: {command[0]}, {ranks} ranks", code == 2 and said and not out.exists(), f"{code}: {text}")
    code, text = run(fgconv, ["validate", "--device", "cpu", CASE / "hf", CASE / "forgather"], ranks=0, FGCONV_CONVERTERS=str(CONVERTERS))
    tally.check(f"{name}: the CPU", code == 0, text)


def alone(fgconv, folder):
    """A copy of the program in a folder without its module."""
    where = folder / "bin"
    where.mkdir()
    return shutil.copy(fgconv, where)


def no_module(fgconv, folder):
    refused("no module", alone(fgconv, folder), folder / "out", f"there is no {MODULE} in ", "-DFGCONV_CUDA=ON")


def no_object(fgconv, folder):
    copy = pathlib.Path(alone(fgconv, folder))
    (copy.parent / MODULE).write_text("not a shared object")
    refused("not a module", copy, folder / "out", "cannot be loaded: ")


def no_gpu(fgconv, folder):
    if (pathlib.Path(fgconv).parent / MODULE).exists():
        refused("no GPU", fgconv, folder / "out", "no", CUDA_VISIBLE_DEVICES="")


if __name__ == "__main__":
    sys.exit(run_parts(tally, __doc__, [no_module, no_object, no_gpu]))
