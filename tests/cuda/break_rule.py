#!/usr/bin/env python3
"""Exchanges two names in a copy of the converters: the rules of Forgather's gate and up projections, which only a proof can notice.

    break_rule.py CONVERTERS
"""
import pathlib
import sys

path = pathlib.Path(sys.argv[1], "forgather/common.json")
text = path.read_text()
for name, other in (("gate_proj", "up_proj"), ("up_proj", "gate_proj")):
    rule = f'["{name}\\\\.", "{name}."]'
    assert rule in text
    text = text.replace(rule, f'["{name}\\\\.", "{other}."]')
path.write_text(text)
