#!/usr/bin/env python3
"""One call that fails, at each place of each command: what is written is whole or absent, with one message that names the file.

    sweep.py --fgconv build/fgconv --library build/tests/libfg_fail_calls.so [--tries N] [--all] [--case WORD] [--call NAME] [--ranks 0,1,3]

A good run of each case records its places: a call (malloc, open, pread, close ...) and the chain of callers that leads to it. Then the case is run
again and again; each time one place fails, the first, the last or a middle time that it is reached, with one error: alone, or as the first of many.

* EINTR and a count that is too small: nobody notices, the result is the good one.
* All else: exit 4 (memory: 5) with one message that names the file, and DST absent or whole. Exit 0 with the good result is right where the failure
  cannot matter (HARMLESS; closing a file that was only read).
* No signal, no hanging, no memory and no file that is still held at the end, no DST.partial.

--tries samples so many of those without mpirun (with a fixed seed), and a tenth of that for each number of ranks; --all tries each. The last line says how many were tried, and how many held.
"""
import argparse
import collections
import errno
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "golden")]
from checkpoint import DATA, environment
from update import MIGRATIONS, make_older

GOLDEN = DATA / "golden"
SMALL, TRAINING = GOLDEN / "llama_tied_rope3_bf16_sharded", GOLDEN / "llama_checkpoints/forgather"
VARYING = {"fgconv_report.json", "forgather_update.json"}  # they tell the time
ERRORS = {
    "malloc": ["ENOMEM"], "open": ["EIO", "EMFILE", "EINTR"], "read": ["EIO", "EINTR"], "pread": ["EIO", "EINTR", "short", "zero"],
    "pwrite": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "short", "zero"], "write": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "short", "zero"],
    "fsync": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "fdatasync": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "close": ["EIO", "ENOSPC", "EDQUOT", "EINTR"],
    "rename": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "mkdir": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "opendir": ["EIO", "EMFILE", "EINTR"],
    "readdir": ["EIO", "EINTR"], "stat": ["EIO", "EINTR"], "fstat": ["EIO", "EINTR"], "statvfs": ["EIO", "EINTR"], "unlink": ["EIO", "EINTR"],
    "ftruncate": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "posix_fallocate": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "lseek": ["EIO", "EINTR"],
    "access": ["EIO", "EINTR"], "readlink": ["EIO", "EINTR"], "realpath": ["EIO", "EINTR"], "symlink": ["EIO", "ENOSPC", "EDQUOT", "EINTR"],
    "nftw": ["EIO", "EMFILE"],
}
ONWARD = {"ENOMEM", "EIO", "ENOSPC", "EDQUOT", "EMFILE"}
SOFT = {"EINTR", "short"}
MPI_CASES = 6  # of a sample: recording the places takes a second or two each
# lseek looks for holes; readlink asks what a link says after something else has failed; without posix_fallocate the disk is merely asked later;
# libraries can do without some memory
HARMLESS = {"lseek", "readlink", "posix_fallocate", "malloc"}
ENDED = r"on signal|Segmentation|Assertion|were not freed|AddressSanitizer|corrupted"
# What is run, the exit code of a good run, what `prepare` makes in the folder of a run beforehand, and whether the command succeeds after a failure.
Case = collections.namedtuple("Case", "name arguments code prepare again", defaults=(0, None, False))
Fault = collections.namedtuple("Fault", "case ranks rank call place nth error onward frames")
Run = collections.namedtuple("Run", "code text before result left places held hit again")


def contents(path):
    """Every file and link below a directory, but for those that tell the time; None: not there."""
    if not path.exists():
        return None
    held = {}
    for p in sorted(path.rglob("*")):
        if p.is_symlink():
            held[str(p.relative_to(path))] = os.readlink(p)
        elif p.is_file() and p.name not in VARYING:
            held[str(p.relative_to(path))] = hashlib.sha256(p.read_bytes()).hexdigest()
    return held


def outcome(command):
    """The exit code and what was printed."""
    try:
        done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return "hangs", (late.stdout or b"").decode()


