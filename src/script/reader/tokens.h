/* tokens.h: the tokens of a JavaScript source, with their brackets matched.
 *
 * Known are comments, strings, templates with what stands inside them, patterns (told from a
 * division by what stands before, as parsers without a grammar do), numbers, names with escapes and
 * beyond ASCII. A template with inner code is several tokens: from "`" to "${", from "}" to "${",
 * from "}" to "`"; those pieces are brackets of each other.
 *
 * Promise    time and memory are linear in the source. Brackets match, else it is a fault.
 * Ownership  the source is borrowed for the tokens' life; the tokens are the caller's.
 * Threads    any.
 * Failure    ERR_BAD_SCRIPT with a fault; the tokens before it are there all the same.
 */
#ifndef DROVER_SCRIPT_READER_TOKENS_H
#define DROVER_SCRIPT_READER_TOKENS_H

#include "base/base.h"
#include "base/err.h"
#include "script/reader/fault.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,    /* Also each reserved word. */
    TOKEN_PRIVATE, /* #name */
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_PATTERN,
    TOKEN_TEMPLATE, /* Whole. */
    TOKEN_TEMPLATE_OPEN,
    TOKEN_TEMPLATE_MIDDLE,
    TOKEN_TEMPLATE_CLOSE,
    TOKEN_PUNCT,
};

/* Names that mean something to us. Those of WORD_BEFORE_VALUE are followed by an expression. */
#define SCRIPT_WORDS_BEFORE_VALUE(X)                                                               \
    X(AWAIT, "await")                                                                              \
    X(CASE, "case")                                                                                \
    X(DEFAULT, "default")                                                                          \
    X(DELETE, "delete")                                                                            \
    X(DO, "do")                                                                                    \
    X(ELSE, "else")                                                                                \
    X(EXTENDS, "extends")                                                                          \
    X(IN, "in")                                                                                    \
    X(INSTANCEOF, "instanceof")                                                                    \
    X(NEW, "new")                                                                                  \
    X(RETURN, "return")                                                                            \
    X(THROW, "throw")                                                                              \
    X(TYPEOF, "typeof")                                                                            \
    X(VOID, "void")                                                                                \
    X(YIELD, "yield")
#define SCRIPT_WORDS_RESERVED(X)                                                                   \
    X(BREAK, "break")                                                                              \
    X(CATCH, "catch")                                                                              \
    X(CLASS, "class")                                                                              \
    X(CONST, "const")                                                                              \
    X(CONTINUE, "continue")                                                                        \
    X(DEBUGGER, "debugger")                                                                        \
    X(ENUM, "enum")                                                                                \
    X(EXPORT, "export")                                                                            \
    X(FALSE, "false")                                                                              \
    X(FINALLY, "finally")                                                                          \
    X(FOR, "for")                                                                                  \
    X(FUNCTION, "function")                                                                        \
    X(IF, "if")                                                                                    \
    X(IMPORT, "import")                                                                            \
    X(NULL, "null")                                                                                \
    X(SUPER, "super")                                                                              \
    X(SWITCH, "switch")                                                                            \
    X(THIS, "this")                                                                                \
    X(TRUE, "true")                                                                                \
    X(TRY, "try")                                                                                  \
    X(VAR, "var")                                                                                  \
    X(WHILE, "while")                                                                              \
    X(WITH, "with")
#define SCRIPT_WORDS_FREE(X)                                                                       \
    X(ABSTRACT, "abstract")                                                                        \
    X(AS, "as")                                                                                    \
    X(ASYNC, "async")                                                                              \
    X(DECLARE, "declare")                                                                          \
    X(EXPORTS, "exports")                                                                          \
    X(FROM, "from")                                                                                \
    X(INTERFACE, "interface")                                                                      \
    X(LET, "let")                                                                                  \
    X(META, "meta")                                                                                \
    X(MODULE, "module")                                                                            \
    X(NAMESPACE, "namespace")                                                                      \
    X(OF, "of")                                                                                    \
    X(PRIVATE, "private")                                                                          \
    X(PROTECTED, "protected")                                                                      \
    X(PUBLIC, "public")                                                                            \
    X(READONLY, "readonly")                                                                        \
    X(SATISFIES, "satisfies")                                                                      \
    X(STATIC, "static")                                                                            \
    X(TYPE, "type")

enum word {
    WORD_NONE,
#define X(name, text) WORD_##name,
    SCRIPT_WORDS_BEFORE_VALUE(X) WORD__BEFORE_VALUE_END,
    SCRIPT_WORDS_RESERVED(X) WORD__RESERVED_END,
    SCRIPT_WORDS_FREE(X) WORD__END
#undef X
};

#define TOKEN_NOWHERE UINT32_MAX

struct token {
    uint32_t start, len;
    uint32_t mate;   /* Of a bracket: the other one. */
    uint32_t parent; /* The bracket that it stands in; TOKEN_NOWHERE: none. */
    uint8_t kind;
    uint8_t word;  /* Of a name without escapes. */
    bool new_line; /* A line ended between the token before and this one. */
};

struct tokens {
    struct bytes source; /* Borrowed. */
    struct token *list;  /* Owned; the last one is TOKEN_END. */
    uint32_t count;      /* Without it. */
    uint32_t size;
};

MUST_CHECK struct err tokens_read(struct bytes source, struct tokens *ret_tokens,
                                  struct script_fault *ret_fault);
void tokens_done(struct tokens *tokens); /* For AUTO; zeroed is allowed. */

/* --- Looking at them: positions beyond either end are no token. ------------------------------- */

struct bytes token_text(const struct tokens *tokens, uint32_t at);
enum token_kind token_kind(const struct tokens *tokens, uint32_t at); /* TOKEN_END: no token. */
MUST_CHECK bool token_is(const struct tokens *tokens, uint32_t at, const char *punct);
/* One of these signs of one character. */
MUST_CHECK bool token_is_any(const struct tokens *tokens, uint32_t at, const char *puncts);
MUST_CHECK bool token_is_word(const struct tokens *tokens, uint32_t at, enum word word);
enum word token_word(const struct tokens *tokens, uint32_t at); /* WORD_NONE: not one of them. */
MUST_CHECK bool token_is_variable_word(const struct tokens *tokens,
                                       uint32_t at); /* const, let, var */
/* A name that no statement or operator is made of. */
MUST_CHECK bool token_is_free_name(const struct tokens *tokens, uint32_t at);
/* The name of a property: after "." or "?.". */
MUST_CHECK bool token_is_member(const struct tokens *tokens, uint32_t at);
/* Where a statement may begin, as far as the token before tells. */
MUST_CHECK bool token_begins(const struct tokens *tokens, uint32_t at);
MUST_CHECK bool token_same_line(const struct tokens *tokens, uint32_t at); /* As the one before. */

/* The ")" of `if (…)`, `for (…)`, `switch (…)`, `while (…)` or `with (…)`: a statement follows. */
MUST_CHECK bool token_ends_header(const struct tokens *tokens, uint32_t at);

/* The next token of the same level: after an opening bracket, the one after its partner. */
uint32_t token_after(const struct tokens *tokens, uint32_t at);

struct script_place token_place(const struct tokens *tokens, uint32_t at);
/* A fault at a token, or at a byte of the source. Always ERR_BAD_SCRIPT. */
struct err token_fault(const struct tokens *tokens, uint32_t at, const char *code,
                       struct script_fault *ret_fault, const char *format, ...) PRINTF_LIKE(5, 6);
struct err script__fault(struct bytes source, size_t offset, const char *code,
                         struct script_fault *ret_fault, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
