#!/usr/bin/env python3
"""What `cmake --install` brings works where it was put, and loads no library from the working directory.

    install.py --fgconv build/fgconv --build build --cmake cmake --cc cc
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checkpoint import DATA, Tally, environment, run

CASE = DATA / "golden/llama_tied_rope3_bf16_sharded/hf"
FILES = """bin/fgconv share/man/man1/fgconv.1 share/man/man1/fgconv-convert.1 share/fgconv/converters/forgather/common.json share/fgconv/slurm/convert.sbatch
share/fgconv/slurm/convert-array.sbatch share/fgconv/slurm/validate.sbatch share/fgconv/slurm/open-mpi.env share/doc/fgconv/LICENSE share/doc/fgconv/README.md share/doc/fgconv/CHANGELOG.md
share/doc/fgconv/docs/convert.md share/doc/fgconv/docs/report.schema.json share/bash-completion/completions/fgconv
share/zsh/site-functions/_fgconv share/fish/vendor_completions.d/fgconv.fish""".split()
HOSTILE = """
#include <stdio.h>
__attribute__((constructor)) static void run(void) {
    FILE *file = fopen("%s", "w");
    if (file) fclose(file);
}
"""
tally = Tally()


def dynamic_section(program):
    return subprocess.run(["readelf", "-d", program], check=True, stdout=subprocess.PIPE, text=True).stdout


def no_search_path(name, program):
    text = dynamic_section(program)
    tally.check(f"{name} names no library directory", not re.search(r"\((RUNPATH|RPATH)\)", text), text)


def hostile_checkpoint(name, program, cc, folder):
    """A checkpoint that holds libraries by the names that the program needs: none of them is run."""
    trap, ran = folder / f"trap-{name}", folder / f"ran-{name}"
    shutil.copytree(CASE, trap)
    (folder / "hostile.c").write_text(HOSTILE % ran)
    subprocess.run([cc, "-shared", "-fPIC", "-o", folder / "hostile.so", folder / "hostile.c"], check=True)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic_section(program))
    tally.check(f"{name}: libraries are needed", "libyaml-0.so.2" in needed, needed)
    shutil.copy(folder / "hostile.so", trap / "libyaml-0.so.2")
    subprocess.run([program, "inspect", "."], cwd=trap, env=environment(LD_LIBRARY_PATH="."), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tally.check(f"{name}: control: with LD_LIBRARY_PATH=. it is run", ran.exists())
    ran.unlink(missing_ok=True)
    for library in needed:
        shutil.copy(folder / "hostile.so", trap / library)
    for options in (["inspect", "."], ["--dry-run", ".", "../out"]):
        code, text = run(program, options, ranks=0, cwd=trap)
        tally.check(f"{name}: {' '.join(options)}, in a checkpoint with libraries", code == 0 and not ran.exists(), f"{code}: {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for option in ("--fgconv", "--build", "--cmake", "--cc"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prefix = folder / "prefix"
        subprocess.run([options.cmake, "--install", options.build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        for file in FILES:
            tally.check(f"installed: {file}", (prefix / file).is_file() and (prefix / file).stat().st_size)
        installed = prefix / "bin/fgconv"
        os.environ.pop("FGCONV_CONVERTERS", None)
        for ranks in (0, 2):
            code, text = run(installed, [CASE, folder / f"out{ranks}"], ranks=ranks, cwd=folder)
            tally.check(f"the installed program converts and proves, {ranks} ranks", code == 0 and "equal" in text, f"{code}: {text}")
        (prefix / "share/fgconv/converters/forgather/common.json").write_text("{")
        code, text = run(installed, [CASE, folder / "broken"], ranks=0, cwd=folder)
        tally.check("its converters are the installed ones", code != 0 and str(prefix / "share") in text, f"{code}: {text}")
        shutil.rmtree(prefix / "share")
        for name, program in (("the built program", pathlib.Path(options.fgconv).resolve()), ("the installed program", installed)):
            no_search_path(name, program)
            hostile_checkpoint(name, program, options.cc, folder)
    return tally.end()


sys.exit(main())
