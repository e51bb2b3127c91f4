#!/usr/bin/env python3
"""The same input gives the same bytes for every number of ranks, and the same proof.

    ranks.py --fgconv build/fgconv

Converts with 1, 2, 3, 4 and 8 ranks (and alone, without mpirun), both directions, to and from Fast-LLM, several shards, with and without a cast and added tokens; compares every file but the
report, and in the report everything that does not measure time or ranks; and the hidden states and logits of prompts of several lengths. A file that only some ranks can reach stops all of them with an error.
"""
import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, environment, load, run

RANKS = (0, 1, 2, 3, 4, 8)
tally = Tally()


def contents(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir()) if p.name != "fgconv_report.json"}


def lasting(report):
    proof = {k: v for k, v in report["proof"].items() if k in ("kind", "passed", "tokens", "vocab", "blocks", "max_abs", "non_finite")}
    return {"tensors": report["tensors"], "destination": {k: v for k, v in report["destination"].items() if k != "directory"}, "proof": proof}


def same_for_all(fgconv, name, source, options):
    first = None
    with tempfile.TemporaryDirectory() as folder:
        for ranks in RANKS:
            out = pathlib.Path(folder) / f"out{ranks}"
            code, text = run(fgconv, [*options, source, out], ranks=ranks)
            if not tally.check(f"{name}: {ranks or 'no'} ranks, exit", code == 0, f"{code}: {text}"):
                continue
            result = contents(out), lasting(load(out / "fgconv_report.json"))
            if first is None:
                first = result
                tally.check(f"{name}: several shards", "--max-shard-size" not in options or len(first[1]["destination"]["shards"]) > 1)
            else:
                tally.check(f"{name}: {ranks} ranks, same bytes and report", result == first, (result, first))


def same_states(fgconv, name, model, tokens=None):
    """The hidden states of every block and the logits: the same bits for every number of ranks, which share matrices and heads."""
    given = ["--token-ids", ",".join(str(7 * i % 90) for i in range(tokens))] if tokens else []
    what = f"{name}, {tokens or 'default'} tokens"
    with tempfile.TemporaryDirectory() as folder:
        for ranks in (0, 2, 3, 4, 8):
            dump = pathlib.Path(folder) / f"{ranks}.h5"
            code, text = run(fgconv, ["validate", *given, "--dump", dump, model, model], ranks=ranks)
            if not tally.check(f"{what}: {ranks or 'no'} ranks, exit", code == 0, f"{code}: {text}") or not ranks:
                continue
            done = subprocess.run(["h5diff", f"{folder}/0.h5", dump], capture_output=True, text=True)
            tally.check(f"{what}: {ranks} ranks, the same states", done.returncode == 0, done.stdout + done.stderr)


def failing_reads(fgconv, model):
    """One rank of a stage cannot read a weight: the others, which wait for its rows, end with its error."""
    for ranks, failing in ((3, 1), (4, 0), (4, 3)):
        for call in (80, 100, 140, 200):
            command = ["mpirun", "--oversubscribe"]
            for rank in range(ranks):
                variable = ["-x", f"FGCONV_FAIL_IO={call}"] if rank == failing else []
                command += ([":"] if rank else []) + ["-n", "1", *variable, str(fgconv), "validate", str(model), str(model)]
            try:
                done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                                      stdin=subprocess.DEVNULL)
                code, text = done.returncode, done.stdout
            except subprocess.TimeoutExpired:
                code, text = None, "no end after 60 s"
            tally.check(f"call {call} to the file system fails on rank {failing} of {ranks}",
                        code in (0, 4) and ("Input/output error" in text) == (code == 4), f"{code}: {text}")


