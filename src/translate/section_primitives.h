/* What the primitives that lead to other sections share (section_primitives.c). */
#ifndef FG_TRANSLATE_SECTION_PRIMITIVES_H
#define FG_TRANSLATE_SECTION_PRIMITIVES_H

#include "language/choice.h"
#include "translate/primitive_functions.h"

/* The text of a member of the declaration, or `otherwise`. */
const char *fg_member_text(const fg_declaration *declaration, const char *member, const char *otherwise);
/* The object's path in hf; a section without one lies flat next to the frame's keys. Newly allocated. */
char *fg_section_hf_path(const fg_frame *frame, const fg_declaration *declaration, fg_error *err);
/* Runs a section at a place of both sides; `hf` and `target` are full paths. */
fg_status fg_section_enter(fg_translator *translator, const fg_frame *frame, const fg_section *section,
                           const char *hf, const char *target, fg_error *err);

/* Export: the choice for the configuration at `target`; NULL: none. */
fg_status fg_choose_by_class(const fg_translator *translator, const fg_declaration *declaration,
                             const char *target, const fg_choice **choice, fg_error *err);
/* Import: the choice that hf's name means; NULL: none. */
const fg_choice *fg_choose_by_name(const fg_declaration *declaration, const char *name);
/* No choice is for what is there. */
fg_status fg_refuse_class(fg_translator *translator, const fg_declaration *declaration, const char *target,
                          fg_error *err);
fg_status fg_refuse_name(fg_translator *translator, const fg_declaration *declaration, const fg_frame *frame,
                         const char *path, const json_t *found, fg_error *err);

#endif
