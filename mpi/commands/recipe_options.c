#include "commands/recipe_options.h"

#include <string.h>

#include "base/alloc.h"
#include "conversion/assembled.h"

fg_status fg_recipe_from_options(fg_recipe_kind kind, const fg_options *options, fg_recipe *recipe,
                                 fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *o = options;
    const char *choice = o->checkpoint_path ? "given" : "latest";
    *recipe = (fg_recipe){.kind = kind,
                          .source = o->source,
                          .destination = o->destination,
                          .from = o->from,
                          .to = o->to,
                          .reverse = o->reverse,
                          .model_type = o->model_type,
                          .checkpoint_path = o->checkpoint_path,
                          .hf_base = o->hf_base,
                          .parameter_order = fg_parameter_order_name(o->parameter_order),
                          .allow_unfinished = o->allow_unfinished,
                          .weights_choice = choice,
                          .dtype = o->dtype,
                          .max_length = o->max_length,
                          .max_shard_size = o->max_shard_size,
                          .hf_version = o->hf_version,
                          .add_tokens = o->add_tokens,
                          .chat_template = o->chat_template,
                          .skip_default_tokens = o->skip_default_tokens,
                          .no_code = o->no_code,
                          .arch = o->arch,
                          .from_version = o->from_version,
                          .to_version = o->to_version,
                          .no_strict = o->no_strict,
                          .stop_tokens = o->stop_tokens,
                          .generation_config = o->generation_config,
                          .no_auto_stop_tokens = o->no_auto_stop_tokens,
                          .keep_optimizer = o->keep_optimizer,
                          .root_copy = o->root_copy,
                          .in_place = o->in_place};
    if (!o->ignore_key_count) goto done;
    FG_NEW(recipe->ignore_keys, o->ignore_key_count);
    memcpy(recipe->ignore_keys, o->ignore_keys, o->ignore_key_count * sizeof *o->ignore_keys);
    recipe->ignore_key_count = o->ignore_key_count;
done:
    return status;
}
