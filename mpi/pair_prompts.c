#include "pair_prompts.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/split_mix.h"
#include "model/vision.h"

enum { DEFAULT_TOKENS = 24, LONGEST_WINDOW = 512 };
/* A made-up image, in patches; and the tokens of the text before an image. */
enum { IMAGE_ROWS = 3, IMAGE_COLUMNS = 4, TOKENS_BEFORE = 5 };

/* ---- text ---- */

/* A fixed sequence that reaches over the whole vocabulary: first and last id, and random ones between. */
static void draw_tokens(uint32_t *tokens, uint64_t count, uint64_t vocab) {
    uint64_t state = 0x66676f6e76ULL;
    for (uint64_t i = 0; i < count; i++) tokens[i] = (uint32_t)(fg_split_mix(&state) % vocab);
    if (count > 1) {
        tokens[0] = 0;
        tokens[1] = (uint32_t)(vocab - 1);
    }
}

static fg_status check_ids(const fg_pair_prompt *prompt, uint64_t vocab, fg_error *err) {
    for (uint64_t i = 0; i < prompt->token_count; i++) {
        if (prompt->tokens[i] < vocab) continue;
        fg_fail(err, FG_ERR_USAGE, "--token-ids: id %lu, but the vocabulary has %llu rows",
                (unsigned long)prompt->tokens[i], (unsigned long long)vocab);
        fg_about_found(err, "%lu", (unsigned long)prompt->tokens[i]);
        return fg_about_expected(err, "an id below %llu", (unsigned long long)vocab);
    }
    return FG_OK;
}

/* One token more than the longest sliding window: only then has that an effect. */
static uint64_t tokens_to_see_windows(const fg_model_pair *p) {
    uint64_t longest = fg_max(fg_model_longest_window(p->models[FG_REFERENCE]),
                              fg_model_longest_window(p->models[FG_CANDIDATE]));
    return longest && longest <= LONGEST_WINDOW ? longest + 1 : 0;
}

/* Room for a further prompt of so many tokens. */
static fg_status add_prompt(fg_model_pair *p, uint64_t tokens, fg_pair_prompt **prompt, fg_error *err) {
    fg_pair_prompt *added = *prompt = &p->prompts[p->prompt_count++];
    added->token_count = tokens;
    added->tokens = fg_alloc(tokens, sizeof *added->tokens, err);
    return fg_ranks_agree(p->ranks, err);
}

static fg_status share_given(fg_model_pair *p, uint64_t given, uint64_t count, fg_pair_prompt **prompt,
                             fg_error *err) {
    FG_CALL(add_prompt(p, count, prompt, err));
    uint32_t *tokens = (*prompt)->tokens;
    if (!given) draw_tokens(tokens, count, fg_model_pair_vocab(p));
    if (given && p->ranks->rank == 0) memcpy(tokens, p->task->tokens, given * sizeof *tokens);
    if (given) fg_ranks_share(p->ranks, tokens, given * sizeof *tokens);
    for (uint64_t i = given; given && i < count; i++) tokens[i] = tokens[i - given];
    return check_ids(*prompt, fg_model_pair_vocab(p), err);
}

/* ---- with an image ---- */

/* Rank 0. */
static fg_status find_image(fg_model_pair *p, const fg_vision_shape *shape, const fg_image **image,
                            fg_error *err) {
    *image = p->task->image;
    if (*image) return FG_OK;
    *image = &p->made_image;
    return fg_image_make(&p->made_image, shape->channels, IMAGE_ROWS * shape->patch_height,
                         IMAGE_COLUMNS * shape->patch_width, err);
}

/* Rank 0's reaches all. */
static fg_status share_image(fg_model_pair *p, const fg_image **image, fg_error *err) {
    const fg_image *own = *image;
    uint64_t size[] = {own ? own->channels : 0, own ? own->height : 0, own ? own->width : 0};
    fg_ranks_share(p->ranks, size, sizeof size);
    uint64_t bytes = size[0] * size[1] * size[2] * sizeof *own->pixels;
    if (!own) {
        p->made_image = (fg_image){.channels = size[0], .height = size[1], .width = size[2]};
        p->made_image.pixels = fg_alloc_buffer(bytes, err);
        *image = &p->made_image;
    }
    FG_CALL(fg_ranks_agree(p->ranks, err));
    fg_ranks_share(p->ranks, (*image)->pixels, bytes);
    return FG_OK;
}

