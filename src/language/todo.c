#include "language/todo.h"

#include <string.h>

#include "base/alloc.h"
#include "base/visible_text.h"
#include "language/inherit.h"

typedef struct walk {
    const fg_source_file *file; /* NULL: lines are not known */
    fg_buffer *list;
    size_t count;
} walk;

static fg_status add(walk *w, const char *place, const json_t *text, fg_error *err) {
    char brief[400];
    const char *said =
        json_is_string(text) ? json_string_value(text) : fg_json_brief(text, brief, sizeof brief);
    w->count++;
    if (w->file)
        FG_CALL(fg_buffer_printf(w->list, err, "  line %u: ", fg_source_file_line(w->file, place, FG_TODO)));
    FG_CALL(fg_visible_add(place, strlen(place), FG_VISIBLE_LINE, w->list, err));
    if (*place) FG_CALL(fg_buffer_put(w->list, ": ", err));
    FG_CALL(fg_visible_add(said, strlen(said), FG_VISIBLE_LINE, w->list, err));
    return fg_buffer_put(w->list, "\n", err);
}

static fg_status visit(walk *w, const json_t *value, const char *place, fg_error *err);

static fg_status visit_inner(walk *w, const json_t *value, const char *place, const char *key,
                             fg_error *err) {
    fg_status status = FG_OK;
    char *inner = NULL;
    if (!json_is_object(value) && !json_is_array(value)) return FG_OK;
    FG_TRY_NEW(inner, fg_strformat(err, "%s%s%s", place, *place ? "/" : "", key));
    FG_TRY(visit(w, value, inner, err));
done:
    fg_free(inner);
    return status;
}

static fg_status visit(walk *w, const json_t *value, const char *place, fg_error *err) {
    char index[24];
    json_t *inner;
    FG_JSON_MEMBERS(value, key, inner) {
        if (strcmp(key, FG_TODO) == 0)
            FG_CALL(add(w, place, inner, err));
        else
            FG_CALL(visit_inner(w, inner, place, key, err));
    }
    FG_JSON_EACH(value, i, inner) {
        snprintf(index, sizeof index, "%zu", i);
        FG_CALL(visit_inner(w, inner, place, index, err));
    }
    return FG_OK;
}

fg_status fg_todo_list(const json_t *document, fg_buffer *list, size_t *count, fg_error *err) {
    walk w = {.list = list};
    fg_status status = visit(&w, document, "", err);
    *count += w.count;
    return status;
}

fg_status fg_todo_refuse(const fg_source_file *file, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer list = {0}, path = {0};
    walk w = {.file = file, .list = &list};
    FG_TRY(visit(&w, file->document, "", err));
    if (!w.count) goto done;
    FG_TRY(fg_visible_add(file->path, strlen(file->path), FG_VISIBLE_LINE, &path, err));
    fg_fail_lines(err, FG_ERR_INPUT, "%s: %zu thing%s to decide:\n%.*s", path.data, w.count,
                  w.count == 1 ? " is left" : "s are left", (int)list.length - 1, list.data);
    status = fg_hint(
        err, "decide each by the model's own code, change the file, and remove the member \"" FG_TODO "\"");
done:
    fg_buffer_free(&list);
    fg_buffer_free(&path);
    return status;
}
