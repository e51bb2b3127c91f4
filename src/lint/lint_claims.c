#include "lint/lint_claims.h"

#include <string.h>

#include "base/alloc.h"
#include "lint/lint_errors.h"

static fg_status add_lint_error(const fg_declaration *d, const char *what, const char *leaf, fg_buffer *wrong,
                                fg_error *err) {
    return fg_lint_errors_add(wrong, err, "%s:%u: \"%s\" %s%s", d->file, d->line, d->label, what, leaf);
}

/* Each leaf of an object that the declaration writes must be one that its claim covers: else what comes back
 * is an unknown key. */
static fg_status check_leaves(const fg_declaration *d, const json_t *value, const char *above,
                              fg_buffer *wrong, fg_error *err) {
    fg_status status = FG_OK;
    json_t *inside;
    char *path = NULL;
    FG_JSON_MEMBERS(value, key, inside) {
        FG_TRY_RENEW(path, fg_strformat(err, "%s%s%s", above, *above ? "/" : "", key));
        if (json_object_size(inside))
            FG_TRY(check_leaves(d, inside, path, wrong, err));
        else if (!fg_declaration_covers(d, path))
            FG_TRY(add_lint_error(d, "writes a member that its \"keys\" do not name: ", path, wrong, err));
    }
done:
    fg_free(path);
    return status;
}

static fg_status check_declaration(const fg_declaration *d, fg_buffer *wrong, fg_error *err) {
    static const char *const written[] = {"import_as", "export_as", "default", "absent"};
    json_t *key;
    bool ignored = json_object_get(d->spec, "ignored") != NULL;
    FG_JSON_EACH(json_object_get(d->spec, "keys"), i, key) {
        if (!ignored && strstr(json_string_value(key), "**"))
            FG_CALL(add_lint_error(d,
                                   "claims every key of an object; only \"ignored\" may, and gives a reason",
                                   "", wrong, err));
    }
    for (size_t i = 0; i < sizeof written / sizeof *written && json_object_get(d->spec, "keys"); i++)
        FG_CALL(check_leaves(d, json_object_get(d->spec, written[i]), "", wrong, err));
    return FG_OK;
}

fg_status fg_lint_claims(const fg_declarations *declarations, fg_buffer *wrong, fg_error *err) {
    for (size_t s = 0; s < declarations->count; s++) {
        const fg_section *section = &declarations->sections[s];
        for (size_t i = 0; i < section->count; i++)
            FG_CALL(check_declaration(&section->items[i], wrong, err));
    }
    return FG_OK;
}
