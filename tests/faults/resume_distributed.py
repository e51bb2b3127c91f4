#!/usr/bin/env python3
"""--resume and --add-tokens with a training checkpoint of Fast-LLM: killed in the middle, continued, the bytes of an uninterrupted run.

    resume_distributed.py --fgconv build/fgconv

The source: 250 MB over 8 ranks, whose embedding is cut over all of them, with a few values that are not finite. New rows are means of the embedding:
those that the same conversion gives through Fast-LLM's export format, in which the embedding is whole. All processes of a run are killed (SIGKILL)
when parts of the result are in its journal; another number of ranks continues.
"""
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "faults"), str(TESTS / "mpi"), str(TESTS / "bench"), str(TESTS)]
from checkpoint import DATA, digests, environment, header, load, run, run_parts
from distributed import Sizes, make
from resume import clean, records, same, tally
from signals import ranks_of

GOLDEN = DATA / "golden"
PLAIN = ["--model-type", "llama", "--validate", "none", "--max-shard-size", "100MB", "--hf-base", str(GOLDEN / "llama_untied_fp32/hf")]
TOKENS = ["--add-tokens", str(GOLDEN / "qwen3_add_tokens_fp32/tokens.yaml")]


def put_not_finite(source):
    """One in every 4 MB, but not in the embedding and the head, whose means they would change. How many."""
    count = 0
    for path in source.glob("rank_*.safetensors"):
        entries, begin = header(path)
        with open(path, "r+b") as f:
            for element in range(300000, entries["weights_shard"]["shape"][0] - 300000, 1000000):
                f.seek(begin + 4 * element)
                f.write(struct.pack("<f", (float("nan"), float("inf"), float("-inf"))[count % 3]))
                count += 1
    return count


def killed(fgconv, source, out, options, ranks, at_least):
    """Whether a run of so many ranks was killed when so many records were in its journal."""
    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
    process = subprocess.Popen([*launcher, fgconv, "-q", "--resume", *options, str(source), str(out)], env=environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    partial = out.parent / f"{out.name}.partial"
    while process.poll() is None and records(partial) < at_least:
        time.sleep(0.001)
    for pid in [process.pid, *(ranks_of(out).values() if ranks else [])]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
    while ranks and ranks_of(out):
        time.sleep(0.01)
    return partial.exists() and not out.exists()


def interruptions(fgconv, work, source, not_finite):
    for label, options in (("plain", PLAIN), ("with tokens", [*PLAIN, *TOKENS])):
        whole = work / "whole"
        code, text = run(fgconv, ["-q", *options, source, whole], ranks=0)
        if not tally.check(f"{label}: uninterrupted", code == 0 and load(whole / "fgconv_report.json").get("non_finite") == not_finite, text):
            continue
        kept = 0
        for ranks, again in ((0, 0), (0, 3), (3, 0), (3, 3)):
            folder, name = work / "again", f"{label}, {ranks or 1} killed, {again or 1} continue"
            folder.mkdir()
            tally.check(f"{name}: killed", killed(fgconv, source, folder / "out", options, ranks, 4))
            code, text = run(fgconv, ["-q", "--resume", *options, source, folder / "out"], ranks=again)
            if tally.check(f"{name}: continued", code == 0, text):
                same(name, folder / "out", whole)
                clean(name, folder, folder / "out")
                kept += load(folder / "out/fgconv_report.json").get("resumed", {}).get("kept_bytes", 0) > 0
            shutil.rmtree(folder)
        tally.check(f"{label}: something was kept", kept >= 2, kept)
        shutil.rmtree(whole)


def means(fgconv, work, source):
    export, expected = work / "export", work / "expected"
    code, text = run(fgconv, ["-q", "--model-type", "llama", "--validate", "none", "--to", "fast_llm", source, export], ranks=0)
    tally.check("export", code == 0, text)
    code, text = run(fgconv, ["-q", *PLAIN, *TOKENS, export, expected], ranks=0)
    tally.check("tokens through the export", code == 0, text)
    for ranks in (0, 3):
        out = work / f"tokens{ranks}"
        code, text = run(fgconv, ["-q", *PLAIN, *TOKENS, source, out], ranks=ranks)
        tally.check(f"tokens on {ranks}", code == 0 and digests(out) == digests(expected), text)
        code, text = run(fgconv, ["verify", source, out], ranks=ranks)
        tally.check(f"tokens on {ranks}: verify", code == 0, text)
        shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(export)
    shutil.rmtree(expected)


def proof(fgconv, work, source):
    """Both models have the new rows."""
    code, text = run(fgconv, ["--model-type", "llama", *PLAIN[4:], *TOKENS, source, work / "proved"], ranks=2)
    held = load(work / "proved/fgconv_report.json")
    tally.check("tokens: proved by logits", code == 0 and held["proof"]["kind"] == "logits" and held["proof"]["verdict"] == "proved", text)
    shutil.rmtree(work / "proved", ignore_errors=True)


def all_parts(fgconv, work):
    fgconv, source = str(pathlib.Path(fgconv).resolve()), work / "source"
    make(source, Sizes(2, 400, 2048))
    means(fgconv, work, source)
    proof(fgconv, work, source)
    interruptions(fgconv, work, source, put_not_finite(source))


if __name__ == "__main__":
    sys.exit(run_parts(tally, __doc__, [all_parts]))
