#!/usr/bin/env python3
"""docs/report.schema.json describes the reports of all commands: report_schema.py --fgconv build/fgconv"""
import argparse
import copy
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, environment, load, run, tensors, write_safetensors  # noqa: E402
from directories import prepare  # noqa: E402
from json_schema import problems  # noqa: E402

try:
    import jsonschema  # of the environment of the interop tests
except ImportError:
    jsonschema = None

SCHEMA = load(ROOT / "docs/report.schema.json")
TOKENS = 'bos_token: "<|start|>"\nspecial_tokens: ["<|tool|>"]\n'
SEES = str(DATA / "fast_llm/llava/basic/hf")
# what is run -> where its report lies
RUNS = [
    (["--add-tokens", "tokens.yaml", "-g", "--max-new-tokens", "3", "Llama-3.2-1B-Instruct", "fg"], "fg/fgconv_report.json"),
    (["--dtype", "float32", "--sample", "--seed", "3", "-g", "--max-new-tokens", "3", "Qwen3-0.6B", "fg32"], "fg32/fgconv_report.json"),
    (["--dtype", "bfloat16", "fg32", "hf16"], "hf16/fgconv_report.json"),
    (["--to", "fast_llm", "Mistral-7B-v0.3", "fl"], "fl/fgconv_report.json"),
    (["--hf-base", "Llama-3.2-1B-Instruct", "fl_trained", "trained"], "trained/fgconv_report.json"),
    (["--validate", "bytes", "fl", "bytes"], "bytes/fgconv_report.json"),
    (["--validate", "none", "fl", "none"], "none/fgconv_report.json"),
    (["--dry-run", "--report", "dry.json", "run", "dry"], "dry.json"),
    (["validate", "--report", "validate.json", "Qwen3-0.6B", "hf16"], "validate.json"),
    (["validate", "--report", "image.json", SEES, SEES], "image.json"),
    (["validate", "--profile", "standard", "--report", "profile.json", "Qwen3-0.6B", "fg32"], "profile.json"),
    (["verify", "--report", "fg/fgconv_report.json", "--json", "Llama-3.2-1B-Instruct", "fg"], None),
    (["finalize", "--stop-tokens", "<|tool|>", "--add-tokens", "tokens.yaml", "run", "final"], "final/fgconv_report.json"),
    (["update-vocab", "--add-tokens", "tokens.yaml", "Qwen3-0.6B", "vocab"], "vocab/fgconv_report.json"),
    (["update", "--arch", "llama", "--from-version", "0", "old", "updated"], "updated/fgconv_report.json"),
]


def all_problems(value, schema):
    """By the checker that is here, and by the package jsonschema where there is one."""
    found = problems(value, schema, SCHEMA)
    if jsonschema:
        validator = jsonschema.Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]})
        found += [f"jsonschema: {error.message}" for error in validator.iter_errors(value)]
    return found


NORM = "model.norm.weight"
# what fails -> exit code, file, key, found, expected; None: null
FAILURES = [
    (["convert", "--nonsense"], 2, None, "--nonsense", None, None),
    (["validate", "nowhere", "fg"], 2, "nowhere", None, None, None),
    (["validate", "--atol", "-1", "fg", "fg"], 2, None, "--atol", '"-1"', "a non-negative number, such as 1e-5"),
    (["validate", "--image", "no.npy", "fg", "fg"], 2, "no.npy", "--image", None, None),
    (["inspect", "broken"], 3, "broken/config.json", None, "string or '}' expected near end of file", "valid JSON"),
    (["convert", "wrong", "out"], 3, "wrong/config.json", "hidden_size", '"many"', "an integer of 1 or more"),
    (["convert", "--add-tokens", "wrong.yaml", "Qwen3-0.6B", "out"], 3, "wrong.yaml", "bos_token", "1", "the text of a token"),
    (["convert", "narrow", "out"], 3, "narrow/model.safetensors", NORM, "[32]", "[64]"),
    (["convert", "whole", "out"], 3, "whole/model.safetensors", NORM, "int16", "a float: weights are floats"),
    (["convert", "cut", "out"], 3, "cut/model.safetensors", NORM, "308088 bytes of data", "308096 bytes of data or more"),
    (["verify", "Qwen3-0.6B", "fg"], 10, "fg/config.json", "hidden_size", "64", "128"),
]


def copy_with(place, name, tensor=None):
    """A copy of a directory in which a tensor has other bytes."""
    shutil.copytree(place / "Llama-3.2-1B-Instruct", place / name)
    held = tensors(place / name)
    for path in (place / name).glob("*.safetensors*"):
        path.unlink()
    if tensor:
        held[NORM] = tensor(*held[NORM])
    write_safetensors(place / name / "model.safetensors", held)


