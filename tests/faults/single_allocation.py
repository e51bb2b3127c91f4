#!/usr/bin/env python3
"""One allocation that fails, and all after it that succeed: exit 5 with one message, or a result that equals the good one.

    single_allocation.py --fgconv build/fgconv [--tries N]

jansson's copies, its reader and its merging go on after a failed allocation and give a smaller document; a conversion that nothing proves
(--validate none) must not write it. FGCONV_FAIL_ONE_ALLOC=N fails the N-th allocation alone; N is sampled with a fixed seed over all allocations of
the run, and every one of the first is tried.
"""
import argparse
import hashlib
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, run

ROPE3 = DATA / "golden/llama_tied_rope3_bf16_sharded"
ONE, MANY = "FGCONV_FAIL_ONE_ALLOC", "FGCONV_FAIL_ALLOC"
FIRST = 40  # allocations at the beginning that are tried one by one
tally = Tally()


def contents(path):
    """What a run has written, but for the report, which tells the time."""
    if not path.is_dir():
        return None
    files = (p for p in sorted(path.rglob("*")) if p.is_file() and p.name != "fgconv_report.json")
    return {str(p.relative_to(path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def allocations(run_once):
    """How many allocations a good run makes: the smallest N whose failure nobody notices, by bisection."""
    low, high = 0, 64
    while run_once(MANY, high)[0] != 0:
        low, high = high, high * 4
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if run_once(MANY, middle)[0] == 0 else (middle, high)
    return low


def judge(code, text, written, good_text, good_written):
    """What is wrong about one run; nothing: an empty text."""
    if code == 0:
        return "" if written == good_written and (good_text is None or text == good_text) else "exit 0, and the result differs"
    if code != 5:
        return f"exit {code}"
    if text.count("fgconv: error:") != 1:
        return "not exactly one message"
    late = "is complete and may be used" in text and written == good_written
    return "" if written is None or late else "a failure, but DST is there"


def sweep(name, fgconv, arguments, out, prints, tries):
    """Tries `tries` allocations. `out` is removed after each run; `prints`: the answer is what the run prints."""
    def run_once(variable, n):
        code, text = run(fgconv, arguments, ranks=0, timeout=60, **({variable: str(n)} if n else {}))
        written = contents(out)
        shutil.rmtree(out, ignore_errors=True)
        return code, text, written

    code, good_text, good = run_once(ONE, 0)
    if not tally.check(f"{name}: control", code == 0, good_text):
        return
    total = allocations(run_once)
    chosen = sorted({*range(1, min(FIRST, total) + 1), *random.Random(7).sample(range(1, total + 1), min(tries, total))})
    wrong = []
    for n in chosen:
        code, text, written = run_once(ONE, n)
        what = judge(code, text, written, good_text if prints else None, good)
        if what:
            wrong.append((n, code, what, text[-300:]))
    tally.check(f"{name}: {len(chosen)} of {total} allocations", not wrong and total > 100, f"{len(wrong)} wrong: {wrong[:4]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--tries", type=int, default=150)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        out, fast_llm, tiny = folder / "out", folder / "fast_llm", folder / "tiny"
        code, text = run(args.fgconv, [ROPE3 / "hf", fast_llm, "--to", "fast_llm"], ranks=0)
        tally.check("a Fast-LLM checkpoint to begin with", code == 0, text)
        tokens = folder / "tokens.yaml"
        tokens.write_text('pad_token:\n  token: "<|new_pad|>"\n  init: zero\n')
        shutil.copytree(DATA / "golden/qwen3_tied_bf16/hf", tiny)
        none = ["--validate", "none"]
        for name, arguments in (
                ("convert to Forgather", [ROPE3 / "hf", out, *none]),
                ("convert to hf", [ROPE3 / "forgather", out, *none]),
                ("convert to Fast-LLM", [ROPE3 / "hf", out, "--to", "fast_llm", *none]),
                ("convert back from Fast-LLM", [fast_llm, out, "--to", "hf", *none]),
                ("convert with new tokens", [tiny, out, "--add-tokens", tokens, *none])):
            sweep(name, args.fgconv, arguments, out, False, args.tries)
        for name, arguments in (
                ("config to Forgather", ["config", ROPE3 / "hf"]),
                ("config to hf", ["config", ROPE3 / "forgather"]),
                ("config to Fast-LLM", ["config", ROPE3 / "hf", "--to", "fast_llm"]),
                ("diff", ["diff", ROPE3 / "hf", ROPE3 / "hf"]),
                ("report", ["report", fast_llm]),
                ("inspect", ["inspect", ROPE3 / "hf", "--json"]),
                ("inspect --stats", ["inspect", "--stats", ROPE3 / "hf", "-q", "--json"]), ("diff of two formats", ["diff", ROPE3 / "hf", fast_llm])):
            sweep(name, args.fgconv, arguments, out, True, args.tries)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