/* The text with image tokens in place of `patches` of its tokens behind the first few, or between them where
 * it is too short for that; it keeps none of its own. Gives the number of tokens; `to` may be NULL. */
static uint64_t place_image(const fg_pair_prompt *text, uint32_t image_token, uint64_t patches,
                            uint32_t *to) {
    uint64_t count = 0, before = fg_min(TOKENS_BEFORE, text->token_count), behind = before + patches;
    if (behind >= text->token_count) behind = before;
    for (uint64_t i = 0; i <= text->token_count; i++) {
        if (i == before) {
            for (uint64_t k = 0; to && k < patches; k++) to[count + k] = image_token;
            count += patches;
        }
        bool kept = i < before || (i >= behind && i < text->token_count);
        if (!kept || text->tokens[i] == image_token) continue;
        if (to) to[count] = text->tokens[i];
        count++;
    }
    return count;
}

static fg_status check_image_tokens(const fg_pair_prompt *prompt, uint32_t image_token, fg_error *err) {
    uint64_t found = 0;
    for (uint64_t i = 0; i < prompt->token_count; i++) found += prompt->tokens[i] == image_token;
    if (found == prompt->patches) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE,
                   "--image: the image has %llu patches, but the prompt has %llu image tokens (id %lu)",
                   (unsigned long long)prompt->patches, (unsigned long long)found,
                   (unsigned long)image_token);
}

static fg_status add_image_prompt(fg_model_pair *p, uint64_t given, bool alone, const fg_vision_shape *shape,
                                  fg_error *err) {
    const fg_image *image = NULL;
    uint64_t patches = 0;
    fg_pair_prompt *prompt;
    const fg_pair_prompt *text = p->prompts;
    if (p->ranks->rank == 0 && find_image(p, shape, &image, err) == FG_OK)
        fg_vision_count_patches(shape, image, &patches, err);
    FG_CALL(fg_ranks_agree(p->ranks, err));
    fg_ranks_share(p->ranks, &patches, sizeof patches);
    FG_CALL(share_image(p, &image, err));
    if (alone) {
        FG_CALL(share_given(p, given, given, &prompt, err));
    } else {
        FG_CALL(add_prompt(p, place_image(text, shape->image_token, patches, NULL), &prompt, err));
        place_image(text, shape->image_token, patches, prompt->tokens);
    }
    prompt->patches = patches;
    prompt->image = image;
    FG_CALL(check_ids(prompt, fg_model_pair_vocab(p), err));
    return check_image_tokens(prompt, shape->image_token, err);
}

/* ---- both ---- */

/* Whether a prompt with an image can be run; `wanted` if the command line asks for one. */
static fg_status can_see(const fg_model_pair *p, bool wanted, fg_vision_shape *shape, bool *sees,
                         fg_error *err) {
    bool has = fg_vision_shape_of(p->models[FG_REFERENCE], shape);
    *sees = has && shape->has_image_token;
    if (*sees || !wanted) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "--image: %s",
                   has ? "the configuration names no image token" : "these models have no vision encoder");
}

fg_status fg_pair_prompts_share(fg_model_pair *p, fg_error *err) {
    const fg_model_pair_task *task = p->task;
    uint64_t shared[] = {task->token_count, task->lengthens, task->image != NULL, task->tokens_with_image};
    fg_vision_shape shape;
    fg_pair_prompt *text;
    bool sees;
    fg_ranks_share(p->ranks, shared, sizeof shared);
    uint64_t given = shared[0], count = given ? given : DEFAULT_TOKENS;
    FG_CALL(can_see(p, shared[2], &shape, &sees, err));
    if (shared[1]) count = fg_max(count, tokens_to_see_windows(p));
    if (!shared[3]) FG_CALL(share_given(p, given, count, &text, err));
    return sees ? add_image_prompt(p, given, shared[3], &shape, err) : FG_OK;
}

void fg_pair_prompts_free(fg_model_pair *p) {
    for (unsigned i = 0; i < p->prompt_count; i++) fg_free(p->prompts[i].tokens);
    fg_image_free(&p->made_image);
}
