#!/usr/bin/env python3
"""The page of a report: page.py --fgconv build/fgconv

It is whole by itself, holds the report it was made from, stays small for a large model, and no text of a checkpoint becomes markup. Where Chromium is installed, it
opens the page.
"""
import html
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "bench")]
import models
from checkpoint import DATA, Tally, environment, load, run, run_parts, tensors

GOLDEN = DATA / "golden"
HOSTILE = "</script><img src=x onerror=alert(1)>"
LIMIT = 200_000
tally = Tally()


class Page(html.parser.HTMLParser):
    """The elements of a page, its headings and the report in it."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.headings, self.attributes, self.embedded, self.inside = [], [], [], "", None
        self.feed(pathlib.Path(path).read_text())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.embedded += data
        if self.inside == "h2":
            self.headings.append(data)


def is_whole(name, path, report):
    page = Page(path)
    names = {key for key, _ in page.attributes}
    tally.check(f"{name}: nothing from elsewhere", not names & {"src", "href", "onerror", "onload"} and not {"img", "link", "iframe"} & set(page.elements), names)
    tally.check(f"{name}: one script element, of data", page.elements.count("script") == 1 and ("type", "application/json") in page.attributes)
    tally.check(f"{name}: it holds the report", json.loads(page.embedded) == report, page.embedded[:300])
    tally.check(f"{name}: less than {LIMIT // 1000} kB", path.stat().st_size < LIMIT, path.stat().st_size)
    return page


def converted(fgconv, folder):
    """With added tokens, one of which is hostile, and a cast; in a directory with a hostile name."""
    source, out, page = folder / "a<b>&'c", folder / "out", folder / "page.html"
    shutil.copytree(GOLDEN / "llama_untied_fp32/hf", source, copy_function=shutil.copyfile)
    (folder / "tokens.yaml").write_text(f'special_tokens: ["{HOSTILE}"]\n')
    code, text = run(fgconv, ["--dtype", "float16", "--add-tokens", folder / "tokens.yaml", "--html", page, source, out])
    if not tally.check("convert --html", code == 0, text):
        return
    report = load(out / "fgconv_report.json")
    found = is_whole("convert --html", page, report)
    expected = ["Difference by block", "Tensors", "Files", "Configuration", "Ranks", "Logits and rounding", "Tokens", "More"]
    tally.check("its sections, in order", found.headings == expected, found.headings)
    half_blocks = len(report["proof"]["half_blocks"])
    tally.check("a mark for each half-block and for the logits", found.elements.count("circle") == half_blocks + 1, half_blocks)
    markup = page.read_text()
    hardware = report["hardware"]
    computed = f"{', '.join(hardware['processors'])}, {hardware['kernels']} kernels of OpenBLAS"
    tally.check("what it was computed on", hardware["device"] == "cpu" and computed in markup, hardware)
    warnings = report["warnings"]
    top = html.unescape(markup[:markup.index("<h2>")])
    tally.check("its warnings stand below the verdict", warnings and all(w in top for w in warnings) and "see above" not in top, (warnings, top))
    tally.check("no text becomes markup", HOSTILE not in markup and "<img" not in markup and "a<b>" not in markup)
    tally.check("hostile text is shown", "&#60;/script&#62;&#60;img src=x onerror=alert(1)&#62;" in markup)
    code, text = run(fgconv, ["report", out, folder / "again.html"], ranks=0)
    tally.check("fgconv report makes the same page", code == 0 and (folder / "again.html").read_text() == markup, text)
    code, text = run(fgconv, ["report", out, folder / "again.html"], ranks=0)
    tally.check("a page is replaced", code == 0, text)
    (folder / "mine.html").write_text("<!DOCTYPE html>\n<html>mine")
    code, text = run(fgconv, ["report", out, folder / "mine.html"], ranks=0)
    tally.check("another file is not", code == 2 and "is not a page of fgconv" in text and "mine" in (folder / "mine.html").read_text(), text)
    done = subprocess.run([fgconv, "report", out / "fgconv_report.json"], capture_output=True, text=True, env=environment())
    tally.check("without OUT it is printed", done.returncode == 0 and done.stdout == markup, done.stderr)
    code, text = run(fgconv, ["report", source / "config.json"], ranks=0)
    tally.check("what is no report is refused", code == 3 and "not a report" in text, text)
    code, text = run(fgconv, ["verify", "--html", folder / "verify.html", source, out], ranks=0)
    tally.check("verify --html", code == 0 and (folder / "verify.html").exists(), text)
    code, text = run(fgconv, ["--html", folder / "x", "--report", folder / "x", source, folder / "third"], ranks=0)
    tally.check("a page and a report of one name are refused", code == 2 and "--report and --html both name" in text, text)


def names_of(template):
    """layers.{0..2}.weight -> its three names."""
    match = re.search(r"\{(\d+)\.\.(\d+)\}", template)
    if not match:
        return [template]
    return [n for i in range(int(match[1]), int(match[2]) + 1) for n in names_of(template[:match.start()] + str(i) + template[match.end():])]


def leaves(value, path=""):
    if isinstance(value, dict) and value:
        return {k: v for key, member in value.items() for k, v in leaves(member, f"{path}/{key}" if path else key).items()}
    return {path: value}


def what_the_report_says(fgconv, folder):
    """Tensors by template, keys of the configuration and figures for each rank, against the files."""
    source, out = GOLDEN / "llama_tied_rope3_bf16_sharded/hf", folder / "out"
    code, text = run(fgconv, ["--to", "forgather", source, out], ranks=3)
    if not tally.check("a conversion by 3 ranks", code == 0, text):
        return
    report, held = load(out / "fgconv_report.json"), tensors(out)
    expanded = {name: entry for entry in report["map"] for name in names_of(entry["name"])}
    if not tally.check("map: the names are those of the tensors", set(expanded) == set(held), set(expanded) ^ set(held)):
        return
    wrong = [name for name, (dtype, shape, _) in held.items() if expanded[name]["shape"] != shape or expanded[name]["dtype"] != dtype]
    tally.check("map: their shapes and types", not wrong, wrong)
    sizes = [sum(len(held[name][2]) for name in names_of(entry["name"])) for entry in report["map"]]
    tally.check("map: their bytes", sizes == [entry["bytes"] for entry in report["map"]], sizes)
    given = set(tensors(source))
    unknown = {n for entry in report["map"] for source_name in entry["sources"] for n in names_of(source_name)} - given
    tally.check("map: the sources are tensors", not unknown, unknown)
    tally.check("map: operations", {e["operation"] for e in report["map"]} == {"copy"}, [e["operation"] for e in report["map"]])

    before, after = leaves(load(source / "config.json")), leaves(load(out / "config.json"))
    rules = {}
    for entry in report["config"]["keys"]:
        rules.setdefault(entry["rule"], set()).add(entry["key"])
    both = set(before) & set(after)
    tally.check("keys: carried", rules["carried"] == {k for k in both if before[k] == after[k]}, rules["carried"])
    tally.check("keys: changed", rules.get("changed", set()) == {k for k in both if before[k] != after[k]}, rules.get("changed"))
    tally.check("keys: made", rules["made"] == set(after) - set(before), rules["made"])
    tally.check("keys: the rest of the source", rules.get("left_out", set()) | rules.get("renamed", set()) == set(before) - set(after), rules)
    declared = {e["key"]: e.get("declared", "") for e in report["config"]["keys"]}
    tally.check("keys: the rule that claims them", declared["hidden_size"].endswith(" hidden_size") and ".json:" in declared["hidden_size"], declared)

    ranks = report["per_rank"]
    tally.check("ranks: each has its figures", [r["rank"] for r in ranks] == [0, 1, 2] and all(r["peak_bytes"] > 1 << 20 for r in ranks), ranks)
    tally.check("ranks: their bytes are those of the whole", all(sum(r[k] for r in ranks) == report["rates"][k] for k in ("bytes_read", "bytes_written")), ranks)


def differing(fgconv, folder):
    """Exit 10 leaves the report next to DST, and the page that was asked for. gelu is only approximated in Fast-LLM."""
    source, out = folder / "hf", folder / "out"
    shutil.copytree(DATA / "model/llama/hf", source, copy_function=shutil.copyfile)
    config = load(source / "config.json")
    (source / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu"}))
    code, text = run(fgconv, ["--to", "fast_llm", "--html", folder / "page.html", source, out])
    left = folder / "out.fgconv_report.json"
    if not tally.check("a conversion that differs leaves its report", code == 10 and left.exists() and not out.exists(), f"{code}: {text}"):
        return
    page = is_whole("a conversion that differs", folder / "page.html", load(left))
    tally.check("its verdict", "<b>differ</b>" in (folder / "page.html").read_text() and page.headings[0] == "Difference by block", page.headings)
    code, text = run(fgconv, ["--to", "fast_llm", source, out], ranks=0)
    tally.check("a later one replaces it", code == 10 and "there is no report" not in text, text)
    left.write_text("mine")
    code, text = run(fgconv, ["--to", "fast_llm", source, out], ranks=0)
    tally.check("another file stays", code == 10 and left.read_text() == "mine" and "there is no report of what differs" in text, text)


def large(fgconv, folder):
    """A plan for 405 billion parameters, from headers alone; and what its proof would be."""
    models.write(folder / "hf", layers=126, hidden=16384, inter=53248, heads=128, kv_heads=8, vocab=128256, shards=190)
    path = folder / "plan.html"
    code, text = run(fgconv, ["--dry-run", "--validate", "none", "--html", path, folder / "hf", folder / "out"], ranks=0)
    if not tally.check("405 billion parameters: a plan", path.exists() and code in (0, 4), f"{code}: {text}"):
        return
    page = Page(path)
    report = json.loads(page.embedded)
    tally.check("405 billion parameters: less than 200 kB", path.stat().st_size < LIMIT, path.stat().st_size)
    layers = [e for e in report["map"] if e["tensors"] == 126]
    tally.check("405 billion parameters: tensors by template", len(layers) == 9 and all("{0..125}" in e["name"] for e in layers), report["map"])
    entry = {"max_abs": 1.2345678901234567e-05, "relative": 1.2345678901234567e-06, "cosine": 0.99999123456789}
    report["proof"] = {"kind": "logits", "verdict": "differ", **entry}
    report["proof"]["half_blocks"] = [{"part": "embedding", **entry}, *({"part": part, "block": b, **entry} for b in range(126) for part in ("mixer", "mlp", "output"))]
    (folder / "proof.json").write_text(json.dumps(report))
    code, text = run(fgconv, ["report", folder / "proof.json", folder / "proof.html"], ranks=0)
    size = (folder / "proof.html").stat().st_size
    tally.check("405 billion parameters: less than 200 kB with a proof", code == 0 and size < LIMIT, size)


def in_a_browser(fgconv, folder):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    path = folder / "page.html"
    code, text = run(fgconv, ["validate", "--html", path, DATA / "model/llama/hf", DATA / "model/llama/hf"], ranks=0)
    tally.check("validate --html", code == 0 and path.exists(), text)
    if not browser:
        print("     there is no Chromium here")
        return
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--dump-dom", path.as_uri()],
                          capture_output=True, text=True, timeout=120)
    circles = len(re.findall("<circle ", done.stdout))
    tally.check("Chromium shows it", circles == Page(path).elements.count("circle") and circles > 3, done.stdout[:500] + done.stderr[-500:])


sys.exit(run_parts(tally, __doc__, (converted, what_the_report_says, differing, large, in_a_browser)))
