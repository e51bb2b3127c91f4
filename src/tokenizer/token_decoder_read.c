/* Reading of decoders; applying them is in token_decoder.c. */
#include <string.h>

#include "tokenizer/pre_tokenizer_read.h"
#include "tokenizer/token_decoder.h"

static fg_status read_replace(fg_decoder_step *step, const fg_tokenizer_json *c, fg_error *err) {
    fg_status status = FG_OK;
    const char *text = NULL;
    FG_TRY(fg_tokenizer_json_keys(c, "type pattern content", err));
    FG_TRY(fg_tokenizer_json_string(c, "content", &text, &step->length, err));
    FG_TRY_NEW(step->content, fg_strndup(text, step->length, err));
    FG_TRY(fg_pattern_read(&step->pattern, c, err));
done:
    return status;
}

static fg_status read_strip(fg_decoder_step *step, const fg_tokenizer_json *c, fg_error *err) {
    fg_status status = FG_OK;
    const char *text = NULL;
    size_t length = 0;
    FG_TRY(fg_tokenizer_json_keys(c, "type content start stop", err));
    FG_TRY(fg_tokenizer_json_string(c, "content", &text, &length, err));
    if (!length || !*text || length != fg_utf8_size(*text))
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: \"content\": found \"%.40s\", expected one character", c->file,
                c->name, text);
    memcpy(step->mark, text, length);
    FG_TRY(fg_json_get_u64(c->json, "start", c->file, &step->from_start, err));
    FG_TRY(fg_json_get_u64(c->json, "stop", c->file, &step->from_end, err));
done:
    return status;
}

static fg_status read_metaspace(fg_decoder_step *step, const fg_tokenizer_json *c, fg_error *err) {
    fg_prepend_scheme scheme = FG_PREPEND_ALWAYS;
    fg_status status = fg_metaspace_read(c, step->mark, &scheme, NULL, err);
    step->drop_first = scheme != FG_PREPEND_NEVER;
    return status;
}

static fg_status read_step(fg_token_decoder *decoder, const fg_tokenizer_json *c, const char *type,
                           fg_error *err) {
    static const char *const types[] = {"ByteLevel", "ByteFallback", "Fuse", "Replace", "Strip", "Metaspace"};
    if (decoder->count == FG_COMPONENT_STEPS)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: more than %d steps", c->file, c->name, FG_COMPONENT_STEPS);
    fg_decoder_step *step = &decoder->steps[decoder->count++];
    size_t kind = 0, count = sizeof types / sizeof *types;
    while (kind < count && strcmp(type, types[kind]) != 0) kind++;
    step->kind = kind < count ? (fg_decoder_kind)kind : FG_DECODER_FUSE;
    switch (kind) {
    case FG_DECODER_BYTE_LEVEL:
        return fg_tokenizer_json_keys(c, "type add_prefix_space trim_offsets use_regex", err);
    case FG_DECODER_BYTE_FALLBACK:
    case FG_DECODER_FUSE:
        return fg_tokenizer_json_keys(c, "type", err);
    case FG_DECODER_REPLACE:
        return read_replace(step, c, err);
    case FG_DECODER_STRIP:
        return read_strip(step, c, err);
    case FG_DECODER_METASPACE:
        return read_metaspace(step, c, err);
    default:
        return fg_tokenizer_json_unknown(
            c, type, "ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, Sequence", err);
    }
}

static fg_status read_any(fg_token_decoder *decoder, const fg_tokenizer_json *c, unsigned depth,
                          fg_error *err) {
    fg_status status = FG_OK;
    const char *type = NULL;
    const json_t *list = NULL;
    FG_TRY(fg_tokenizer_json_type(c, &type, err));
    if (strcmp(type, "Sequence") != 0) return read_step(decoder, c, type, err);
    FG_TRY(fg_tokenizer_json_keys(c, "type decoders", err));
    FG_TRY(fg_tokenizer_json_list(c, "decoders", &list, err));
    if (depth == FG_COMPONENT_DEPTH)
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: sequences are nested too deeply", c->file, c->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        fg_tokenizer_json part = {json_array_get(list, i), c->file, c->name};
        FG_TRY(read_any(decoder, &part, depth + 1, err));
    }
done:
    return status;
}

fg_status fg_token_decoder_read(fg_token_decoder *decoder, const json_t *json, const char *file,
                                fg_error *err) {
    *decoder = (fg_token_decoder){0};
    if (!json || json_is_null(json)) return FG_OK;
    fg_tokenizer_json c = {json, file, "decoder"};
    fg_status status = read_any(decoder, &c, 0, err);
    if (status != FG_OK)
        fg_token_decoder_free(decoder);
    else
        decoder->present = true;
    return status;
}
