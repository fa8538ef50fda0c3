/* tokens_inside.h: what the files tokens*.c share: one reading of a source. */
#ifndef DROVER_SCRIPT_READER_TOKENS_INSIDE_H
#define DROVER_SCRIPT_READER_TOKENS_INSIDE_H

#include "script/reader/tokens.h"

/* Where in the grammar we are, as far as it decides what a '/' begins. A bracket or the head of a
 * function or class each; a head stands until its body's '}'. */
enum place {
    PLACE_STATEMENTS,  /* { of a block; also the whole file */
    PLACE_MEMBERS,     /* { of an object */
    PLACE_TEMPLATE,    /* ${ */
    PLACE_HEAD,        /* ( of if, for, while, with */
    PLACE_PAREN,       /* any other ( */
    PLACE_BRACKET,     /* [ */
    PLACE_DECLARATION, /* function or class where a statement stands */
    PLACE_EXPRESSION,  /* the same, as a value */
};
struct place_at {
    uint8_t place;
    uint32_t opener; /* Its token; of a template, its latest piece. */
};

enum { PLACES_MAX = 2 * SCRIPT_NEST_MAX };

struct reading {
    struct tokens *tokens; /* Borrowed. */
    struct script_fault *fault;
    size_t at;        /* The next byte. */
    bool new_line;    /* A line ended since the last token. */
    bool value_next;  /* An expression may begin here: a '/' begins a pattern. */
    unsigned depth;   /* Of `places`; the file itself is the first. */
    unsigned nesting; /* Brackets alone. */
    struct place_at places[PLACES_MAX];
};

/* --- tokens_scan.c ---------------------------------------------------------------------------- */

/* Over blanks and comments. */
MUST_CHECK struct err tokens__skip(struct reading *reading);
/* The end of the token that begins at `at`, and what it is. A '}' that ends the inner code of a
 * template is told by the caller. */
MUST_CHECK struct err tokens__scan(struct reading *reading, struct token *ret_token);
/* From behind "`" or "}" to behind "${" or "`". */
enum template_end { TEMPLATE_CODE, TEMPLATE_OVER };
MUST_CHECK struct err tokens__scan_template(struct reading *reading, size_t from, size_t *ret_end,
                                            enum template_end *ret_how);

/* --- tokens_place.c --------------------------------------------------------------------------- */

/* The token at `at`, just listed, changes where we are; sets its mate and parent. */
MUST_CHECK struct err tokens__enter(struct reading *reading, uint32_t at);
enum place tokens__place(const struct reading *reading);
/* The bracket that encloses what comes next, or TOKEN_NOWHERE. */
uint32_t tokens__opener(const struct reading *reading);

#endif
