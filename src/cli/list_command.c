/* fgconv list: the converters that are found. */
#include <string.h>

#include "cli/commands.h"

enum { TYPE_WIDTH = 16, FORMAT_WIDTH = 10 };

static const char *or_empty(const char *text) {
    return text ? text : "";
}

static fg_status list_json(const fg_converter_entry *entries, size_t count, FILE *out, fg_error *err) {
    fg_status status = FG_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].model_type) continue;
        json_t *entry = json_pack("{s:s, s:s, s:s, s:s}", "model_type", entries[i].model_type, "format",
                                  or_empty(entries[i].format), "about", or_empty(entries[i].about), "file",
                                  or_empty(entries[i].path));
        FG_TRY(fg_json_push(list, entry, err));
    }
    FG_TRY(fg_cli_print_json(out, list, FG_JSON_UTF8, err));
done:
    json_decref(list);
    return status;
}

static fg_status list_text(const fg_converter_entry *entries, size_t count, bool with_abstract, FILE *out,
                           fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    for (size_t i = 0; i < count; i++) {
        const fg_converter_entry *entry = &entries[i];
        if (!entry->model_type && !with_abstract) continue;
        FG_TRY(fg_buffer_printf(&text, err, "%-*s %-*s %s%s%s\n", TYPE_WIDTH,
                                entry->model_type ? entry->model_type : "(shared part)", FORMAT_WIDTH,
                                or_empty(entry->format), or_empty(entry->about),
                                entry->about && *entry->about ? "  " : "", or_empty(entry->path)));
    }
    FG_TRY(fg_cli_print(out, &text, err));
done:
    fg_buffer_free(&text);
    return status;
}

fg_status fg_command_list(const fg_options *options, const fg_converter_dirs *dirs, FILE *out,
                          fg_error *err) {
    fg_status status = FG_OK;
    fg_converter_entry *entries = NULL;
    size_t count = 0;
    FG_TRY(fg_converter_entries(dirs, &entries, &count, err));
    FG_TRY(options->json ? list_json(entries, count, out, err)
                         : list_text(entries, count, options->verbosity > 0, out, err));
done:
    fg_converter_entries_free(entries, count);
    return status;
}
