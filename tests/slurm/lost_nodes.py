#!/usr/bin/env python3
"""Jobs on a Slurm whose three nodes have networks of their own: many ranks, the time limit, a node that is lost.

    lost_nodes.py --fgconv build/fgconv --work DIR [--long]      inside tests/slurm/run, which starts the Slurm

`--long` also loses the node that runs the batch script, which Slurm alone can notice.
"""
import argparse
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "mpi")]
from big_model import write_model
from checkpoint import Tally, load, run
from signals import ranks_of, written
from slurm_jobs import CASE, CONVERT, Slurm, command, contents, ended, no_strays, wait_for

PROOF = ["--token-ids", ",".join(str(i % 4000) for i in range(2000))]
LONG = ["--no-fsync", *PROOF]
tally = Tally()


def link(state, node):
    """cut or mend."""
    subprocess.run([HERE / "slurm-one-node", state, str(node)], check=True)


def state_of(node):
    return command("sinfo", "-h", "-n", f"node{node}", "-o", "%t")[1].strip()


def check_many_ranks(slurm, reference):
    out = slurm.work / "many"
    code, text = slurm.submit(CONVERT, [CASE, out], ["--nodes", 3, "--ntasks-per-node", 16])
    report = load(out / "fgconv_report.json")
    tally.check("48 ranks on three nodes: convert and prove", code == 0 and "logits equal" in text, text)
    tally.check("48 ranks on three nodes: all take part", (report.get("ranks"), report.get("nodes")) == (48, 3), text)
    tally.check("48 ranks on three nodes: the bytes of one process", out.is_dir() and contents(out) == contents(reference), text)


class Job:
    """A conversion that is seen proving: all is written, and the models run."""

    def __init__(self, slurm, big, name, options, long=LONG):
        self.slurm, self.name, self.out, self.partial = slurm, name, slurm.work / name, slurm.work / (name + ".partial")
        self.number, self.log = slurm.submit(CONVERT, [big, self.out, *long], options, wait=False)
        size = sum(path.stat().st_size for path in big.glob("*.safetensors"))
        tally.check(f"{name}: the job proves", wait_for(lambda: written(self.partial) > size - (1 << 20)), self.text())

    def text(self):
        return self.log.read_text() if self.log.exists() else ""

    def check_second_try(self, reference):
        state, code, restarts = ended(self.slurm, self.number, 150)
        tally.check(f"{self.name}: the job ran again and completed", (state, code, restarts) == ("COMPLETED", 0, 1),
                    (state, code, restarts, self.text(), command("sinfo", "-N", "-l")[1]))
        tally.check(f"{self.name}: DST is whole", self.out.is_dir() and contents(self.out) == contents(reference), self.text())
        tally.check(f"{self.name}: nothing is left", not self.partial.exists() and no_strays(self.out) is True, self.text())


def start_limited(slurm, big):
    """A job that does not go on, for one of its ranks is halted. The signal may come early: Slurm looks at limits every half minute."""
    job = Job(slurm, big, "limited", ["--nodes", 1, "--nodelist", "node3", "--ntasks-per-node", 2, "--time", 1, "--signal", "B:TERM@30"])
    os.kill(ranks_of(job.out)[1], signal.SIGSTOP)
    return job


def check_limited(job):
    state, code, _ = ended(job.slurm, job.number, 150)
    text = job.text()
    tally.check("the time limit: the signal ends the job before", state == "FAILED" and code != 0, (state, code, text))
    tally.check("the time limit: the log says why", "convert.sbatch: stopped by SIGTERM" in text, text)
    tally.check("the time limit: nothing is left", not job.out.exists() and not job.partial.exists() and no_strays(job.out) is True, text)


def check_lost_node(slurm, big, reference):
    """mpirun notices, and the batch script puts the job back into the queue before Slurm has noticed. The second try goes on with what is written."""
    job = Job(slurm, big, "lost", ["--nodes", 2, "--nodelist", "node1", "--exclude", "node3", "--ntasks-per-node", 2], PROOF)
    link("cut", 2)
    wait_for(lambda: job.slurm.job(job.number)[2] == 1, 40)
    tally.check("a lost node: the job goes back to the queue", "a node was lost: the job goes back to the queue" in job.text(), job.text())
    tally.check("a lost node: DST.partial stays, with its journal", (job.partial / "journal").exists(), job.text())
    command("scontrol", "update", f"jobid={job.number}", "excnodelist=")
    job.check_second_try(reference)
    tally.check("a lost node: the second try resumed", load(job.out / "fgconv_report.json").get("resumed"), job.text())
    link("mend", 2)


def check_lost_first_node(slurm, big, reference):
    job = Job(slurm, big, "lost-first", ["--nodes", 2, "--nodelist", "node1", "--ntasks-per-node", 2])
    link("cut", 1)
    wait_for(lambda: job.slurm.job(job.number)[2] == 1, 60)
    tally.check("the lost node of the batch script: the ranks of all nodes are gone", no_strays(job.out) is True, job.text())
    command("scontrol", "update", f"jobid={job.number}", "reqnodelist=")
    job.check_second_try(reference)
    link("mend", 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--long", action="store_true")
    arguments = parser.parse_args()
    work = pathlib.Path(arguments.work).resolve()
    slurm = Slurm(pathlib.Path(arguments.fgconv).resolve(), work / "shared files")
    slurm.work.mkdir()
    big, reference, plain = work / "big", work / "reference", work / "plain"
    write_model(big, layers=3)
    for source, out in ((CASE, reference), (big, plain)):
        code, text = run(slurm.fgconv, ["--validate", "none", "--no-fsync", source, out], ranks=0)
        tally.check(f"a plain run to compare with: {out.name}", code == 0, text)
    limited = start_limited(slurm, big)
    check_many_ranks(slurm, reference)
    check_limited(limited)
    check_lost_node(slurm, big, plain)
    if arguments.long:
        wait_for(lambda: state_of(2) == "idle", 60)
        check_lost_first_node(slurm, big, plain)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
