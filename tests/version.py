#!/usr/bin/env python3
"""What `fgconv --version` says, compared with what else knows it: pkg-config, mpirun, h5dump and git.

    version.py --fgconv build/fgconv --cmake cmake
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from checkpoint import ROOT, Tally, run

SCRIPT = ROOT / "mpi/commit.cmake"
# member of the JSON object -> package of pkg-config
PACKAGES = {"jansson": "jansson", "pcre2": "libpcre2-8", "libyaml": "yaml-0.1", "openblas": "openblas"}
TITLES = ["commit", "compiler", "MPI", "HDF5", "jansson", "PCRE2", "libyaml", "OpenBLAS", "CUDA"]
ALLOCATIONS = 120  # more than it makes
COMMIT = r"(v[\d.]+|(v[\d.]+-\d+-g)?[0-9a-f]{7,40})(-dirty)?"
tally = Tally()


def printed(*command, cwd=None, **variables):
    done = subprocess.run(command, cwd=cwd, env=dict(os.environ, **variables), capture_output=True, text=True, check=True)
    return done.stdout


def check_printed(fgconv):
    brief, long = printed(fgconv, "--version"), printed(fgconv, "--version", "-v")
    said = json.loads(printed(fgconv, "--version", "--json"))
    version = re.search(r"project\(fgconv VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    tally.check("--version is a line", brief == f"fgconv {version}\n", brief)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    tally.check("CHANGELOG.md begins with this version", newest == version, newest)
    tally.check("--version -v begins with it", long.startswith(brief), long)
    tally.check("--version -v has a line for each", [line.split()[0] for line in long.splitlines()[1:]] == TITLES, long)
    shown = {line.split()[0]: line.split(None, 1)[1] for line in long.splitlines()}
    expected = {"fgconv": said["version"], "commit": said["commit"] or "unknown", "compiler": f"{said['compiler']}, {said['build_type']}",
                "MPI": said["mpi"], "HDF5": said["hdf5"], "jansson": said["jansson"], "PCRE2": said["pcre2"], "libyaml": said["libyaml"],
                "OpenBLAS": f"{said['openblas']}, {said['openblas_kernels']} kernels", "CUDA": said["cuda_module"] or "not in this build"}
    tally.check("--json has the same", shown == expected, (shown, expected))
    tally.check("--json is what -v --json is", printed(fgconv, "-v", "--version", "--json") == printed(fgconv, "--version", "--json"))
    tally.check("commit", said["commit"] is None or re.fullmatch(COMMIT, said["commit"]), said)
    return said


def check_libraries(said):
    for member, package in PACKAGES.items():
        known = printed("pkg-config", "--modversion", package).strip()
        tally.check(f"{package} {known}", said[member].split()[0] == known, said)
    known = re.search(r"[\d.]+$", printed("mpirun", "--version").splitlines()[0])[0]
    tally.check(f"MPI {known}", known in said["mpi"] and "," not in said["mpi"], said)
    if shutil.which("h5dump"):
        tally.check("HDF5", printed("h5dump", "--version").split()[-1] == said["hdf5"], said)


def check_surroundings(fgconv, said, folder):
    for core in ("Prescott", "Haswell"):
        if "avx2" in pathlib.Path("/proc/cpuinfo").read_text():
            other = json.loads(printed(fgconv, "--version", "--json", OPENBLAS_CORETYPE=core))
            tally.check(f"OPENBLAS_CORETYPE={core}", other == said | {"openblas_kernels": core}, other)
    code, text = run(fgconv, ["--version", "-v"], ranks=2)
    tally.check("under mpirun it is printed once", code == 0 and text == printed(fgconv, "--version", "-v"), text)
    copy = shutil.copy(fgconv, folder)
    tally.check("no module next to a copy", json.loads(printed(copy, "--version", "--json"))["cuda_module"] is None)
    module = folder / "fgconv-cuda.so"
    module.touch()
    tally.check("the module next to a copy", f"CUDA       {module}\n" in printed(copy, "--version", "-v"), printed(copy, "--version", "-v"))


def check_memory(fgconv):
    """Single allocations that fail: exit 5 with one message, or the whole text."""
    good, wrong = run(fgconv, ["--version", "-v"], ranks=0), []
    for n in range(1, ALLOCATIONS + 1):
        code, text = run(fgconv, ["--version", "-v"], ranks=0, FGCONV_FAIL_ONE_ALLOC=str(n))
        if (code, text) != good and (code != 5 or text.count("fgconv: error:") != 1):
            wrong.append((n, code, text))
    tally.check("single allocations that fail", good[0] == 0 and not wrong, wrong)
    tally.check("all of them", run(fgconv, ["--version", "-v"], ranks=0, FGCONV_FAIL_ALLOC=str(ALLOCATIONS)) == good)


# ---- the commit ----

def check_commit(cmake, folder):
    checkout, header = folder / "checkout", folder / "commit.h"
    archive = checkout / "archive"
    archive.mkdir(parents=True)

    def git(*arguments):
        return printed("git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments, cwd=checkout).strip()

    def check(name, source, expected):
        printed(cmake, "-D", f"SOURCE={source}", "-D", f"OUTPUT={header}", "-P", SCRIPT)
        tally.check(f"commit: {name}", header.read_text() == f'#define FG_COMMIT "{expected}"\n', header.read_text())

    check("an archive", archive, "")
    git("init", "-q")
    (checkout / "file").write_text("1")
    git("add", "file")
    check("a repository without commits", checkout, "")
    git("commit", "-qm", "one")
    check("a checkout", checkout, git("rev-parse", "--short", "HEAD"))
    os.utime(header, (1, 1))
    check("again", checkout, git("rev-parse", "--short", "HEAD"))
    tally.check("commit: the header is not written again", header.stat().st_mtime == 1)
    check("an archive inside of a checkout", archive, "")
    git("tag", "v1.2")
    check("a tag", checkout, "v1.2")
    (checkout / "untracked").touch()
    check("an untracked file", checkout, "v1.2")
    (checkout / "file").write_text("2")
    check("a changed file", checkout, "v1.2-dirty")
    git("worktree", "add", "-q", folder / "tree")
    check("a worktree", folder / "tree", "v1.2")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for option in ("--fgconv", "--cmake"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        said = check_printed(options.fgconv)
        check_libraries(said)
        check_surroundings(options.fgconv, said, folder)
        check_memory(options.fgconv)
        if shutil.which("git"):
            check_commit(options.cmake, folder)
        else:
            print("git is not installed: the commit is not checked")
    return tally.end()


sys.exit(main())
