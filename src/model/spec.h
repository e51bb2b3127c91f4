/* The specs of models: the files of converters/models, which say how a model's own code computes. One serves
 * a model type of HF and Forgather (TYPE.json), one all of Fast-LLM (fast_llm.json), whose configuration says
 * everything.
 *
 * "extends"         another file of models/, of which this one replaces single members (null removes one);
 *                   or a list of files, of which later ones replace members of earlier ones
 *
 * "config"          { ROLE: ENTRY } for all formats; see model/hyperparameters.h
 *
 * "words"           { NAME: { VALUE: WORD } }: what "words" of entries may name
 *
 * "formats"         { "hf": SIDE, "forgather": SIDE, "fast_llm": SIDE }
 *
 * A SIDE has "config", "rotary", "only" and "only_if" (model/hyperparameters.h), and
 *
 * "blocks"          for configurations that have objects for blocks: "by", an entry that gives "one" or
 *                   "pattern"; "one", the path of the object that describes all blocks; "named", the path of
 *                   an object of descriptions, and "pattern", the path of the list of their names that block
 *                   after block follows, over and over. "config", "rotary", "only" and "only_if" in it are
 *                   about such a description. Or, where lists or intervals say how a layer differs from
 *                   others: "variant", an expression over the configuration in which $block is the number of
 *                   a block, and which gives the name of a variant or a list of them; "variants", { NAME:
 *                   SIDE }, what each variant replaces of this SIDE ("config", "rotary", "only", "only_if",
 *                   "weights"), in their order (numbers, true and false are names, too); "changes", an
 *                   expression that gives null or an object, whose members are keys of the configuration that
 *                   have another value for that block. Without "blocks" all blocks are described by the
 *                   configuration itself.
 *                   "mixers" says where a description holds several mixers of which one runs ("stochastic"):
 *                   "named", the path of an object of mixers; "main", an entry that gives the name of the
 *                   one that runs (null: the first); "as", the path at which the entries of "config" expect
 *                   it.
 *
 * "at"              the path of the object in which all keys of the SIDE are: for configurations with an
 *                   object for the language model
 *
 * "vision"          the vision encoder: an object like a SIDE, with "config", "rotary", "only", "only_if",
 *                   "blocks", "block" and "weights", whose paths begin at the whole configuration. "if", a
 *                   condition over it: there is one; "extends_text": true, what the SIDE says of the text
 *                   holds for it where it is not replaced; "adapter", what is said ("config", "only",
 *                   "only_if") of the MLP behind the blocks
 *
 * "block"           what "{block}" stands for in names of weights of the blocks, and
 * "mtp_block"   in those of the blocks of further prediction heads
 * "mixer"           what "{mixer}" stands for, and
 * "named_mixer" in the weights of one of several mixers, whose name is "{m}"
 *
 * "base_model_prefix"  what the names of a base model's checkpoint lack ("model.")
 *
 * "other_prefixes"  { PREFIX: OTHER }: names that begin with the first may begin with the other instead
 *
 * "weights"         { ROLE: HOLDING or [HOLDING, ...] }, of which exactly one may be there
 *
 * "unread"          endings of the names of tensors that may be there and that the model does not read. All
 *                   others must be read, each number of them.
 *
 * A HOLDING is a name, or { "name": NAME, "part": P, "of": N, "rows": [SIZE, ...], "dim": D,
 * "transposed": true, "unsqueezed": D, "columns": [SIZE, ...], "experts": true or "stacked",
 * "optional": true }: the stored rows are those of N weights, and this is the one with number P; "rows"
 * instead of "of" has the sizes of unequal parts, numbers or expressions over the configuration of the block;
 * with "dim" 1 the parts lie along the second dimension; the tensor holds the matrix transposed; it has a
 * further dimension D of size 1; several dimensions of it are the columns; all experts' lie one behind the
 * other in it (N each), "stacked" along a first dimension of its own; a store may lack it (an output scale).
 *
 * In names "{i}" is the number of the block, among those of its prefix, "{e}" that of the expert, "{h}" that
 * of the prediction head, "{f}" the same counted from the second.
 *
 * Roles of weights: embedding, head, final_norm, mtp_norm (of the prediction heads behind the first),
 * block.{mixer_norm,post_mixer_norm,mlp_norm,post_mlp_norm,output_scale}, and those of the kinds of mixer and
 * MLP, in their files; biases are ROLE.bias.
 * Matrices are [out, in]. "first" stands in for gate and up where there is no gate.
 *
 * Words are in tables: mixers and MLPs in sublayer_kinds.c, norms in norm.c, rotary types in rotary.c,
 * activations in mlp.c.
 */
#ifndef FG_MODEL_SPEC_H
#define FG_MODEL_SPEC_H

#include "base/json.h"
#include "format/checkpoint.h"
#include "language/migration.h"

/* models/`name`.json of the first directory that has it, with what it extends, or else that of the family
 * whose models hf gives the type `name`; owned by the caller. FG_ERR_INPUT if there is none or it is
 * broken. */
fg_status fg_model_spec_read(json_t **spec, fg_catalogue *catalogue, const char *name, fg_error *err);
/* The path of that file; newly allocated. */
fg_status fg_model_spec_path(char **path, fg_catalogue *catalogue, const char *name, fg_error *err);
/* Lays the "model" of a migration, which has members of a SIDE, over what a spec says of a format: members
 * replace, null removes one. FG_ERR_INPUT if it is broken. */
fg_status fg_model_spec_revise(json_t *spec, const fg_format *format, const fg_migration *migration,
                               fg_error *err);
/* FG_ERR_INPUT if that "model" is broken; there may be none. */
fg_status fg_model_spec_check_patch(const fg_migration *migration, fg_error *err);
/* The name of the spec for a model of this type in this format; NULL if a type is needed and `model_type` is
 * NULL. */
const char *fg_model_spec_name(const fg_format *format, const char *model_type);

#endif
