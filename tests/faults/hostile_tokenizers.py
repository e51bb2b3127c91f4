"""Hostile tokenizers, templates and texts: growth, patterns that backtrack, added tokens without end, edges of Unicode."""
import json

from hostile_run import load

BPE = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u2581": 3, " ": 4, "<unk>": 5}, "merges": ["a b"], "unk_token": "<unk>", "fuse_unk": False, "byte_fallback": False}


def tokenizer(**parts):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": BPE, **parts}


def token(i, content, **flags):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}


def regex(pattern, behavior="Isolated"):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": False}


def replace(pattern, content):
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def sequence(members, steps):
    return {"type": "Sequence", members: steps}


def growth(h):
    def encodes(c, text, held):
        c.source.mkdir()
        c.write("tokenizer.json", json.dumps(held))
        c.stdin, c.raw = text.encode(), True
        return ["tokenize", c.source, "-"]

    def decodes(c, ids, held):
        c.source.mkdir()
        c.write("tokenizer.json", json.dumps(held))
        c.stdin = json.dumps(ids).encode()
        return ["tokenize", "--decode", c.source, "-"]
    double = replace("a", "aa")
    for name, normalizer in {"Replace that doubles, 60 times": sequence("normalizers", [double] * 60), "Replace by a megabyte": replace("a", "b" * 1000000), "Prepend of a megabyte": {"type": "Prepend", "prepend": "a" * 1000000},
                             "Replace of each character": {"type": "Replace", "pattern": {"Regex": "."}, "content": "x" * 1000}, "Replace of nothing": {"type": "Replace", "pattern": {"Regex": ""}, "content": "x" * 100000},
                             "Prepend 60 times": sequence("normalizers", [{"type": "Prepend", "prepend": "a" * 5000}] * 60)}.items():
        h.refused(f"normalizer: {name}", lambda c, n=normalizer: encodes(c, "ab a" * 100, tokenizer(normalizer=n)), "grows", "tokenizer.json")
        h.either(f"normalizer of a model: {name}", lambda c, n=normalizer: c.model().change("tokenizer.json", lambda d: d.update(normalizer=n)))
        h.refused(f"normalizer of an added token: {name}", lambda c, n=normalizer: encodes(c, "a", tokenizer(normalizer=n, added_tokens=[token(9, "aaaa" * 500, normalized=True)])), "grows")
    h.refused("normalizer: 100 steps", lambda c: encodes(c, "a", tokenizer(normalizer=sequence("normalizers", [double] * 100))), "steps")
    deep = double
    for _ in range(100):
        deep = sequence("normalizers", [deep])
    h.refused("normalizer: sequences 100 deep", lambda c: encodes(c, "a", tokenizer(normalizer=deep)), "nested")
    h.refused("pre-tokenizer: ByteLevel, 60 times", lambda c: encodes(c, "\u00e9" * 1000, tokenizer(pre_tokenizer=sequence("pretokenizers", [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}] * 60))), "grows")
    for name, decoder in {"Replace that doubles, 60 times": sequence("decoders", [double] * 60), "Replace by a megabyte": replace("a", "b" * 1000000)}.items():
        h.refused(f"decoder: {name}", lambda c, d=decoder: decodes(c, [0] * 1000, tokenizer(decoder=d)), "grows")
    h.refused("decoder: a token of a megabyte, 1,000 times", lambda c: decodes(c, [6] * 1000, tokenizer(model={**BPE, "vocab": {**BPE["vocab"], "x" * 1000000: 6}})), "grows")
    h.works("normalizer: a usual one, on 200 kB", lambda c: encodes(c, "a b" * 70000, tokenizer(normalizer=sequence("normalizers", [{"type": "Prepend", "prepend": "\u2581"}, replace(" ", "\u2581")]))))
    spaces = " " * 100000
    patterns = {"(a+)+$": "a" * 5000 + "b", "(a|a)*$": "a" * 5000 + "b", "(a|aa)+$": "a" * 5000 + "b", r"(\s*)*x": spaces, r"\s+x": spaces, r"\s+(?=\s*x)": spaces, "(?:a?){30}a{30}": "a" * 29, "(?=(a+))a*b": "a" * 20000, "(.*)*y": "x" * 20000, "(?<=a)(a*)*c": "a" * 20000,
                "a{1000}{1000}": "a" * 20000, "a{65535}": "a" * 70000, "(" * 300 + "a" + ")" * 300: "a", "(a{1,1000}){1,1000}": "a" * 5000, "[" + "a-z" * 20000 + "]": "abc", "|".join(f"x{i}" for i in range(9000)): "x" * 100000, r"(a)\1": "aa", "(?R)": "a", "(*NO_JIT)(a+)+$": "a", "\\": "a", "[": "a", "(": "a", "a{,5}": "a",
                "": "aaa", "x" * 70000: "x"}
    for i, (pattern, text) in enumerate(patterns.items()):
        h.either(f"pattern {i}: {pattern[:24]}", lambda c, p=pattern, t=text: encodes(c, t, tokenizer(pre_tokenizer=regex(p))))
    gpt = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for name, text in {"spaces": spaces, "spaces and an end": spaces + "x", "newlines": "\n" * 100000, "marks": "!" * 100000, "one word": "x" * 100000, "words": "hello world " * 9000, "digits": "7" * 100000, "apostrophes": "'" * 100000, "spaces and newlines": " \n" * 50000, "carriage returns": " \r" * 50000}.items():
        h.works(f"the pattern of GPT-4 on 100,000 {name}", lambda c, t=text: encodes(c, t, tokenizer(pre_tokenizer=regex(gpt))))


