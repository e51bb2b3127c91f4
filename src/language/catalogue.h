/* The catalogue of converter files: where they are searched for, and what was loaded of them.
 *
 * Invariant: what is loaded once is not loaded again. The catalogue owns it until it is freed; others borrow
 * it. What could not be loaded is not kept: another try gives the same error.
 */
#ifndef FG_LANGUAGE_CATALOGUE_H
#define FG_LANGUAGE_CATALOGUE_H

#include "base/file.h"
#include "base/json.h"

struct fg_kept;

/* All zero: no directories. It must not move once something is loaded. */
typedef struct fg_catalogue {
    /* Owned: directories that hold FORMAT/TYPE.json (or, for plug-ins, TYPE.json itself), searched in order,
     * and the defaults and models next to the built-in ones. The last one is the built-in directory. */
    char **directories;
    size_t count;
    struct fg_kept *kept; /* owned; see fg_catalogue_keep */
    size_t kept_count, kept_capacity;
} fg_catalogue;

/* Adds a directory, behind those that are there. */
fg_status fg_catalogue_add(fg_catalogue *catalogue, const char *path, fg_error *err);
void fg_catalogue_free(fg_catalogue *catalogue);
/* Frees what was loaded, for those who change files: the directories stay. */
void fg_catalogue_forget(fg_catalogue *catalogue);

/* The first existing DIR/`relative` ("models/llama.json", "defaults/transformers.json"), newly allocated.
 * FG_ERR_INPUT if there is none; fg_catalogue_look gives NULL then. */
fg_status fg_catalogue_look(const fg_catalogue *catalogue, const char *relative, char **path, fg_error *err);
fg_status fg_catalogue_find(const fg_catalogue *catalogue, const char *relative, char **path, fg_error *err);

/* Adds the paths of the JSON files in DIR/`folder` ("": in DIR) of the directory with this number, sorted by
 * name. They are the caller's, after a failure too. */
fg_status fg_catalogue_list(const fg_catalogue *catalogue, size_t index, const char *folder, fg_names *paths,
                            fg_error *err);

/* A file that holds a JSON object, with its text for line numbers. */
typedef struct fg_source_file {
    char *path;
    fg_buffer text;
    json_t *document;
} fg_source_file;

/* The file at a path, borrowed. FG_ERR_INPUT if it is not a JSON object. */
fg_status fg_catalogue_read(fg_catalogue *catalogue, const char *path, const fg_source_file **file,
                            fg_error *err);

/* The file DIR/`relative` of the directory with this number; NULL: it has none. */
fg_status fg_catalogue_read_in(fg_catalogue *catalogue, size_t index, const char *relative,
                               const fg_source_file **file, fg_error *err);

/* For those who load: the object that was kept under a kind ("converter", a literal) and a name, or NULL; and
 * keeping one, which the catalogue frees with `release`, also if it cannot be kept. Objects are freed in
 * reverse order, so that one may borrow from those before. */
void *fg_catalogue_kept(const fg_catalogue *catalogue, const char *kind, const char *name);
fg_status fg_catalogue_keep(fg_catalogue *catalogue, const char *kind, const char *name, void *object,
                            void (*release)(void *object), fg_error *err);

#endif
