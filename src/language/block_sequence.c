#include "language/block_sequence.h"

#include <stdio.h>
#include <string.h>

static const char fixed[] = "fixed", pattern[] = "pattern";

static bool is_type(const json_t *configuration, const char *type) {
    const char *found = json_string_value(json_object_get(configuration, "type"));
    return found && strcmp(found, type) == 0;
}

static const char *read_pattern(const json_t *configuration, fg_block_sequence *sequence) {
    json_t *name;
    sequence->blocks = json_object_get(configuration, "blocks");
    sequence->pattern = json_object_get(configuration, "pattern");
    if (!json_object_size(sequence->blocks) || !json_array_size(sequence->pattern))
        return "a pattern needs blocks and at least one name in \"pattern\"";
    FG_JSON_EACH(sequence->pattern, i, name) {
        const char *text = json_string_value(name);
        if (!text || !json_object_get(sequence->blocks, text))
            return "\"pattern\" names a block that \"blocks\" does not have";
    }
    FG_JSON_MEMBERS(sequence->blocks, key, name) {
        if (strlen(key) > FG_BLOCK_PATH - 20) return "the name of a block is too long";
    }
    return NULL;
}

const char *fg_block_sequence_read(const json_t *configuration, fg_block_sequence *sequence) {
    const json_t *count = json_object_get(configuration, "num_blocks");
    *sequence = (fg_block_sequence){0};
    if (!json_is_integer(count) || json_integer_value(count) < 0)
        return "\"num_blocks\" is not a whole number of 0 or more";
    sequence->count = (uint64_t)json_integer_value(count);
    if (sequence->count > FG_BLOCKS_MAX) return "\"num_blocks\" is above a million";
    if (is_type(configuration, fixed)) return NULL;
    return is_type(configuration, pattern) ? read_pattern(configuration, sequence)
                                           : "neither fixed nor a pattern";
}

const char *fg_block_sequence_name(const fg_block_sequence *sequence, uint64_t position) {
    if (!sequence->pattern) return NULL;
    return json_string_value(
        json_array_get(sequence->pattern, position % json_array_size(sequence->pattern)));
}

const char *fg_block_sequence_path(const char *name, char *buffer) {
    snprintf(buffer, FG_BLOCK_PATH, "%s%s", name ? "blocks/" : "block", name ? name : "");
    return buffer;
}

fg_status fg_block_sequence_make(const json_t *layout, const json_t *count, json_t **configuration,
                                 fg_error *err) {
    fg_status status = FG_OK;
    bool single = true;
    json_t *name;
    *configuration = json_object();
    FG_JSON_EACH(layout, i, name) single &= fg_json_equal(name, json_array_get(layout, 0));
    FG_TRY(fg_json_put(*configuration, "type", json_string(single ? fixed : pattern), err));
    FG_TRY(fg_json_put(*configuration, "num_blocks", fg_json_deep_copy(count, err), err));
    if (!single) FG_TRY(fg_json_put(*configuration, "pattern", fg_json_deep_copy(layout, err), err));
done:
    if (status != FG_OK) {
        json_decref(*configuration);
        *configuration = NULL;
    }
    return status;
}
