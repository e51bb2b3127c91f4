#!/usr/bin/env python3
"""Makes the corpus of the tokenizer tests and what HF tokenizers makes of it.

    python tests/data/vocab/make.py                    corpus.jsonl anew, then all expected ids
    python tests/data/vocab/make.py NAME DIR           puts DIR/tokenizer.json and tokenizer_config.json here as NAME/*.xz
                                                       first, then makes the expected ids of NAME

Needs the package tokenizers (0.23.3 made what lies here). Each line of corpus.jsonl is a JSON string, or {"bytes": "hex"} for
bytes that are no UTF-8. Each line of NAME/expected.jsonl.xz belongs to the line of the corpus: {"ids": [...]}, with
"special" where the post-processor changes the ids, and "text" where decoding does not give the text back.

The texts are made here by a seeded generator: words of many scripts at random, code, numbers, white space, every block of
Unicode up to 16, sequences that NFC changes, and special tokens of the five tokenizers.
"""
import json
import lzma
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["gemma3", "llama2", "llama3", "qwen3", "smollm2"]
SPECIAL = ["<s>", "</s>", "<unk>", "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|im_start|>",
           "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<tool_call>", "<bos>", "<eos>", "<start_of_turn>",
           "<end_of_turn>", "<mask>", "[multimodal]", "<unused7>", "<table>", "<h1>", "</b>", "<image_soft_token>", "<repo_name>",
           "<|reserved_special_token_5|>", "<0x0A>", "<0xE2>", "<pad>", "<|vision_pad|>"]
SCRIPTS = {
    "latin": (0x61, 0x7A), "latin1": (0xC0, 0xFF), "latin_ext": (0x100, 0x24F), "ipa": (0x250, 0x2AF), "greek": (0x391, 0x3C9),
    "cyrillic": (0x410, 0x44F), "armenian": (0x561, 0x586), "hebrew": (0x5D0, 0x5EA), "arabic": (0x627, 0x64A),
    "devanagari": (0x905, 0x94D), "bengali": (0x985, 0x9B9), "gurmukhi": (0xA05, 0xA39), "tamil": (0xB85, 0xBB9),
    "telugu": (0xC05, 0xC39), "thai": (0xE01, 0xE3A), "lao": (0xE81, 0xEB9), "tibetan": (0xF40, 0xFBC), "myanmar": (0x1000, 0x103F),
    "georgian": (0x10D0, 0x10FA), "jamo": (0x1100, 0x11FF), "ethiopic": (0x1200, 0x135A), "cherokee": (0x13A0, 0x13F4),
    "khmer": (0x1780, 0x17D3), "mongolian": (0x1800, 0x1878), "hiragana": (0x3041, 0x3096), "katakana": (0x30A1, 0x30FA),
    "han": (0x4E00, 0x9FFF), "hangul": (0xAC00, 0xD7A3), "han_ext": (0x20000, 0x20100), "math": (0x1D400, 0x1D7FF),
    "emoji": (0x1F300, 0x1F64F), "digits_arabic": (0x660, 0x669), "fullwidth": (0xFF01, 0xFF5E),
}
NEWER = [0x1C89, 0xA7CB, 0xA7DA, 0x105C0, 0x105C9, 0x10D40, 0x10D4A, 0x10D69, 0x10EC2, 0x10EFD, 0x1123F, 0x11241, 0x11380, 0x113B8,
         0x116D0, 0x11BC0, 0x11BF0, 0x11DE0, 0x11F02, 0x11F34, 0x11F50, 0x13440, 0x13460, 0x16100, 0x1611E, 0x16130, 0x16D40,
         0x16D63, 0x16D70, 0x16FF4, 0x18CFF, 0x1B132, 0x1CC00, 0x1CCF0, 0x1D2C0, 0x1DF25, 0x1E030, 0x1E08F, 0x1E4D0, 0x1E4EC,
         0x1E4F0, 0x1E5D0, 0x1E5F1, 0x1F6DC, 0x1FA75, 0x1FAE8, 0x1FAF7, 0x2B739, 0x2EBF0, 0x31350, 0x323AF, 0xCF3, 0xECE, 0x897,
         0x1B4E, 0x2427, 0x2FFC, 0x31EF]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\v", "\f", "\x85", "\xa0", "\u1680", "\u180e", "\u2003", "\u2009",
          "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff", " " * 7, " " * 31, " " * 40, "\t" * 5,
          "\n" * 33, " \n ", "\t \t", "\u2581", "\u2581\u2581"]
