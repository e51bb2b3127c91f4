#!/usr/bin/env python3
"""Writes src/vocab/unicode_table.c: what HF tokenizers know of characters and Debian's PCRE2 and utf8proc do not, or the
other way round.

    python tests/data/vocab/unicode_table.py > src/vocab/unicode_table.c

Needs the package tokenizers and a Python whose unicodedata is 14.0 (3.11), the version of PCRE2 10.42 and utf8proc 2.8. The
sets are measured: each code point is given to HF's own regular expressions (Oniguruma, Unicode 16), its Digits (Rust's
standard library, Unicode 17), its single_word test (Rust's regex crate) and its NFC (Unicode 9).
"""
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

assert unicodedata.unidata_version == "14.0.0", "the Unicode version of Debian's PCRE2 is wanted"
POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = "L Lu Ll Lt Lm Lo M N Nd Nl No P S Z".split()


def matched(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    left = set()
    for piece, _ in split.pre_tokenize_str("".join(map(chr, POINTS))):
        left.update(map(ord, piece))
    return set(POINTS) - left


def of_category(prefix):
    return {c for c in POINTS if unicodedata.category(chr(c)).startswith(prefix)}


def digits():
    split = pre_tokenizers.Digits(True)
    return {c for c in POINTS if len(split.pre_tokenize_str("x" + chr(c) + "x")) == 3}


def words():
    """A token that must be a single word is not found right behind a letter of a word."""
    tokenizer = Tokenizer(models.BPE({"a": 0}, []))
    tokenizer.add_tokens([AddedToken("<t>", single_word=True, normalized=False)])
    return {c for c, e in zip(POINTS, tokenizer.encode_batch([chr(c) + "<t>" for c in POINTS])) if not len(e.ids)}


def pcre_words():
    """What src/vocab/added_tokens.c asks PCRE2 for, as far as unicodedata can tell."""
    other_alphabetic = set(range(0x24B6, 0x24EA)) | set(range(0x1F130, 0x1F14A)) | set(range(0x1F150, 0x1F16A)) | set(
        range(0x1F170, 0x1F18A))
    sets = [of_category(p) for p in ("L", "M", "Nd", "Nl", "Pc")]
    return set().union(*sets) | other_alphabetic | {0x200C, 0x200D}


def not_moved():
    """Code points that Unicode 9's NFC leaves alone and a newer one does not, or may not: nothing is composed with them or
    moved over them. U+11A7 stands here because utf8proc 2.8 swallows it behind a Hangul syllable."""
    nfc = normalizers.NFC()
    later = {c for c in POINTS if nfc.normalize_str("a" + chr(c) + "\u0334") == "a" + chr(c) + "\u0334"
             and unicodedata.normalize("NFC", "a" + chr(c) + "\u0334") != "a" + chr(c) + "\u0334"}
    for c in POINTS:
        parts = unicodedata.normalize("NFD", chr(c))
        if len(parts) > 1 and not 0xAC00 <= c < 0xD7A4 and nfc.normalize_str(parts) != unicodedata.normalize("NFC", parts):
            later.update([c, *map(ord, parts)])
    for category in ("L", "M"):
        later |= matched(r"\p{%s}" % category) - of_category(category)
    return later | {0x11A7}


def ranges(points):
    found = []
    for c in sorted(points):
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def main():
    sets = {name: matched(r"\p{%s}" % name) - of_category(name) for name in CATEGORIES}
    sets["digit"] = digits() - of_category("N")
    sets["word"] = words() - pcre_words()
    sets["inert"] = not_moved()
    print(f"/* Made by tests/data/vocab/unicode_table.py with tokenizers {tokenizers.__version__}; do not edit. */")
    print('#include "vocab/unicode_table.h"\n')
    print("/* clang-format off */")
    for name, points in sets.items():
        found = ranges(points)
        if not found:
            continue
        print(f"static const fg_code_range {name}_ranges[] = {{")
        line = "   "
        for low, high in found:
            item = " {0x%x, 0x%x}," % (low, high)
            if len(line) + len(item) > 110:
                print(line)
                line = "   "
            line += item
        print(line + "\n};")
    print("\nconst fg_code_set fg_code_sets[] = {")
    for name, points in sets.items():
        count = len(ranges(points))
        print('    {"%s", %s, %d},' % (name, f"{name}_ranges" if count else "NULL", count))
    print("};\nconst size_t fg_code_set_count = sizeof fg_code_sets / sizeof *fg_code_sets;")
    print("/* clang-format on */")


if __name__ == "__main__":
    sys.exit(main())
