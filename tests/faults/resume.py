#!/usr/bin/env python3
"""--resume: an interrupted run continues, and its result has the bytes of an uninterrupted one.

    resume.py --fgconv build/fgconv [PART...]       places, kept, refused, damaged, signals

places: conversions of every kind fail at many calls to the file system and are continued by other numbers of ranks. kept: what was written is
not written again; torn ends of a journal, lost shards. refused: another version, option, source or plan; no journal; another run. damaged: a
changed byte in what is kept. signals: which leave DST.partial with --resume, and remove it without.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]
from big_model import write_model
from checkpoint import DATA, Tally, environment, header, run

GOLDEN = DATA / "golden"
RECORD = 48
VARIES = {"arguments", "started", "finished", "seconds", "rates", "memory", "disk", "ranks", "per_rank", "nodes", "resumed", "options"}
BIG = ["--validate", "none", "--dtype", "float32", "--max-shard-size", "100MB"]  # 319 MB in blocks of 32 MiB
tally = Tally()
figures = {"tried": 0, "held": 0}


def check(name, good, detail=""):
    figures["tried"] += 1
    figures["held"] += bool(good)
    return tally.check(name, good, detail)


# ---- what a run left ----

def files(directory):
    """path -> bytes of a directory, the report apart; links are what they say."""
    return {str(p.relative_to(directory)): os.readlink(p).encode() if p.is_symlink() else p.read_bytes()
            for p in sorted(directory.rglob("*")) if (p.is_symlink() or p.is_file()) and p.name not in ("fgconv_report.json", "forgather_update.json")}


def report(directory):
    held = json.loads((directory / "fgconv_report.json").read_text())
    held["destination"].pop("directory")
    held.get("update", {}).clear()
    held.get("proof", {}).pop("seconds", None)
    held["warnings"] = [w for w in held["warnings"] if "written again" not in w]
    return {key: value for key, value in held.items() if key not in VARIES}


def differing(a, b, where=""):
    """Where two reports differ. Ranks add up shares of a sum, so that its last bits depend on how many there are."""
    if isinstance(a, float) and isinstance(b, float):
        return [] if math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) else [where]
    if isinstance(a, dict) and isinstance(b, dict):
        return [place for key in sorted(a.keys() | b.keys()) for place in differing(a.get(key), b.get(key), f"{where}/{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [place for i, pair in enumerate(zip(a, b)) for place in differing(*pair, f"{where}/{i}")]
    return [] if a == b else [where]


def same(name, made, whole):
    a, b = files(made), files(whole)
    different = [n for n in sorted(a.keys() | b.keys()) if a.get(n) != b.get(n)]
    check(f"{name}: the bytes of an uninterrupted run", not different, different)
    different = differing(report(made), report(whole))
    check(f"{name}: its report", not different, different)


def split_journal(partial):
    """The bytes before the records, and those of the records."""
    blob = (partial / "journal").read_bytes()
    first = blob.index(b"\n") + 1
    end = first + int(blob[:first].split(b", ")[1])
    return blob[:end], blob[end:]


def records(partial):
    try:
        return len(split_journal(partial)[1]) // RECORD + sum(p.stat().st_size // RECORD for p in partial.glob("journal.[0-9]*"))
    except (OSError, ValueError):
        return 0


def clean(name, folder, destination):
    left = sorted(p.name for p in pathlib.Path(folder).iterdir() if p.name.startswith(destination.name) and p != destination)
    inside = [n for n in ("journal", "lock") if (destination / n).exists()]
    check(f"{name}: nothing is left", not left and not inside, left + inside)


# ---- parts ----

def kinds(folder, fgconv):
    """name -> (command, sources and options): a conversion of each kind."""
    qwen, sharded, trained = GOLDEN / "qwen3_add_tokens_fp32", GOLDEN / "llama_tied_rope3_bf16_sharded/hf", GOLDEN / "llama_checkpoints/forgather"
    run(fgconv, ["-q", "--to", "fast_llm", "--validate", "none", sharded, folder / "fast"], ranks=0)
    shutil.copytree(sharded, folder / "large")
    for shard in (folder / "large").glob("*.safetensors"):  # a few values of each tensor are too large for float16
        entries, begin = header(shard)
        blob = bytearray(shard.read_bytes())
        for entry in entries.values():
            blob[begin + entry["data_offsets"][0]:begin + entry["data_offsets"][0] + 6] = b"\x00\x7f" * 3
        shard.write_bytes(blob)
    return {"overflows": ["convert", "--dtype", "float16", "--validate", "none", "--max-shard-size", "200KB", folder / "large"],
            "hf to forgather, tokens": ["convert", "--add-tokens", qwen / "tokens.yaml", "--max-shard-size", "100KB", qwen / "hf"],
            "hf to forgather, cast": ["convert", "--dtype", "float16", "--max-shard-size", "200KB", sharded],
            "hf to fast_llm": ["convert", "--to", "fast_llm", sharded],
            "fast_llm to hf": ["convert", folder / "fast"],
            "forgather to hf": ["convert", "--reverse", "-c", "100", "--max-shard-size", "50KB", trained],
            "finalize": ["finalize", "-c", "100", trained],
            "update-vocab": ["update-vocab", "--add-tokens", qwen / "tokens.yaml", qwen / "hf"]}


def interrupt_at(fgconv, folder, name, arguments, call, ranks, more):
    """The run fails at that call; False: it has fewer."""
    out, partial = folder / "out", folder / "out.partial"
    code, text = run(fgconv, [arguments[0], "-q", "--resume", *arguments[1:], out], ranks=ranks, FGCONV_FAIL_IO=str(call))
    where = f"{name}, call {call} of {ranks or 1}"
    if code == 0:
        return False
    check(f"{where}: fails", code in (2, 3, 4) and not out.exists() and text.count("fgconv: error:") == 1, (code, text))
    code, text = run(fgconv, [arguments[0], "-q", "--resume", *arguments[1:], out], ranks=more)
    if check(f"{where}: continued by {more or 1}", code == 0, text):
        same(where, out, folder / "whole")
        clean(where, folder, out)
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(partial, ignore_errors=True)
    return True


def places(fgconv, work):
    for name, arguments in kinds(work, fgconv).items():
        with tempfile.TemporaryDirectory(dir=work) as folder:
            folder = pathlib.Path(folder)
            code, text = run(fgconv, [arguments[0], "-q", *arguments[1:], folder / "whole"], ranks=0)
            check(f"{name}: uninterrupted", code == 0, text)
            call, turn = 20, 0
            while interrupt_at(fgconv, folder, name, arguments, call, (0, 0, 2)[turn % 3], (0, 3, 0, 1)[turn % 4]):
                call, turn = call * 3 // 2, turn + 1
            check(f"{name}: places", turn >= 5, turn)


class Interrupted:
    """A big conversion that was killed when some blocks were in its journal: DST.partial to try things on."""

    def __init__(self, fgconv, work):
        self.fgconv, self.source, self.whole, self.held = fgconv, work / "big", work / "whole", work / "held.partial"
        write_model(self.source, 4, 3)
        code, text = run(fgconv, ["-q", *BIG, self.source, self.whole], ranks=0)
        check("uninterrupted", code == 0, text)
        process = subprocess.Popen([fgconv, "-q", "--resume", *BIG, str(self.source), str(work / "held")], env=environment(),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and records(self.held) < 4:
            time.sleep(0.002)
        process.kill()
        process.wait()
        check("some blocks are in the journal", 4 <= records(self.held) and not (work / "held").exists(), records(self.held))

    def again(self, name, change=None, options=(), ranks=0, source=None, expected=0):
        """Changes a copy, resumes from it. Returns what was printed, and where the result is (removed by the caller's folder)."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.held.parent))
        out = folder / "out"
        shutil.copytree(self.held, folder / "out.partial", symlinks=True)
        if change:
            change(folder / "out.partial")
        before = files(folder / "out.partial") if expected == 2 else None
        code, text = run(self.fgconv, ["--resume", *(options or BIG), source or self.source, out], ranks=ranks)
        check(f"{name}: exit code {expected}", code == expected, (code, text))
        if expected == 2:
            check(f"{name}: DST.partial is as it was, no DST", not out.exists() and files(folder / "out.partial") == before, text)
        return text, out

    def continues(self, name, **how):
        text, out = self.again(name, **how)
        if out.exists():
            same(name, out, self.whole)
            clean(name, out.parent, out)
            kept = json.loads((out / "fgconv_report.json").read_text())["resumed"]["kept_bytes"]
            shutil.rmtree(out.parent)
            return text, kept
        return text, -1

    def refused(self, name, *said, **how):
        text, out = self.again(name, expected=2, **how)
        check(f"{name}: said", all(part in text for part in said), text)
        shutil.rmtree(out.parent)


def rewrite(change):
    """Changes the records of a journal."""
    def write(partial):
        head, tail = split_journal(partial)
        (partial / "journal").write_bytes(head + change(tail))
    return write


def kept(work, held):
    for ranks in (0, 1, 2, 5):
        _, bytes_kept = held.continues(f"continued by {ranks or 'one without a launcher'}", ranks=ranks)
        check("what is in the journal is kept", bytes_kept >= 48 << 20, bytes_kept)
    _, trusted = held.continues("--trust-journal", options=["--trust-journal", *BIG])
    check("what is trusted is kept", trusted == bytes_kept, (trusted, bytes_kept))
    for name, change in {"a torn end": lambda tail: tail[:-7], "an end that was torn in the middle": lambda tail: tail[:-RECORD - 13],
                         "foreign bytes at the end": lambda tail: tail + os.urandom(3 * RECORD + 5),
                         "zeros in the last record": lambda tail: tail[:-30] + bytes(30),
                         "a record twice": lambda tail: tail + tail[-RECORD:], "no records": lambda tail: b""}.items():
        _, left = held.continues(name, change=rewrite(change))
        lost = not change(bytes(range(RECORD))).startswith(bytes(range(RECORD)))  # the change takes records away
        check(f"{name}: the others are kept", left < bytes_kept if lost else left == bytes_kept, (left, bytes_kept))
    held.continues("a torn journal of another rank", change=lambda partial: (partial / "journal.3").write_bytes(os.urandom(1000)))
    shard = next(p.name for p in sorted(held.held.glob("*.safetensors")))
    for options in ([], ["--trust-journal"]):
        held.continues(f"a shard is gone {options}", change=lambda partial: (partial / shard).unlink(), options=[*options, *BIG])
        held.continues(f"a shard is too short {options}", change=lambda partial: os.truncate(partial / shard, 1000), options=[*options, *BIG])
    held.continues("side files are half-written", change=lambda partial: (partial / "config.json").write_text("{"))
    held.continues("foreign files and folders", change=lambda partial: ((partial / "x").mkdir(), (partial / "x/y").write_text("z")))
    held.continues("no lock", change=lambda partial: (partial / "lock").unlink())
    held.continues("an empty lock", change=lambda partial: (partial / "lock").write_text(""))
    held.continues("interrupted while it was published", change=lambda partial: (partial / "journal").rename(f"{partial}.journal"))
    outside = work / "outside"
    outside.write_bytes(bytes((held.held / shard).stat().st_size))
    held.continues("a link in place of a shard", change=lambda partial: ((partial / shard).unlink(), (partial / shard).symlink_to(outside)))
    check("a link in place of a shard: its target is not written", not any(outside.read_bytes()))
    from_nothing(work, held)
    other_outputs(work, held)


def other_outputs(work, held):
    """--report and --dump of the interrupted run are made again; a file that it did not make stays."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=work))
    made, foreign, out = folder / "report.json", folder / "other.json", folder / "out"
    arguments = ["-q", "--resume", *BIG, "--report"]
    process = subprocess.Popen([held.fgconv, *arguments, str(made), str(held.source), str(out)], env=environment(), stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while process.poll() is None and not records(folder / "out.partial"):
        time.sleep(0.002)
    process.kill()
    process.wait()
    check("the interrupted run left its report", pathlib.Path(f"{made}.partial").exists())
    pathlib.Path(f"{foreign}.partial").write_text("mine")
    code, text = run(held.fgconv, [*arguments, foreign, held.source, out], ranks=0)
    check("what it did not make stays", code == 2 and pathlib.Path(f"{foreign}.partial").read_text() == "mine", (code, text))
    code, text = run(held.fgconv, [*arguments, made, held.source, out], ranks=2)
    check("what it made is made again", code == 0 and made.exists() and not pathlib.Path(f"{made}.partial").exists(), (code, text))
    shutil.rmtree(folder)


def from_nothing(work, held):
    """--resume where there is nothing to continue."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=work))
    code, text = run(held.fgconv, ["-q", "--resume", *BIG, held.source, folder / "out"], ranks=2)
    if check("--resume begins", code == 0, text):
        same("--resume begins", folder / "out", held.whole)
        check("its report says nothing of resuming", "resumed" not in json.loads((folder / "out/fgconv_report.json").read_text()))
        clean("--resume begins", folder, folder / "out")
    code, text = run(held.fgconv, ["--resume", *BIG, held.source, folder / "out"], ranks=0)
    check("DST is there already", code == 2 and "exists already" in text, text)
    bare = folder / "bare.partial"
    bare.mkdir()
    (bare / "lock").write_text('{"host": "elsewhere", "process": 1, "began": "2020-01-01T00:00:00Z"}\n')
    code, text = run(held.fgconv, ["-q", "--resume", *BIG, held.source, folder / "bare"], ranks=0)
    check("a DST.partial with nothing but its lock", code == 0, text)
    shutil.rmtree(folder)


def touched(work, source, change):
    copy = pathlib.Path(tempfile.mkdtemp(dir=work)) / "source"
    shutil.copytree(source, copy)
    change(copy)
    return copy


def head_with(key, value):
    def write(partial):
        head, tail = split_journal(partial)
        identity = json.loads(head[head.index(b"\n") + 1:])
        identity[key] = value
        text = json.dumps(identity, indent=2).encode() + b"\n"
        (partial / "journal").write_bytes(b"fgconv journal 1, %d\n" % len(text) + text + tail)
    return write


def set_back(path, change):
    """Changes a file and gives it the times it had."""
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def refused(work, held):
    rest = BIG[:2] + BIG[4:]
    held.refused("another dtype", "--dtype", "bfloat16", "rm -r", options=[*rest, "--dtype", "bfloat16"])
    held.refused("no dtype", "--dtype", ", none now", options=rest)
    held.refused("another shard size", "--max-shard-size", options=[*BIG[:-1], "50MB"])
    held.refused("another format", "destination format", options=["--to", "fast_llm", *BIG])
    held.refused("an option about other files", "--max-length", options=["--max-length", "512", *BIG])
    held.refused("another version", "version of fgconv", '"0.0.7"', change=head_with("fgconv", "0.0.7"))
    held.refused("another plan", "another plan", change=head_with("plan", "0123456789abcdef"))
    held.refused("no journal", "no journal", "rm -r", change=lambda partial: (partial / "journal").unlink())
    held.refused("an empty journal", "damaged", change=lambda partial: (partial / "journal").write_text(""))
    held.refused("bytes that are no journal", "damaged", change=lambda partial: (partial / "journal").write_bytes(os.urandom(500)))
    held.refused("--no-fsync", "--no-fsync", options=["--no-fsync", *BIG])
    shard, config = "model-00002-of-00003.safetensors", "config.json"
    for name, said, change in (
            ("a shard was replaced", ("ctime", shard), lambda s: (shutil.copy2(s / shard, s / "x"), (s / "x").rename(s / shard))),
            ("a shard was touched", ("modification time", shard), lambda s: os.utime(s / shard)),
            ("a shard was changed and set back", ("ctime", shard), lambda s: set_back(s / shard, lambda p: flip(p, -1))),
            ("config.json was touched", ("modification time", config), lambda s: os.utime(s / config)),
            ("config.json is longer", ("size", config), lambda s: (s / config).write_text((s / config).read_text() + "\n")),
            ("a side file was added", ("LICENSE",), lambda s: (s / "LICENSE").write_text("mine"))):
        changed_source(work, held, name, said, change)
    locked(held)


def changed_source(work, held, name, said, change):
    """The source must be the same files, so it is changed where it is, and another run was interrupted before."""
    source = pathlib.Path(tempfile.mkdtemp(dir=work)) / "source"
    shutil.copytree(held.source, source)
    cut = work / "cut"
    code, text = run(held.fgconv, ["-q", "--resume", *BIG, source, cut], ranks=0, FGCONV_FAIL_IO="200")
    check(f"{name}: an interrupted run", code == 4 and (work / "cut.partial").exists(), (code, text))
    time.sleep(0.02)
    change(source)
    code, text = run(held.fgconv, ["--resume", *BIG, source, cut], ranks=0)
    check(f"{name}: refused", code == 2 and all(part in text for part in said) and not cut.exists(), (code, text))
    shutil.rmtree(work / "cut.partial")
    shutil.rmtree(source.parent)


def locked(held):
    """DST.partial of a run that is not over."""
    folder = held.held.parent / "locked"
    folder.mkdir()
    arguments = [held.fgconv, "-q", "--resume", *BIG, str(held.source), str(folder / "out")]
    first = subprocess.Popen(arguments, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not records(folder / "out.partial"):
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)
    for options in (["--resume"], []):
        code, text = run(held.fgconv, [*options, *BIG, held.source, folder / "out"], ranks=0)
        check(f"another run is writing {options}", code == 2 and f"process {first.pid}" in text and "is writing" in text, (code, text))
    first.send_signal(signal.SIGKILL)
    first.wait()
    code, text = run(held.fgconv, [*BIG, held.source, folder / "out"], ranks=0)
    check("that run was killed", code == 2 and f"process {first.pid}" in text and "interrupted" in text and "--resume" in text, (code, text))
    code, text = run(held.fgconv, ["-q", "--resume", *BIG, held.source, folder / "out"], ranks=0)
    check("and is continued", code == 0, text)
    shutil.rmtree(folder)


def flip(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))


