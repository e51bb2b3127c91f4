#!/usr/bin/env python3
"""Which training checkpoint of a directory is taken: the latest by time or the one named with -c, by every command, and each says which.

    training_choice.py --fgconv build/fgconv
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, load, run

IDS = ["--token-ids", "1,2,3"]
tally = Tally()


def make_run(fgconv, folder):
    """A Forgather directory with two checkpoints, of which the one with the lower step is newer and has another embedding."""
    code, text = run(fgconv, ["--to", "forgather", *IDS, DATA / "model/mistral/hf", folder], ranks=0)
    tally.check("a Forgather directory", code == 0, text)
    for step, stamp in ((100, "2025-01-24T10:30:00"), (200, "2025-01-23T10:30:00")):
        checkpoint = folder / f"checkpoints/checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        for path in folder.glob("model*"):
            shutil.copy(path, checkpoint)
        (checkpoint / "checkpoint_manifest.json").write_text(json.dumps({"timestamp": stamp}))
    newer = folder / "checkpoints/checkpoint-100/model.safetensors"
    newer.write_bytes(newer.read_bytes()[:-1] + b"\x3c")
    for path in folder.glob("model*"):
        path.unlink()


def taken(work, out):
    """The step of the checkpoint whose weights a Hugging Face directory has."""
    same = digests(work / out) == digests(DATA / "model/mistral/hf")
    return 200 if same else 100


def check(fgconv, work, name, arguments, step, words):
    code, text = run(fgconv, arguments, ranks=0, cwd=work)
    tally.check(f"{name}: exit", code == 0, f"{code}: {text}")
    tally.check(f"{name}: says which", f"checkpoint-{step} (" in text and all(word in text for word in words), text)
    return text


def conversions(fgconv, work):
    latest = ["the latest training checkpoint by time, saved 2025-01-24T10:30:00", "warning: run/checkpoints/checkpoint-100 is the newest", "-c 200"]
    check(fgconv, work, "plan", ["--dry-run", *IDS, "run", "out"], 100, latest)
    check(fgconv, work, "convert", [*IDS, "run", "out"], 100, latest)
    tally.check("convert: the newer one's weights", taken(work, "out") == 100)
    report = load(work / "out/fgconv_report.json")
    tally.check("convert: report", report["source"]["training_checkpoint"] == {"step": 100, "saved": "2025-01-24T10:30:00", "chosen": "latest"}
                and report["options"]["checkpoint_path"] == "checkpoints/checkpoint-100", report["source"])
    for i, given in enumerate(("200", "checkpoint-200", "checkpoints/checkpoint-200", "run/checkpoints/checkpoint-200")):
        text = check(fgconv, work, f"convert -c {given}", ["-c", given, *IDS, "run", f"given{i}"], 200, ["given with -c, saved 2025-01-23T10:30:00"])
        tally.check(f"convert -c {given}: its weights, and no warning of the order", taken(work, f"given{i}") == 200 and "is the newest" not in text, text)
    for command in ("finalize", "update-vocab", "update"):
        check(fgconv, work, f"{command} -c 200", [command, "-c", "200", *IDS, "run", command], 200, ["given with -c"])
    check(fgconv, work, "validate", ["validate", "run", "out", *IDS], 100, latest)
    code, text = run(fgconv, ["inspect", "-c", "200", "run"], ranks=0, cwd=work)
    tally.check("inspect -c 200", code == 0 and "run/checkpoints/checkpoint-200" in text, text)


def refusals(fgconv, work):
    for command in ([], ["inspect"], ["finalize"], ["update-vocab"], ["update"]):
        code, text = run(fgconv, [*command, "-c", "300", "run", *([] if command == ["inspect"] else ["none"])], ranks=0, cwd=work)
        tally.check(f"{command or 'convert'} -c 300", code == 2 and "checkpoint-100, checkpoint-200" in text and not (work / "none").exists(), text)


def verify_later(fgconv, work):
    """verify takes what the conversion took, wherever SRC lies now and whatever was saved meanwhile."""
    (work / "run").rename(work / "moved")
    later = work / "moved/checkpoints/checkpoint-300"
    shutil.copytree(work / "moved/checkpoints/checkpoint-200", later)
    (later / "checkpoint_manifest.json").write_text(json.dumps({"timestamp": "2025-02-01T00:00:00"}))
    check(fgconv, work, "verify", ["verify", "moved", "out"], 100, ["every byte was read back"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    os.environ["TZ"] = "UTC"
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        make_run(fgconv, work / "run")
        conversions(fgconv, work)
        refusals(fgconv, work)
        verify_later(fgconv, work)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
