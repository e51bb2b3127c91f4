"""The directories that pages speak of, made of the small models of tests/data. Their names are those of real models; their weights are not."""
import os
import re
import shutil
import subprocess
import time

from checkpoint import DATA, ROOT, environment

GOLDEN, FAST_LLM = DATA / "golden", DATA / "golden_fast_llm"
RUN = "run"
# name -> what is copied
COPIES = {
    "Llama-3.2-1B-Instruct": GOLDEN / "llama_tied_rope3_bf16_sharded/hf",
    "Mistral-7B-v0.3": GOLDEN / "mistral_window_to_fp32/hf",
    "Qwen3-0.6B": GOLDEN / "qwen3_tied_bf16/hf",
    "Mixtral-8x7B": FAST_LLM / "mixtral/experts4/hf",
    "Pixtral-12B": FAST_LLM / "llava/basic/hf",
    "seed-oss-tiny": DATA / "draft/seed_oss",
    "Dream-7B": FAST_LLM / "dream/basic/hf",
    RUN: GOLDEN / "llama_checkpoints/forgather",
}
TRAINED, TRAINED_FROM = "fl_trained", "Llama-3.2-1B-Instruct"
EXPERIMENT = "fl_run"  # of Fast-LLM
LINKS = ("scripts", "slurm", "converters", "tests", "docs", "src")  # of the repository
DAY = 86400


def age_checkpoints(directory):
    """The training checkpoints become as old as their steps say: a copy loses the times."""
    steps = sorted((directory / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for days, path in enumerate(reversed(steps), 1):
        for held in (*path.iterdir(), path):
            os.utime(held, (time.time() - days * DAY,) * 2)


def make_trained(fgconv, place):
    """A checkpoint as Fast-LLM saves it: float32, and nothing in it but what Fast-LLM knows."""
    made, result = place / ".made", place / TRAINED
    subprocess.run([fgconv, "--quiet", "--to", "fast_llm", "--dtype", "float32", COPIES[TRAINED_FROM], made], check=True, env=environment())
    result.mkdir()
    for name in ("metadata.yaml", "model_0.safetensors", "ok"):
        shutil.copy(made / name, result)
    text = (made / "metadata.yaml").read_text()
    (result / "metadata.yaml").write_text(re.sub(r"^  fgconv:\n(    .*\n)+", "", text, flags=re.M))
    shutil.rmtree(made)


def make_experiment(place):
    """What a training run of Fast-LLM leaves: two steps, the second of which is being saved."""
    place.mkdir()
    (place / "config.yaml").write_text("training:\n  train_iters: 1000\n")
    for step, finished in ((1, True), (2, False)):
        target = place / f"checkpoint/{step}"
        shutil.copytree(DATA / "distributed/checkpoints/llama-training", target)
        if not finished:
            (target / "ok").unlink()


def prepare(place, text, fgconv):
    """Makes in `place` the directories that `text` names."""
    for name, source in COPIES.items():
        if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text):
            shutil.copytree(source, place / name)
            age_checkpoints(place / name)
            if name == RUN:
                (place / name / "llama.py").write_text("# the model's code, which Forgather writes\n")
    if TRAINED in text:
        make_trained(fgconv, place)
    if EXPERIMENT in text:
        make_experiment(place / EXPERIMENT)
    for name in LINKS:
        if f"{name}/" in text:
            (place / name).symlink_to(ROOT / name)
