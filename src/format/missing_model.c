#include "format/missing_model.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/nested_models.h"

enum { PATTERNS = 5, LISTED = 5 };

/* Weights that fgconv does not read, the most telling first. */
typedef struct format {
    const char *patterns[PATTERNS];
    const char *what, *hint;
} format;

static const format formats[] = {
    {{"*.incomplete", "*.crdownload", "*.aria2", "*.part"},
     "a download that is not complete",
     "let the download end, or start it again"},
    {{"model.*.safetensors", "pytorch_model.*.bin", "model-*-of-*.*.safetensors", "*.index.*.json"},
     "a variant of the weights",
     "rename the files to the names without the variant (model.safetensors), or load them with transformers "
     "(variant=...) and save them with save_pretrained"},
    {{"model-*-of-*.safetensors", "pytorch_model-*-of-*.bin"},
     "shards without their index",
     "download or copy the index as well: model.safetensors.index.json, for .bin files "
     "pytorch_model.bin.index.json"},
    {{"consolidated*.safetensors", "consolidated*.pth"},
     "weights in their authors' own layout (consolidated)",
     "download the weights for transformers (model*.safetensors) from the same repository, or convert these "
     "with the "
     "script of transformers for this family"},
    {{"*.gguf"},
     "GGUF, the format of llama.cpp",
     "take the Hugging Face checkpoint that it was made from; GGUF is mostly quantized"},
    {{"*.distcp", ".metadata"},
     "a distributed checkpoint of PyTorch (DCP)",
     "merge it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch DIR model.pt, then save the "
     "model "
     "with save_pretrained"},
    {{"pytorch_model_fsdp*"},
     "a sharded FSDP checkpoint of accelerate",
     "merge it: accelerate merge-weights DIR NEW"},
    {{"global_step*", "zero_pp_rank_*", "mp_rank_*", "zero_to_fp32.py"},
     "a checkpoint of DeepSpeed",
     "merge it: python zero_to_fp32.py . NEW --safe_serialization"},
    {{"*.nemo", "model_weights"}, "a checkpoint of NeMo", "export it to Hugging Face with NeMo first"},
    {{"adapter_model.safetensors", "adapter_model.bin"},
     "an adapter (LoRA, PEFT) and not a whole model",
     "merge it into its base model first (merge_and_unload of the peft package), save that and convert the "
     "result"},
    {{"*.onnx", "*.onnx_data"}, "ONNX", "take the PyTorch or safetensors weights of the same model"},
    {{"tf_model*.h5"},
     "weights of TensorFlow",
     "load them with transformers 4 (from_tf=True) and save them with save_pretrained"},
    {{"flax_model*.msgpack"},
     "weights of Flax",
     "load them with transformers 4 (from_flax=True) and save them with save_pretrained"},
    {{"rust_model.ot"}, "weights of rust-bert", "take the PyTorch or safetensors weights of the same model"},
};

/* Weights under any other name; the state of a trainer does not count. */
static const format others = {
    {"*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt"},
    "weights under a name that transformers does not look for",
    "load them with the code that wrote them and save the model with save_pretrained"};
static const format trainer = {
    {"training_args.bin", "optimizer.*", "scheduler.*", "rng_state*", "scaler.*"}, NULL, NULL};

static bool matches(const format *f, const char *name) {
    for (size_t p = 0; p < PATTERNS && f->patterns[p]; p++) {
        if (fnmatch(f->patterns[p], name, 0) == 0) return true;
    }
    return false;
}

/* Appends the names that `only` (NULL: all) matches, the first of them by name; returns how many there
 * are. */
static size_t add_names(const fg_names *names, const format *only, fg_buffer *text, fg_error *err) {
    size_t found = 0, listed = only ? 1 : LISTED;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        if (only && (!matches(only, name) || matches(&trainer, name))) continue;
        if (found++ < listed) fg_buffer_printf(text, err, "%s%s", found > 1 ? ", " : "", name);
    }
    if (found > listed) fg_buffer_printf(text, err, " and %zu more", found - listed);
    return found;
}

