#!/usr/bin/env python3
"""The corpus of what is written as YAML: make.py [TEST_PROGRAM]

Writes values.json, a list of values that are hard to write. With the program of tests/unit/test_base_yaml_write.c it
also lets it write values.yaml, and demands that PyYAML's safe_load gives the same values, types included.
"""
import json, pathlib, random, subprocess, sys

here = pathlib.Path(__file__).parent
random.seed(11)
words = """yes Yes no NO on off true TRUE null Null NULL ~ y n Y N nan .nan .inf -.inf = << 1e-05 1E5 1.0 .5 5. 1_000 0x1f 0b11
017 08 190:20:30 1:30.5 2001-12-14 2001-12-14t21:59:43.10-05:00 +1 -1 +.5 0.4.0 1.2.3 - -- --- ... ? : , [ ] { } # & * ! | > % @ ` ' " a:b a#b
silu gelu_pytorch_tanh model_0.safetensors decoder.0.mixer.query.weight/weights float32 null_ nulls yesterday e1 E""".split()
words += ["", " ", "a b", " a", "a ", "a: b", "a #b", "a\tb", "a\nb", "\n", "a\n", "\n\n a", "- a", "? a", ": a", "it's", 'say "x"', "back\\slash", "é", "日本", "𝔘",
          "\u0085", "\u2028", "\ufeff", "\u007f", "\u0001", "\x1b[0m", "\r", "\r\n", "tail:", "a, b", "{a}", "[a]", "!!str a", "&a b", "*a", "%TAG", "@x", "x" * 300, "ü" * 400, "a " * 700 + "b"]
numbers = [0, 1, -1, 10**18 - 1, -(10**17), 10**15, 0.0, -0.0, 1.0, 0.5, 1e-05, 1e-06, 1.5e-07, 1e-10, 1e15, 1e16, 1e17, 1.25e22, 1e300, 5e-324, 0.1, 1 / 3, 500000.0,
           1.2079441541679836, 123456789012345680.0, 1e-4, 12345.678e-9, True, False, None]


def value(depth):
    kind = random.random()
    if depth == 0 or kind < 0.4:
        return random.choice(words) if random.random() < 0.6 else random.choice(numbers)
    if kind < 0.7:
        return [value(depth - 1) for _ in range(random.randrange(4))]
    return {random.choice(words): value(depth - 1) for _ in range(random.randrange(4))}


values = words + numbers + [{w: w} for w in words] + [[], {}, [[]], [{}], {"a": []}, {"a": {}}, [[[1], 2], [3]], [{"a": [{"b": 1, "c": [2]}]}]]
values += [value(5) for _ in range(250)]
(here / "values.json").write_text(json.dumps(values, ensure_ascii=True, indent=None, separators=(",", ":")) + "\n")


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(sorted(a)) == list(sorted(b)) and all(same(a[k], b[k]) for k in a)
    return repr(a) == repr(b)


if len(sys.argv) > 1:
    import yaml

    text = subprocess.run([sys.argv[1], "write"], check=True, capture_output=True).stdout
    (here / "values.yaml").write_bytes(text)
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        read = yaml.load(text, Loader=loader)
        wrong = [(a, b) for a, b in zip(values, read) if not same(a, b)]
        assert len(read) == len(values) and not wrong, wrong[:5]
    print(f"{len(values)} values are read back by PyYAML {yaml.__version__} as they were")
