#!/usr/bin/env python3
"""The batch scripts on a real Slurm: exit status, several nodes, scancel, requeue, a lost node.

    slurm_jobs.py --fgconv build/fgconv --work DIR      inside tests/slurm/run, which starts the Slurm
"""
import argparse
import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "mpi")]
from big_model import write_model
from checkpoint import DATA, ROOT, Tally, header, load, run, tensors
from signals import processes, written

CASE = DATA / "golden/llama_tied_rope3_bf16_sharded/hf"
CONVERT = ROOT / "slurm/convert.sbatch"
ARRAY = ROOT / "slurm/convert-array.sbatch"
VALIDATE = ROOT / "slurm/validate.sbatch"
LONG = ["--no-fsync", "--token-ids", ",".join(str(i % 4000) for i in range(400))]
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
tally = Tally()


def command(*words, **more):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150, **more)
    return done.returncode, done.stdout


def contents(directory):
    return {p.name: p.read_bytes() for p in sorted(pathlib.Path(directory).iterdir()) if p.name != "fgconv_report.json"}


class Slurm:
    def __init__(self, fgconv, work):
        self.fgconv, self.work, self.numbers = fgconv, work, itertools.count(1)

    def submit(self, script, arguments, options=(), wait=True, **environment):
        """The exit status of sbatch --wait and the job's output; without `wait` the job's id and the output's path."""
        log = self.work / f"job{next(self.numbers)}.log"
        code, text = command("sbatch", *(["--wait"] if wait else []), "--parsable", "--open-mode=append", "-o", log, *options, script,
                             *arguments, cwd=self.work, env={**os.environ, "FGCONV": str(self.fgconv), **environment})
        if wait:
            return code, text + (log.read_text() if log.exists() else "")
        return text.strip().split(";")[0], log

    def job(self, number):
        """State, exit code and restarts of a job."""
        text = command("scontrol", "show", "job", number)[1]
        field = {k: v for k, v in re.findall(r"(JobState|ExitCode|Restarts)=(\S+)", text)}
        return field.get("JobState", text), int(field.get("ExitCode", "-1:0").split(":")[0]), int(field.get("Restarts", 0))


def wait_for(condition, seconds=60, step=0.05):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(step)
    return False


def ended(slurm, number, seconds=90):
    wait_for(lambda: slurm.job(number)[0] in ENDED, seconds, 0.3)
    return slurm.job(number)


def no_strays(mark):
    return wait_for(lambda: not processes(mark), 5) or processes(mark)


def check_converts(slurm, reference):
    out = slurm.work / "one"
    code, text = slurm.submit(CONVERT, [CASE, out])
    tally.check("convert: exit status 0", code == 0, text)
    tally.check("convert: the bytes of a plain run", out.is_dir() and contents(out) == contents(reference), text)
    tally.check("convert: four ranks on one node", [load(out / "fgconv_report.json").get(k) for k in ("ranks", "nodes")] == [4, 1], text)

    spaced = slurm.work / "a name with  spaces"
    shutil.copytree(CASE, spaced / "the source")
    code, text = slurm.submit(CONVERT, [], SRC=str(spaced / "the source"), DST=str(spaced / "the result"), FGCONV_OPTIONS="--validate bytes -q")
    tally.check("convert: by environment, names with spaces", code == 0 and contents(spaced / "the result") == contents(reference), text)
    tally.check("convert: the environment's options", load(spaced / "the result/fgconv_report.json").get("proof", {}).get("kind") == "bytes")
    code, text = slurm.submit(CONVERT, [spaced / "the source", str(spaced / "by argument") + "/"])
    tally.check("convert: by argument, names with spaces", code == 0 and contents(spaced / "by argument") == contents(reference), text)

    home = slurm.work / "checkout dir"
    (home / "slurm").mkdir(parents=True)
    (home / "build").mkdir()
    shutil.copy(CONVERT, home / "slurm")
    (home / "build/fgconv").symlink_to(slurm.fgconv)
    code, text = slurm.submit(home / "slurm/convert.sbatch", [CASE, slurm.work / "found"], FGCONV="")
    tally.check("convert: finds build/fgconv of its repository", code == 0, text)


