#!/usr/bin/env python3
"""Prompts and generation, as whole runs: generate.py --fgconv build/fgconv

The tokens and their text are the same for every number of ranks, more than blocks among them, greedy and drawn, written and as a dry run; a
generation stops at any end token; models that go on differently are exit 10 and nothing is published; which prompts are warned of and refused.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "faults"), str(TESTS / "slurm")]
from big_model import numbers, write_model
from checkpoint import DATA, Tally, environment, load, run
from mutations import LAYER, Weights, copied_converters, projections, scale

GOLDEN = DATA / "golden"
LLAMA = GOLDEN / "llama_tied_rope3_bf16_sharded/hf"  # 3 blocks, several end tokens
UNTIED = GOLDEN / "llama_untied_fp32/hf"  # 2 blocks, no pad token, generation_config.json with sampling
BARE = DATA / "model/llama/hf"  # no tokenizer
RANKS = (0, 1, 2, 3, 5, 8)
LASTING = ("passed", "prompt_tokens", "tokens", "text", "stopped_by", "greedy", "temperature", "top_p", "top_k", "seed", "eos_token_id")
tally = Tally()


def generation(fgconv, folder, options, source=UNTIED, ranks=0, expected=0):
    """Exit code checked; the report's part and what was printed."""
    report = pathlib.Path(folder) / "report.json"
    report.unlink(missing_ok=True)
    # a line of progress may fall into the text while it is printed
    code, text = run(fgconv, ["-g", "--progress", "none", *options, "--report", report, source, pathlib.Path(folder) / "out"], ranks=ranks)
    shutil.rmtree(pathlib.Path(folder) / "out", ignore_errors=True)
    tally.check(f"{source.parent.name} {' '.join(map(str, options))}, {ranks or 'no'} ranks: exit {expected}", code == expected, f"{code}: {text}")
    held = load(report).get("generation", {})
    return {key: held[key] for key in LASTING if key in held}, text


