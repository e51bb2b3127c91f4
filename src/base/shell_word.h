/* A path as a word of a command that a message offers, to be copied into a shell: POSIX's, or bash's where it
 * has characters that only $'...' can show.
 *
 * Invariant: the shell makes the same path of it again, as one argument that is no option. It fits a terminal
 * (base/visible_text.h).
 */
#ifndef FG_BASE_SHELL_WORD_H
#define FG_BASE_SHELL_WORD_H

enum { FG_SHELL_WORD = 420 };

/* "a/b", "'a b'", "$'a\nb'"; "PATH" in place of what does not fit, since half a path is another path.
 * `buffer` is returned. */
const char *fg_shell_word(const char *text, char buffer[FG_SHELL_WORD]);

#endif
