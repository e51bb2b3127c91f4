#include "format/distributed_modules.h"

#include "base/named_row.h"

#define BIASES "add_linear_biases"
#define NORM(NAME, CONFIG)                                                                                   \
    { .name = (NAME), .kind = FG_ROW_NORM, .config = (CONFIG), .dims = "hidden" }

/* ---- blocks ---- */

static const fg_module_row block_rows[] = {
    {.name = "output_scale", .kind = FG_ROW_OPTIONAL, .config = "output_scale", .dims = "1"},
    NORM("norm_1", "pre_mixer_normalization|normalization"),
    NORM("norm_2", "pre_mlp_normalization|normalization"),
    NORM("post_mixer_norm", "post_mixer_normalization"),
    NORM("post_mlp_norm", "post_mlp_normalization"),
    {.name = "mixer", .kind = FG_ROW_MODULE, .config = "mixer"},
    {.name = "mlp", .kind = FG_ROW_MODULE, .config = "mlp"},
};

/* ---- mixers ---- */

#define HEADS "head_groups*>1 group_heads*else head_size"

static const fg_module_size attention_sizes[] = {{"group_heads", "heads", '/', "head_groups"}};
static const fg_module_row attention_rows[] = {
    {.name = "query",
     .kind = FG_ROW_LINEAR,
     .config = "query_layer",
     .dims = HEADS ", hidden",
     .bias = BIASES},
    {.name = "key_value",
     .kind = FG_ROW_LINEAR,
     .config = "key_layer",
     .dims = "head_groups*>1 head_size + head_groups*>1 head_size, hidden",
     .when = "!shared_key_value",
     .bias = BIASES},
    {.name = "key_value",
     .kind = FG_ROW_LINEAR,
     .config = "key_layer",
     .dims = "head_groups*>1 head_size, hidden",
     .when = "shared_key_value",
     .bias = BIASES},
    {.name = "query_norm", .kind = FG_ROW_NORM, .config = "query_norm", .dims = "head_size"},
    {.name = "key_norm", .kind = FG_ROW_NORM, .config = "key_norm", .dims = "head_size"},
    {.name = "value_norm", .kind = FG_ROW_NORM, .config = "value_norm", .dims = "head_size"},
    {.name = "dense",
     .kind = FG_ROW_LINEAR,
     .config = "dense_layer",
     .dims = "hidden, " HEADS,
     .bias = BIASES},
};

#define INNER "head_groups* group_heads state_size"
#define XB "head_groups* state_size"

static const fg_module_size mamba_sizes[] = {
    {"head_groups", "d_xb", '/', "state_size"},
    {"heads", "d_inner", '/', "state_size"},
    {"group_heads", "heads", '/', "head_groups"},
};
static const fg_module_row mamba_rows[] = {
    {.name = "A_log", .config = "a_log_weight", .dims = INNER ", state_size", .decay = FG_DECAY_NEVER},
    {.name = "D", .config = "d_weight", .dims = INNER, .decay = FG_DECAY_NEVER},
    {.name = "convolution",
     .kind = FG_ROW_LINEAR,
     .config = "convolution_layer",
     .dims = INNER ", 1, convolution_layer/kernel_size",
     .when = "repeat_kv_before_conv",
     .bias = BIASES},
    {.name = "convolution",
     .kind = FG_ROW_LINEAR,
     .config = "convolution_layer",
     .dims = XB ", 1, convolution_layer/kernel_size",
     .when = "!repeat_kv_before_conv",
     .bias = BIASES},
    {.name = "in_proj",
     .kind = FG_ROW_LINEAR,
     .config = "z_layer",
     .dims = INNER " + " XB " + " XB " + " INNER ", hidden",
     .bias = BIASES},
    {.name = "dt_in_proj",
     .kind = FG_ROW_LINEAR,
     .config = "dt_input_layer",
     .dims = "dt_rank, hidden",
     .bias = BIASES},
    {.name = "dt_proj",
     .kind = FG_ROW_LINEAR,
     .config = "dt_layer",
     .dims = INNER ", dt_rank",
     .bias = BIASES},
    {.name = "out_proj",
     .kind = FG_ROW_LINEAR,
     .config = "output_layer",
     .dims = "hidden, " INNER,
     .bias = BIASES},
};