def small_parts(fgconv, source, options):
    """MPI counts with int, so that plans beyond 2 GiB, and digests and activations beyond, go in parts: here in parts of 24 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        for ranks in (0, 3):
            code, text = run(fgconv, [*options, source, f"{folder}/{ranks}"], ranks=ranks, FGCONV_MPI_PART="24")
            if not tally.check(f"messages in parts: {ranks} ranks, exit", code == 0 and "equal" in text, f"{code}: {text}"):
                return
        results = [(contents(out), lasting(load(out / "fgconv_report.json"))) for out in map(pathlib.Path(folder).joinpath, "03")]
        tally.check("messages in parts: same bytes and report", results[0] == results[1], results)
        for size in ("0", "all", "99999999999"):
            out = pathlib.Path(folder) / f"parts of {size}"
            code, text = run(fgconv, [*options, source, out], ranks=2, FGCONV_MPI_PART=size)
            tally.check(f"{out.name} bytes are as large as they can be", code == 0 and contents(out) == results[0][0], f"{code}: {text}")


def failing_calls(fgconv, source):
    """One rank's N-th call to MPI fails: the run ends with that rank's message, and nothing is left."""
    for failing in (0, 1):
        for call in (1, 2, 5, 9, 14, 20, 30):
            with tempfile.TemporaryDirectory() as folder:
                out = pathlib.Path(folder) / "out"
                program = [str(fgconv), "--dump", f"{folder}/x.h5", str(source), str(out)]
                command = ["mpirun", "--oversubscribe"]
                for rank in (0, 1):
                    variable = ["-x", f"FGCONV_FAIL_MPI={call}"] if rank == failing else []
                    command += ([":"] if rank else []) + ["-n", "1", *variable, *program]
                try:
                    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                                          stdin=subprocess.DEVNULL)
                    code, text = done.returncode, done.stdout
                except subprocess.TimeoutExpired:
                    code, text = None, "no end after 60 s"
                what = f"call {call} to MPI fails on rank {failing}"
                tally.check(what, code not in (0, None) and "fgconv: error: MPI: " in text and "\n  while " in text, f"{code}: {text}")
                tally.check(f"{what}: nothing is left", not list(pathlib.Path(folder).iterdir()), list(pathlib.Path(folder).iterdir()))


def dump_out_of_reach(fgconv, source):
    """A relative --dump from two working directories, of which one lacks the folder: an error for all, and nobody waits."""
    with tempfile.TemporaryDirectory() as folder:
        here, there, out = (pathlib.Path(folder) / name for name in ("here", "there", "out"))
        (here / "sub").mkdir(parents=True)
        there.mkdir()
        program = [str(pathlib.Path(fgconv).resolve()), "--dump", "sub/x.h5", str(source), str(out)]
        command = ["mpirun", "--oversubscribe", "-n", "1", "-wdir", str(here), *program, ":", "-n", "1", "-wdir", str(there), *program]
        try:
            done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                                  stdin=subprocess.DEVNULL)
            code, text = done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            code, text = None, "no end after 60 s"
        tally.check("a dump that one rank cannot reach", code not in (0, None) and "fgconv: error: sub/x.h5" in text and "every rank" in text,
                    f"{code}: {text}")
        tally.check("a dump that one rank cannot reach: nothing is left", not list((here / "sub").iterdir()) and not out.exists())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    case = DATA / "golden/llama_tied_rope3_bf16_sharded"
    same_for_all(fgconv, "to Forgather, shards", case / "hf", ["--max-shard-size", "60kB"])
    same_for_all(fgconv, "to Forgather, cast", case / "hf", ["--dtype", "float32"])
    tokens = DATA / "golden/qwen3_add_tokens_fp32"
    same_for_all(fgconv, "added tokens, shards", tokens / "hf", ["--add-tokens", tokens / "tokens.yaml", "--dtype", "bfloat16", "--max-shard-size", "60kB"])
    same_for_all(fgconv, "to HF from .bin", case / "forgather", ["--max-shard-size", "60kB"])
    experts = DATA / "fast_llm/mixtral/experts4"
    same_for_all(fgconv, "to Fast-LLM, experts next to one another and turned", experts / "hf", ["--to", "fast_llm", "--max-shard-size", "30kB"])
    same_for_all(fgconv, "to Fast-LLM, cast", experts / "hf", ["--to", "fast_llm", "--dtype", "float32"])
    same_for_all(fgconv, "from Fast-LLM, shards", experts / "fast_llm", ["--to", "hf", "--model-type", "mixtral", "--max-shard-size", "30kB"])
    same_for_all(fgconv, "to Fast-LLM, three dimensions", DATA / "fast_llm/gemma4/moe/hf", ["--to", "fast_llm", "--max-shard-size", "30kB"])
    same_states(fgconv, "llama", case / "hf", 150)
    same_states(fgconv, "llama", case / "hf", 600)  # micro-batches of several tiles
    same_states(fgconv, "windows, dense MLP and experts", DATA / "fast_llm/gemma4/moe/hf", 200)
    same_states(fgconv, "prediction heads", DATA / "fast_llm/mtp_llama/heads3/fast_llm", 140)
    same_states(fgconv, "experts", experts / "hf", 65)
    same_states(fgconv, "recurrent mixers", DATA / "fast_llm/apriel2_text/hybrid/fast_llm", 130)
    same_states(fgconv, "an image", DATA / "fast_llm/llava/basic/hf")
    failing_reads(fgconv, case / "hf")
    small_parts(fgconv, case / "hf", ["--max-shard-size", "60kB"])
    dump_out_of_reach(fgconv, DATA / "model/llama/hf")
    failing_calls(fgconv, DATA / "model/llama/hf")
    return tally.end()


sys.exit(main())