class Sweep:
    def __init__(self, fgconv, library, folder):
        self.fgconv, self.library, self.folder = str(pathlib.Path(fgconv).resolve()), str(pathlib.Path(library).resolve()), folder
        self.control, self.number = {}, 0

    def run(self, case, ranks, **faults):
        """A run of a case in a folder of its own, which is gone afterwards."""
        self.number += 1
        work = self.folder / f"run{self.number}"
        work.mkdir()
        if case.prepare:
            case.prepare(work)
        before, names = contents(work / "out"), {p.name for p in work.iterdir()}
        preload = [f"LD_PRELOAD={self.library}", f"FAULT_RECORD={work}/record", f"FAULT_HIT={work}/hit", *(f"FAULT_{k.upper()}={v}" for k, v in faults.items())]
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        plain = [self.fgconv, *(str(a).replace("WORK", str(work)) for a in case.arguments)]
        code, text = outcome([*launcher, "env", *preload, *plain])
        rows = [[int(p.suffix[1:]), *line.split("\t")] for p in sorted(work.glob("record.*")) for line in p.read_text().splitlines()]
        hit = [p for line in (work / "hit").read_text().splitlines() for p in line.split("\t")] if (work / "hit").exists() else None
        left = sorted(p.name for p in work.iterdir() if p.name not in names | {"out", "hit"} and not p.name.startswith("record."))
        result, again = contents(work / "out"), None
        if case.again and code not in (case.code, "hangs") and result == before:
            outcome(plain)
            again = contents(work / "out")
        found = Run(code, text, before, result, left, [r for r in rows if r[1] == "place"], [r for r in rows if r[1] == "held"], hit, again)
        shutil.rmtree(work)
        return found

    def faults(self, case, ranks):
        """A good run, and all that may go wrong in it."""
        good = self.run(case, ranks)
        if good.code != case.code or good.left or good.held or re.search(ENDED, good.text):
            sys.exit(f"FAIL {case.name}, {ranks} ranks: control: {good.code} {good.left} {self.where(r[3] for r in good.held[:3])} {good.text[-600:]}")
        self.control[case.name, ranks] = good.result
        for rank, _, call, place, count, frames in good.places:
            for nth in sorted({1, int(count), 1 + int(place, 16) % int(count)}):
                for error in ERRORS[call]:
                    yield Fault(case, ranks, rank, call, place, nth, error, False, frames)
                    if error in ONWARD:
                        yield Fault(case, ranks, rank, call, place, nth, error, True, frames)

    def tried(self, fault):
        """The run with a fault, and what is wrong about it: nothing is an empty text; None: it did not happen."""
        error = fault.error if fault.error in ("short", "zero") else getattr(errno, fault.error)
        run = self.run(fault.case, fault.ranks, call=fault.call, place=fault.place, nth=fault.nth, rank=fault.rank, **{"as": error},
                       **({"onward": 1} if fault.onward else {}))
        return run, self.verdict(fault, run)

    def verdict(self, fault, run):
        good = run.code == fault.case.code and run.result == self.control[fault.case.name, fault.ranks]
        if run.code == "hangs" or run.code < 0 or run.code > 128 or re.search(ENDED, run.text):
            return f"ended by {run.code}"
        if run.hit is None:
            return None if good else "not reached, and another end"
        if run.left and not all(f"{name} is left: it " in run.text for name in run.left):
            return f"left: {run.left}"
        if run.held:
            return "still held: " + self.where(row[3] for row in run.held[:4])
        if run.code == fault.case.code:
            return self.verdict_of_success(fault, run, good)
        return "it must not matter" if fault.error in SOFT else self.verdict_of_failure(fault, run)

    def verdict_of_success(self, fault, run, good):
        if not good or run.code == 0 and "error:" in run.text:
            return "success, but the result is another"
        if any("/dev/urandom" in path or re.fullmatch(r"/proc/\d+/fd/\d", path) for path in run.hit):
            return ""  # the seed of jansson's tables, which it can make without; whether mpirun prints to a terminal, which decides about a bar
        if any("/out.old" in path for path in run.hit):
            return ""  # what was replaced: removed where it lies then, or named
        # nothing is lost of what was only read, is removed, is no file, or is there to be locked
        harmless = sum(p == "read only" or p.endswith(("(deleted)", "/lock")) or p.startswith("socket:") for p in run.hit)
        lost_nothing = fault.call == "close" and run.hit.count("close") == harmless
        return "" if fault.error in SOFT or fault.call in HARMLESS or lost_nothing else "nobody noticed"

    def verdict_of_failure(self, fault, run):
        if run.code not in ((5,) if fault.call == "malloc" else (4, 5)):
            return f"exit {run.code}"
        if run.text.count("fgconv: error:") != 1:
            return f"{run.text.count('fgconv: error:')} messages"
        if run.result not in (run.before, self.control[fault.case.name, fault.ranks]):
            return "DST is neither absent nor whole"
        if run.again not in (None, self.control[fault.case.name, fault.ranks]):
            return "the command does not succeed afterwards"
        names = {os.path.basename(path.rstrip("/")) for path in run.hit if "/" in path}
        return f"the message names none of {names}" if names and not any(name in run.text for name in names) else ""

    def where(self, addresses):
        """The lines of the sources, innermost caller first."""
        done = subprocess.run(["addr2line", "-s", "-e", self.fgconv, *addresses], capture_output=True, text=True)
        return " ".join(line.split(" ")[0] for line in done.stdout.splitlines())