def added(h):
    def model(c, count, declared=0, **more):
        def edit(d):
            base = len(d["model"]["vocab"])
            d["added_tokens"] = [token(base + i, f"<tok_{i}>", **more) for i in range(count)]
        c.model().change("tokenizer.json", edit)
        c.change("tokenizer_config.json", lambda d: d.update(added_tokens_decoder={str(381 + i): token(0, f"<tok_{i}>") for i in range(declared - 1, -1, -1)}))
        return None
    h.works("300,000 added tokens, tokenize", lambda c: model(c, 300000) or ["tokenize", c.source, "a <tok_7> <tok_299999>b"])
    h.works("300,000 added tokens that are normalized", lambda c: model(c, 300000, normalized=True) or ["tokenize", c.source, "a <tok_7> b"])
    for name, counts in {"300,000 added tokens": (300000, 0), "300,000 added tokens, declared backwards": (0, 300000)}.items():
        h.works(f"{name}, convert", lambda c, counts=counts: model(c, *counts) or setattr(c, "memory", 300 << 20) or ["--validate", "none", c.source, c.out])
    h.works("300,000 added tokens whose ids are wrong", lambda c: (model(c, 300000), c.change("tokenizer.json", lambda d: [t.update(id=t["id"] + 7) for t in d["added_tokens"]])) and ["tokenize", c.source, "a"], "more like")
    prefixes = [token(6 + i, "a" * (i + 1)) for i in range(4000)]
    h.refused("added tokens that begin alike, in a text of them", lambda c: (c.source.mkdir(), c.write("tokenizer.json", json.dumps(tokenizer(added_tokens=[token(6, "a" * 4000 + "b"), token(7, "c")])))) and setattr(c, "stdin", b"a" * 100000) or ["tokenize", c.source, "-"], "added tokens")
    h.works("4,000 added tokens, each the beginning of the next", lambda c: (c.source.mkdir(), c.write("tokenizer.json", json.dumps(tokenizer(added_tokens=prefixes)))) and setattr(c, "stdin", b"a" * 100000) or ["tokenize", c.source, "-"])
    rows = {"an id of 2^31": token(2**31, "x"), "an id of -1": token(-1, "x"), "an id of 1e308": token(1e308, "x"), "an id that is a text": token("1", "x"), "no content": {"id": 6}, "content of a megabyte": token(6, "x" * 1000000), "content with NUL": token(6, "a\0b"), "content with ESC": token(77, "\x1b[2J"),
            "an empty content": token(6, ""), "flags that are texts": token(6, "x", special="yes"), "an unknown flag": token(6, "x", evil=1), "a list": [], "half a surrogate": token(6, "\ud800"), "an override of direction": token(77, "\u202ex")}
    for name, row in rows.items():
        h.either(f"added token: {name}", lambda c, row=row: (c.source.mkdir(), c.write("tokenizer.json", json.dumps(tokenizer(added_tokens=[row])))) and ["tokenize", c.source, "ab"])
        h.either(f"added token of a model: {name}", lambda c, row=row: c.model().change("tokenizer.json", lambda d: d["added_tokens"].append(row)))
    vocabularies = {"an id of 2^24": {"a": 2**24}, "an id of 2^63 - 1": {"a": 2**63 - 1}, "an id of -1": {"a": -1}, "an id of 1.5": {"a": 1.5}, "ids that are equal": {"a": 0, "b": 0}, "a list": [["a", 0]], "null": None, "300,000 tokens": {f"t{i}": i for i in range(300000)}, "a token with ESC": {"\x1b[2J": 0}, "an empty token": {"": 0}, "ids of 16,000,000": {"a": 16000000}}
    for name, vocabulary in vocabularies.items():
        h.either(f"vocabulary: {name}", lambda c, v=vocabulary: (c.source.mkdir(), c.write("tokenizer.json", json.dumps(tokenizer(model={**BPE, "vocab": v, "merges": [], "unk_token": None})))) and ["tokenize", c.source, "ab"])
    merges = {"200,000 of one pair": ["a b"] * 200000, "of tokens that are not there": ["x y"], "of three": ["a b a"], "of nothing": [""], "of numbers": [[1, 2]], "of one": [["a"]], "with ESC": ["\x1b \x1b"], "an object": {}, "that make what is not there": ["b a"]}
    for name, list_ in merges.items():
        test = h.works if name.startswith("200") else h.either
        test(f"merges: {name}", lambda c, m=list_: (c.source.mkdir(), c.write("tokenizer.json", json.dumps(tokenizer(model={**BPE, "merges": m})))) and ["tokenize", c.source, "ab"])
    for name, change in {"a type of ESC": {"model": {"type": "\x1b[2J"}}, "WordPiece": {"model": {"type": "WordPiece", "vocab": {}}}, "a template of 1,000 texts": {"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 60, "pair": [], "special_tokens": {}}},
                         "a template of 10^6 tokens": {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}], "pair": [], "special_tokens": {"x": {"id": "x", "ids": [0] * 1000000, "tokens": []}}}}, "a decoder of ESC": {"decoder": {"type": "\x1b[2J"}},
                         "a normalizer of code": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "an unknown part": {"\x1b[2J": 1}, "a Sequence in itself": {"pre_tokenizer": sequence("pretokenizers", [sequence("pretokenizers", [])] * 5)}}.items():
        h.either(f"tokenizer: {name}", lambda c, change=change: (c.source.mkdir(), c.write("tokenizer.json", json.dumps(tokenizer(**change)))) and ["tokenize", c.source, "ab"])