def parsed(text):
    """None: it is no JSON document."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def failures(tally, fgconv, place):
    """--json prints one object, whatever fails."""
    (place / "broken").mkdir()
    (place / "wrong.yaml").write_text("bos_token: 1\n")
    copy_with(place, "narrow", lambda dtype, shape, data: (dtype, [shape[0] // 2], data[:len(data) // 2]))
    copy_with(place, "whole", lambda _, shape, data: ("int16", shape, data))
    copy_with(place, "cut")
    weights = place / "cut/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    (place / "broken/config.json").write_text("{")
    shutil.copytree(place / "Llama-3.2-1B-Instruct", place / "wrong", symlinks=True, ignore=shutil.ignore_patterns("config.json"))
    config = load(place / "Llama-3.2-1B-Instruct/config.json")
    (place / "wrong/config.json").write_text(json.dumps(config | {"hidden_size": "many"}))
    for arguments, code, *parts in FAILURES:
        name = "fgconv --json " + " ".join(arguments)
        done = subprocess.run([fgconv, "--json", *arguments], cwd=place, capture_output=True, text=True, env=environment())
        error = parsed(done.stdout)
        if not tally.check(f"{name}: one object on stdout", error is not None, done.stdout + done.stderr):
            continue
        found = all_problems(error, SCHEMA["$defs"]["error"])
        tally.check(f"{name}: as the schema says", not found, f"{found}: {error}")
        held = [error[key] for key in ("file", "key", "found", "expected")]
        tally.check(f"{name}: exit {code}", done.returncode == error["exit"] == code, error)
        tally.check(f"{name}: its parts", parts == held, f"{held}: {done.stderr}")
        tally.check(f"{name}: stderr has the message, too", "fgconv: error: " + error["what"].split("\n")[0] in done.stderr, done.stderr)


# what is run -> the part of the schema that describes what --json prints, exit code
OUTPUTS = [
    (["inspect", "Llama-3.2-1B-Instruct"], "inspect", 0),
    (["inspect", "--stats", "-q", "fl"], "inspect", 0),
    (["inspect", "-c", "1", "fl_run"], "inspect", 0),
    (["inspect", "fl_run"], "experiment", 0),
    (["diff", "fg", "fg"], "diff", 0),
    (["diff", "Llama-3.2-1B-Instruct", "none"], "diff", 10),
    (["diff", "fg", "whole"], "diff", 10),
    (["diff", "Llama-3.2-1B-Instruct", "Qwen3-0.6B"], "diff", 10),
    (["diff", "Qwen3-0.6B", "fg32"], "diff", 0),
    (["diff", "Qwen3-0.6B", "changed"], "diff", 10),
    (["list"], "list", 0),
    (["lint"], "lint", 0),
    (["lint", "broken.json"], "lint", 3),
    (["tokenize", "Llama-3.2-1B-Instruct", "Hello"], "tokenize", 0),
    (["tokenize", "--decode", "Llama-3.2-1B-Instruct", "[5, 6]"], "tokenize", 0),
    (["--version"], "version", 0),
    (["help"], "help", 0),
    (["help", "validate"], "help", 0),
    (["--help"], "help", 0),
    (["report", "fg"], None, 0),
    (["report", "fg", "again.html"], None, 0),
    (["new-family", "unlike", "drafted"], "new_family", 0),
]


def make_changed(place):
    """A model with other values, one of a family that has no converter, and an export of a training run."""
    shutil.copytree(place / "fl_trained", place / "fl_run/export/fast_llm/1")
    for name in ("changed", "unlike"):
        shutil.copytree(place / "Qwen3-0.6B", place / name)
    held = tensors(place / "changed")
    dtype, shape, data = held[NORM]
    held[NORM] = dtype, shape, bytes(2) + data[2:]
    for path in (place / "changed").glob("*.safetensors"):
        write_safetensors(path, held)
    config = load(place / "unlike/config.json") | {"model_type": "unlike"}
    (place / "unlike/config.json").unlink()
    (place / "unlike/config.json").write_text(json.dumps(config))
    (place / "broken.json").write_text("{")


def every_command(tally, fgconv):
    """Each command prints an object with --json, or refuses it with one."""
    described = json.loads(subprocess.run([fgconv, "help", "--json"], capture_output=True, text=True).stdout)
    for command in [row["name"] for row in described["commands"]]:
        done = subprocess.run([fgconv, command, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment())
        printed = parsed(done.stdout)
        tally.check(f"{command} --json: one object on stdout", isinstance(printed, dict), done.stdout[:300] + done.stderr)


def members(schema):
    """The names of all members that a part of the schema describes, of the parts that it refers to as well."""
    if "$ref" in schema:
        return members(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    below = [*schema.get("properties", {}).values(), *(schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict))]
    return set(schema.get("properties", {})).union(*map(members, below))


def held_in(value):
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set(value if isinstance(value, dict) else ()).union(*map(held_in, below))


def outputs(tally, fgconv, place):
    """What commands without a report print with --json."""
    seen = {}
    make_changed(place)
    for arguments, part, expected in OUTPUTS:
        name = "fgconv --json " + " ".join(arguments)
        done = subprocess.run([fgconv, "--json", *arguments], cwd=place, capture_output=True, text=True, env=environment())
        if not tally.check(f"{name}: exit {expected}", done.returncode == expected, done.stdout[-300:] + done.stderr):
            continue
        printed = parsed(done.stdout)
        described = SCHEMA["$defs"][part] if part else SCHEMA
        found = all_problems(printed, described)
        if not tally.check(f"{name}: one object, as the schema says", isinstance(printed, dict) and printed and not found, "\n".join(found)):
            continue
        tally.check(f"{name}: the schema refuses more", problems({**printed, "extra": 1}, described, SCHEMA))
        if not part:
            continue
        seen.setdefault(part, set()).update(held_in(printed))
    for part, keys in seen.items():
        missing = members(SCHEMA["$defs"][part]) - keys - {"missing_prefix", "prefix", "lacking"}
        tally.check(f"{part}: every member of the schema was printed", not missing, missing)


def interrupted(tally, fgconv, place):
    """A signal ends a run with an object, too."""
    arguments = ["validate", "--json", "-g", "--max-new-tokens", "1000000", "Qwen3-0.6B", "Qwen3-0.6B"]
    running = subprocess.Popen([fgconv, *arguments], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    out, told = running.communicate(timeout=60)
    error = parsed(out)
    tally.check("SIGINT: one object", error and error["exit"] == running.returncode == 130 and error["what"].startswith("stopped by SIGINT"), out + told)
    tally.check("SIGINT: as the schema says", error and not all_problems(error, SCHEMA["$defs"]["error"]), error)


def old_directory(place):
    """A Forgather directory without the stamps of a version."""
    config = load(place / "run/config.json")
    for key in ("forgather_arch", "forgather_arch_version"):
        config.pop(key, None)
    (place / "old").symlink_to("run")
    (place / "run/config.json").write_text(json.dumps(config))


def can_fail(tally, report):
    """The schema refuses what is no report."""
    changes = {
        "a key that is missing": lambda r: r.pop("source"),
        "a key that is not described": lambda r: r.update(extra=1),
        "a key below that is not described": lambda r: r["proof"].update(extra=1),
        "a wrong type": lambda r: r.update(ranks="2"),
        "a boolean for a number": lambda r: r.update(seconds=True),
        "an unknown status": lambda r: r.update(status="perhaps"),
        "a wrong time": lambda r: r.update(started="yesterday"),
        "a negative size": lambda r: r["source"].update(bytes=-1),
        "a wrong item": lambda r: r["tensors"].append({"name": "x"}),
    }
    for name, change in changes.items():
        changed = copy.deepcopy(report)
        change(changed)
        tally.check(f"the schema refuses {name}", problems(changed, SCHEMA, SCHEMA))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    tally, seen = Tally(), set()
    with tempfile.TemporaryDirectory() as made:
        place = pathlib.Path(made)
        prepare(place, " ".join(text for arguments, *_ in (*RUNS, *OUTPUTS) for text in arguments), fgconv)
        (place / "tokens.yaml").write_text(TOKENS)
        (place / "tmp").mkdir()
        old_directory(place)
        for arguments, path in RUNS:
            name = "fgconv " + " ".join(arguments)
            code, text = run(fgconv, arguments, ranks=0, cwd=place, TMPDIR=str(place / "tmp"))
            if not tally.check(f"{name} is done", code == 0, text):
                continue
            report = load(place / path) if path else json.loads(text[text.index("{"):text.rindex("}") + 1])
            found = all_problems(report, SCHEMA)
            tally.check(f"the schema describes the report of {name}", report and not found, "\n".join(found))
            seen.add(report.get("command"))
            if path == "fg/fgconv_report.json":
                can_fail(tally, report)
        failures(tally, fgconv, place)
        outputs(tally, fgconv, place)
        interrupted(tally, fgconv, place)
    every_command(tally, fgconv)
    commands = set(SCHEMA["properties"]["command"]["enum"])
    tally.check("there is a report of each command that the schema names", seen == commands, f"missing: {commands - seen}")
    page = (ROOT / "docs/report.md").read_text()
    for key in SCHEMA["properties"]:
        tally.check(f"docs/report.md names {key}", f"`{key}`" in page)
    return tally.end()


sys.exit(main())
