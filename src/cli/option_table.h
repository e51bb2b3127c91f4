/* The table of options: parsing, help, man pages, completion and the table of the documents are made from it.
 *
 * Invariant: the table has every option of the command line once; names, aliases, letters and groups are
 * unique.
 */
#ifndef FG_CLI_OPTION_TABLE_H
#define FG_CLI_OPTION_TABLE_H

#include "cli/options.h"

typedef enum fg_option_kind {
    FG_OPTION_FLAG = 0, /* bool: true; of rows that name no kind */
    FG_OPTION_VALUE,    /* int or enum: `constant` */
    FG_OPTION_TEXT,     /* const char *, not empty */
    FG_OPTION_PATHS,    /* appends to converter_paths */
    FG_OPTION_KEYS,     /* appends to ignore_keys */
    FG_OPTION_COUNT,    /* uint64_t, 1 or more */
    FG_OPTION_NUMBER,   /* int64_t, 0 or more */
    FG_OPTION_REAL,     /* double, finite, 0 or more */
    FG_OPTION_SIZE,     /* uint64_t, bytes, as fg_byte_size_parse reads it */
    FG_OPTION_TOKENS,   /* token_ids and token_count */
    FG_OPTION_CHOICE,   /* int or enum: the value of one of `choices` */
    FG_OPTION_FORMAT,   /* const fg_format *; the choices are their names */
    FG_OPTION_TARGET,   /* the same, of formats that can be written */
    FG_OPTION_HELP,     /* ends parsing; takes an optional form */
    FG_OPTION_VERSION,
} fg_option_kind;

typedef enum fg_option_group {
    FG_GROUP_CONVERSION,
    FG_GROUP_TOKENS,
    FG_GROUP_OUTPUT,
    FG_GROUP_PROOF,
    FG_GROUP_GENERATION,
    FG_GROUP_GENERAL,
    FG_GROUP_COUNT
} fg_option_group;

/* Options that the same commands take; a command's row names its sets. Options without one belong to all. */
enum {
    FG_TAKES_ALWAYS = 0,
    FG_TAKES_FROM = 1 << 0,        /* --from */
    FG_TAKES_TARGET = 1 << 1,      /* --to, --max-length, --hf-version */
    FG_TAKES_CONVERT = 1 << 2,     /* --reverse, --hf-base */
    FG_TAKES_FAMILY = 1 << 3,      /* --model-type */
    FG_TAKES_CHECKPOINT = 1 << 4,  /* --checkpoint-path */
    FG_TAKES_CONVERTERS = 1 << 5,  /* --converter-path */
    FG_TAKES_IGNORED = 1 << 6,     /* --ignore-key */
    FG_TAKES_UPDATE = 1 << 7,      /* --arch, --from-version, --to-version, --no-strict */
    FG_TAKES_WRITE = 1 << 8,       /* --dtype, --dry-run, --validate ... */
    FG_TAKES_TOKENS = 1 << 9,      /* --add-tokens, --chat-template-path ... */
    FG_TAKES_FINALIZE = 1 << 10,   /* --stop-tokens, --generation-config ... */
    FG_TAKES_TEXT = 1 << 11,       /* --decode, --special, --jsonl */
    FG_TAKES_IN_PLACE = 1 << 12,   /* --in-place */
    FG_TAKES_REPORT = 1 << 13,     /* --report, --html */
    FG_TAKES_TOLERANCE = 1 << 14,  /* --atol, --profile */
    FG_TAKES_PROOF = 1 << 15,      /* --prompt, --dump, -g ... */
    FG_TAKES_COMPATIBLE = 1 << 16, /* of Forgather's own programs, to no effect */
    FG_TAKES_JSON = 1 << 17,       /* --json */
    FG_TAKES_TRAINED = 1 << 18,    /* --allow-unfinished, --parameter-order */
    FG_TAKES_STATS = 1 << 20,      /* --stats */
    FG_TAKES_RANKS = 1 << 19,      /* --ranks, --progress: of collective commands */
    /* what every command that writes a checkpoint takes */
    FG_TAKES_CONVERSION = FG_TAKES_CHECKPOINT | FG_TAKES_CONVERTERS | FG_TAKES_IGNORED | FG_TAKES_WRITE |
                          FG_TAKES_REPORT | FG_TAKES_PROOF | FG_TAKES_JSON | FG_TAKES_RANKS,
};

/* What a shell completes a value or an argument with. */
typedef enum fg_complete {
    FG_COMPLETE_NOTHING = 0,
    FG_COMPLETE_FILES,
    FG_COMPLETE_DIRECTORIES,
    FG_COMPLETE_COMMANDS,
    FG_COMPLETE_SHELLS
} fg_complete;

/* Typed names are compared without case, '-' and '_': "Fast-LLM" is fast_llm. */
typedef struct fg_option_choice {
    const char *name;
    int value;
    const char *missing; /* not NULL: this version cannot do it, and why */
    const char *alias;   /* another name, or NULL */
} fg_option_choice;

enum { FG_OPTION_CHOICES = 5, FG_OPTION_LIMIT = 96 };

typedef struct fg_option {
    const char *name;     /* without the two dashes */
    const char *alias;    /* another spelling, or NULL */
    char letter;          /* short form, or 0 */
    const char *argument; /* what help calls the value; NULL: takes none, or `choices` say it */
    fg_option_group group;
    unsigned set; /* FG_TAKES_...; 0: every command takes it */
    fg_option_kind kind;
    size_t offset; /* of the field in fg_options */
    int constant;
    fg_option_choice choices[FG_OPTION_CHOICES]; /* of FG_OPTION_CHOICE and _HELP */
    fg_complete complete;                        /* of the value; choices are always completed */
    bool common;                                 /* shown on the page of the program */
    bool hidden;       /* accepted, but not in help and completion: it does nothing */
    const char *about; /* what it does, without a full stop at the end */
} fg_option;

extern const fg_option fg_option_table[];
extern const size_t fg_option_count;

const char *fg_option_group_title(fg_option_group group);
/* Whether it takes a value (not so for flags and for --help, whose form must follow "="). */
bool fg_option_takes_value(const fg_option *option);
/* Whether it may be given several times, and each counts. */
bool fg_option_repeats(const fg_option *option);
/* One of the values that it takes, from 0; behind the last one without a name. */
fg_option_choice fg_option_choice_at(const fg_option *option, size_t index);
/* "hf, forgather": their names, in `buffer`, which is returned; "" if there are none. */
const char *fg_option_choices(const fg_option *option, const char *between, char *buffer, size_t size);
/* "{hf,forgather}" or "DIR": how texts show the value, in `buffer`, which is returned; "" if the option takes
 * none. */
const char *fg_option_argument(const fg_option *option, char *buffer, size_t size);
/* "one of hf, forgather" or "DIR": how messages say what the value can be, in `buffer` or constant. */
const char *fg_option_expected(const fg_option *option, char *buffer, size_t size);

#endif
