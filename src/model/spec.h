/* The specs of models: the files of converters/models, which say how a model's own code computes. One serves
 * a model type of HF and Forgather (TYPE.json), one all of Fast-LLM (fast_llm.json), whose configuration says
 * everything.
 *
 * "extends"         another file of models/, of which this one replaces single members (null removes one)
 *
 * "config"          { ROLE: ENTRY } for all formats; see model/hyperparameters.h
 *
 * "formats"         { "hf": SIDE, "forgather": SIDE, "fast_llm": SIDE }
 *
 * A SIDE has "config", "rotary", "only" and "only_if" (model/hyperparameters.h), and
 *
 * "blocks"          for configurations that have objects for blocks: "by", an entry that gives "one" or
 *                   "pattern"; "one", the path of the object that describes all blocks; "named", the path of
 *                   an object of descriptions, and "pattern", the path of the list of their names that block
 *                   after block follows, over and over. "config", "rotary", "only" and "only_if" in it are
 *                   about such a description. Without "blocks" all blocks are described by the configuration
 *                   itself.
 *
 * "block"           what "{block}" stands for in names of weights of the blocks, and
 * "mtp_block"   in those of the blocks of further prediction heads
 *
 * "base_model_prefix"  what the names of a base model's checkpoint lack ("model.")
 *
 * "weights"         { ROLE: HOLDING or [HOLDING, ...] }, of which exactly one may be there
 *
 * "unread"          endings of the names of tensors that may be there and that the model does not read. All
 *                   others must be read, each number of them.
 *
 * A HOLDING is a name, or { "name": NAME, "part": P, "of": N, "rows": [SIZE, ...], "dim": D,
 * "transposed": true, "unsqueezed": D, "experts": true or "stacked" }: the stored rows are those of N
 * weights, and this is the one with number P; "rows" instead of "of" has the sizes of unequal parts, numbers
 * or expressions over the configuration of the block; with "dim" 1 the parts lie along the second dimension;
 * the tensor holds the matrix transposed; it has a further dimension D of size 1; all experts' lie one behind
 * the other in it (N each), "stacked" along a first dimension of its own.
 *
 * In names "{i}" is the number of the block, among those of its prefix, "{e}" that of the expert, "{h}" that
 * of the prediction head, "{f}" the same counted from the second.
 *
 * Roles of weights: embedding, head, final_norm, mtp_norm (of the prediction heads behind the first),
 * block.{mixer_norm,mlp_norm}, and those of the kinds of mixer and MLP, in their files; biases are ROLE.bias.
 * Matrices are [out, in]. "first" stands in for gate and up where there is no gate.
 *
 * Words are in tables: mixers and MLPs in sublayer_kinds.c, norms in norm.c, rotary types in rotary.c,
 * activations in mlp.c.
 */
#ifndef FG_MODEL_SPEC_H
#define FG_MODEL_SPEC_H

#include "base/json.h"
#include "format/checkpoint.h"
#include "language/converter.h"

/* models/`name`.json of the first directory that has it, with what it extends; owned by the caller.
 * FG_ERR_INPUT if there is none or it is broken. */
fg_status fg_model_spec_read(json_t **spec, fg_catalogue *catalogue, const char *name, fg_error *err);
/* The path of that file; newly allocated. */
fg_status fg_model_spec_path(char **path, fg_catalogue *catalogue, const char *name, fg_error *err);
/* Lays `patch`, which has members of a SIDE, over what a spec says of a format: members replace, null removes
 * one. */
fg_status fg_model_spec_revise(json_t *spec, const fg_format *format, const json_t *patch, fg_error *err);
/* The name of the spec for a model of this type in this format; NULL if a type is needed and `model_type` is
 * NULL. */
const char *fg_model_spec_name(const fg_format *format, const char *model_type);

#endif
