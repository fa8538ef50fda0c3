/* literal.h: a JavaScript literal as JSON, by its tokens alone: nothing is run.
 *
 * Taken      objects with keys that are names, strings or numbers; arrays without holes; strings;
 *            templates without inner code; numbers with a sign; true, false, null; a comma too many
 *            at the end. Lone surrogates become U+FFFD.
 * Refused    variables, calls, operators, spreads, computed keys, methods, getters, shorthands, the
 *            same key twice, `__proto__`, `undefined`, big integers, patterns.
 * Ownership  *ret_json is owned.
 * Threads    any; pure.
 * Failure    ERR_BAD_SCRIPT and a fault of code "bad_meta"; ERR_OUT_OF_MEMORY.
 */
#ifndef DROVER_SCRIPT_READER_LITERAL_H
#define DROVER_SCRIPT_READER_LITERAL_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "script/reader/read.h"
#include "script/reader/tokens.h"

/* The value that begins at `at`. *ret_end: the token after it. */
MUST_CHECK struct err literal_read(const struct tokens *tokens, uint32_t at, json_t **ret_json,
                                   uint32_t *ret_end, struct script_fault *ret_fault);

/* Where the value of a key stands in the object whose "{" is at `object`; TOKEN_NOWHERE: it has
 * none. Of a method its name, of a shorthand the name. Keys are compared as they are written. */
uint32_t literal_value_of(const struct tokens *tokens, uint32_t object, const char *key);

/* Calls back for each key of an object, which need not be a literal; `key` without quotes, empty
 * when it is computed or a spread. `value` as above. */
void literal_each_key(const struct tokens *tokens, uint32_t object,
                      void (*found)(void *ctx, struct bytes key, uint32_t value), void *ctx);

/* The meaning of a string or of a template without inner code. */
MUST_CHECK struct err literal_text(const struct tokens *tokens, uint32_t at, struct text *text,
                                   struct script_fault *ret_fault);

#endif
