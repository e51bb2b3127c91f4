"""load_and_save.py SRC DST: transformers' from_pretrained and save_pretrained alone; prints their seconds (without the imports)."""
import sys
import time

import torch
import transformers

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
begun = time.perf_counter()
with torch.no_grad():
    model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto", local_files_only=True)
    model.save_pretrained(sys.argv[2])
print(f"seconds {time.perf_counter() - begun:.3f}")
