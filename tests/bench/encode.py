"""encode.py TOKENIZER TEXTS: HF tokenizers encodes the JSON strings of a file on one core; prints the processor's seconds for all but the first."""
import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers

tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    first, *texts = map(json.loads, file)
tokenizer.encode(first)
begun = time.process_time()
for text in texts:
    tokenizer.encode(text)
print(f"seconds {time.process_time() - begun:.3f}")