#define KEYS "key_heads*>1 key_head_dim"
#define VALUES "value_heads*>1 value_head_dim"

static const fg_module_row gdn_rows[] = {
    {.name = "dt_bias", .config = "dt_bias_weight", .dims = "value_heads*>1"},
    {.name = "A_log", .config = "a_log_weight", .dims = "value_heads*>1"},
    {.name = "in_proj_qkvz",
     .kind = FG_ROW_LINEAR,
     .config = "qkv_projection_layer",
     .dims = KEYS " + " KEYS " + " VALUES " + " VALUES ", hidden"},
    {.name = "in_proj_ba",
     .kind = FG_ROW_LINEAR,
     .config = "ba_projection_layer",
     .dims = "value_heads*>1 + value_heads*>1, hidden"},
    {.name = "convolution",
     .kind = FG_ROW_LINEAR,
     .config = "convolution_layer",
     .dims = KEYS " + " KEYS " + " VALUES ", 1, convolution_layer/kernel_size"},
    {.name = "out_proj", .kind = FG_ROW_LINEAR, .config = "output_layer", .dims = "hidden, " VALUES},
    {.name = "norm", .kind = FG_ROW_NORM, .config = "normalization", .dims = "value_head_dim"},
};

#define KDA_HEADS "heads*>1 head_dim"
#define KDA_PROJECTION(NAME, CONFIG, DIMS)                                                                   \
    { .name = (NAME), .kind = FG_ROW_LINEAR, .config = CONFIG "_projection_layer", .dims = (DIMS) }
#define KDA_CONVOLUTION(NAME)                                                                                \
    {                                                                                                        \
        .name = (NAME), .kind = FG_ROW_LINEAR, .config = "convolution_layer",                                \
        .dims = KDA_HEADS ", 1, convolution_layer/kernel_size"                                               \
    }

static const fg_module_row kda_rows[] = {
    {.name = "dt_bias", .config = "dt_bias_weight", .dims = KDA_HEADS},
    {.name = "A_log", .config = "a_log_weight", .dims = "heads*>1"},
    KDA_PROJECTION("q_proj", "q", KDA_HEADS ", hidden"),
    KDA_PROJECTION("k_proj", "k", KDA_HEADS ", hidden"),
    KDA_PROJECTION("v_proj", "v", KDA_HEADS ", hidden"),
    KDA_CONVOLUTION("q_conv"),
    KDA_CONVOLUTION("k_conv"),
    KDA_CONVOLUTION("v_conv"),
    KDA_PROJECTION("f_a_proj", "f_a", "head_dim, hidden"),
    KDA_PROJECTION("f_b_proj", "f_b", KDA_HEADS ", head_dim"),
    KDA_PROJECTION("g_a_proj", "g_a", "head_dim, hidden"),
    KDA_PROJECTION("g_b_proj", "g_b", KDA_HEADS ", head_dim"),
    KDA_PROJECTION("beta_proj", "beta", "heads*>1, hidden"),
    KDA_PROJECTION("o_proj", "output", "hidden, " KDA_HEADS),
    {.name = "norm", .kind = FG_ROW_NORM, .config = "normalization", .dims = "head_dim"},
};

static const fg_module_row stochastic_rows[] = {
    {.name = "mixers", .kind = FG_ROW_MODULES, .config = "mixers"},
};

/* ---- MLPs ---- */

#define MLP_NORMS                                                                                            \
    NORM("pre_norm", "pre_norm"), {                                                                          \
        .name = "post_norm", .kind = FG_ROW_NORM, .config = "post_norm", .dims = "output"                    \
    }
#define MLP_LAYER(NAME, KIND, DIMS, WHEN)                                                                    \
    { .name = (NAME), .kind = (KIND), .config = (NAME), .dims = (DIMS), .when = (WHEN), .bias = BIASES }

static const fg_module_row mlp_rows[] = {
    MLP_NORMS,
    MLP_LAYER("layer_1", FG_ROW_LINEAR, "intermediate_size* + intermediate_size*, hidden", "gated"),
    MLP_LAYER("layer_1", FG_ROW_LINEAR, "intermediate_size*, hidden", "!gated"),
    MLP_LAYER("layer_2", FG_ROW_TRANSPOSED, "output, intermediate_size*", NULL),
};

