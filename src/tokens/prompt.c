#include "tokens/prompt.h"

#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "tokenizer/tokenizer.h"

static const char DEFAULT_PROMPT[] = "The old bookstore at the corner of Elm Street had always held secrets, "
                                     "but today, something unusual caught Emma's eye.";

enum { PLACE = 320, SHOWN = 60 };

typedef struct resolution {
    fg_prompt *prompt;
    const fg_prompt_request *request;
    const fg_prompt_side *source, *destination;
    const char *text;
    bool disagree; /* their tokenizers do */
} resolution;

/* ---- what is known about a side ---- */

static bool has_tokenizer(const fg_prompt_side *side) {
    return side->tokenizer->tokenizer.length > 0;
}

static void check_length(const resolution *s, const fg_prompt_side *side) {
    json_int_t longest = json_integer_value(json_object_get(side->config, "max_position_embeddings"));
    if (longest > 0 && s->prompt->ids.count > (uint64_t)longest)
        fg_warn("the prompt has %zu tokens, more than max_position_embeddings of %s (%lld)",
                s->prompt->ids.count, side->name, (long long)longest);
}

/* ---- one tokenizer ---- */

static fg_status check_range(const resolution *s, const fg_id_list *ids, fg_error *err) {
    uint64_t rows = fg_min(s->source->rows, s->destination->rows);
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->ids[i] < rows) continue;
        fg_fail(err, FG_ERR_INPUT, "token %zu of the prompt has the id %lu, but the vocabulary has %llu rows",
                i + 1, (unsigned long)ids->ids[i], (unsigned long long)rows);
        fg_about_found(err, "the id %lu", (unsigned long)ids->ids[i]);
        return fg_about_expected(err, "an id below %llu", (unsigned long long)rows);
    }
    if (!ids->count) return fg_fail(err, FG_ERR_INPUT, "the tokenizer gives no tokens for the prompt");
    return FG_OK;
}

static fg_status encode(const resolution *s, const fg_prompt_side *side, fg_id_list *ids, fg_error *err) {
    fg_status status = FG_OK;
    fg_tokenizer *tokenizer = NULL;
    FG_TRY(fg_tokenizer_new(&tokenizer, side->tokenizer, err));
    FG_TRY(fg_tokenizer_encode(tokenizer, s->text, strlen(s->text), true, ids, err));
done:
    fg_tokenizer_free(&tokenizer);
    if (status != FG_OK) fg_where(err, "tokenizing the prompt with the tokenizer of %s", side->name);
    return status;
}

/* ---- two tokenizers ---- */

/* "token 4 is 23 for A and 402 ("Elm Street") for B"; ids beyond the end of one list are "none". */
static fg_status place_of_difference(const resolution *s, size_t at, const fg_id_list *theirs, char *place,
                                     fg_error *err) {
    fg_status status = FG_OK;
    const fg_id_list *ours = &s->prompt->ids;
    fg_tokenizer *tokenizer = NULL;
    fg_buffer text = {0};
    char first[24] = "missing", second[24] = "missing", shown[SHOWN + 8] = "";
    if (at < ours->count) snprintf(first, sizeof first, "%lu", (unsigned long)ours->ids[at]);
    if (at < theirs->count) {
        snprintf(second, sizeof second, "%lu", (unsigned long)theirs->ids[at]);
        FG_TRY(fg_tokenizer_new(&tokenizer, s->destination->tokenizer, err));
        FG_TRY(fg_tokenizer_decode(tokenizer, theirs->ids + at, 1, true, &text, err));
        if (text.length) snprintf(shown, sizeof shown, " (\"%.*s\")", SHOWN, text.data);
    }
    snprintf(place, PLACE, "token %zu is %s for %.40s and %s%s for %.40s", at + 1, first, s->source->name,
             second, shown, s->destination->name);
done:
    fg_tokenizer_free(&tokenizer);
    fg_buffer_free(&text);
    return status;
}

