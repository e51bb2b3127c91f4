#include "tokens/token_ids.h"

#include <stdio.h>

#include "base/log.h"

const char *fg_role_name(fg_role role) {
    static const char *const names[] = {"bos", "eos", "pad", "unk"};
    return names[role];
}

const char *fg_role_key(fg_role role, char buffer[FG_ROLE_KEY]) {
    snprintf(buffer, FG_ROLE_KEY, "%s_token", fg_role_name(role));
    return buffer;
}

const char *fg_role_id_key(fg_role role, char buffer[FG_ROLE_KEY]) {
    snprintf(buffer, FG_ROLE_KEY, "%s_token_id", fg_role_name(role));
    return buffer;
}

const char *fg_role_text(const fg_tokenizer_files *files, fg_role role) {
    char key[FG_ROLE_KEY];
    const char *text = fg_token_text(json_object_get(files->config, fg_role_key(role, key)));
    return text ? text : fg_token_text(json_object_get(files->map, key));
}

fg_status fg_token_ids_read(const fg_tokenizer_files *files, fg_token_ids *ids, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup lookup = {0};
    *ids = (fg_token_ids){.present = files->config || files->map || files->tokenizer.length,
                          .id = {FG_NO_TOKEN, FG_NO_TOKEN, FG_NO_TOKEN, FG_NO_TOKEN}};
    for (int role = 0; role < FG_ROLE_COUNT; role++)
        FG_TRY(fg_token_lookup_want(&lookup, fg_role_text(files, (fg_role)role), err));
    FG_TRY(fg_token_lookup_read(&lookup, files, err));
    for (int role = 0; role < FG_ROLE_COUNT; role++) {
        const char *text = fg_role_text(files, (fg_role)role);
        if (!text) continue;
        ids->id[role] = fg_token_lookup_find(&lookup, text);
        if (ids->id[role] == FG_NO_TOKEN)
            fg_warn("%s: the %s token \"%s\" has no id in the tokenizer's files", files->directory,
                    fg_role_name((fg_role)role), text);
    }
done:
    fg_token_lookup_free(&lookup);
    return status;
}
