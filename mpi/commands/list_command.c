/* fgconv list: the model families, what each converts to and how that is proved. One JSON document is made;
 * the text for people is written from it:
 *
 *   {"families": [{"model_type", "about",
 *                  "formats": {FORMAT: {"proof": "logits" | "bytes" | null, "file", "own": BOOL}}}]}
 *
 * "proof" is null for a converter that cannot be loaded; "own" tells that it comes from --converter-path.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "model/spec.h"

enum { GAP = 2 };

static const char UNREADABLE[] =
    "?"; /* the format of a file that cannot be read, whose "about" is the reason */

/* ---- the document ---- */

static bool is_own(fg_catalogue *catalogue, const char *path) {
    for (size_t i = 0; i + 1 < catalogue->count; i++) {
        size_t length = strlen(catalogue->directories[i]);
        if (strncmp(path, catalogue->directories[i], length) == 0 && path[length] == '/') return true;
    }
    return false;
}

/* Models are run if there is a forward pass for the family. */
static fg_status find_proof(fg_catalogue *catalogue, const fg_converter_entry *entry, const fg_format *format,
                            const char **proof, fg_error *err) {
    const fg_converter *converter = NULL;
    json_t *spec = NULL;
    fg_error broken = {0};
    *proof = NULL;
    fg_status status = fg_converter_load(&converter, catalogue, format, entry->model_type, &broken);
    if (status == FG_OK) {
        status = fg_model_spec_read(&spec, catalogue, fg_converter_model_type(converter), &broken);
        *proof = status == FG_OK ? "logits" : "bytes";
    }
    json_decref(spec);
    return status == FG_OK || status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &broken);
}

static json_t *find_family(const json_t *families, const char *model_type) {
    json_t *family;
    FG_JSON_EACH(families, i, family) {
        if (strcmp(json_string_value(json_object_get(family, "model_type")), model_type) == 0) return family;
    }
    return NULL;
}

static fg_status new_family(json_t *families, const fg_converter_entry *entry, json_t **family,
                            fg_error *err) {
    *family = json_pack("{s:s, s:s, s:{}}", "model_type", entry->model_type, "about",
                        entry->about ? entry->about : "", "formats");
    return fg_json_push(families, *family, err); /* which owns it */
}

/* The first converter of a family hides later ones, as it does for a conversion. */
static fg_status add_entry(json_t *families, fg_catalogue *catalogue, const fg_converter_entry *entry,
                           fg_error *err) {
    const char *proof;
    const fg_format *target;
    for (size_t i = 0; entry->model_type && (target = fg_format_target(i)); i++) {
        const char *format = target->name;
        if (!entry->format || strcmp(entry->format, target->schema) != 0) continue;
        json_t *family = find_family(families, entry->model_type);
        if (!family) FG_CALL(new_family(families, entry, &family, err));
        json_t *formats = json_object_get(family, "formats");
        if (json_object_get(formats, format)) continue;
        FG_CALL(find_proof(catalogue, entry, target, &proof, err));
        FG_CALL(fg_json_put(formats, format,
                            json_pack("{s:s?, s:s, s:b}", "proof", proof, "file", entry->path, "own",
                                      is_own(catalogue, entry->path)),
                            err));
    }
    return FG_OK;
}

/* ---- the text ---- */

static size_t widest(const json_t *families) {
    size_t width = strlen("family");
    json_t *family;
    FG_JSON_EACH(families, i, family) {
        size_t length = json_string_length(json_object_get(family, "model_type"));
        if (length > width) width = length;
    }
    return width + GAP;
}

/* "logits", "bytes", "broken" or "-"; a star behind it for a converter of one's own. */
static fg_status write_cell(const json_t *formats, const fg_format *format, fg_buffer *text, fg_error *err) {
    const char *name = format->name;
    const json_t *entry = json_object_get(formats, name);
    const char *proof = json_string_value(json_object_get(entry, "proof"));
    const char *shown = !entry ? "-" : proof ? proof : "broken", *mark = "";
    if (json_is_true(json_object_get(entry, "own"))) mark = "*";
    int rest = (int)(strlen(name) + GAP - strlen(shown) - strlen(mark));
    return fg_buffer_printf(text, err, "%s%s%*s", shown, mark, rest, "");
}

static fg_status write_files(const json_t *formats, fg_buffer *text, fg_error *err) {
    json_t *entry;
    FG_JSON_MEMBERS(formats, name, entry)
        FG_CALL(fg_buffer_printf(text, err, "  %s\n", json_string_value(json_object_get(entry, "file"))));
    return FG_OK;
}

static fg_status write_family(const json_t *family, size_t width, bool files, fg_buffer *text,
                              fg_error *err) {
    const fg_format *target;
    const json_t *formats = json_object_get(family, "formats");
    FG_CALL(fg_buffer_printf(text, err, "%-*s", (int)width,
                             json_string_value(json_object_get(family, "model_type"))));
    for (size_t i = 0; (target = fg_format_target(i)); i++) FG_CALL(write_cell(formats, target, text, err));
    FG_CALL(fg_buffer_printf(text, err, "%s\n", json_string_value(json_object_get(family, "about"))));
    if (files) FG_CALL(write_files(formats, text, err));
    return FG_OK;
}

static fg_status write_list(const json_t *document, const fg_options *options, fg_buffer *text,
                            fg_error *err) {
    const fg_format *target;
    const json_t *families = json_object_get(document, "families");
    size_t width = widest(families);
    json_t *family;
    bool quiet = options->verbosity < 0;
    if (!quiet) {
        FG_CALL(fg_buffer_printf(text, err, "%-*s", (int)width, "family"));
        for (size_t i = 0; (target = fg_format_target(i)); i++)
            FG_CALL(fg_buffer_printf(text, err, "%s%*s", target->name, GAP, ""));
        FG_CALL(fg_buffer_printf(text, err, "description\n"));
    }
    FG_JSON_EACH(families, i, family) FG_CALL(write_family(family, width, options->verbosity > 0, text, err));
    if (quiet) return FG_OK;
    FG_CALL(fg_buffer_printf(
        text, err,
        "\nEach family converts from and to hf (Hugging Face), and between the formats of its row.\n"
        "logits: both models run and their logits are compared; bytes: the output is read back\n"
        "and compared with the plan, because fgconv cannot run the family.\n"));
    if (options->converter_path_count) FG_CALL(fg_buffer_printf(text, err, "*: from --converter-path\n"));
    return FG_OK;
}

static fg_status run_list(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    const fg_converter_entries *entries;
    json_t *document = json_object(), *families;
    FG_TRY_NEW(families, fg_json_put_array(document, "families", err));
    FG_TRY(fg_converters_list(run->catalogue, &entries, err));
    for (size_t i = 0; i < entries->count; i++) {
        const fg_converter_entry *entry = &entries->items[i];
        if (entry->format && strcmp(entry->format, UNREADABLE) == 0)
            fg_warn("a converter file is not listed: %s", entry->about);
        FG_TRY(add_entry(families, run->catalogue, entry, err));
    }
    FG_TRY(fg_run_print(run, document, write_list, err));
done:
    json_decref(document);
    return status;
}

const fg_command fg_list_command = {
    .name = "list",
    .arguments = "",
    .options = FG_TAKES_CONVERTERS | FG_TAKES_JSON,
    .summary = "list the model families, what they convert to, and how that is proved",
    .about =
        "Prints a row per model family: the formats that it converts to and from, and whether a conversion "
        "is proved by logits or by bytes. With --verbose it adds the converter files.",
    .example = "fgconv list",
    .run = run_list,
};