# ---- what is run ----

def made(fgconv, *arguments):
    done = subprocess.run([fgconv, *map(str, arguments)], env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"FAIL {arguments}: {done.stderr}")


def damage(path):
    """Changes the last bytes of a model."""
    for shard in sorted(path.rglob("*.safetensors"))[-1:]:
        data = bytearray(shard.read_bytes())
        data[-400:] = b"\x41" * 400
        shard.unlink()
        shard.write_bytes(data)


def interrupted(fgconv, arguments, folder):
    """What makes a DST.partial that --resume can continue: the run with the last failing call after which one is left."""
    command = [fgconv, *(str(a).replace("WORK", str(folder)) for a in arguments)]
    left = []
    for call in range(20, 1000, 10):
        done = subprocess.run(command, env=environment(FGCONV_FAIL_IO=str(call)), capture_output=True, text=True)
        if done.returncode == 0:
            break
        if (folder / "out.partial/journal").exists():
            left.append(call)
        shutil.rmtree(folder / "out.partial", ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    call = left[len(left) * 3 // 4]

    def prepare(work):
        subprocess.run([fgconv, *(str(a).replace("WORK", str(work)) for a in arguments)], env=environment(FGCONV_FAIL_IO=str(call)), capture_output=True)

    return prepare


def cases(fgconv, folder):
    """The commands, each with a small model: those that write, in place too, and those that answer."""
    fast_llm, current, old, finished, tokens = folder / "fast_llm", folder / "current", folder / "old", folder / "finished", folder / "tokens.yaml"
    damaged, tiny, template = folder / "damaged", GOLDEN / "qwen3_tied_bf16/hf", folder / "chat.jinja"
    tokens.write_text('pad_token:\n  token: "<|new_pad|>"\n  init: zero\neos_token: "<|im_end|>"\n')
    template.write_text("{{ messages }}")
    made(fgconv, SMALL / "hf", fast_llm, "--to", "fast_llm")
    made(fgconv, SMALL / "hf", current)
    made(fgconv, SMALL / "hf", finished, "--to", "fast_llm")
    make_older(current, old, "0.1")
    shutil.copytree(finished, damaged)
    damage(damaged)
    none, shards = ["--validate", "none"], ["--max-shard-size", "90kB"]
    experiment, run = folder / "experiment", DATA / "distributed/checkpoints/tied-tp2-pp2"  # its vectors are put together, and compared with copies
    shutil.copytree(run, experiment / "checkpoint/100")
    (experiment / "checkpoint/100/ok").touch()
    (experiment / "config.yaml").write_text("pretrained: {format: llama}\ndata: {micro_batch_size: 64}\n")

    def model_in_place(work):
        shutil.copytree(tiny, work / "out")

    resume = [SMALL / "hf", "WORK/out", "--resume", *shards]
    return [
        Case("resume", resume, 0, interrupted(fgconv, resume, folder), True),
        Case("convert to Forgather", [SMALL / "hf", "WORK/out", *shards]),
        Case("convert to hf", [SMALL / "forgather", "WORK/out", *none]),
        Case("convert to Fast-LLM", [SMALL / "hf", "WORK/out", "--to", "fast_llm", "--dtype", "float32"]),
        Case("convert from Fast-LLM", [fast_llm, "WORK/out", "--to", "hf", *none]),
        Case("convert a .bin", [GOLDEN / "mistral_nowindow_bin_skipdefault/hf", "WORK/out", "--skip-default-tokens", *none]),
        Case("convert with tokens", [tiny, "WORK/out", "--add-tokens", tokens, "-t", template, *none]),
        Case("generate", [SMALL / "hf", "WORK/out", *none, "-g", "--max-new-tokens", "2", "--seed", "1"]),
        Case("update", ["update", "--converter-path", MIGRATIONS, old, "WORK/out"]),
        Case("finalize", ["finalize", TRAINING, "WORK/out"]),
        Case("update-vocab", ["update-vocab", "--add-tokens", tokens, tiny, "WORK/out"]),
        Case("update-vocab in place", ["update-vocab", "--in-place", "--add-tokens", tokens, "WORK/out"], 0, model_in_place),
        Case("validate", ["validate", SMALL / "hf", finished]),
        Case("validate a damaged one", ["validate", SMALL / "hf", damaged], 10),
        Case("verify", ["verify", SMALL / "hf", finished]),
        Case("verify a damaged one", ["verify", SMALL / "hf", damaged], 10),
        Case("inspect", ["inspect", SMALL / "hf"]),
        Case("convert from distributed", [experiment, "WORK/out", "--max-shard-size", "9kB"]),
        Case("convert from distributed, cast", ["--dtype", "bfloat16", experiment, "WORK/out", *none]),
        Case("inspect distributed", ["inspect", "-c", "100", experiment]),
        Case("diff", ["diff", SMALL / "hf", fast_llm]),
    ]


def chosen(faults, tries, random_):
    """Of each case about as many, and of memory no more than half: it has ten times the places of files."""
    groups = collections.defaultdict(list)
    for fault in faults:
        groups[fault.case.name, fault.call == "malloc"].append(fault)
    order = []
    for group in groups.values():
        random_.shuffle(group)
    while len(order) < tries and any(groups.values()):
        order += [group.pop() for group in groups.values() if group]
    return order[:tries]


def sample(sweep, every, args, random_):
    """What may go wrong, how many there are, and those that are tried."""
    order, total = [], 0
    for ranks in map(int, args.ranks.split(",")):
        few = random_.sample(every, min(MPI_CASES, len(every))) if ranks and not args.all else every
        faults = [fault for case in few for fault in sweep.faults(case, ranks)
                  if (not args.call or fault.call in args.call.split(",")) and args.error in fault.error]
        total += len(faults)
        order += faults if args.all else chosen(faults, args.tries // 10 if ranks else args.tries, random_)
    return total, order


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--tries", type=int, default=int(os.environ.get("FAULT_TRIES", 400)))
    parser.add_argument("--all", action="store_true", help="every place")
    parser.add_argument("--ranks", default="0,1,3")
    parser.add_argument("--case", default="", help="only cases whose name has this")
    parser.add_argument("--call", default="", help="only these calls, with commas between")
    parser.add_argument("--error", default="", help="only this error")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(args.fgconv, args.library, pathlib.Path(folder))
        every = [case for case in cases(sweep.fgconv, sweep.folder) if args.case in case.name]
        total, order = sample(sweep, every, args, random.Random(args.seed))
        wrong, missed = collections.Counter(), 0
        for fault in order:
            run, what = sweep.tried(fault)
            missed += what is None
            if not what:
                continue
            kind = fault.call, fault.error, what, tuple(fault.frames.split()[:5])
            wrong[kind] += 1
            if wrong[kind] == 1:
                name = f"{fault.case.name}, rank {fault.rank} of {fault.ranks}: {fault.call} {fault.nth}{' and on' if fault.onward else ''}: {fault.error}"
                print(f"FAIL {name}: {what}\n     in {sweep.where(fault.frames.split())}\n     {run.code}: {run.hit} {run.text[-400:].strip()}", flush=True)
        bad = sum(wrong.values())
        print(f"places and errors: {total}; not reached again: {missed}; kinds that are wrong: {len(wrong)}")
        print(f"faults: {len(order) - missed} tried, {len(order) - missed - bad} held")
    return 1 if bad or len(order) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