def texts(h):
    for name, text in {"invalid UTF-8": b"\xff\xfe\x80", "NUL": b"a\0b", "half a surrogate": b"\xed\xa0\x80", "100,000 combining marks": b"a" + b"\xcc\x81" * 100000, "non-characters": b"\xef\xbf\xbe\xf4\x8f\xbf\xbf", "100,000 joiners": b"\xe2\x80\x8d" * 100000, "Hangul": "\u1100\u1161".encode() * 30000, "an override of direction": "\u202e".encode() * 1000,
                       "a line of 400 kB": b"x" * 400000, "100,000 lines": b"a\n" * 100000, "BOM": b"\xef\xbb\xbfab", "what is beyond Unicode": b"\xf4\x90\x80\x80", "Zalgo": "a\u0335\u0327\u0334".encode() * 20000}.items():
        h.works(f"tokenize: {name}", lambda c, text=text: setattr(c.model(), "stdin", text) or setattr(c, "raw", True) or ["tokenize", c.source, "-"])
        h.either(f"tokenize as JSON lines: {name}", lambda c, text=text: setattr(c.model(), "stdin", text) or ["tokenize", "--jsonl", c.source, "-"])
        def nfc(c, text=text):
            c.source.mkdir()
            c.write("tokenizer.json", json.dumps(tokenizer(normalizer={"type": "NFC"})))
            c.stdin = text
            return ["tokenize", c.source, "-"]
        h.works(f"NFC: {name}", nfc)
    for name, ids in {"2^32": "[4294967296]", "-1": "[-1]", "a text": '["a"]', "nested": "[" * 100000, "beyond the vocabulary": "[999999]", "1e308": "[1e308]", "nothing": "", "ESC": "\x1b[2J", "1,000,000 ids": json.dumps([5] * 1000000)}.items():
        h.either(f"tokenize --decode: {name}", lambda c, ids=ids: setattr(c.model(), "stdin", ids.encode()) or ["tokenize", "--decode", c.source, "-"])
    templates = {"40 MB": "x" * 40000000, "invalid UTF-8": b"\xff\xfe", "NUL": b"a\0b", "code": "{{ ''.__class__.__mro__[1].__subclasses__() }}", "a loop": "{% for i in range(10**9) %}x{% endfor %}", "ESC": "\x1b[2J", "200,000 braces": "{{" * 200000, "nothing": ""}
    for name, text in templates.items():
        h.either(f"chat template: {name}", lambda c, text=text: c.model().write("chat_template.jinja", text) and None)
        h.either(f"chat template of an option: {name}", lambda c, text=text: c.model().write("../t.jinja", text) and ["-t", c.folder / "t.jinja", c.source, c.out])
        h.either(f"chat template in tokenizer_config.json: {name}", lambda c, text=text: c.model().change("tokenizer_config.json", lambda d: d.update(chat_template=text if isinstance(text, str) else [text.decode("latin-1")])))
    lists = {"of two, 6 MB in all": [{"name": "default", "template": "x" * 3000000}, {"name": "tool_use", "template": "y" * 3000000}], "of 100,000": [{"name": f"t{i}", "template": "x" * 50} for i in range(100000)], "that is an object": {"default": "x" * 5000000}}
    for name, templates in lists.items():
        h.refused(f"chat templates in a list {name}", lambda c, t=templates: c.model().change("tokenizer_config.json", lambda d: d.update(chat_template=t)), "tokenizer_config.json", "expected at most")
    prompts = {"100,000 characters": "a" * 100000, "ESC": "\x1b[2J", "invalid UTF-8": "\udcff\udcfe", "nothing": "", "an override of direction": "\u202e", "added tokens": "<|begin_of_text|>" * 200}
    for name, text in prompts.items():
        h.either(f"--prompt: {name}", lambda c, text=text: c.model() and ["--prompt", text, c.source, c.out])
    for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
        for name, value in {"ESC": "\x1b[2J\n", "a megabyte": "x" * 1000000, "a list": ["a"], "an object without content": {}, "a number": 1e308, "not in the vocabulary": "<nowhere>"}.items():
            h.either(f"{key}: {name}", lambda c, key=key, value=value: c.model().change("tokenizer_config.json", lambda d: d.update({key: value})))
    h.either("20,000 additional special tokens", lambda c: c.model().change("tokenizer_config.json", lambda d: d.update(additional_special_tokens=[f"<s{i}>" for i in range(20000)])))
    h.either("model_max_length 1e400", lambda c: c.model().write("tokenizer_config.json", json.dumps(load(c.source / "tokenizer_config.json"))[:-1] + ', "model_max_length": 1' + "0" * 400 + "}") and None)


def parts(h):
    growth(h)
    added(h)
    texts(h)
