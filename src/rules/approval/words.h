/* words.h: commands as shell words: one shape for what is judged and for the rules. Pure.
 *
 *   a command   each word as a shell would quote it, where it must: sh -c 'echo x; touch y'. So the
 *               borders of its arguments stay, and it is a pattern of itself alone.
 *   a pattern   the same, with "*", "?" and "[a-z]" outside of quotes: "*" is one word or a part of
 *               one; as the last word it is the rest, of none or more words.
 *   shell text  plain commands joined by "&&", "||", ";" or "|" are read into their parts. A text
 *               with anything else of a shell (an expansion, a glob, a redirection, a subshell, a
 *               "&", an assignment, a keyword, a comment, a line break) is not: it is compared as a
 *               whole, as one word in quotes.
 *
 * Reading    what is read into parts means to each POSIX shell, and to zsh, just these words. The
 *            first word of a part needs no quotes: so no command looks like a whole text.
 * Bound      time grows with the bytes of both; a pattern has at most GLOB_PATTERN_MAX.
 * Threads    any.
 * Failure    for want of memory nothing matches, and a text has no parts.
 */
#ifndef DROVER_RULES_APPROVAL_WORDS_H
#define DROVER_RULES_APPROVAL_WORDS_H

#include "base/base.h"
#include "base/text.h"

/* Whether a shell takes the word for itself without quotes. */
MUST_CHECK bool words_are_bare(struct bytes word, bool first);
/* Adds a word to the command. Bytes that quoting needs: at most WORDS_ROOM(word.len). */
#define WORDS_ROOM(len) (4 * (len) + 3)
void words_add_quoted(struct text *command, struct bytes word);
/* The words without their quotes, with blanks between: how earlier rules read a command. */
void words_add_line(struct text *line, struct bytes command);

/* Whether the pattern is made of words, not of shell text that joins or expands. */
MUST_CHECK bool words_are_pattern(struct bytes pattern);
MUST_CHECK bool words_match(struct bytes pattern, struct bytes command);
/* The pattern is one word, without a wildcard, and that is the text. */
MUST_CHECK bool words_are_text(struct bytes pattern, struct bytes text);

enum { SHELL_PARTS_MAX = 32 };
struct shell_part {
    struct bytes line;    /* As it stands in the text. */
    size_t begin, length; /* Place of the words of the part in `words`: shell_text_words(). */
};
struct shell_text {
    struct bytes text; /* Borrowed. */
    struct text words; /* Owned: of all parts. */
    struct shell_part parts[SHELL_PARTS_MAX];
    size_t count; /* 0: more than plain commands. */
};
void shell_text_read(struct bytes text, struct shell_text *ret_shell);
struct bytes shell_text_words(const struct shell_text *shell, size_t part);
void shell_text_done(struct shell_text *shell); /* For AUTO; zeroed is fine. */

#endif