def check_srun_and_mpirun(slurm, reference):
    """Each launcher converts; a job that fails ends at once, with the exit status of fgconv and one message."""
    (slurm.work / "broken").mkdir()
    (slurm.work / "broken/config.json").write_text("{")
    for launcher, nodes in (("srun", 1), ("mpirun", 1), ("srun", 2), ("mpirun", 2)):
        name = f"{launcher} on {nodes} nodes"
        out = slurm.work / f"by-{launcher}-{nodes}"
        shape = ["--nodes", nodes, "--ntasks-per-node", 2]
        code, text = slurm.submit(CONVERT, [CASE, out], shape, FGCONV_LAUNCHER=launcher)
        same = tally.check(f"{name}: converts", code == 0 and contents(out) == contents(reference), text)
        tally.check(f"{name}: all ranks", same and load(out / "fgconv_report.json").get("ranks") == 2 * nodes, text)
        number, log = slurm.submit(CONVERT, [slurm.work / "broken", slurm.work / "never"], shape, wait=False, FGCONV_LAUNCHER=launcher)
        state, code, _ = ended(slurm, number)
        text = log.read_text()
        tally.check(f"{name}: fails with fgconv's exit status", (state, code) == ("FAILED", 3), (state, code, text))
        tally.check(f"{name}: one message", text.count("fgconv: error:") == 1 and "config.json" in text and "-----" not in text, text)
        seconds = re.search(r"RunTime=00:00:(\d\d)", command("scontrol", "show", "job", number)[1])
        tally.check(f"{name}: fails within 3 seconds", seconds and int(seconds[1]) <= 3, seconds)
    code, text = slurm.submit(CONVERT, [CASE, slurm.work / "never"], FGCONV_LAUNCHER="rsh")
    tally.check("an unknown launcher", code == 2 and "FGCONV_LAUNCHER is rsh" in text, (code, text))


def check_array(slurm, reference):
    """A task for each line; one that fails has no effect on the others."""
    spaced = slurm.work / "with a space"
    listed = slurm.work / "models.txt"
    listed.write_text(f"{CASE} array-1\n# nothing\n{CASE} '{spaced}' --validate bytes\n{CASE}\n")
    number, log = slurm.submit(ARRAY, [listed, "--no-code"], ["--array=1-4", "-o", slurm.work / "array%a.log"], wait=False)
    wait_for(lambda: not command("squeue", "-h", "-j", number)[1].strip(), 90, 0.3)
    logs = {i: (slurm.work / f"array{i}.log").read_text() for i in range(1, 5)}
    report = load(slurm.work / "array-1/fgconv_report.json")
    tally.check("array: the first line", contents(slurm.work / "array-1").keys() <= contents(reference).keys() and report.get("status") == "done"
                and "--no-code" in report.get("arguments", []), logs[1])
    tally.check("array: a comment", "nothing to do" in logs[2], logs[2])
    tally.check("array: quotes, and options of its own", load(spaced / "fgconv_report.json").get("proof", {}).get("kind") == "bytes", logs[3])
    tally.check("array: a line without DST", "expected SRC DST" in logs[4], logs[4])
    states = sorted(re.findall(r"JobState=(\w+)", command("scontrol", "show", "job", number)[1]))
    tally.check("array: one task failed", states == ["COMPLETED"] * 3 + ["FAILED"], states)
    code, text = slurm.submit(ARRAY, [listed])
    tally.check("array: without --array", code == 2 and "--array=" in text, (code, text))


def check_nodes(slurm, big, folder):
    out, plain = slurm.work / "two", folder / "plain"
    options = ["--max-shard-size", "40MB", "--validate", "bytes", "--no-fsync"]
    code, text = slurm.submit(CONVERT, [big, out, *options], ["--nodes", 2, "--ntasks-per-node", 2])
    report = load(out / "fgconv_report.json")
    tally.check("two nodes: exit status 0", code == 0, text)
    tally.check("two nodes: both take part", report.get("nodes") == 2 and report.get("ranks") == 4, text)
    code, text = run(slurm.fgconv, [*options, big, plain], ranks=1)
    tally.check("two nodes: several shards, the bytes of one rank",
                len(list(out.glob("*.safetensors"))) > 2 and contents(out) == contents(plain), text)
    code, text = slurm.submit(CONVERT, [CASE, slurm.work / "two-proved"], ["--nodes", 2, "--ntasks-per-node", 2])
    tally.check("two nodes: with proof", code == 0 and "logits equal" in text, text)