def visible(text):
    """As it is printed: without characters that a terminal obeys, but for ends of lines and tabs."""
    return "".join(c if c >= " " and not "\x7f" <= c < "\xa0" or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def same_for_all(fgconv, name, options, source):
    first = None
    with tempfile.TemporaryDirectory() as folder:
        for ranks in RANKS:
            held, text = generation(fgconv, folder, options, source, ranks)
            first = first or held
            tally.check(f"{name}: {ranks or 'no'} ranks generate the same", held == first and held["tokens"], (held, first))
            shown = held["text"] if held["text"] is not None else " ".join(map(str, held["tokens"]))
            tally.check(f"{name}: {ranks or 'no'} ranks print it", visible(shown) in text and " a second, stopped by " in text, text)
        held, _ = generation(fgconv, folder, ["--dry-run", *options], source, 2)
        tally.check(f"{name}: so does a dry run", held == first, (held, first))
    return first


def large_vocabulary(fgconv):
    """A head of 32 panels, so that every rank chooses from some; first as it is written, with each row eight times: the lowest id wins."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "large" / "hf"
        write_model(source, layers=1)
        options = ["--token-ids", "8000,1,4000", "--validate", "none", "--no-fsync", "--max-new-tokens", "8"]
        held = same_for_all(fgconv, "equal logits", options, source)
        tally.check("of equal logits the lowest id is taken", max(held["tokens"]) < 1024, held)
        weights = Weights(source)
        weights["lm_head.weight"][2] = bytearray().join(numbers(1 << 20) for _ in range(8))
        weights.save()
        held = same_for_all(fgconv, "large vocabulary", options, source)
        tally.check("all of the vocabulary is looked at", max(held["tokens"]) >= 1024, held)
        same_for_all(fgconv, "large vocabulary, drawn", [*options, "--temperature", "1.5", "--seed", "4"], source)


def sampling(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        greedy, text = generation(fgconv, folder, ["--max-new-tokens", "12"])
        tally.check("greedy in spite of do_sample, which is said", greedy["greedy"] and text.count("use --sample to sample") == 1, text)
        tally.check("as many tokens as asked for", len(greedy["tokens"]) == 12 and greedy["stopped_by"] == "limit", greedy)
        cold, _ = generation(fgconv, folder, ["--max-new-tokens", "12", "--temperature", "0", "--seed", "3"])
        tally.check("temperature 0 is greedy", cold == greedy, cold)
        drawn, _ = generation(fgconv, folder, ["--max-new-tokens", "12", "--sample"])
        tally.check("--sample takes generation_config.json's settings",
                    (drawn["greedy"], drawn["temperature"], drawn["top_p"], drawn["seed"]) == (False, 0.6, 0.9, 0), drawn)
        hot = [generation(fgconv, folder, ["--max-new-tokens", "12", "--temperature", "5", "--top-p", "1", "--seed", seed])[0]["tokens"]
               for seed in ("1", "1", "2")]
        tally.check("the same seed gives the same tokens, another one others", hot[0] == hot[1] != hot[2], hot)
        narrow, _ = generation(fgconv, folder, ["--max-new-tokens", "12", "--temperature", "5", "--top-p", "0", "--seed", "1"])
        tally.check("top-p 0 is greedy", narrow["tokens"] == greedy["tokens"], narrow)


def with_ends(source, target, file, ends):
    shutil.copytree(source, target)
    held = load(target / file)
    held["eos_token_id"] = ends
    (target / file).write_text(json.dumps(held))


def end_tokens(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        free, _ = generation(fgconv, folder, ["--max-new-tokens", "12"])
        end = next(t for i, t in enumerate(free["tokens"]) if i > 1 and t not in free["tokens"][:i])
        wanted = free["tokens"][:free["tokens"].index(end) + 1]
        for name, file, ends in (("config", "config.json", end), ("config's list", "config.json", [380, end]),
                                 ("generation_config", "generation_config.json", end),
                                 ("generation_config's list", "generation_config.json", [380, 382, end])):
            source = folder / name.replace(" ", "_") / "hf"
            with_ends(UNTIED, source, file, ends)
            held, text = generation(fgconv, folder, ["--max-new-tokens", "12"], source, ranks=2)
            good = held["tokens"] == wanted and held["stopped_by"] == "eos" and held["eos_token_id"] == end
            tally.check(f"an end token of {name} ends it", good and f"stopped by the end token {end}" in text, (held, wanted, text))


def differences(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        code, text = run(fgconv, [UNTIED, folder / "good"], ranks=0)
        tally.check("control: a conversion", code == 0, text)
        shutil.copytree(folder / "good", folder / "bad")
        weights = Weights(folder / "bad")
        scale(LAYER + "1.norm2.weight", 40.0)(weights)
        weights.save()
        for ranks in (0, 3):
            code, text = run(fgconv, ["validate", "-g", UNTIED, folder / "bad"], ranks=ranks)
            tally.check(f"a damaged weight, {ranks or 'no'} ranks: the logits say it first", code == 10 and "the logits of" in text and "a second" not in text,
                        f"{code}: {text}")
            report = folder / "report.json"
            code, text = run(fgconv, ["validate", "-g", "--atol", "1e9", "--report", report, UNTIED, folder / "bad"], ranks=ranks)
            held = load(report)["generation"]
            tally.check(f"a damaged weight, {ranks or 'no'} ranks: tokens differ", code == 10 and "new token" in text and "generate different tokens" in text
                        and text.count("fgconv: error:") == 1, f"{code}: {text}")
            place = held["first_difference"]
            tally.check(f"a damaged weight, {ranks or 'no'} ranks: the report has the place",
                        not held["passed"] and held["stopped_by"] == "difference" and place["token"] == len(held["tokens"]) - 1
                        and place["destination"] == held["tokens"][-1] != place["source"], held)
        copied_converters(folder / "wrong", projections("k", "v"))
        for check in ("none", "bytes"):
            arguments = ["--converter-path", folder / "wrong", "--validate", check, LLAMA, folder / "out"]
            code, text = run(fgconv, ["-g", *arguments], ranks=2)
            tally.check(f"a wrong converter, --validate {check} -g: exit 10", code == 10 and "new token" in text, f"{code}: {text}")
            tally.check(f"a wrong converter, --validate {check} -g: at most a report is left", [p.name for p in folder.glob("out*")] == ["out.fgconv_report.json"], list(folder.iterdir()))
        code, text = run(fgconv, arguments, ranks=0)
        tally.check("control: without -g nobody notices", code == 0, f"{code}: {text}")


def prompts(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        padded = folder / "padded"
        code, text = run(fgconv, ["--prompt", "x[PAD]y", UNTIED, padded], ranks=2)
        tally.check("an added token in the prompt is warned of and named", code == 0 and text.count("disagree about the prompt") == 1
                    and '("[PAD]")' in text, f"{code}: {text}")
        code, text = run(fgconv, ["--dry-run", "--prompt", "x[PAD]y", UNTIED, folder / "none"], ranks=0)
        tally.check("a dry run warns of it too", code == 0 and "disagree about the prompt" in text, f"{code}: {text}")
        code, text = run(fgconv, ["--dry-run", "--prompt", "xy", UNTIED, folder / "none"], ranks=0)
        tally.check("another prompt is not warned of", code == 0 and "cut the prompt" not in text, f"{code}: {text}")
        code, text = run(fgconv, ["validate", "--prompt", "x[PAD]y", UNTIED, padded], ranks=2)
        tally.check("validate: tokenizers that disagree are an error", code == 3 and '("[PAD]")' in text and "--token-ids" in text, f"{code}: {text}")
        code, text = run(fgconv, ["validate", UNTIED, padded], ranks=0)
        tally.check("validate: where they agree it works", code == 0, f"{code}: {text}")
        code, text = run(fgconv, ["validate", "--token-ids", "1,2,3", UNTIED, padded], ranks=0)
        tally.check("validate: so do tokens of one's own", code == 0, f"{code}: {text}")
        code, text = run(fgconv, ["--prompt", "x", "--token-ids", "1", UNTIED, folder / "none"], ranks=0)
        tally.check("--prompt and --token-ids: exit 2", code == 2 and "--prompt and --token-ids" in text, f"{code}: {text}")
        code, text = run(fgconv, ["validate", "--prompt", "x" * 900, UNTIED, UNTIED], ranks=0)
        tally.check("a prompt that is too long is warned of", code == 0 and "max_position_embeddings" in text, f"{code}: {text}")


def without_tokenizer(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        code, text = run(fgconv, ["validate", BARE, BARE], ranks=0)
        tally.check("no tokenizer: drawn tokens, with a warning", code == 0 and "random token ids instead of a prompt" in text, f"{code}: {text}")
        for arguments in (["-g"], ["--prompt", "x"]):
            code, text = run(fgconv, [*arguments, BARE, folder / "out"], ranks=2)
            tally.check(f"no tokenizer, {arguments[0]}: exit 3, nothing is left", code == 3 and "tokenizer.json" in text and not list(folder.iterdir()),
                        f"{code}: {text}")
        held, text = generation(fgconv, folder, ["--token-ids", "5,6,7", "--max-new-tokens", "4"], BARE)
        tally.check("no tokenizer: ids are printed", held["text"] is None and " ".join(map(str, held["tokens"])) in text, (held, text))


def quiet_and_json(fgconv):
    command = [str(pathlib.Path(fgconv).resolve()), "validate", "-g", "--max-new-tokens", "3", str(UNTIED), str(UNTIED)]
    for options in (["--json"], ["-q"]):
        done = subprocess.run([*command, *options], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        good = len(json.loads(done.stdout)["generation"]["tokens"]) == 3 if options == ["--json"] else done.stdout == ""
        tally.check(f"{options[0]}: what is on stdout", done.returncode == 0 and good, done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    same_for_all(fgconv, "greedy", ["--max-new-tokens", "20"], LLAMA)
    same_for_all(fgconv, "drawn, after a prompt", ["--prompt", "Once, by the sea", "--sample", "--seed", "11", "--max-new-tokens", "20"], UNTIED)
    same_for_all(fgconv, "cast, one token", ["--dtype", "float16", "--max-new-tokens", "1", "--validate", "none"], LLAMA)
    large_vocabulary(fgconv)
    sampling(fgconv)
    end_tokens(fgconv)
    differences(fgconv)
    prompts(fgconv)
    without_tokenizer(fgconv)
    quiet_and_json(fgconv)
    return tally.end()


sys.exit(main())
