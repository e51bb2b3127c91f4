#!/usr/bin/env python3
"""fgconv new-family: what it writes and refuses, and that a draft whose guesses are decided converts and is proved.

    new_family.py --fgconv build/fgconv
"""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, load, run, run_parts

SOURCE = DATA / "draft/seed_oss"
tally = Tally()


def files(folder):
    return {str(path.relative_to(folder)): load(path) for path in sorted(folder.rglob("*.json"))}


def writes(fgconv, work):
    code, text = run(fgconv, ["new-family", SOURCE, "out"], ranks=0, cwd=work)
    written = files(work / "out")
    tally.check("exit", code == 0, text)
    tally.check("files", set(written) == {"forgather/seed_oss.json", "models/seed_oss.json"}, written)
    tally.check("what is to decide is printed", "models/seed_oss.json: read the model's own code" in text, text)
    code, text = run(fgconv, ["new-family", SOURCE], ranks=0, cwd=work)
    tally.check("OUT is the model type unless given", code == 0 and files(work / "seed_oss") == written, text)
    code, text = run(fgconv, ["new-family", "--json", SOURCE, "again"], ranks=0, cwd=work)
    tally.check("--json", code == 0 and json.loads(text)["files"] == written, text)
    code, text = run(fgconv, ["new-family", "--quiet", SOURCE, "quiet"], ranks=0, cwd=work)
    tally.check("--quiet", code == 0 and text == "" and files(work / "quiet") == written, text)


def refuses(fgconv, work):
    (work / "there").mkdir()
    lacking = work / "no_type"
    shutil.copytree(SOURCE, lacking)
    (lacking / "config.json").write_text(json.dumps({k: v for k, v in load(SOURCE / "config.json").items() if k != "model_type"}))
    rows = [("OUT that exists", [SOURCE, "there"], 2, "there is there already"), ("a directory that does not exist", ["nothing", "x"], 2, "nothing"),
            ("a family that has a converter", [DATA / "model/llama/hf", "x"], 3, "there is a converter for llama already"),
            ("no model_type", [lacking, "x"], 3, "no model_type"), ("another format", [DATA / "golden/llama_untied_fp32/forgather", "x"], 3, "forgather")]
    for name, arguments, status, word in rows:
        code, text = run(fgconv, ["new-family", *arguments], ranks=0, cwd=work)
        tally.check(f"refused: {name}", code == status and word in text and not (work / "x").exists(), f"exit {code}: {text}")


def failing_disk(fgconv, work):
    """The N-th call to the file system fails: an error, and no directory is left."""
    for call in (*range(1, 12), *range(12, 800, 5)):
        code, text = run(fgconv, ["new-family", SOURCE, "failed"], ranks=0, cwd=work, FGCONV_FAIL_IO=str(call))
        if code == 0:
            tally.check("a run without a failing call ends the loop", call > 10, str(call))
            break
        if not tally.check(f"call {call} fails", code == 4 and not (work / "failed").exists(), f"exit {code}: {text}"):
            break


def without_guesses(value):
    if isinstance(value, dict):
        return {key: without_guesses(inner) for key, inner in value.items() if key != "TODO"}
    return [without_guesses(inner) for inner in value] if isinstance(value, list) else value


def decide(folder):
    """What is right of seed_oss: its guesses, and a key of its own for the bias of the output."""
    for path in folder.rglob("*.json"):
        document = without_guesses(load(path))
        if path.parent.name == "models":
            side = document["formats"]["hf"]
            side["only"] = {}
            side.setdefault("config", {}).update({"output_bias": {"key": "attention_out_bias"}})
        path.write_text(json.dumps(document))


def converts(fgconv, work):
    tokens = ["--token-ids", "1,2,3,63,7"]
    code, text = run(fgconv, ["new-family", SOURCE, "seed"], ranks=0, cwd=work)
    tally.check("a draft", code == 0, text)
    code, text = run(fgconv, ["--converter-path", "seed", *tokens, SOURCE, "there"], ranks=0, cwd=work)
    tally.check("a draft converts nothing", code == 3 and "left to decide" in text and '"TODO"' in text and not (work / "there").exists(), f"exit {code}: {text}")
    code, text = run(fgconv, ["lint", "--converter-path", "seed", "seed/forgather/seed_oss.json", "seed/models/seed_oss.json"], ranks=0, cwd=work)
    tally.check("lint refuses a draft", code == 3 and text.count("left to decide") == 2, f"exit {code}: {text}")
    decide(work / "seed")
    code, text = run(fgconv, ["--converter-path", "seed", *tokens, SOURCE, "there"], ranks=0, cwd=work)
    tally.check("decided, it converts", code == 0 and "logits equal bit for bit" in text, f"exit {code}: {text}")
    code, text = run(fgconv, ["--converter-path", "seed", *tokens, "there", "back"], ranks=0, cwd=work)
    tally.check("and back", code == 0 and digests(work / "back") == digests(SOURCE), f"exit {code}: {text}")
    before, after = load(SOURCE / "config.json"), load(work / "back/config.json")
    changed = {key for key in before if key in after and before[key] != after[key]}
    tally.check("no key has another value", not changed, changed)


def fast_llm(fgconv, work):
    """A family that is a Llama by all that can be seen: Fast-LLM's converter of Llama takes it, and not that of another family with the same keys."""
    source = work / "tern"
    shutil.copytree(DATA / "fast_llm/llama/basic/hf", source)
    config = {**load(source / "config.json"), "model_type": "tern", "architectures": ["TernForCausalLM"]}
    (source / "config.json").write_text(json.dumps(config))
    code, text = run(fgconv, ["new-family", source, "out"], ranks=0, cwd=work)
    written = files(work / "out")
    tally.check("three files", code == 0 and len(written) == 3 and written["fast_llm/tern.json"]["extends"] == "llama.json", text)
    for path in (work / "out").rglob("*.json"):
        path.write_text(json.dumps(without_guesses(load(path))))
    code, text = run(fgconv, ["--converter-path", "out", "--to", "fast_llm", "--token-ids", "1,2,3", source, "there"], ranks=0, cwd=work)
    tally.check("to Fast-LLM", code == 0 and "logits equal bit for bit" in text, f"exit {code}: {text}")
    code, text = run(fgconv, ["--converter-path", "out", "--token-ids", "1,2,3", "there", "back"], ranks=0, cwd=work)
    after = load(work / "back/config.json")
    tally.check("and back", code == 0 and digests(work / "back") == digests(source) and after["architectures"] == ["TernForCausalLM"] and "auto_map" not in after,
                f"exit {code}: {text}")


if __name__ == "__main__":
    sys.exit(run_parts(tally, __doc__, (writes, refuses, failing_disk, converts, fast_llm)))