def damage(directory):
    """Flips the lowest exponent bit of one matrix of the first block: finite, and not tied to another."""
    for path in pathlib.Path(directory).glob("*.safetensors"):
        entries, start = header(path)
        blob = bytearray(path.read_bytes())
        for name, entry in entries.items():
            if ".layers.0." in name and len(entry["shape"]) == 2:
                begin, end = entry["data_offsets"]
                blob[start + begin + 1:start + end:2] = bytes(b ^ 1 for b in blob[start + begin + 1:start + end:2])
                path.write_bytes(blob)
                return


def check_status(slurm, reference):
    """Jobs that end with an error take long (mpirun waits twice for ranks that have ended), so they run side by side."""
    damaged, refused, never = slurm.work / "damaged", slurm.work / "refused", slurm.work / "never"
    shutil.copytree(reference, damaged)
    damage(damaged)
    shutil.copytree(CASE, refused)
    (refused / "config.json").write_text((refused / "config.json").read_text().replace('"silu"', '"gelu"'))
    two_nodes, small = ["--nodes", 2, "--ntasks-per-node", 2], ["--ntasks-per-node", 2]
    cases = [("validate: the same models", 0, "", VALIDATE, [CASE, reference], small, {}),
             ("validate: by environment, on two nodes", 0, "", VALIDATE, [], two_nodes, {"A": str(CASE), "B": str(reference)}),
             ("validate: a damaged copy", 10, "the models differ", VALIDATE, [CASE, damaged], small, {}),
             ("validate: a damaged copy, on two nodes", 10, "the models differ", VALIDATE, [CASE, damaged], two_nodes, {}),
             ("convert: DST is there already", 2, "exists already", CONVERT, [CASE, damaged], small, {}),
             ("convert: a source that is refused", 3, "fgconv: error", CONVERT, [refused, never], small, {}),
             ("convert: no arguments", 2, "SRC and DST are needed", CONVERT, [], small, {}),
             ("convert: SRC alone", 2, "SRC and DST are needed", CONVERT, [CASE], small, {}),
             ("convert: options first", 2, "SRC and DST are needed", CONVERT, ["--dry-run", CASE, never], small, {})]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        results = list(pool.map(lambda c: slurm.submit(c[3], c[4], c[5], **c[6]), cases))
    for (name, expected, words, *_), (code, text) in zip(cases, results):
        tally.check(f"{name}: exit status {expected}", code == expected and words in text, (code, text))
    tally.check("convert: nothing was published", not never.exists())


def check_srun(slurm, damaged):
    script = slurm.work / "srun.sh"
    script.write_text('#!/bin/bash\nexec srun --mpi=pmix "$FGCONV" "$@"\n')
    out = slurm.work / "by-srun"
    code, text = slurm.submit(script, [CASE, out], ["--nodes", 2, "--ntasks-per-node", 2])
    tally.check("srun: converts on two nodes", code == 0 and load(out / "fgconv_report.json").get("ranks") == 4, text)
    code, text = slurm.submit(script, ["validate", CASE, damaged], ["--ntasks-per-node", 2])
    tally.check("srun: exit status 10", code == 10, (code, text))


def check_launchers(slurm):
    """MPI is used where several processes can find each other, and not in what else a batch script runs."""
    for name, launcher, ranks, warned in (("no launcher", "", 1, False), ("srun, one task", "srun -n 1 --mpi=pmix", 1, False),
                                          ("srun, four tasks", "srun -n 4 --mpi=pmix", 4, False), ("mpirun, two ranks", "mpirun -n 2", 2, False),
                                          ("srun without MPI, two tasks", "srun -n 2 --mpi=none", 1, True)):
        script = slurm.work / "launcher.sh"
        script.write_text(f'#!/bin/bash\n{launcher} "$FGCONV" --dry-run --json "$@"\n')
        code, text = slurm.submit(script, [CASE, slurm.work / "nothing"], ["--ntasks-per-node", 4])
        tally.check(f"{name}: {ranks} ranks", code == 0 and set(re.findall(r'"ranks": *(\d+)', text)) == {str(ranks)}, text)
        tally.check(f"{name}: {'a' if warned else 'no'} warning", ("warning: srun started 2 processes" in text) == warned, text)


