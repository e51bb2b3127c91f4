#!/usr/bin/env python3
"""Surroundings that lack something: limits, no environment, no working directory, a source that cannot be written to, another run that is as fast.

    surroundings.py --fgconv build/fgconv

Each run works, or ends in one message of ours with exit 2 to 5 and leaves nothing; alone and with 3 ranks.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, digests, environment

SOURCE = DATA / "golden/llama_untied_fp32/hf"
EMPTY = {"ASAN_OPTIONS": "detect_leaks=0"}  # of a sanitized build: Open MPI's leaks are not ours
AS_ROOT = {**EMPTY, "PATH": os.environ["PATH"], "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
NOBODY = 65534
tally = Tally()


def run(command, env, cwd, **more):
    done = subprocess.run(list(map(str, command)), env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, **more)
    return done.returncode, done.stdout


class Place:
    """Runs in a shell that changes its surroundings first; with ranks each of them does, and mpirun does not."""

    def __init__(self, fgconv, work, expected):
        self.fgconv, self.work, self.expected, self.count = fgconv, work, expected, 0

    def run(self, setting, ranks, arguments):
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        done = subprocess.run([*launcher, "bash", "-c", f'{setting} exec "$0" "$@"', self.fgconv, *map(str, arguments)], env=environment(), cwd=self.work,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return done.returncode, done.stdout

    def check(self, setting, ranks, works=None):
        """`works`: True or False where it is known."""
        self.count += 1
        out = self.work / f"out{self.count}"
        name = f"{setting} {ranks or 'no'} ranks"
        try:
            code, text = self.run(setting, ranks, ["-q", SOURCE, out])
        except subprocess.TimeoutExpired:
            code, text = "hangs", ""
        if code == 0:
            tally.check(name, works is not False and digests(out) == self.expected, text)
        else:
            left = [path for path in (out, pathlib.Path(f"{out}.partial")) if path.exists() and f"{path} is left: it cannot be removed" not in text]
            tally.check(name, works is not True and code in (2, 3, 4, 5) and text.count("fgconv: error:") == 1 and not left, (code, left, text))
        for path in (out, f"{out}.partial"):
            shutil.rmtree(path, ignore_errors=True)


def is_sanitized(fgconv):
    return "libasan" in subprocess.run(["ldd", fgconv], stdout=subprocess.PIPE, text=True).stdout


def limits(fgconv, work, expected):
    """Less address space than some 70 MB is refused by the loader of shared libraries, before any line of ours."""
    place = Place(fgconv, work, expected)
    kibibytes = [] if is_sanitized(fgconv) else [100000, 150000, 201000, 204000, 250000, 340000, 345000, 450000, 470000, 600000]
    for limit in kibibytes:
        place.check(f"ulimit -v {limit};", 0, works={100000: False, 600000: True}.get(limit))
    for limit in kibibytes[2::3]:
        place.check(f"ulimit -v {limit};", 3, works={201000: False}.get(limit))
    if kibibytes:
        place.check("ulimit -v 1500000;", 3, works=True)
    for option, limit, ranks, works in (("-n", 4, 0, False), ("-n", 6, 0, True), ("-n", 8, 3, False), ("-n", 12, 3, None), ("-n", 16, 3, None), ("-n", 64, 3, True),
                                        ("-f", 0, 0, False), ("-f", 400, 0, False), ("-f", 600, 0, True), ("-f", 0, 3, False), ("-f", 3000, 3, False),
                                        ("-f", 8192, 3, True), ("-s", 64, 0, False), ("-Ss", 64, 0, True), ("-s", 64, 3, False), ("-Ss", 64, 3, True), ("-s", 1024, 3, True)):
        if not is_sanitized(fgconv):
            place.check(f"ulimit {option} {limit};", ranks, works)
    for ranks in (0, 3):
        for setting in ("export TMPDIR=/none;", "unset HOME;", "umask 077;", "export LC_ALL=xx_YY LANG=nonsense;", "export LC_ALL=de_DE.ISO-8859-1;",
                        'D=$(mktemp -d); cd "$D"; rmdir "$D";', "export OMP_NUM_THREADS=nonsense;", "export OMP_NUM_THREADS=64;"):
            place.check(setting, ranks, works=True)


def temporary_directories(fgconv, work, expected):
    """Those of mpirun too: its own message if it cannot start, and no end of ours."""
    refusing = work / "refusing"
    refusing.mkdir(mode=0o555)
    for name in ("/none", str(refusing), str(SOURCE / "config.json")):
        for ranks in (0, 3):
            target = work / "temporary"
            code, text = run([*(["mpirun", "--oversubscribe", "-n", "3"] if ranks else []), fgconv, "-q", SOURCE, target], {**environment(TMPDIR=name)}, work)
            fine = code == 0 and digests(target) == expected
            tally.check(f"TMPDIR={name}, {ranks} ranks", fine or (ranks and code and not target.exists() and text.count("fgconv: error:") <= 1), f"exit {code}: {text}")
            shutil.rmtree(target, ignore_errors=True)


def two_at_once(fgconv, work, expected):
    """One makes the destination, and each of the others says why it does not."""
    for ranks, count, times in ((0, 6, 4), (3, 2, 2)):
        for number in range(times):
            out, report = work / f"same{ranks}.{number}", work / f"same{ranks}.{number}.json"
            launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
            sessions = [tempfile.mkdtemp(dir=work) for _ in range(count)]  # several mpirun that share one fail (tests/checkpoint.py)
            processes = [subprocess.Popen([*launcher, fgconv, "-q", "--report", report, SOURCE, out], env=environment(OMPI_MCA_orte_tmpdir_base=session), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT, text=True) for session in sessions]
            ends = [(p.communicate(timeout=120)[0], p.returncode) for p in processes]
            name = f"{count} runs at once, {ranks or 'no'} ranks, {number}"
            tally.check(f"{name}: one of them works", [code for _, code in ends].count(0) == 1 and digests(out) == expected and report.exists(), ends)
            refused = [text for text, code in ends if code]
            tally.check(f"{name}: the others end with a message each", all(code in (0, 2, 4) for _, code in ends) and
                        all(text.count("fgconv: error:") == 1 for text in refused), ends)
            tally.check(f"{name}: nothing is left", not list(work.glob("same*.partial")), os.listdir(work))


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
    for ranks in (0, 3):
        code, text = Place(fgconv, work, expected).run(f'D="{work}/left$RANDOM$OMPI_COMM_WORLD_RANK"; mkdir "$D"; cd "$D"; rmdir "$D";', ranks, ["-q", SOURCE, "out"])
        tally.check(f"no working directory, destination, {ranks} ranks", code == 4 and "the working directory was removed" in text and
                    text.count("fgconv: error:") == 1, f"exit {code}: {text}")
    for what, code_expected, arguments in (("destination", 4, [SOURCE, "out"]), ("dry run", 4, ["--dry-run", SOURCE, "out"]),
                                           ("report", 4, ["--report", "r.json", SOURCE, work / "none"]), ("source", 4, [".", work / "none"])):
        code, text = run(["bash", "-c", gone, fgconv, "-q", *arguments], os.environ, work)
        said = "the working directory was removed" in text
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
        for part in (limits, temporary_directories, two_at_once, without_environment, without_working_directory, read_only_source):
            part(fgconv, work, digests(work / "expected"))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
