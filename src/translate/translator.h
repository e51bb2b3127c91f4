/* One translation under way: what primitives read from and write to.
 *
 * Invariant: `given` never changes; every refusal is one line in `refusals`.
 */
#ifndef FG_TRANSLATE_TRANSLATOR_H
#define FG_TRANSLATE_TRANSLATOR_H

#include "base/warnings.h"
#include "language/classes.h"
#include "language/converter.h"
#include "language/template.h"
#include "translate/translate_options.h"

typedef struct fg_translator {
    const fg_converter *converter; /* NULL: of a migration (migration_config.h) */
    const json_t *document;        /* in which the declarations stand, for "tables" and what else it says */
    const char *file;              /* the same for messages */
    const fg_declarations *declarations;
    fg_direction direction;
    const fg_translate_options *options;
    const fg_classes *classes; /* of the target; NULL if it has none */
    fg_claims claims[2];       /* owned; per side, from the root: what declarations have claimed so far */
    const json_t *hf_keys;     /* borrowed; keys of hf that belong to no family (language/hf_keys.h) */
    /* Import: the source as its file has it, for the names in messages; else NULL. */
    const json_t *file_config;
    const json_t *given;      /* the source, in the rotary spelling that declarations see */
    json_t *source;           /* what declarations read. Import: `given` completed with the family's defaults,
                            in which values become what they mean as declarations resolve them; export: a
                            copy of `given`, completed with the defaults of its classes */
    json_t *resolved;         /* object of hf path -> import: value that was carried over; export: what the
                            absence of a key that is not written means */
    json_t *result;           /* what declarations write */
    json_t *left_out;         /* array; NULL: not wanted, */
    fg_warnings *warnings;    /* nor are these, as on a trial way back */
    json_t *vocabulary_sizes; /* the same; see fg_translation */
    json_t *variables;        /* for $names */
    fg_buffer refusals;       /* owned; lines */
    fg_error first;           /* refusal */
    size_t refused;
    bool lacks_key;    /* one of the refusals is for a key that must be there */
    const char *hint;  /* what to do about the refusals, where one of them says so itself; else NULL */
    char unknown[160]; /* the first refused key that --ignore-key may name, as the option spells it; or "" */
} fg_translator;

/* A section at its place on both sides. */
typedef struct fg_frame {
    const fg_section *section;
    const char *hf, *target; /* prefixes; "" at the root */
    fg_scope scope;          /* of the side that is read */
} fg_frame;

/* Whether hf is the side that is read. */
static inline bool fg_translator_imports(const fg_translator *translator) {
    return translator->direction == FG_IMPORT;
}

/* Runs the declarations and the conditions of a frame, and notes their claims. Refusals are collected. */
fg_status fg_translator_run(fg_translator *translator, const fg_frame *frame, fg_error *err);

/* Adds a line to the refusals (of more than FG_REFUSALS_SHOWN only the number is kept). `declaration` may be
 * NULL; it is named with file and line. */
