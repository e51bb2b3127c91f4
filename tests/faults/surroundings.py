#!/usr/bin/env python3
"""Surroundings that lack something: no environment, no working directory, a source that cannot be written to.

    surroundings.py --fgconv build/fgconv
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, digests

SOURCE = DATA / "golden/llama_untied_fp32/hf"
EMPTY = {"ASAN_OPTIONS": "detect_leaks=0"}  # of a sanitized build: Open MPI's leaks are not ours
AS_ROOT = {**EMPTY, "PATH": os.environ["PATH"], "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
NOBODY = 65534
tally = Tally()


def run(command, env, cwd, **more):
    done = subprocess.run(list(map(str, command)), env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, **more)
    return done.returncode, done.stdout


def without_environment(fgconv, work, expected):
    for name, launcher, env, more in (("alone", [], EMPTY, []), ("alone, --dump", [], EMPTY, ["--dump", "alone.h5"]),
                                      ("mpirun -n 1", ["mpirun", "-n", "1"], AS_ROOT, []),
                                      ("mpirun -n 2, --dump", ["mpirun", "--oversubscribe", "-n", "2"], AS_ROOT, ["--dump", "two.h5"])):
        target = work / name.replace(" ", "_")
        code, text = run([*launcher, fgconv, "-q", *more, SOURCE, target], env, work)
        tally.check(f"an empty environment, {name}", code == 0 and digests(target) == expected, f"exit {code}: {text}")


def without_working_directory(fgconv, work, expected):
    gone = f'mkdir "{work}/gone" && cd "{work}/gone" && rmdir "{work}/gone" && exec "$0" "$@"'
    target = work / "from_nowhere"
    code, text = run(["bash", "-c", gone, fgconv, "-q", SOURCE, target], os.environ, work)
    tally.check("no working directory, all paths from the root", code == 0 and digests(target) == expected, f"exit {code}: {text}")
    for what, code_expected, arguments in (("destination", 4, [SOURCE, "out"]), ("dry run", 4, ["--dry-run", SOURCE, "out"]),
                                           ("report", 4, ["--report", "r.json", SOURCE, work / "none"]), ("source", 3, [".", work / "none"])):
        code, text = run(["bash", "-c", gone, fgconv, "-q", *arguments], os.environ, work)
        said = "the working directory was removed" in text or what == "source"
        tally.check(f"no working directory, {what}", code == code_expected and said and not (work / "none").exists(), f"exit {code}: {text}")


def read_only_source(fgconv, work, expected):
    source, mine = work / "read_only", work / "mine"
    shutil.copytree(SOURCE, source)
    shutil.copytree(ROOT / "converters", work / "bin/converters")  # the tree may be below a folder that others cannot enter
    fgconv = shutil.copy(fgconv, work / "bin")
    mine.mkdir(mode=0o777)
    mine.chmod(0o777)
    work.chmod(0o755)
    for path in (*source.iterdir(), source):
        path.chmod(0o555 if path.is_dir() else 0o444)
    more = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        code, text = run([fgconv, "-q", source, mine / "out"], os.environ, mine, **more)
    except PermissionError as error:  # a root directory that only root may enter, as in a chroot made by mktemp
        print(f"skipped: a read-only source: no other user can run a program here ({error})")
        return
    tally.check("a read-only source", code == 0 and digests(mine / "out") == expected, f"exit {code}: {text}")
    for what, code_expected, arguments in (("inspect", 0, ["inspect", source]), ("a destination in it", 4, [source, source / "out"]),
                                           ("a report in it", 2, ["--report", source / "r.json", source, mine / "none"])):
        code, text = run([fgconv, *arguments], os.environ, mine, **more)
        refused = code == 0 or ("Permission denied" in text and "hint:" in text and text.count("error:") == 1)
        tally.check(f"a read-only source, {what}", code == code_expected and refused and not (mine / "none").exists(), f"exit {code}: {text}")
    source.chmod(0o755)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    fgconv = pathlib.Path(parser.parse_args().fgconv).resolve()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        run([fgconv, "-q", SOURCE, work / "expected"], os.environ, work)
        for part in (without_environment, without_working_directory, read_only_source):
            part(fgconv, work, digests(work / "expected"))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
