/* The components of a tokenizer.json: normalizer, pre-tokenizer, model, post-processor and decoder. Each is
 * a JSON object {"type": NAME, ...}, or a Sequence of such objects, which becomes one list of steps.
 *
 * A type is a constant struct of functions in a file of its own, and a row of FG_COMPONENT_KINDS; one that
 * serves two families (Replace) has a struct for each.
 *
 * Invariant: types and fields that are not known are FG_ERR_INPUT. Text that comes in is valid UTF-8 and so
 * is what comes out.
 */
#ifndef FG_TOKENIZER_COMPONENT_H
#define FG_TOKENIZER_COMPONENT_H

#include "tokenizer/id_list.h"
#include "tokenizer/pre_tokenized.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocabulary.h"

typedef enum fg_component_family {
    FG_MODEL,
    FG_NORMALIZER,
    FG_PRE_TOKENIZER,
    FG_POST_PROCESSOR,
    FG_DECODER,
    FG_COMPONENT_FAMILIES,
} fg_component_family;

typedef struct fg_component_kind {
    fg_component_family family;
    const char *type, *keys; /* in tokenizer.json; the keys that it may have, separated by spaces */
    bool once;               /* a second one in a Sequence is not supported */
    size_t size;             /* of its settings */
    /* Fills the zeroed settings, whose keys are checked. NULL: there are none. */
    fg_status (*read)(void *settings, const fg_tokenizer_json *json, fg_error *err);
    /* Frees what settings own that were read, or half read; NULL: nothing. */
    void (*free)(void *settings);
    union { /* by the family */
        /* Appends the normalized text. */
        fg_status (*normalize)(const void *settings, const fg_buffer *text, fg_buffer *out, fg_error *err);
        fg_status (*pre_tokenize)(const void *settings, fg_pre_tokenized *text, fg_error *err);
        /* Appends the ids of a word; it may use scratch memory in the settings. */
        fg_status (*encode)(void *settings, const char *word, size_t length, fg_id_list *ids, fg_error *err);
        /* Puts special tokens around the ids from `first` on if `special`. NULL: it changes offsets only. */
        fg_status (*post_process)(const void *settings, fg_id_list *ids, size_t first, bool special,
                                  fg_error *err);
        /* Fills `out` from the texts of tokens. */
        fg_status (*decode)(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err);
    };
    const fg_vocabulary *(*vocabulary)(const void *settings); /* of a model; borrowed */
} fg_component_kind;

/* One row for each type of each family; messages list them in this order. */
/* clang-format off */
#define FG_COMPONENT_KINDS(row)                                                                              \
    row(fg_bpe)                                                                                              \
    row(fg_nfc) row(fg_prepend) row(fg_replace_normalizer)                                                   \
    row(fg_split) row(fg_byte_level) row(fg_metaspace) row(fg_digits)                                        \
    row(fg_template_processing) row(fg_byte_level_processor)                                                 \
    row(fg_byte_level_decoder) row(fg_byte_fallback) row(fg_fuse) row(fg_replace_decoder) row(fg_strip)      \
    row(fg_metaspace_decoder)
/* clang-format on */
#define FG_COMPONENT_DECLARE(kind) extern const fg_component_kind kind;
FG_COMPONENT_KINDS(FG_COMPONENT_DECLARE)

enum { FG_COMPONENT_STEPS = 64 };

/* How long a text may become, whatever the components of a file make of it. Usual ones make 3 bytes of one.
 */
enum { FG_GROWTH_FIRST = 4096, FG_GROWTH = 16 };
static inline size_t fg_growth_limit(size_t length) {
    return FG_GROWTH_FIRST + length * FG_GROWTH;
}

typedef struct fg_component_step {
    const fg_component_kind *kind;
    void *settings; /* owned */
} fg_component_step;

typedef struct fg_component {
    bool present;
    fg_component_step steps[FG_COMPONENT_STEPS];
    size_t count;
} fg_component;

/* Reads a family's member of a tokenizer.json. null and nothing give a component without steps, which
 * changes nothing; a model, which is always one step, must be there. */
fg_status fg_component_read(fg_component *component, fg_component_family family,
                            const fg_tokenizer_json *tokenizer, fg_error *err);
void fg_component_free(fg_component *component);

/* Normalizes `text` in place; neither it nor a step on the way may have more than `limit` bytes. */
fg_status fg_component_normalize(const fg_component *normalizer, size_t limit, fg_buffer *text,
                                 fg_buffer *spare, fg_error *err);
/* Cuts a text into the words that the model sees. */
fg_status fg_component_pre_tokenize(const fg_component *pre_tokenizer, fg_pre_tokenized *text, fg_error *err);
/* Puts the ids from `first` on where a template has the text, and its special tokens around if `special`. */
fg_status fg_component_post_process(const fg_component *post_processor, fg_id_list *ids, size_t first,
                                    bool special, fg_error *err);
/* Appends the text of the tokens, which are overwritten; it grows as fg_growth_limit says.
 * Without a decoder spaces are put between them. */
fg_status fg_component_decode(const fg_component *decoder, fg_spans *tokens, fg_buffer *out, fg_error *err);

#endif