enum { FG_REFUSALS_SHOWN = 8 };
fg_status fg_translator_refuse(fg_translator *translator, const fg_declaration *declaration, fg_error *err,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same of a value that the source has at a path of the frame: 'key "PATH" = VALUE: ...'. `frame` NULL:
 * the path is from the root. */
fg_status fg_translator_refuse_value(fg_translator *translator, const fg_declaration *declaration,
                                     const fg_frame *frame, const char *path, const json_t *value,
                                     fg_error *err, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/* FG_ERR_INPUT with the refusals, if there are any. */
fg_status fg_translator_verdict(const fg_translator *translator, fg_error *err);
/* Frees what it owns: claims, refusals, and `source`, `resolved`, `result` and `variables`. */
void fg_translator_free(fg_translator *translator);

/* Claims a path of the frame on one side (FG_SIDE_HF, FG_SIDE_TARGET). */
fg_status fg_translator_claim(fg_translator *translator, const fg_frame *frame, int side, const char *path,
                              const fg_declaration *declaration, fg_error *err);
/* A path of the side that is read as the source's file has it: messages name rotary settings by its spelling.
 * `buffer` is returned. */
const char *fg_translator_name(const fg_translator *translator, const char *path, char *buffer, size_t size);
/* The same for a path of the frame. */
const char *fg_translator_place(const fg_translator *translator, const fg_frame *frame, const char *path,
                                char *buffer, size_t size);

/* Reads the source / writes the result at a path of the frame. `found` is borrowed, NULL if absent. `given`:
 * without defaults. What is written twice must be the same: another value is a refusal. */
fg_status fg_translator_read(const fg_translator *translator, const fg_frame *frame, const char *path,
                             bool given, const json_t **found, fg_error *err);
fg_status fg_translator_write(fg_translator *translator, const fg_frame *frame, const char *path,
                              const json_t *value, fg_error *err);
/* The same for a value that was made for it (NULL: there was no memory), which is taken over. */
fg_status fg_translator_write_new(fg_translator *translator, const fg_frame *frame, const char *path,
                                  json_t *value, fg_error *err);
/* Notes a path of the result that holds the number of tokens. */
fg_status fg_translator_note_vocabulary(fg_translator *translator, const fg_frame *frame, const char *path,
                                        fg_error *err);
/* Export: notes that the declaration's hf key is not written, and means `value` then. */
fg_status fg_translator_note_absent(fg_translator *translator, const fg_frame *frame,
                                    const fg_declaration *declaration, const json_t *value, fg_error *err);

/* Import: notes that the declaration's hf key means `value` (written into the source in place of null or
 * nothing). */
fg_status fg_translator_resolve(fg_translator *translator, const fg_frame *frame,
                                const fg_declaration *declaration, const json_t *value, bool comes_back,
                                fg_error *err);
/* Notes a key that the destination does not have. `as`: what comes back in its place, or NULL. */
fg_status fg_translator_leave_out(fg_translator *translator, const fg_frame *frame, const char *path,
                                  const json_t *value, const char *reason, const json_t *as, fg_error *err);
/* The same for a key that is not written where it has this value ("absent" in the entry). */
fg_status fg_translator_leave_out_default(fg_translator *translator, const fg_frame *frame, const char *path,
                                          const json_t *value, const char *reason, fg_error *err);
/* Marks the entry that was noted last: its `member` is true. */
fg_status fg_translator_mark_last(fg_translator *translator, const char *member, fg_error *err);
/* What a V of the declaration (a member such as "default", which must exist) means here. New reference. */
fg_status fg_translator_value(const fg_translator *translator, const fg_frame *frame,
                              const fg_declaration *declaration, const char *member, json_t **value,
                              fg_error *err);

/* --ignore-key (ignored_keys.c): FG_ERR_USAGE for a key that a declaration claims, or that is known to change
 * what a model computes. */
fg_status fg_ignored_keys_check(const fg_translator *translator, fg_error *err);
/* FG_ERR_USAGE if the option is given: for a source with classes, each field of which is known or refused. */
fg_status fg_ignored_keys_refuse(const fg_translator *translator, fg_error *err);
/* Whether the option names the path. */
bool fg_ignored_keys_has(const fg_translator *translator, const char *path);
/* Notes a refused path as one that the option may name. */
void fg_ignored_keys_name(fg_translator *translator, const char *path);
#define FG_IGNORED_REASON "--ignore-key says that it does not matter"
/* Warns of options that name no key of the source. */
fg_status fg_ignored_keys_warn(const fg_translator *translator, fg_error *err);

/* coverage.c. Of the source's keys: every leaf of `given` must be claimed. Unknown neutral keys are warned of
 * where the converter says so, others are refused. */
fg_status fg_coverage_check(fg_translator *translator, fg_error *err);
/* Of the target's architecture: every architecture field of `target`, a completed configuration of
 * the root's class, must be claimed, down to the leaves. */
fg_status fg_coverage_architecture(fg_translator *translator, const json_t *target, fg_error *err);
/* Export from a target with classes: its other fields, where they have another value than their default and
 * no rule covers them, are left out, and noted. */
fg_status fg_coverage_leave_out(fg_translator *translator, fg_error *err);

#endif
