/* An error as main prints it.
 *
 * Invariant: whatever file, path or option the error quotes, the message fits a terminal and has no lines but
 * those that fgconv gave it (base/visible_text.h).
 */
#ifndef FG_BASE_ERROR_MESSAGE_H
#define FG_BASE_ERROR_MESSAGE_H

#include "base/buffer.h"

/* The text, then indented lines "while ..." and "hint: ...". Allocates nothing: memory may be what is
 * missing. */
enum { FG_ERROR_MESSAGE = FG_ERROR_TEXT + FG_ERROR_WHERE + FG_ERROR_HINT + 64 };
void fg_error_message(const fg_error *err, char buffer[FG_ERROR_MESSAGE]);

#endif