MARKS = [0x300, 0x301, 0x302, 0x303, 0x307, 0x308, 0x30A, 0x323, 0x327, 0x328, 0x334, 0x338, 0x340, 0x344, 0x345, 0x5B0, 0x5BC,
         0x64B, 0x651, 0x653, 0x93C, 0x9BE, 0xBBE, 0xF71, 0xF72, 0x302A, 0x3099, 0x309A, 0x7FD, 0x8D3, 0x898, 0x9FE, 0xC3C, 0x1715,
         0x1ABF, 0x1DF6, 0xA82C, 0x11930, 0x1E2EC, 0x10D24, 0x1133B, 0x1145E, 0x16FF0, 0x1D165, 0x20D0, 0xFE20]
COMPOSED = ["\u212b", "\u2126", "\u1e9b\u0323", "\u0344", "\u0958", "\u2adc", "\ufb1d", "\U0001d15e", "\U0002f800", "\uf900", "\u0374",
            "\u1f71", "\u0340", "\u09cb", "\u0b94", "\u0dde", "\u0f43", "\u1025\u102e", "\u30ab\u3099", "\U00011935\U00011930",
            "\U00011938", "\U0001109a", "\U0001112e", "\U00011099\U000110ba", "\U000105d2\u0307", "\uac00\u11a8", "\uac00\u11a7",
            "\uac01\u11a8", "\u1100\u1161", "\u1100\u1161\u11a8", "\u1100\u1161\u11c3", "\u1112\u1175\u11c2", "\u1113\u1161"]
CODE = ["def f(x):\n    return x ** 2 if x else None\n", "for (int i = 0; i < n; i++) {\n\t\ta[i] += b[i] << 3;\n}",
        "SELECT * FROM t WHERE a >= 10 AND b != 'x';", "<div class=\"a\">&nbsp;<br/></div>", "#include <stdio.h>\r\n#define X(y) (y)\r\n",
        "{\"key\": [1, 2.5e-3, null, true], \"s\": \"\\u00e9\\n\"}", "\\frac{a}{b} \\sum_{i=0}^{\\infty} x_i", "$ ls -la | grep 'x' > /dev/null 2>&1",
        "let v: Vec<&'static str> = vec![\"a\", \"b\"]; // don't", "https://example.org/a?b=c&d=%20e#f", "user@example.com, v1.2.3-rc4+5",
        "\x1b[31mred\x1b[0m", "    if a:\n        b()\n\n\n    else:\n\tc()\n"]
PROSE = ["It's what we've done; they'll say I'm sure you'd've known. DON'T! CAN'T, we'RE 'sure' O'Neill's", "Hello, world!",
         "The quick brown fox jumps over the lazy dog.", "na\u00efve caf\u00e9 co\u00f6perate \u2014 \u201cquoted\u201d\u2026", "it'\u017f '\u017ft 'LL 'Re \u212aelvin",
         "\u4f60\u597d\uff0c\u4e16\u754c\uff01\u8fd9\u662f\u4e00\u4e2a\u6d4b\u8bd5\u3002", "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059\u3002", "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
         "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
         "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01", "Ti\u1ebfng Vi\u1ec7t", "Gr\u00fc\u00dfe aus K\u00f6ln", "\u0391\u03bb\u03c6\u03b1 \u03b2\u03ae\u03c4\u03b1", "a" * 300, "ab " * 120, "=" * 90, "!?" * 50]
EMOJI = ["\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f44d\U0001f3fd", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f1e9\U0001f1ea",
         "1\ufe0f\u20e3", "\u2764\ufe0f", "\U0001f9d1\U0001f3ff\u200d\U0001f680", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\u263a", "\U0001fae8"]
NUMBERS = ["0", "7", "42", "007", "123", "1234", "12345", "1234567890", "3.14159", "-1e-10", "1,000,000", "0xFF", "\u00bd\u00b2\u2075", "\u2160\u2167", "\u0664\u0665",
           "\u096a\u096b\u096c", "\u4e00\u4e8c\u4e09", "2024-02-29T23:59:60Z", "\u2460\u2461", "99%", "$1.50", "\uff11\uff12\uff13"]
INVALID = ["80", "ff", "c3", "c328", "e282", "e28228", "f09f98", "f0288cbc", "eda080", "edbfbf", "c080", "f4908080", "f8888080", "61ff62",
           "e4bda0e5a5", "f09f9880f09f", "20c320", "8080808080", "e0808061", "fefe", "c3a9c3", "00ff00", "f0908dc3a9", "0aff0a", "2020e2962020"]


def word(rng):
    kind = rng.randrange(14)
    if kind < 5:
        low, high = SCRIPTS[rng.choice(list(SCRIPTS))]
        return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 9)))
    if kind < 7:
        return rng.choice(PROSE[:20]).split()[0]
    if kind == 7:
        return rng.choice(EMOJI)
    if kind == 8:
        return rng.choice(NUMBERS)
    if kind == 9:
        return "".join(chr(rng.choice(NEWER)) for _ in range(rng.randint(1, 3)))
    if kind == 10:
        base = rng.choice(["a", "e", "o", "A", "\u0391", "\u0438", "\u05d0", "\u0627", "\u0915", "\u304b", "\u1100", "x", "\u00e9", "\u4e00", "1", " "])
        return base + "".join(chr(rng.choice(MARKS)) for _ in range(rng.randint(1, 4)))
    if kind == 11:
        return rng.choice(COMPOSED) + chr(rng.choice(MARKS)) * rng.randrange(2)
    if kind == 12:
        return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(rng.randint(1, 6)))
    return rng.choice(SPECIAL)