static const fg_module_size moe_sizes[] = {{"routed_experts", "experts", '-', "shared_experts"}};
static const fg_module_row moe_rows[] = {
    {.name = "router_scale", .kind = FG_ROW_OPTIONAL, .config = "router_scale", .dims = "hidden"},
    {.name = "router_per_expert_scale",
     .kind = FG_ROW_OPTIONAL,
     .config = "router_per_expert_scale",
     .dims = "experts"},
    MLP_NORMS,
    MLP_LAYER("layer_1", FG_ROW_LINEAR, "experts ( intermediate_size* + intermediate_size* ), hidden",
              "gated"),
    MLP_LAYER("layer_1", FG_ROW_LINEAR, "experts intermediate_size*, hidden", "!gated"),
    MLP_LAYER("layer_2", FG_ROW_TRANSPOSED, "output, experts intermediate_size*", NULL),
    {.name = "router", .kind = FG_ROW_WEIGHT_ONLY, .config = "router", .dims = "routed_experts, hidden"},
    NORM("router_normalization", "router_normalization"),
};

static const fg_module_row hybrid_moe_rows[] = {
    {.name = "dense", .kind = FG_ROW_MODULE, .config = "dense"},
    {.name = "routed", .kind = FG_ROW_MODULE, .config = "routed"},
    MLP_NORMS,
};

/* ---- around the blocks ---- */

static const fg_module_row embeddings_rows[] = {
    {.name = "word_embeddings_weight",
     .config = "word_embeddings",
     .dims = "vocab*vocab, hidden",
     .decay = FG_DECAY_ALWAYS},
    {.name = "position_embeddings_weight",
     .kind = FG_ROW_OPTIONAL,
     .config = "position_embeddings",
     .dims = "num_position_embeddings, hidden",
     .decay = FG_DECAY_ALWAYS,
     .beside_vocab = true},
};

static const fg_module_row head_rows[] = {
    {.name = "output_weights",
     .config = "output_weight",
     .dims = "vocab*vocab, hidden",
     .decay = FG_DECAY_ALWAYS},
    NORM("final_norm", "normalization"),
};

static const fg_module_row patch_rows[] = {
    {.name = "patch_embeddings",
     .kind = FG_ROW_LINEAR,
     .config = "patch_embeddings",
     .dims = "hidden, 3 patch_height patch_width"}, /* three channels */
    NORM("normalization", "normalization"),
};

/* ---- the tables ---- */

#define ROWS(ROWS) .rows = (ROWS), .row_count = sizeof(ROWS) / sizeof *(ROWS)
#define SIZES(SIZES) .sizes = (SIZES), .size_count = sizeof(SIZES) / sizeof *(SIZES)

static const fg_module modules[] = {
    {.name = "decoder", ROWS(block_rows)},
    {.name = "attention", ROWS(attention_rows), SIZES(attention_sizes)},
    {.name = "mamba", ROWS(mamba_rows), SIZES(mamba_sizes)},
    {.name = "gdn", ROWS(gdn_rows)},
    {.name = "kda", ROWS(kda_rows)},
    {.name = "stochastic", ROWS(stochastic_rows)},
    {.name = "mlp", ROWS(mlp_rows)},
    {.name = "moe", ROWS(moe_rows), SIZES(moe_sizes)},
    {.name = "hybrid_moe", ROWS(hybrid_moe_rows)},
    {.name = "embeddings", ROWS(embeddings_rows)},
    {.name = "head", ROWS(head_rows)},
    {.name = "patch_embeddings", ROWS(patch_rows)},
};

const fg_module *fg_module_find(const char *name) {
    return FG_NAMED_ROW(modules, name);
}

static const fg_norm_type norm_types[] = {
    {"layer_norm", true, true},       {"rms_norm", true, false}, {"gated_rms_norm", true, false},
    {"fixed_rms_norm", false, false}, {"none", false, false},
};

const fg_norm_type *fg_norm_type_find(const char *name) {
    return FG_NAMED_ROW(norm_types, name);
}
