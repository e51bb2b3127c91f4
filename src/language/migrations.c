#include "language/migrations.h"

#include <string.h>

#include "base/alloc.h"

enum { LISTED = 12 };

/* ---- finding ---- */

fg_status fg_migrations_files(fg_catalogue *catalogue, fg_names *paths, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < catalogue->count; i++) {
        FG_TRY(fg_catalogue_list(catalogue, i, "forgather/migrations", paths, err));
        FG_TRY(fg_catalogue_list(catalogue, i, "migrations", paths, err));
    }
done:
    if (status != FG_OK) fg_names_free(paths);
    return status;
}

/* ---- loading ---- */

bool fg_migrations_is_file(const json_t *document) {
    return !json_object_get(document, "format") && !json_object_get(document, "extends") &&
           !json_object_get(document, "sections");
}

static fg_status no_fork(const fg_migration *a, const fg_migration *b, fg_error *err) {
    if (fg_version_compare(&a->from, &b->from) != 0 || fg_version_compare(&a->to, &b->to) == 0) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s:%u leads from version %s to %s, %s:%u from %s to %s", a->file->path,
                   a->line, a->from.text, a->to.text, b->file->path, b->line, b->from.text, b->to.text);
}

/* Adds the migration at `place`, unless it is for another architecture. `arch` NULL: any will do. */
static fg_status add(fg_migrations *all, const json_t *document, const char *place, const fg_layers *view,
                     const char *arch, fg_error *err) {
    const char *own =
        *place ? json_string_value(json_object_get(view->items[0]->document, "model_type")) : NULL;
    FG_CALL(fg_grow(&all->items, all->count, &all->capacity, sizeof *all->items, err));
    fg_migration *m = &all->items[all->count++];
    FG_CALL(fg_migration_compile(m, document, place, view, err));
    if (!*place && !json_object_get(document, "arch"))
        FG_CALL(fg_layers_fail(view, "", "arch", err, "is missing"));
    if (!arch) return FG_OK;
    if (!fg_migration_is_for(m, arch, own ? own : arch)) {
        fg_migration_free(m);
        all->count--;
        return FG_OK;
    }
    for (size_t i = 0; i + 1 < all->count; i++) FG_CALL(no_fork(&all->items[i], m, err));
    return FG_OK;
}

static fg_status add_file(fg_migrations *all, const fg_source_file *file, const char *arch, fg_error *err) {
    fg_status status = FG_OK;
    const fg_layers view = {.items = &file, .count = 1};
    char *place = NULL;
    json_t *item, *list = json_object_get(file->document, "migrations");
    if (fg_migrations_is_file(file->document)) return add(all, file->document, "", &view, arch, err);
    if (list && !json_is_array(list))
        FG_TRY(fg_layers_fail(&view, "", "migrations", err, "found %s, expected a list", fg_json_kind(list)));
    FG_JSON_EACH(list, i, item) {
        FG_TRY_RENEW(place, fg_strformat(err, "migrations/%zu", i));
        FG_TRY(add(all, item, place, &view, arch, err));
    }
done:
    fg_free(place);
    return status;
}

static fg_status compile_files(fg_migrations *all, size_t count, const char *arch, fg_error *err) {
    for (size_t i = 0; i < all->files.count && i < count; i++)
        FG_CALL(add_file(all, all->files.items[i], arch, err));
    return FG_OK;
}

fg_status fg_migrations_load(fg_migrations *all, fg_catalogue *catalogue, const char *converter,
                             const char *arch, fg_error *err) {
    fg_status status = FG_OK;
    fg_names paths = {0};
    if (converter) FG_TRY(fg_layers_load(&all->files, catalogue, converter, err));
    FG_TRY(fg_migrations_files(catalogue, &paths, err));
    for (size_t i = 0; i < paths.count; i++)
        FG_TRY(fg_layers_load(&all->files, catalogue, paths.items[i], err));
    FG_TRY(compile_files(all, SIZE_MAX, arch, err));
done:
    fg_names_free(&paths);
    return status;
}

