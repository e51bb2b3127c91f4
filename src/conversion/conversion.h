/* A conversion: everything that rank 0 decides before the first byte is written.
 *
 *   recipe -> source -> route -> configs -> vocabulary -> config
 *          -> plan -> layout -> code -> settings -> files
 *
 * Each part is a struct of its own that one function makes from earlier ones, which are const to it. Nothing
 * is written and no weight is read (except two tied tensors that must be equal).
 */
#ifndef FG_CONVERSION_CONVERSION_H
#define FG_CONVERSION_CONVERSION_H

#include "conversion/destination_code.h"
#include "conversion/made_files.h"

typedef struct fg_conversion {
    fg_decisions decided;
    fg_assembled assembled; /* of a source whose files hold vectors */
    fg_tensor_gaps gaps;
    fg_layout layout; /* with the plan */
    fg_destination_code code;
    fg_settings settings;
    fg_made_files made;
} fg_conversion;

/* Fills a zeroed conversion. FG_ERR_USAGE and FG_ERR_INPUT say what is wrong. It must be freed in any case,
 * before recipe and catalogue are. `version` is fgconv's. */
fg_status fg_conversion_prepare(fg_conversion *conversion, const fg_recipe *recipe, fg_catalogue *catalogue,
                                const char *version, fg_error *err);
/* FG_ERR_INPUT that names the file if one that the conversion reads changed since it was prepared. */
fg_status fg_conversion_check_unchanged(const fg_conversion *conversion, fg_error *err);
void fg_conversion_free(fg_conversion *conversion);

/* Whether the source's files hold vectors that its tensors were cut into. */
bool fg_conversion_assembles(const fg_conversion *conversion);
/* The plan whose sources have the names of the source's tensors: the layout's, unless these lie in vectors.
 * Borrowed. */
const fg_plan *fg_conversion_named_plan(const fg_conversion *conversion);
/* The model family, as the source and as the destination name it. */
const char *fg_conversion_source_type(const fg_conversion *conversion);
const char *fg_conversion_destination_type(const fg_conversion *conversion);

#endif
