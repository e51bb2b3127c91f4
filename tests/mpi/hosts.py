#!/usr/bin/env python3
"""Runs over several hosts: the same bytes, and what ends when a rank, a daemon, a host or its link is lost, or a host does not see a disk.

    hosts.py --fgconv build/fgconv

Hosts are network namespaces (namespaces.py), mpirun gets the settings of slurm/open-mpi.env. Whatever is lost, the run ends with an error within
20 s, on every host, with one message of ours, and DST does not appear. Exit status 77 (skipped) where no such hosts can be made.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]
from big_model import write_model
from checkpoint import DATA, ROOT, Tally, load, open_mpi, run
from namespaces import Hosts, missing
from signals import processes, wait_until, written

LIMIT = 20  # seconds from a loss to the end of all ranks
RANKS = 6
AT_A_TIME = 3  # runs, each on hosts of its own: most of their time they wait for an answer that does not come
CASE = DATA / "golden/llama_tied_rope3_bf16_sharded"
TRAINED = DATA / "distributed/checkpoints/tied-tp2-pp2"
LONG = ["--no-fsync", "--token-ids", ",".join(str(i % 4000) for i in range(3000))]
WRITE = [*LONG, "--dtype", "float32"]
tally = Tally()
slowest = {}


def settings():
    """The variables of slurm/open-mpi.env."""
    lines = (ROOT / "slurm/open-mpi.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Run:
    """A run over hosts, and what is known of its end."""

    def __init__(self, hosts, fgconv, arguments, folder, ranks=RANKS):
        self.hosts, self.output = hosts, open(pathlib.Path(folder) / "output", "w+")
        self.mark = str(folder)
        self.process = hosts.mpirun(ranks, [fgconv, *arguments], settings(), stdout=self.output, stderr=subprocess.STDOUT)

    def ranks(self, host):
        return [pid for pid, line in self.hosts.processes(host).items() if line.startswith("/") and self.mark in line]

    def any_rank(self):
        return any(self.ranks(host) for host in self.hosts.numbers())

    def end(self, limit):
        """Exit code and seconds until mpirun and every rank had ended; None for what had not."""
        begun = time.monotonic()
        while time.monotonic() - begun < limit:
            if self.process.poll() is not None and not self.any_rank():
                return self.process.returncode, time.monotonic() - begun
            time.sleep(0.05)
        return self.process.poll(), None

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def messages(self):
        return [line for line in self.text().splitlines() if line.startswith(("fgconv: error", "fgconv: stopped"))]


def contents(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir()) if p.name != "fgconv_report.json"}


# ---- what works ----

def same_bytes(fgconv):
    with tempfile.TemporaryDirectory() as folder, Hosts() as hosts:
        folder = pathlib.Path(folder)
        plain, spread = folder / "plain", folder / "spread"
        code, text = run(fgconv, ["--max-shard-size", "60kB", CASE / "hf", plain], ranks=0)
        tally.check("one process", code == 0, text)
        for name, arguments, words in (("convert and prove", ["--max-shard-size", "60kB", CASE / "hf", spread], "logits equal bit for bit"),
                                       ("verify", ["verify", CASE / "hf", spread], ""), ("validate", ["validate", plain, spread], "equal")):
            spread_run = Run(hosts, fgconv, arguments, folder)
            code, _ = spread_run.end(60)
            tally.check(f"three hosts: {name}", code == 0 and words in spread_run.text(), f"{code}: {spread_run.text()}")
        report = load(spread / "fgconv_report.json")
        tally.check("three hosts: all take part", (report.get("ranks"), report.get("nodes")) == (RANKS, 3), report)
        tally.check("three hosts: the bytes of one process", spread.is_dir() and contents(plain) == contents(spread))


def copies_that_differ(fgconv):
    """What a training run stored more than once is compared once, whoever compares it."""
    with tempfile.TemporaryDirectory() as folder, Hosts() as hosts:
        folder = pathlib.Path(folder)
        source, plain, spread = folder / "source", folder / "plain", folder / "spread"
        shutil.copytree(TRAINED, source)
        with open(source / "rank_2.safetensors", "r+b") as file:  # 4 numbers of the copied embeddings
            file.seek(8 + int.from_bytes(file.read(8), "little"))
            file.write(bytes(16))
        arguments = ["--model-type", "llama", "--to", "hf", source]
        code, text = run(fgconv, [*arguments, plain], ranks=0)
        tally.check("copies that differ: one process", code == 0, text)
        spread_run = Run(hosts, fgconv, [*arguments, spread], folder)
        code, _ = spread_run.end(60)
        tally.check("copies that differ: three hosts", code == 0, f"{code}: {spread_run.text()}")
        one, three = (load(out / "fgconv_report.json").get("source", {}).get("distributed", {}).get("duplicates", {}) for out in (plain, spread))
        tally.check("copies that differ: the same are found", one == three and [d["numbers"] for d in one.get("differ", [])] == [4], (one, three))


def progress(fgconv, source, phase):
    """Rank 0 shows what the ranks of all hosts have done, while they do it."""
    with tempfile.TemporaryDirectory() as folder, Hosts() as hosts:
        out = pathlib.Path(folder) / "out"
        arguments = {"proving": ["validate", *LONG[1:], source, source],
                     "writing": ["--validate", "bytes", "--dtype", "float32", "--max-shard-size", "20MB", source, out]}[phase]
        spread = Run(hosts, fgconv, ["--progress", "json", *arguments], folder)
        code, _ = spread.end(120)
        steps = [json.loads(line) for line in spread.text().splitlines() if line.startswith(f'{{"phase": "{phase}"')]
        shares = [step["done"] / step["total"] for step in steps]
        name = f"progress of {phase} on three hosts"
        tally.check(f"{name}: exit", code == 0, (code, spread.text()))
        tally.check(f"{name}: never falls, ends at 1", shares and shares == sorted(shares) and shares[-1] == 1, shares)
        if phase == "proving":
            tally.check(f"{name}: more than one host's share before the end", max(shares[:-1], default=0) > 0.5, shares)
            return
        whole = sum(path.stat().st_size for path in out.glob("*.safetensors"))
        tally.check(f"{name}: the bytes of all hosts", steps and 0.99 * whole < steps[-1]["total"] <= whole, (whole, steps))


def many_ranks(fgconv, ranks):
    """More ranks than shards, blocks and cores."""
    with tempfile.TemporaryDirectory() as folder, Hosts() as hosts:
        folder = pathlib.Path(folder)
        plain, many = folder / "plain", folder / "many"
        run(fgconv, ["--max-shard-size", "60kB", CASE / "hf", plain], ranks=0)
        spread = Run(hosts, fgconv, ["--max-shard-size", "60kB", CASE / "hf", many], folder, ranks)
        code, seconds = spread.end(120)
        tally.check(f"{ranks} ranks on three hosts: convert and prove", code == 0 and "logits equal bit for bit" in spread.text(), f"{code}: {spread.text()}")
        tally.check(f"{ranks} ranks on three hosts: the bytes of one process", many.is_dir() and contents(plain) == contents(many), os.listdir(folder))
        print(f"     {ranks} ranks took {seconds or 120:.1f} s")


# ---- what is lost ----

def lose_rank(hosts, lost):
    os.kill(lost.ranks(2)[-1], 9)


def lose_first_rank(hosts, lost):
    """Rank 0 is the one that removes DST.partial."""
    for pid in lost.ranks(1):
        if b"OMPI_COMM_WORLD_RANK=0\0" in pathlib.Path(f"/proc/{pid}/environ").read_bytes():
            os.kill(pid, 9)


def lose_daemon(hosts, lost):
    hosts.kill(2, "orted" if open_mpi() < 5 else "prted")


def lose_launcher(hosts, lost):
    hosts.kill(1, "mpirun" if open_mpi() < 5 else "prterun")


def lose_link(hosts, lost):
    hosts.cut(2)


def lose_first_link(hosts, lost):
    hosts.cut(1)


def lose_host(hosts, lost):
    hosts.cut(2)
    hosts.kill(2)


#        name                       what is lost      options  moment      messages, DST.partial may stay
LOSSES = [("a rank", lose_rank, WRITE, "writing", 1, False),
          ("a rank", lose_rank, LONG, "proving", 1, False),
          ("rank 0", lose_first_rank, LONG, "proving", 0, True),
          ("a daemon", lose_daemon, WRITE, "writing", 1, False),
          ("a daemon", lose_daemon, LONG, "proving", 1, False),
          ("mpirun", lose_launcher, LONG, "proving", 0, False),
          ("a link", lose_link, WRITE, "writing", 1, False),
          ("a link", lose_link, LONG, "proving", 1, False),
          ("the link of the first host", lose_first_link, LONG, "proving", 1, False),
          ("a host", lose_host, LONG, "proving", 1, False)]


def reached(lost, moment, partial, size):
    if moment == "writing":
        return wait_until(lambda: written(partial) > 4 << 20, lost.process)
    met = wait_until(lambda: written(partial) > size - (1 << 20), lost.process)
    time.sleep(0.4)
    return met and lost.process.poll() is None


def loses(fgconv, source, case):
    name, lose, options, moment, messages, may_stay = case
    name = f"{name} is lost while {moment}"
    with tempfile.TemporaryDirectory() as folder, Hosts() as hosts:
        out, partial = pathlib.Path(folder) / "out", pathlib.Path(folder) / "out.partial"
        lost = Run(hosts, fgconv, [*options, source, out], folder)
        met = reached(lost, moment, partial, sum(p.stat().st_size for p in source.glob("*.safetensors")))
        if not tally.check(f"{name}: the moment was met", met, lost.text()):
            return
        lose(hosts, lost)
        code, seconds = lost.end(LIMIT)
        slowest[name] = seconds or LIMIT
        left = {i: [line[:60] for line in hosts.processes(i).values()] for i in hosts.numbers()}
        # mpirun of Open MPI 5 returns 0 then, and passes on no message; fgconv --ranks does not (launch.py)
        tally.check(f"{name}: an error, and all ranks are gone", (code or open_mpi() >= 5) and seconds, f"{code} after {seconds} s: {left}: {lost.text()}")
        tally.check(f"{name}: one message", len(lost.messages()) == messages or open_mpi() >= 5, lost.text())
        tally.check(f"{name}: nothing is left", not out.exists() and (may_stay or not partial.exists()), os.listdir(folder))


# ---- what a host does not see ----

def hidden(fgconv, source, case):
    """A folder that is on a disk of one host alone."""
    name, arguments, which = case
    with tempfile.TemporaryDirectory() as folder, Hosts() as hosts:
        folder = pathlib.Path(folder)
        (folder / "there").mkdir()
        (folder / "here").mkdir()
        (folder / "there/src").symlink_to(CASE / "hf")
        hosts.hide(2, folder / which)
        lost = Run(hosts, fgconv, [a.format(**{"src": CASE / "hf", "folder": folder}) for a in arguments], folder)
        code, seconds = lost.end(LIMIT)
        tally.check(f"{name} that a host does not see: an error, and all ranks are gone", code and seconds, f"{code} after {seconds} s: {lost.text()}")
        tally.check(f"{name} that a host does not see: one message that names it", len(lost.messages()) == 1 and which in lost.messages()[0], lost.text())
        tally.check(f"{name} that a host does not see: nothing is left", not os.listdir(folder / "here"), os.listdir(folder / "here"))


HIDDEN = [("a destination", ["{src}", "{folder}/here/out"], "here"),
          ("a source", ["{folder}/there/src", "{folder}/here/out"], "there"),
          ("a model to validate", ["validate", "{src}", "{folder}/there/src"], "there"),
          ("a dump", ["--dump", "{folder}/here/x.h5", "validate", "{src}", "{src}"], "here")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--only", default="", help="runs whose name has these words")
    options = parser.parse_args()
    if missing():
        print(f"skipped: {missing()}")
        return 77
    fgconv = str(pathlib.Path(options.fgconv).resolve())
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        source = pathlib.Path(folder) / "big"
        write_model(source, 3)
        many = [(many_ranks, f"{ranks} ranks", (ranks,)) for ranks in (16, 32, 48)]
        runs = [(same_bytes, "the same bytes", ()), (copies_that_differ, "copies", ())]
        runs += [(progress, "progress", (source, phase)) for phase in ("proving", "writing")]
        runs += [(loses, f"{case[0]} is lost while {case[3]}", (source, case)) for case in LOSSES]
        runs += [(hidden, case[0], (source, case)) for case in HIDDEN]
        for task, name, more in many:  # one after another: while 100 ranks start at once on two cores, none gets through
            if options.only in name:
                task(fgconv, *more)
        for done in [pool.submit(task, fgconv, *more) for task, name, more in runs if options.only in name]:
            done.result()
    for name, seconds in sorted(slowest.items(), key=lambda entry: -entry[1])[:3]:
        print(f"{name}: all ranks were gone after {seconds:.1f} s where {LIMIT} s are allowed")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