fg_status fg_migrations_load_file(fg_migrations *all, fg_catalogue *catalogue, const char *path,
                                  fg_error *err) {
    FG_CALL(fg_layers_load(&all->files, catalogue, path, err));
    FG_CALL(compile_files(all, 1, NULL, err)); /* the first; what it extends is looked at by itself */
    return FG_OK;
}

void fg_migrations_free(fg_migrations *all) {
    for (size_t i = 0; i < all->count; i++) fg_migration_free(&all->items[i]);
    fg_free(all->items);
    fg_layers_free(&all->files);
    *all = (fg_migrations){0};
}

fg_status fg_converter_version(const fg_converter *converter, fg_version *version, bool *found,
                               fg_error *err) {
    const fg_section *root = fg_converter_declarations(converter)->root;
    const fg_claim *claim = root ? fg_claims_find(&root->claims[FG_SIDE_TARGET], FG_ARCH_VERSION_KEY) : NULL;
    const json_t *spec = claim && claim->declaration ? claim->declaration->spec : NULL;
    const json_t *written = json_object_get(spec, "constant_import");
    if (!written) written = json_object_get(spec, "import_as");
    *found = written != NULL;
    return written ? fg_version_read(written, fg_converter_file(converter), version, err) : FG_OK;
}

const fg_version *fg_migrations_newest(const fg_migrations *all) {
    const fg_version *newest = NULL;
    for (size_t i = 0; i < all->count; i++) {
        if (!newest || fg_version_compare(&all->items[i].to, newest) > 0) newest = &all->items[i].to;
    }
    return newest;
}

/* ---- the chain ---- */

static const fg_migration *step_from(const fg_migrations *all, const fg_version *version) {
    for (size_t i = 0; i < all->count; i++) {
        if (fg_version_compare(&all->items[i].from, version) == 0) return &all->items[i];
    }
    return NULL;
}

static fg_status missing_step(const fg_migrations *all, const char *arch, const fg_version *at,
                              const fg_version *to, const fg_migration *step, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer known = {0};
    if (step)
        fg_fail(err, FG_ERR_INPUT,
                "architecture %s: the migration from version %s leads to %s, past %s (%s:%u)", arch, at->text,
                step->to.text, to->text, step->file->path, step->line);
    else
        fg_fail(err, FG_ERR_INPUT, "architecture %s: there is no migration from version %s on the way to %s",
                arch, at->text, to->text);
    for (size_t i = 0; i < all->count && i < LISTED; i++)
        FG_TRY(fg_buffer_printf(&known, err, "%s%s->%s", i ? ", " : "", all->items[i].from.text,
                                all->items[i].to.text));
done:
    status = known.data ? fg_hint(err,
                                  "there are these: %s; others come from migrations/ of a directory given "
                                  "with --converter-path",
                                  known.data)
                        : fg_hint(err, "there are none for it; give a directory that holds migrations/ with "
                                       "--converter-path");
    fg_buffer_free(&known);
    return status;
}

fg_status fg_migrations_chain(const fg_migrations *all, const char *arch, const fg_version *from,
                              const fg_version *to, fg_migration_chain *chain, fg_error *err) {
    fg_status status = FG_OK;
    const fg_version *at = from;
    if (fg_version_compare(from, to) > 0) {
        fg_fail(err, FG_ERR_USAGE,
                "architecture %s: version %s comes before %s, the version of the source: migrations only "
                "lead forward",
                arch, to->text, from->text);
        return fg_hint(err, "an update leads to a later version; leave --to-version out for the current one");
    }
    FG_NEW(chain->steps, all->count);
    while (fg_version_compare(at, to) < 0) {
        const fg_migration *step = step_from(all, at);
        if (!step || fg_version_compare(&step->to, to) > 0)
            FG_TRY(missing_step(all, arch, at, to, step, err));
        chain->steps[chain->count++] = step;
        at = &step->to;
    }
done:
    if (status != FG_OK) fg_migration_chain_free(chain);
    return status;
}

void fg_migration_chain_free(fg_migration_chain *chain) {
    fg_free(chain->steps);
    *chain = (fg_migration_chain){0};
}