static fg_status compare(resolution *s, const fg_id_list *theirs, fg_error *err) {
    fg_status status = FG_OK;
    const fg_id_list *ours = &s->prompt->ids;
    size_t common = fg_min(ours->count, theirs->count), at = 0;
    char place[PLACE];
    while (at < common && ours->ids[at] == theirs->ids[at]) at++;
    if (at == ours->count && at == theirs->count) return FG_OK;
    FG_TRY(place_of_difference(s, at, theirs, place, err));
    if (!s->request->compares) {
        fg_warn("the two tokenizers disagree about the prompt: %s; both models run on the source's tokens",
                place);
        goto done;
    }
    fg_fail(err, FG_ERR_INPUT, "the two tokenizers disagree about the prompt: %s", place);
    s->disagree = true;
    status = fg_hint(err, "give the tokens with --token-ids instead");
done:
    return status;
}

/* Ids by the source's tokenizer, compared with the destination's. Of two models of which one has a tokenizer
 * that one is used. */
static fg_status encode_both(resolution *s, fg_error *err) {
    fg_status status = FG_OK;
    fg_id_list theirs = {0};
    const fg_prompt_side *by = s->source, *other = s->destination;
    if (s->request->compares && !has_tokenizer(by)) by = other;
    FG_TRY(encode(s, by, &s->prompt->ids, err));
    FG_TRY(check_range(s, &s->prompt->ids, err));
    s->prompt->tokenizer = has_tokenizer(other) ? other->tokenizer : by->tokenizer;
    if (by->tokenizer == other->tokenizer || !has_tokenizer(other)) goto done;
    FG_TRY(encode(s, other, &theirs, err));
    FG_TRY(compare(s, &theirs, err));
done:
    fg_id_list_free(&theirs);
    return status;
}

/* ---- the ways to a prompt ---- */

/* With ids a tokenizer is needed for generated text only, and only wished for. */
static fg_status take_ids(resolution *s, fg_error *err) {
    fg_status status = FG_OK;
    fg_error problem = {0};
    fg_tokenizer *tokenizer = NULL;
    const fg_prompt_side *by = has_tokenizer(s->destination) ? s->destination : s->source;
    FG_TRY(fg_id_list_append(&s->prompt->ids, s->request->ids, s->request->id_count, err));
    if (!s->request->generates) goto done;
    status = fg_tokenizer_new(&tokenizer, by->tokenizer, &problem);
    if (status == FG_OK) s->prompt->tokenizer = by->tokenizer;
    if (status == FG_ERR_INPUT) {
        fg_warn("%s; generated tokens are printed as ids", problem.text);
        status = FG_OK;
    }
    if (status != FG_OK) *err = problem;
done:
    fg_tokenizer_free(&tokenizer);
    return status;
}

/* A default prompt that cannot be used is replaced by random ids, from which nothing is generated. */
static fg_status try_default(resolution *s, fg_error *err) {
    fg_error problem = {0};
    fg_status status = encode_both(s, &problem);
    bool unusable = status == FG_ERR_INPUT && !s->disagree;
    if (unusable && !s->request->generates) {
        fg_warn("%s; the models run on random token ids instead of a prompt", problem.text);
        fg_prompt_free(s->prompt);
        return FG_OK;
    }
    if (unusable) {
        fg_fail_again(err, &problem);
        return fg_hint(err, "-g needs a tokenizer for its prompt; give ids with --token-ids instead");
    }
    if (status != FG_OK) *err = problem;
    return status;
}

fg_status fg_prompt_resolve(fg_prompt *prompt, const fg_prompt_request *request, const fg_prompt_side *source,
                            const fg_prompt_side *destination, fg_error *err) {
    resolution s = {.prompt = prompt,
                    .request = request,
                    .source = source,
                    .destination = destination,
                    .text = request->text ? request->text : DEFAULT_PROMPT};
    *prompt = (fg_prompt){0};
    if (request->id_count)
        FG_CALL(take_ids(&s, err));
    else
        FG_CALL(request->text ? encode_both(&s, err) : try_default(&s, err));
    if (prompt->ids.count > FG_PROMPT_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "the prompt has %zu tokens, expected at most %d", prompt->ids.count,
                       FG_PROMPT_LIMIT);
    check_length(&s, source);
    if (destination->config != source->config) check_length(&s, destination);
    return FG_OK;
}

void fg_prompt_free(fg_prompt *prompt) {
    fg_id_list_free(&prompt->ids);
    *prompt = (fg_prompt){0};
}