static const format *find_format(const fg_names *names) {
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        for (size_t i = 0; i < names->count; i++) {
            if (matches(&formats[f], names->items[i])) return &formats[f];
        }
    }
    return NULL;
}

/* Says what `format` says of the names; false if it matches none. */
static bool add_format(const format *f, const fg_names *names, fg_buffer *text, const char **hint,
                       fg_error *err) {
    fg_buffer list = {0};
    size_t found = f ? add_names(names, f, &list, err) : 0;
    if (found) {
        fg_buffer_printf(text, err, "; it holds %s: %s", f->what, list.data);
        *hint = f->hint;
    }
    fg_buffer_free(&list);
    return found;
}

/* Appends what the directory holds, and says what can be done with it. */
static fg_status add_contents(const char *directory, fg_buffer *text, fg_buffer *advice, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    const char *hint = NULL;
    bool nested;
    FG_TRY(fg_directory_list(directory, &names, err));
    if (add_format(find_format(&names), &names, text, &hint, err)) goto done;
    FG_TRY(fg_nested_models_describe(directory, text, advice, &nested, err));
    if (nested || add_format(&others, &names, text, &hint, err)) goto done;
    FG_TRY(fg_buffer_printf(text, err, names.count ? "; it holds " : "; the directory is empty"));
    add_names(&names, NULL, text, err);
done:
    if (hint && status == FG_OK) status = fg_buffer_printf(advice, err, "%s", hint);
    fg_names_free(&names);
    return status;
}

/* What the directory holds cannot be told if it cannot be listed; what is missing is said all the same. */
static fg_status refuse(const char *directory, const char *missing, const char *otherwise, fg_error *err) {
    fg_buffer text = {0}, advice = {0};
    fg_status status = add_contents(directory, &text, &advice, err);
    if (status == FG_OK) {
        status = fg_fail(err, FG_ERR_INPUT, "%s: no %s%s", directory, missing, text.data ? text.data : "");
        fg_about_expected(err, "%.*s", (int)strcspn(missing, ":"), missing);
        fg_hint(err, "%s", advice.data ? advice.data : otherwise);
    }
    fg_buffer_free(&text);
    fg_buffer_free(&advice);
    return status;
}

fg_status fg_refuse_no_config(const char *directory, fg_error *err) {
    return refuse(directory, "config.json",
                  "give the directory of the model itself, where config.json lies, or download that file too",
                  err);
}

fg_status fg_refuse_no_weights(const char *directory, const char *const *names, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer missing = {0};
    FG_TRY(fg_buffer_printf(&missing, err, "weights: none of "));
    for (size_t i = 0; names[i]; i++)
        FG_TRY(fg_buffer_printf(&missing, err, "%s%s", i ? ", " : "", names[i]));
    FG_TRY(fg_buffer_printf(&missing, err, " is there"));
    status = refuse(
        directory, missing.data,
        "download or copy the checkpoint whole, or give the directory that holds the weights with -c", err);
done:
    fg_buffer_free(&missing);
    return status;
}

/* ---- no directory ---- */

static fg_status refuse_file(const char *path, fg_error *err) {
    const char *name = fg_path_name(path);
    fg_names one = {.items = (char *[]){(char *)(uintptr_t)name}, .count = 1};
    const format *f = find_format(&one);
    fg_fail(err, FG_ERR_USAGE, "%s: a file%s%s%s, not a directory", path, f ? " (" : "", f ? f->what : "",
            f ? ")" : "");
    if (f && strcmp(f->patterns[0], "model-*-of-*.safetensors") != 0) return fg_hint(err, "%s", f->hint);
    int length = name == path ? 1 : (int)(name - path);
    return fg_hint(err, "give the directory that holds config.json and the weights: %.*s", length,
                   name == path ? "." : path);
}

fg_status fg_refuse_no_directory(const char *path, fg_error *err) {
    fg_path_kind kind;
    FG_CALL(fg_path_look(path, &kind, err));
    if (kind != FG_PATH_ABSENT) return refuse_file(path, err);
    fg_fail(err, FG_ERR_USAGE, "%s: no such directory", path);
    return fg_hint(err, "give the directory that holds config.json and the weights; models of a hub must be "
                        "downloaded first");
}