def damaged(work, held):
    """Every block of the journal, one after the other: a byte of it is changed."""
    journal = split_journal(held.held)[1]
    blocks = sorted({int.from_bytes(journal[i:i + 4], "little") for i in range(0, len(journal), RECORD)})
    place = block_places(held)
    for block in (blocks[0], blocks[-1]):
        shard, offset = place[block]
        name = f"a changed byte in block {block}"
        text, _ = held.continues(name, change=lambda partial: flip(partial / shard, offset))
        check(f"{name}: a warning", "checksums" in text and shard in text, text)
        text, out = held.again(f"{name}, trusted", change=lambda partial: flip(partial / shard, offset), options=["--trust-journal", *BIG])
        check(f"{name}, trusted: is not read", (out / shard).read_bytes() != (held.whole / shard).read_bytes(), text)
        shutil.rmtree(out.parent)


def block_places(held):
    """block -> (shard, offset of a byte in it), from the result: blocks of 32 MiB, outputs in the order of the report."""
    where = {}
    for shard in held.whole.glob("*.safetensors"):
        entries, begin = header(shard)
        where.update({name: (shard.name, begin + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0])
                      for name, entry in entries.items()})
    places_of, block = {}, 0
    for tensor in json.loads((held.whole / "fgconv_report.json").read_text())["tensors"]:
        shard, begin, size = where[tensor["name"]]
        for at in range(0, size, 32 << 20):
            places_of[block] = (shard, begin + at + min(size - at, 32 << 20) // 2)
            block += 1
    return places_of


def signals(work, held):
    for which in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU):
        for options in (["--resume"], []):
            folder = pathlib.Path(tempfile.mkdtemp(dir=work))
            partial, name = folder / "out.partial", f"{which.name} {' '.join(options)}"
            process = subprocess.Popen([held.fgconv, "-q", *options, *BIG, str(held.source), str(folder / "out")], env=environment(),
                                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while process.poll() is None and sum(p.stat().st_blocks for p in partial.glob("*.safetensors")) < 1000 * len(options) + 8:
                time.sleep(0.002)
            process.send_signal(which)
            text = process.communicate()[1]
            check(f"{name}: exit code", process.returncode == 128 + which, (process.returncode, text))
            check(f"{name}: DST.partial", partial.exists() == bool(options) and not (folder / "out").exists(), text)
            check(f"{name}: one message", text.count("stopped by") == 1 and (f"--resume continues {partial}" in text) == bool(options), text)
            if options:
                code, text = run(held.fgconv, ["-q", "--resume", *BIG, held.source, folder / "out"], ranks=0)
                if check(f"{name}: continued", code == 0, text):
                    same(name, folder / "out", held.whole)
            shutil.rmtree(folder)


def main():
    parts = {"kept": kept, "refused": refused, "damaged": damaged, "signals": signals}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("parts", nargs="*", choices=[*parts, "places", []])
    arguments = parser.parse_args()
    fgconv, wanted = str(pathlib.Path(arguments.fgconv).resolve()), arguments.parts or ["places", *parts]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if "places" in wanted:
            places(fgconv, work)
        held = Interrupted(fgconv, work) if set(wanted) & set(parts) else None
        for part in parts:
            if part in wanted:
                parts[part](work, held)
    code = tally.end()
    print(f"resume: {figures['tried']} tried, {figures['held']} held")
    return code


if __name__ == "__main__":
    sys.exit(main())
