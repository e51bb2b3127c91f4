/* The recipe of a command line. */
#ifndef FG_MPI_COMMANDS_RECIPE_OPTIONS_H
#define FG_MPI_COMMANDS_RECIPE_OPTIONS_H

#include "cli/options.h"
#include "conversion/recipe.h"

/* Its texts are borrowed from the options, which outlive it. To be freed whatever comes back. */
fg_status fg_recipe_from_options(fg_recipe_kind kind, const fg_options *options, fg_recipe *recipe,
                                 fg_error *err);

#endif
