#!/usr/bin/env bash
# The real Forgather's reverse direction on fgconv's output: forgather_reverse.sh FGCONV [HF_DIR...]
#
# Each Hugging Face checkpoint is converted with fgconv, then back with Forgather's own tools/convert_model/convert.py.
# That must report matching logits and give the tensors of the source bit by bit. It compares in the checkpoint's type,
# so the conversion here goes to float32, as Forgather itself finds rounding differences in bfloat16.
#   FORGATHER_RUN     a checkout of Forgather whose reverse direction works
#   FORGATHER_PYTHON  a python with its requirements, transformers 4.57 among them (PYTHONPATH is passed on)
#   FGCONV_OPTIONS    more options for fgconv
# Without HF_DIR the checkpoints of make_models.py are used. Exit status 77 (skipped) where one of the two is missing.
set -euo pipefail

fgconv=$(realpath "${1:?usage: forgather_reverse.sh FGCONV [HF_DIR...]}")
shift
here=$(cd "$(dirname "$0")" && pwd)
if [[ ! -f ${FORGATHER_RUN:-}/tools/convert_model/convert.py || ! -x ${FORGATHER_PYTHON:-} ]]; then
  echo "skipped: set FORGATHER_RUN to a Forgather checkout and FORGATHER_PYTHON to a python that can run it"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_MODULES_CACHE=$work/modules
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PYTHONPATH=$FORGATHER_RUN/src${PYTHONPATH:+:$PYTHONPATH}

if (($# == 0)); then
  mkdir "$work/models"
  mapfile -t sources < <("$FORGATHER_PYTHON" "$here/make_models.py" "$work/models")
  set -- "${sources[@]}"
fi

# Compare tensors as numbers: the source may have been widened to float32 on the way.
compare='
import pathlib, sys, torch
from safetensors.torch import load_file
def read(path):
    found = {}
    for file in sorted(pathlib.Path(path).glob("*.safetensors")):
        found.update(load_file(file))
    return found
source, back = map(read, sys.argv[1:])
if not source or source.keys() != back.keys():
    sys.exit(f"tensor names differ: {sorted(source.keys() ^ back.keys())}")
wrong = [name for name in source if not torch.equal(source[name].float(), back[name].float())]
if wrong:
    sys.exit(f"values differ: {wrong}")
'

passed=0 failed=0
there_and_back() { # there_and_back SOURCE FORGATHER BACK
  "$fgconv" ${FGCONV_OPTIONS:-} --dtype float32 "$1" "$2" &&
    "$FORGATHER_PYTHON" "$FORGATHER_RUN/tools/convert_model/convert.py" "$2" "$3" &&
    "$FORGATHER_PYTHON" -c "$compare" "$1" "$3"
}

check() { # check NAME SOURCE: one line; the logs of a failure follow it
  local name=$1 log=$work/$1.log
  if there_and_back "$2" "$work/$1-forgather" "$work/$1-back" >"$log" 2>&1 && grep -q 'Model logits match' "$log"; then
    echo "ok   $name: Forgather takes it back, logits match, tensors are equal"
    passed=$((passed + 1))
  else
    echo "FAIL $name:"
    tail -n 30 "$log"
    failed=$((failed + 1))
  fi
}

for source in "$@"; do
  source=${source%/}
  name=$(basename "$source")
  [[ $name != hf ]] || name=$(basename "$(dirname "$source")")
  check "$name" "$source"
done
echo "$passed passed, $failed failed"
((failed == 0))
