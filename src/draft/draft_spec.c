#include "draft/draft_spec.h"

#include <string.h>

#include "base/alloc.h"

enum { BRIEF = 60 };

typedef struct spec_draft {
    const fg_draft_source *source;
    const json_t *side;                       /* what the nearest family's spec says of hf */
    json_t *config, *rotary, *only, *weights; /* borrowed: what is written */
    fg_buffer unread;                         /* keys and tensors that no role reads */
} spec_draft;

/* ---- keys ---- */

/* Whether the key is named anywhere: by a role, a rotary number, a demand. */
static bool names_key(const json_t *value, const char *key) {
    const char *text = json_string_value(value);
    json_t *inner;
    if (text) return strcmp(text, key) == 0;
    FG_JSON_EACH(value, i, inner) {
        if (names_key(inner, key)) return true;
    }
    FG_JSON_MEMBERS(value, name, inner) {
        if (strcmp(name, key) == 0 || names_key(inner, key)) return true;
    }
    return false;
}

/* Entries that name a key of the family get the model's. */
static fg_status rename_entries(const spec_draft *d, const json_t *entries, json_t *renamed, fg_error *err) {
    json_t *entry, *changed;
    FG_JSON_MEMBERS(entries, role, entry) {
        FG_CALL(fg_pairing_rename(d->source->pairing, entry, &changed, err));
        if (fg_json_equal(changed, entry))
            json_decref(changed);
        else
            FG_CALL(fg_json_put(renamed, role, changed, err));
    }
    return FG_OK;
}

static fg_status note_unread(spec_draft *d, const char *what, fg_error *err) {
    return fg_buffer_printf(&d->unread, err, "%s%s", d->unread.length ? ", " : "", what);
}

/* Only the value that was seen is taken, until the author knows more. */
static fg_status add_unread_keys(spec_draft *d, fg_error *err) {
    json_t *value;
    char brief[BRIEF], what[3 * BRIEF];
    FG_JSON_MEMBERS(d->source->fit->unknown, key, value) {
        if (fg_pairing_uses(d->source->pairing->keys, key) || names_key(d->side, key)) continue;
        snprintf(what, sizeof what, "%.*s = %s", BRIEF, key, fg_json_brief(value, brief, sizeof brief));
        FG_CALL(note_unread(d, what, err));
        FG_CALL(fg_json_put(d->only, key, json_pack("[O]", value), err));
    }
    return FG_OK;
}

/* ---- weights ---- */

static const char *block_of(const spec_draft *d) {
    const char *block = json_string_value(json_object_get(d->side, "block"));
    return block ? block : "";
}

/* Whether a name of the spec, which may begin with {block}, is that of a tensor. */
static bool is_name(const spec_draft *d, const char *name, const char *tensor) {
    size_t length = strlen(block_of(d));
    if (!fg_starts_with(name, "{block}")) return strcmp(name, tensor) == 0;
    return strncmp(tensor, block_of(d), length) == 0 &&
           strcmp(name + strlen("{block}"), tensor + length) == 0;
}

static bool holds(const spec_draft *d, const json_t *holding, const char *tensor) {
    json_t *choice;
    const char *name = json_is_object(holding) ? json_string_value(json_object_get(holding, "name"))
                                               : json_string_value(holding);
    if (name) return is_name(d, name, tensor);
    FG_JSON_EACH(holding, i, choice) {
        if (holds(d, choice, tensor)) return true;
    }
    return false;
}

static char *in_block(const spec_draft *d, const char *tensor, fg_error *err) {
    size_t length = strlen(block_of(d));
    bool inside = length && strncmp(tensor, block_of(d), length) == 0;
    return inside ? fg_strformat(err, "{block}%s", tensor + length) : fg_strdup(tensor, err);
}

/* The role that holds a tensor of the family holds the model's; NULL: it has none. */
static fg_status change_role(spec_draft *d, const char *role, const json_t *holding, const char *model,
                             fg_error *err) {
    fg_status status = FG_OK;
    json_t *changed = json_null();
    char *name = NULL;
    if (model) {
        FG_TRY_NEW(name, in_block(d, model, err));
        changed = json_is_object(holding) ? fg_json_copy(holding, err) : json_string(name);
        if (json_is_object(changed)) FG_TRY(fg_json_put(changed, "name", json_string(name), err));
    }
    status = fg_json_put(d->weights, role, changed, err);
done:
    fg_free(name);
    return status;
}

