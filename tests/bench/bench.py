"""The budgets of speed and memory, measured against other programs in the same minute. Run it through scripts/bench."""
import argparse
import json
import lzma
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import first_byte
import models
from measure import Failed, Table, drop_page_cache, launcher, machine, mpirun, pairs, processor, ratio_text, remove, report_of, run, seconds, start_of, touch_free_memory, warm

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SYNTH = ROOT / "scripts/synth_model.py"
BLOCKS = 64, 128, 256, 512, 1024, 2048  # KiB
MEBIBYTE = 1 << 20
TEXTS, TEXT_SIZE = 4, 1_000_000


def mebibytes(count):
    return f"{count / MEBIBYTE:.0f} MiB"


def used(folder):
    """Bytes on the disk, holes left out."""
    return sum(p.stat().st_blocks * 512 for p in pathlib.Path(folder).iterdir())


def apparent(folder):
    return sum(p.stat().st_size for p in pathlib.Path(folder).iterdir() if p.name.endswith(".safetensors"))


class Bench:
    def __init__(self, args, folder):
        self.fgconv, self.size, self.count = args.fgconv, args.size, args.pairs
        self.quick, self.python, self.numpy = args.quick, args.transformers, args.numpy
        self.models, self.folder, self.table = pathlib.Path(args.models or folder / "models"), folder, Table()
        self.out, self.other = folder / "out", folder / "other"
        os.makedirs(self.models, exist_ok=True)
        self.machine = machine(args.fgconv, self.models)

    # ---- models: made when first asked for ----

    def filled(self, gigabytes):
        """A model of random weights, about that large."""
        path = self.models / f"filled-{gigabytes:g}"
        if not (path / "config.json").exists():
            run([self.numpy, SYNTH, path, "--params", gigabytes / 5.9 * 3e9])
        return path

    def made_from(self, kind, source, *command):
        """Another form of a model, which a command makes of it; the command ends with both folders."""
        path = self.models / f"{kind}-{source.name}"
        if not (path / "config.json").exists() and not (path / "metadata.yaml").exists():
            run([*command, source, path])
        return path

    def sparse(self, kind, size):
        path = self.models / f"{kind}-{size}"
        if not (path / "config.json").exists():
            getattr(models, kind)(path, size)
        return path

    # ---- the two sides of a pair ----

    def prepare(self, source):
        """Both sides begin with the same: nothing written, the source alone in the page cache, and free memory that is at hand."""
        remove(self.out)
        remove(self.other)
        drop_page_cache()
        warm(source)
        touch_free_memory(round(3 * self.size * 1e9))

    def convert(self, source, *options, ranks=2):
        self.prepare(source)
        return run(mpirun(ranks, self.fgconv, "--quiet", *options, source, self.out))

    def against(self, script, source):
        """A shell command with the source as $1 and the place to write to as $2."""
        self.prepare(source)
        return run(["sh", "-ec", script, "sh", source, self.other])

    def compare(self, what, source, options, script, name, budget, ranks=2):
        start = start_of(ranks)
        mine, theirs, ratios = pairs(self.count, lambda: self.convert(source, *options, ranks=ranks),
                                     lambda: self.against(script, source), start)
        ok = None if budget is None else statistics.median(ratios) <= budget
        self.table.add(what, seconds(mine), f"{name} {seconds(theirs)}", ratio_text(ratios), f"{budget:.1f}" if budget else "", ok)
        remove(self.other)

    # ---- rows ----

    def rename(self):
        self.compare(f"rename {self.size:g} GB, 2 ranks, no fsync", self.filled(self.size), ["--validate", "none", "--no-fsync"],
                     'cp -r "$1" "$2"', "cp -r", 1.0)

    def rename_fsync(self):
        self.compare(f"rename {self.size:g} GB, 2 ranks, fsync", self.filled(self.size), ["--validate", "none"],
                     'cp -r "$1" "$2" && sync -f "$2"', "cp -r && sync -f", 1.0)

    def cast(self):
        source = self.filled(self.size)
        size = 2 * apparent(source)
        script = f'dd if=/dev/zero of="$2" bs=1M count={size} iflag=count_bytes status=none'
        self.compare(f"bfloat16 to float32, {size / 1e9:.1f} GB written, no fsync", source,
                     ["--validate", "none", "--no-fsync", "--dtype", "float32"], script, "dd", 1.5)

    def fast_llm(self):
        source, unproved = self.filled(self.size), ["--validate", "none", "--no-fsync"]
        other = self.made_from("fast-llm", source, self.fgconv, "--quiet", "--to", "fast_llm", *unproved)
        for what, given, target, budget in (("to", source, "fast_llm", 1.5), ("from", other, "hf", 2.0)):
            self.compare(f"{what} Fast-LLM, {self.size:g} GB, 2 ranks, no fsync", given, ["--to", target, *unproved], 'cp -r "$1" "$2"', "cp -r", budget)

    def torch_bin(self):
        source = self.made_from("bin", self.filled(self.size), self.python, HERE / "make_bin.py")
        self.compare(f"from .bin, {self.size:g} GB, 2 ranks, no fsync", source, ["--validate", "none", "--no-fsync"], 'cp -r "$1" "$2"', "cp -r", 1.5)

    def ranks(self):
        for ranks in (1, 4):
            self.compare(f"rename {self.size:g} GB, {ranks} rank{'s' if ranks > 1 else ''}, no fsync", self.filled(self.size),
                         ["--validate", "none", "--no-fsync"], 'cp -r "$1" "$2"', "cp -r", None, ranks=ranks)

    def blocks(self):
        """Programs that copy by blocks of other sizes (src/copy/fill.h), each compiled for it."""
        usual = self.fgconv
        for size in BLOCKS:
            build = ROOT / f"build-block-{size}"
            run(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", f"-DCMAKE_C_FLAGS=-DFG_BLOCK_KIB={size}"])
            run(["cmake", "--build", build, "--target", "fgconv"])
            self.fgconv = build / "fgconv"
            self.compare(f"rename {self.size:g} GB, 2 ranks, blocks of {size} KiB", self.filled(self.size), ["--validate", "none", "--no-fsync"],
                         'cp -r "$1" "$2"', "cp -r", None)
        self.fgconv = usual

    def peak(self, source, *options):
        """The peak of a rank as the report says and as the kernel says to the rank's parent; the larger counts."""
        remove(self.out)
        kernel = launcher(2, [self.fgconv, "--quiet", *options, source, self.out], self.folder / "peaks")
        report = report_of(self.out / "fgconv_report.json")["memory"]["peak_bytes_per_rank"]
        if abs(kernel - report) > 8 * MEBIBYTE:
            raise Failed(f"the report says {mebibytes(report)}, the kernel {mebibytes(kernel)}")
        return max(kernel, report)

    def memory(self):
        cases = [(f"{g:g} GB", self.filled(g)) for g in ([0.6] if self.quick else [2.4, self.size])]
        cases.append(("12 GB, sparse", self.sparse("large", 12)))
        for name, source in cases:
            for cast in ([], ["--dtype", "float32"]):
                most = self.peak(source, "--validate", "none", "--no-fsync", *cast)
                what = f"peak of a rank, {name}" + (", cast" if cast else "")
                self.table.add(what, mebibytes(most), "", "", "96 MiB", most <= 96 * MEBIBYTE)
                if "sparse" in name:
                    self.holes(source, 2 if cast else 1)
        remove(self.out)

    def holes(self, source, growth):
        here, there = used(source), used(self.out)
        self.table.add("holes stay holes" + (", cast" if growth > 1 else ""), f"{there / 1e6:.0f} MB used", f"source {here / 1e6:.0f} MB",
                       "", f"{growth} x and 8 MiB", there <= growth * here + 8 * MEBIBYTE)

    def proof_memory(self):
        for gigabytes in [0.6] if self.quick else [2.4, self.size]:
            most = self.peak(self.filled(gigabytes), "--no-fsync")
            self.table.add(f"peak of a rank with proof, {gigabytes:g} GB", mebibytes(most), "", "", "512 MiB", most <= 512 * MEBIBYTE)
        remove(self.out)

    def other_python(self, script, *arguments):
        """The seconds that a script of this folder prints."""
        done = subprocess.run([self.python, HERE / script, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{script}: {done.stderr[-3000:]}")
        return float(done.stdout.split()[-1])

    def load_and_save(self, source):
        self.prepare(source)
        return self.other_python("load_and_save.py", source, self.other)

    def proof(self):
        source = self.filled(self.size)
        mine, theirs, ratios = pairs(min(self.count, 3), lambda: self.convert(source), lambda: self.load_and_save(source), start_of(2))
        self.table.add(f"convert and prove {self.size:g} GB", seconds(mine), f"transformers' load and save {seconds(theirs)}",
                       ratio_text(ratios), "below 1.0", statistics.median(ratios) < 1.0)
        remove(self.other)

    def plan(self, what, source, options, most_seconds, most_memory):
        command = [self.fgconv, "--quiet", "--dry-run", "--validate", "none", "--max-shard-size", "10MB", *options, source, self.out]
        warm(source)
        start, times = start_of(2), []
        for _ in range(3):
            times.append(run(mpirun(2, *command)) - start)
        peak = launcher(2, command, self.folder / "peaks")
        self.table.add(what, f"{seconds(times)}, {mebibytes(peak)}", "", "", f"{most_seconds} s, {most_memory} MiB",
                       statistics.median(times) <= most_seconds and peak <= most_memory * MEBIBYTE)

    def planning(self):
        self.plan("plan of 100,000 tensors", self.sparse("many", 100_000), [], 2, 150)
        self.plan("plan of 100,000 experts, to Fast-LLM", self.sparse("experts", 100_000), ["--to", "fast_llm"], 2, 150)
        if not self.quick:
            self.plan("plan of 1,000,000 tensors", self.sparse("many", 1_000_000), [], 10, 600)

    def texts(self):
        """Texts of 1 MB, a JSON string a line: Python's own sources, which have some of every script."""
        sources = sorted(pathlib.Path(os.__file__).parent.glob("**/*.py"))
        whole = ""
        for path in sources:
            whole += path.read_text(encoding="utf-8", errors="replace")
            if len(whole) >= TEXTS * TEXT_SIZE:
                break
        return [json.dumps(whole[i * TEXT_SIZE:(i + 1) * TEXT_SIZE]) + "\n" for i in range(TEXTS)]

    def tokenize(self):
        """Processor time. Starting and reading tokenizer.json do not count: a run with the first text alone is taken off."""
        texts, file = self.texts(), self.folder / "texts.jsonl"
        file.write_text("".join(texts))
        for packed in sorted((HERE.parent / "data/vocab").glob("*/tokenizer.json.xz")):
            folder = self.folder / packed.parent.name
            folder.mkdir()
            (folder / "tokenizer.json").write_bytes(lzma.decompress(packed.read_bytes()))
            command = [self.fgconv, "tokenize", folder, "--jsonl"]
            mine, theirs, ratios = pairs(self.count, lambda: processor(command, input="".join(texts)) - processor(command, input=texts[0]),
                                         lambda: self.other_python("encode.py", folder / "tokenizer.json", file), 0)
            self.table.add(f"encode {TEXTS - 1} MB, {folder.name}", seconds(mine), f"HF tokenizers {seconds(theirs)}", ratio_text(ratios),
                           "1.0", statistics.median(ratios) <= 1.0)

    def first_byte(self):
        """MPI_Init is over when `fgconv --version` prints under mpirun; that moment of the other run is taken off."""
        source, waits = self.sparse("many", 300), []
        for _ in range(max(self.count, 7)):
            remove(self.out)
            begun = first_byte.until_first_line(mpirun(2, self.fgconv, "--version"))
            waits.append(first_byte.until_first_byte(mpirun(2, self.fgconv, "--quiet", "--validate", "none", source, self.out), self.out) - begun)
        wait = statistics.median(waits)
        self.table.add("first byte of a small model after MPI_Init", f"{wait:.3f} s", "", f"{min(waits):.3f} to {max(waits):.3f}, {len(waits)} pairs",
                       "0.1 s", wait <= 0.1)
        remove(self.out)


ROWS = {"rename": Bench.rename, "rename-fsync": Bench.rename_fsync, "cast": Bench.cast, "fast-llm": Bench.fast_llm, "bin": Bench.torch_bin, "ranks": Bench.ranks, "memory": Bench.memory,
        "proof-memory": Bench.proof_memory, "proof": Bench.proof, "planning": Bench.planning, "tokenize": Bench.tokenize, "first-byte": Bench.first_byte}
ASKED_FOR = {"blocks": Bench.blocks}  # rows that are no budgets


def arguments():
    parser = argparse.ArgumentParser(description="rows: " + ", ".join(ROWS | ASKED_FOR))
    parser.add_argument("--fgconv", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--numpy", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--transformers", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=float)
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--models")
    parser.add_argument("rows", nargs="*")
    args = parser.parse_args()
    unknown = [r for r in args.rows if r not in ROWS | ASKED_FOR]
    if unknown:
        parser.error(f"no row {unknown[0]}; rows: {', '.join(ROWS | ASKED_FOR)}")
    args.size = args.size or (0.6 if args.quick else 5.9)
    args.pairs = args.pairs or (3 if args.quick else 5)
    return args


def main():
    args = arguments()
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="fgconv-bench-") as folder:
        bench = Bench(args, pathlib.Path(folder))
        for name in args.rows or ROWS:
            try:
                (ROWS | ASKED_FOR)[name](bench)
            except Failed as failure:
                bench.table.add(name, "failed", "", "", "", False)
                print(failure, file=sys.stderr)
    print(bench.table.text())
    print(f"\n{bench.machine}\nLoad at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    return 1 if bench.table.missed else 0


sys.exit(main())