def mixed(rng):
    parts = []
    for _ in range(rng.randint(1, 9)):
        parts.append(word(rng))
        parts.append(rng.choice(SPACES) if rng.random() < 0.3 else rng.choice([" ", " ", ""]))
    return rng.choice(["", "", " ", "\n"]) + "".join(parts)


def any_character(rng):
    while True:
        c = rng.randrange(0x110000) if rng.random() < 0.2 else rng.randrange(0x33480)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def corpus():
    rng = random.Random(20260101)
    lines = ["", " ", *SPACES, *COMPOSED, *CODE, *PROSE, *EMOJI, *NUMBERS, *SPECIAL]
    lines += [chr(c) for c in [*range(0x20), *range(0x7F, 0xA1), 0xAD, 0xFFFD, 0xFFFE, 0xFFFF, 0xE000, 0x10FFFF]]
    lines += [f"a{chr(c)} {chr(c)}b1{chr(c)}\u0301" for c in NEWER]
    lines += [f"a{chr(m)}\u0334b {chr(m)}" for m in MARKS]
    lines += [f"{a}{t}{b}" for t in SPECIAL for a, b in (("x", "y"), (" ", " "), ("Hi  ", "\n"), (t, "z"))]
    lines += [f"{s}x{s}1{s}!{s}" for s in SPACES]
    lines += ["".join(rng.choice("abc \n\t") for _ in range(rng.randint(1, 60))) for _ in range(100)]
    for block in range(0, 0x33480, 0x80):  # a bit of every block
        if not 0xD800 <= block <= 0xDFFF and rng.random() < 0.45:
            lines.append("".join(chr(block + rng.randrange(0x80)) for _ in range(6)))
    lines += ["".join(any_character(rng) for _ in range(rng.randint(1, 12))) for _ in range(200)]
    lines += [f"{rng.choice(PROSE)}\n\n{rng.choice(CODE)} {mixed(rng)}" for _ in range(80)]
    while len(lines) < 3150:
        lines.append(mixed(rng))
    lines = list(dict.fromkeys(lines))
    lines += [{"bytes": h} for h in INVALID]
    for _ in range(60):
        raw = bytearray(mixed(rng).encode())
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        lines.append({"bytes": raw.hex()})
    return lines


def text_of(line):
    return line if isinstance(line, str) else bytes.fromhex(line["bytes"]).decode("utf-8", errors="replace")


def expected(name, lines):
    import tokenizers
    with lzma.open(os.path.join(HERE, name, "tokenizer.json.xz"), "rb") as f:
        tokenizer = tokenizers.Tokenizer.from_str(f.read().decode())
    rows = []
    for line in lines:
        text = text_of(line)
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        special = tokenizer.encode(text, add_special_tokens=True).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        row = {"ids": ids}
        if special != ids:
            row["special"] = special
        if decoded != text:
            row["text"] = decoded
        rows.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
    with lzma.open(os.path.join(HERE, name, "expected.jsonl.xz"), "wb", preset=9) as f:
        f.write(("\n".join(rows) + "\n").encode())
    print(f"{name}: {len(rows)} lines, tokenizers {tokenizers.__version__}")


def main():
    path = os.path.join(HERE, "corpus.jsonl")
    names = NAMES
    if len(sys.argv) == 3:
        names = [sys.argv[1]]
        os.makedirs(os.path.join(HERE, names[0]), exist_ok=True)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            with open(os.path.join(HERE, names[0], file + ".xz"), "wb") as out:
                subprocess.run(["xz", "-9e", "-c", os.path.join(sys.argv[2], file)], stdout=out, check=True)
    else:
        with open(path, "w") as f:
            f.writelines(json.dumps(line) + "\n" for line in corpus())
    with open(path) as f:
        lines = [json.loads(line) for line in f]
    for name in names:
        expected(name, lines)


if __name__ == "__main__":
    main()