def check_session_directories(marks):
    left = [p for p in pathlib.Path(os.environ.get("TMPDIR", "/tmp")).glob("fgconv-[0-9]*-[0-9]*") if p not in marks]
    tally.check("no job leaves a session directory", not left, left)


def start_long(slurm, big, name, options=("--ntasks-per-node", 2)):
    """A job that is seen writing; its id, DST and log."""
    out = slurm.work / name
    number, log = slurm.submit(CONVERT, [big, out, *LONG], options, wait=False)
    partial = slurm.work / (name + ".partial")
    met = wait_for(lambda: written(partial) > 4 << 20)
    tally.check(f"{name}: the job writes", met, log.read_text() if log.exists() else number)
    return number, out, partial, log


def check_cancel(slurm, big, name, options):
    number, out, partial, log = start_long(slurm, big, name, options)
    begun = time.monotonic()
    command("scancel", number)
    gone = wait_for(lambda: not partial.exists(), 10, 0.01)
    seconds = time.monotonic() - begun
    tally.check(f"{name}: DST.partial is gone in good time", gone and seconds < 3, f"{seconds}: {log.read_text()}")
    state = ended(slurm, number)[0]
    strays = no_strays(out)
    tally.check(f"{name}: cancelled, no DST, no process", state == "CANCELLED" and not out.exists() and not partial.exists() and strays is True,
                (state, strays, log.read_text()))
    tally.check(f"{name}: the log says why", "convert.sbatch: stopped by SIGTERM" in log.read_text(), log.read_text())
    print(f"     DST.partial was gone {seconds:.2f} s after scancel")


def check_result(slurm, name, number, out, log, big):
    state, code, restarts = ended(slurm, number)
    tally.check(f"{name}: the job ran again and completed", (state, code, restarts) == ("COMPLETED", 0, 1), (state, code, restarts, log.read_text()))
    source = {v[2] for v in tensors(big).values()}
    tally.check(f"{name}: DST is whole", out.is_dir() and {v[2] for v in tensors(out).values()} == source, log.read_text())


def check_requeue(slurm, big):
    number, out, partial, log = start_long(slurm, big, "requeue")
    command("scontrol", "requeue", number)
    tally.check("requeue: DST.partial is removed", wait_for(lambda: not partial.exists(), 10))
    check_result(slurm, "requeue", number, out, log, big)


def check_lost_node(slurm, big):
    """The ranks are killed as when a node is lost; Slurm gets the job back before its script could end."""
    number, out, partial, log = start_long(slurm, big, "lost")
    for pid in processes(out):  # the script and mpirun are stopped first: on a lost node nobody cleans up
        os.kill(pid, signal.SIGSTOP)
    for pid in processes(out):
        with contextlib.suppress(ProcessLookupError):  # the end of one ends others
            os.kill(pid, signal.SIGKILL)
    command("scontrol", "requeue", number)
    wait_for(lambda: slurm.job(number)[0] in ("PENDING", "REQUEUED"), 20)
    tally.check("lost: DST.partial is left over", partial.exists())
    check_result(slurm, "lost", number, out, log, big)
    tally.check("lost: the second try says what it removes", f"removing {partial} of the try before" in log.read_text(), log.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--work", required=True)
    arguments = parser.parse_args()
    work = pathlib.Path(arguments.work).resolve()
    slurm = Slurm(pathlib.Path(arguments.fgconv).resolve(), work / "shared files")
    slurm.work.mkdir()
    big, reference = work / "big", work / "reference"
    write_model(big, layers=3)
    code, text = run(slurm.fgconv, [CASE, reference], ranks=1)
    tally.check("a plain run to compare with", code == 0, text)
    marks = list(pathlib.Path(os.environ.get("TMPDIR", "/tmp")).glob("fgconv-[0-9]*-[0-9]*"))
    check_converts(slurm, reference)
    check_srun_and_mpirun(slurm, reference)
    check_array(slurm, reference)
    check_nodes(slurm, big, work)
    check_status(slurm, reference)
    check_srun(slurm, slurm.work / "damaged")
    check_launchers(slurm)
    check_session_directories(marks)
    check_cancel(slurm, big, "scancel", ("--ntasks-per-node", 2))
    check_cancel(slurm, big, "scancel of two nodes", ("--nodes", 2, "--ntasks-per-node", 2))
    check_requeue(slurm, big)
    check_lost_node(slurm, big)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