static fg_status change_roles(spec_draft *d, const char *family, const char *model, fg_error *err) {
    json_t *holding;
    FG_JSON_MEMBERS(json_object_get(d->side, "weights"), role, holding) {
        if (holds(d, holding, family)) FG_CALL(change_role(d, role, holding, model, err));
    }
    return FG_OK;
}

static fg_status add_weights(spec_draft *d, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(d->source->fit->missing, name, value)
        FG_CALL(change_roles(d, name, fg_pairing_name(d->source->pairing->tensors, name, NULL), err));
    return FG_OK;
}

static fg_status add_unread_tensors(spec_draft *d, fg_error *err) {
    json_t *value, *holding;
    FG_JSON_MEMBERS(d->source->fit->extra, tensor, value) {
        bool read = fg_pairing_uses(d->source->pairing->tensors, tensor);
        FG_JSON_MEMBERS(json_object_get(d->side, "weights"), role, holding)
            read = read || holds(d, holding, tensor);
        if (!read) FG_CALL(note_unread(d, tensor, err));
    }
    return FG_OK;
}

/* ---- the file ---- */

static fg_status fill(spec_draft *d, json_t *side, fg_error *err) {
    json_t *numbers;
    FG_CALL_NEW(d->config, fg_json_put_object(side, "config", err));
    FG_CALL_NEW(d->rotary, fg_json_put_object(side, "rotary", err));
    FG_CALL_NEW(d->only, fg_json_put_object(side, "only", err));
    FG_CALL_NEW(d->weights, fg_json_put_object(side, "weights", err));
    FG_CALL_NEW(numbers, fg_json_put_object(d->rotary, "numbers", err));
    FG_CALL(rename_entries(d, json_object_get(d->side, "config"), d->config, err));
    FG_CALL(rename_entries(d, fg_json_at(d->side, "rotary/numbers"), numbers, err));
    FG_CALL(add_unread_keys(d, err));
    FG_CALL(add_weights(d, err));
    return add_unread_tensors(d, err);
}

/* Members without anything in them say nothing. */
static void remove_empty(json_t *side) {
    static const char *const members[] = {"config", "rotary", "only", "weights"};
    if (!json_object_size(fg_json_at(side, "rotary/numbers"))) json_object_del(side, "rotary");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (json_object_get(side, members[i]) && !json_object_size(json_object_get(side, members[i])))
            json_object_del(side, members[i]);
    }
}

static fg_status begin(const fg_draft_source *s, json_t **document, fg_error *err) {
    fg_status status = FG_OK;
    char *extends = NULL, *about = NULL;
    const char *nearest = fg_converter_model_type(s->fit->converter);
    FG_TRY_NEW(extends, fg_strformat(err, "%s.json", nearest));
    FG_TRY_NEW(about, fg_strformat(err, "%s: as %s, but for what is written here", s->model_type, nearest));
    FG_TRY_NEW(*document,
               json_pack("{s:s, s:s, s:s}", "extends", extends, "model_type", s->model_type, "about", about));
    FG_TRY(fg_draft_todo(
        *document, err,
        "read the model's own code and compare it with %s's: norms (times w or 1 + w; before or behind "
        "attention and MLP), activation, rotary embeddings (halves or pairs, of a part or all, scaling), "
        "scales and caps, windows, biases. Names and shapes do not say these",
        nearest));
done:
    fg_free(extends);
    fg_free(about);
    return status;
}

fg_status fg_draft_spec(const fg_draft_source *source, const json_t *nearest, json_t **document,
                        fg_error *err) {
    fg_status status = FG_OK;
    spec_draft d = {.source = source, .side = fg_json_at(nearest, "formats/hf")};
    json_t *formats, *side;
    *document = NULL;
    FG_TRY(begin(source, document, err));
    FG_TRY_NEW(formats, fg_json_put_object(*document, "formats", err));
    FG_TRY_NEW(side, fg_json_put_object(formats, "hf", err));
    FG_TRY(fill(&d, side, err));
    if (d.unread.length)
        FG_TRY(fg_draft_todo(
            side, err,
            "no role reads these: %s. If the code computes something by them, give them roles, and a "
            "key in place of its entry in \"only\"; a key without an effect needs no entry",
            d.unread.data));
    remove_empty(side);
done:
    fg_buffer_free(&d.unread);
    return status;
}
