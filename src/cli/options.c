#include "cli/options.h"

#include <string.h>

#include "base/alloc.h"

static const uint64_t DEFAULT_SHARD = UINT64_C(5000000000);
enum { MOST_RANKS = 1 << 16 };
static const uint64_t DEFAULT_NEW_TOKENS = 64;

fg_options fg_options_default(void) {
    return (fg_options){.max_shard_size = DEFAULT_SHARD,
                        .max_new_tokens = DEFAULT_NEW_TOKENS,
                        .hf_version = 4,
                        .atol = -1,
                        .temperature = -1,
                        .top_p = -1,
                        .seed = -1,
                        .progress = FG_PROGRESS_AUTO};
}

fg_status fg_options_append(const char ***items, size_t *count, const char *item, fg_error *err) {
    const char **larger = fg_alloc(*count + 1, sizeof *larger, err);
    if (!larger) return FG_ERR_MEMORY;
    if (*count) memcpy(larger, *items, *count * sizeof *larger);
    larger[(*count)++] = item;
    fg_free(*items);
    *items = larger;
    return FG_OK;
}

/* ---- what belongs together ---- */

static fg_status check_directions(const fg_options *o, fg_error *err) {
    if (o->reverse && o->from != NULL && o->from != &fg_format_forgather) {
        fg_fail(err, FG_ERR_USAGE, "--reverse converts from forgather, but --from is %s", o->from->name);
        fg_about_found(err, "%s", o->from->name);
        return fg_about_expected(err, "%s", fg_format_forgather.name);
    }
    if (o->reverse && o->to != NULL && o->to != &fg_format_hf) {
        fg_fail(err, FG_ERR_USAGE, "--reverse converts to hf, but --to is %s", o->to->name);
        fg_about_found(err, "%s", o->to->name);
        return fg_about_expected(err, "%s", fg_format_hf.name);
    }
    if (o->from != NULL && o->from == o->to)
        return fg_fail(err, FG_ERR_USAGE, "--from and --to are both %s: there is nothing to convert",
                       o->from->name);
    return FG_OK;
}

static fg_status check_generation(const fg_options *o, const char *detail, fg_error *err) {
    if (o->prompt && o->token_ids) {
        fg_fail(err, FG_ERR_USAGE, "--prompt and --token-ids both give the tokens to run");
        return fg_hint(err, "remove one of the two");
    }
    if (detail && !o->generation_test) {
        fg_fail(err, FG_ERR_USAGE, "--%s is only used with --generation-test", detail);
        return fg_hint(err, "remove it, or add -g");
    }
    if (o->image && o->token_ids && o->generation_test) {
        fg_fail(err, FG_ERR_USAGE, "-g continues a text, but --token-ids are for the image");
        return fg_hint(err, "give a text with --prompt, or remove -g");
    }
    if (o->top_p > 1)
        return fg_fail(err, FG_ERR_USAGE, "option --top-p: found %g, expected 0 to 1", o->top_p);
    return FG_OK;
}

/* Logits that are to be written must be computed. */
static fg_status check_dump(const fg_options *o, fg_error *err) {
    bool computed = o->validate == FG_VALIDATE_LOGITS || o->validate == FG_VALIDATE_AUTO;
    if (!o->dump || computed) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--dump writes the logits of the proof, but --validate %s computes none",
            o->validate == FG_VALIDATE_NONE ? "none" : "bytes");
    return fg_hint(err, "remove one of the two");
}

static fg_status check_limits(const fg_options *o, fg_error *err) {
    if (o->profile == FG_PROFILE_EXACT || o->atol < 0) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--atol and --profile both say which differences of logits are accepted");
    return fg_hint(err, "remove one of the two");
}

/* A journal says what is on the disk, and a later run reads it. */
static fg_status check_resume(const fg_options *o, fg_error *err) {
    if (o->trust_journal && !o->resume) {
        fg_fail(err, FG_ERR_USAGE, "--trust-journal is only used with --resume");
        return fg_hint(err, "remove it, or add --resume");
    }
    if (o->resume && o->no_fsync) {
        fg_fail(err, FG_ERR_USAGE,
                "--resume continues from what is on the disk, but --no-fsync does not wait until it is");
        return fg_hint(err, "remove one of the two");
    }
    if (o->resume && o->in_place) {
        fg_fail(
            err, FG_ERR_USAGE,
            "--resume cannot be used with --in-place: a second run could not tell the new SRC from the old");
        return fg_hint(err, "write to a new directory DST with --resume, or remove --resume");
    }
    return FG_OK;
}

static fg_status check_ranks(const fg_options *o, fg_error *err) {
    if (o->ranks <= MOST_RANKS) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "option --ranks: found %llu, expected at most %d",
                   (unsigned long long)o->ranks, MOST_RANKS);
}

fg_status fg_options_check(const fg_options *options, const char *detail, fg_error *err) {
    FG_CALL(check_directions(options, err));
    FG_CALL(check_generation(options, detail, err));
    FG_CALL(check_resume(options, err));
    FG_CALL(check_limits(options, err));
    FG_CALL(check_ranks(options, err));
    return check_dump(options, err);
}

void fg_options_free(fg_options *options) {
    fg_free(options->files);
    fg_free(options->token_ids);
    fg_free(options->converter_paths);
    fg_free(options->ignore_keys);
    *options = (fg_options){0};
}
