#!/usr/bin/env python3
"""The Debian package that `cpack -G DEB` makes: its fields, its files, and the program of an unpacked one.

    package.py --build build --cpack cpack --cmake cmake

Exit status 77 (skipped) where dpkg cannot make packages. lintian, if it is installed, has to be content.
"""
import argparse
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from checkpoint import DATA, ROOT, Tally, digests, run

CASE = DATA / "golden/llama_tied_rope3_bf16_sharded"
NEEDED = ("dpkg-deb", "dpkg-shlibdeps", "dpkg-query", "file")
# Where Debian wants another name than `cmake --install` gives, and what only one of the two has.
MOVED = [(r"share/zsh/site-functions/", "share/zsh/vendor-completions/"), (r"share/doc/fgconv/CHANGELOG\.md$", "share/doc/fgconv/changelog.gz"),
         (r"(share/man/man1/.*\.1)$", r"\1.gz"), (r"share/doc/fgconv/LICENSE$", "share/doc/fgconv/copyright")]
tally = Tally()


def printed(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def check_fields(deb):
    fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", printed("dpkg-deb", "-f", deb), re.M))
    version = re.search(r"project\(fgconv VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    architecture = printed("dpkg", "--print-architecture").strip()
    for field, value in {"Package": "fgconv", "Version": f"{version}-1", "Architecture": architecture, "Section": "science"}.items():
        tally.check(f"{field}: {value}", fields.get(field) == value, fields)
    tally.check("the file has Debian's name", deb.name == f"fgconv_{version}-1_{architecture}.deb", deb.name)
    return re.findall(r"(?:^|, )([a-z0-9][\w.+-]*)", fields.get("Depends", ""))


def check_depends(depends, program):
    """Each library that the program names is of a package in Depends, or of one that such a package stands for (libopenblas0)."""
    tally.check("Depends has mpirun's package", "openmpi-bin" in depends, depends)
    folders = {}
    for name, path in re.findall(r"(\S+) => (\S+)", printed("ldd", program)):
        folders[name] = os.path.realpath(path)
    for library in re.findall(r"\(NEEDED\).*\[(.*)\]", printed("readelf", "-d", program)):
        owners = re.findall(r"^([^:]+)", printed("dpkg-query", "-S", f"*/{os.path.basename(folders[library])}"), re.M)
        held = any(f"{owner}-".startswith(f"{name}-") for owner in owners for name in depends)
        tally.check(f"Depends has the package of {library}", held, (owners, depends))


def check_files(usr, installed):
    expected = {"share/doc/fgconv/changelog.Debian.gz"}
    for file in files_below(installed):
        for pattern, other in MOVED:
            file = re.sub(pattern, other, file)
        expected.add(file)
    tally.check("it has what is installed", files_below(usr) == expected, files_below(usr) ^ expected)
    for path in ("share/man/man1/fgconv.1.gz", "share/man/man1/fgconv-convert.1.gz", "share/doc/fgconv/changelog.gz",
                 "share/doc/fgconv/changelog.Debian.gz"):
        tally.check(f"{path} is compressed", len(gzip.decompress((usr / path).read_bytes())) > 100)
    tally.check("the license is named", "License: Apache-2.0" in (usr / "share/doc/fgconv/copyright").read_text())
    tally.check("the program is stripped", ".debug_info" not in printed("readelf", "-SW", usr / "bin/fgconv"))
    others = [path for path in usr.rglob("*") if path.stat().st_mode & 0o777 != (0o755 if path.is_dir() or path.parent.name == "bin" or path.suffix == ".sbatch" else 0o644)]
    tally.check("modes are Debian's", not others, others)


def check_program(usr, work):
    program = usr / "bin/fgconv"
    for ranks in (0, 2):
        code, text = run(program, [CASE / "hf", work / f"out{ranks}"], ranks=ranks, cwd=work)
        tally.check(f"it converts and proves, {ranks} ranks", code == 0 and "logits equal bit for bit" in text, text)
        code, text = run(program, ["verify", CASE / "hf", work / f"out{ranks}"], ranks=ranks, cwd=work)
        tally.check(f"it verifies, {ranks} ranks", code == 0, text)
        code, text = run(program, [work / f"out{ranks}", work / f"back{ranks}"], ranks=ranks, cwd=work)
        tally.check(f"and back, {ranks} ranks", code == 0 and digests(work / f"back{ranks}") == digests(CASE / "hf"), text)
    listed = printed(program, "list", "-v")
    tally.check("its converters are its own", str(usr / "share/fgconv/converters") in listed and str(ROOT) not in listed, listed[-500:])


def check_lintian(deb):
    if not shutil.which("lintian"):
        print("lintian is not installed: the package is not checked by it")
        return
    # the tag is for packages that enter Debian
    done = subprocess.run(["lintian", "--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs", deb], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    tally.check("lintian is content", done.returncode == 0, done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for option in ("--build", "--cpack", "--cmake"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        print(f"skipped: no {', '.join(missing)} (Debian: dpkg-dev, file)")
        return 77
    os.environ.pop("FGCONV_CONVERTERS", None)
    os.umask(0o077)  # which must not matter
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        printed(options.cpack, "-G", "DEB", "-B", folder / "made", "--config", pathlib.Path(options.build) / "CPackConfig.cmake")
        debs = list((folder / "made").glob("*.deb"))
        if not tally.check("one package is made", len(debs) == 1, debs):
            return tally.end()
        printed("dpkg-deb", "-x", debs[0], folder / "root")
        printed(options.cmake, "--install", options.build, "--prefix", folder / "prefix")
        usr = folder / "root/usr"
        check_depends(check_fields(debs[0]), usr / "bin/fgconv")
        check_files(usr, folder / "prefix")
        check_program(usr, folder)
        check_lintian(debs[0])
    return tally.end()


sys.exit(main())
