/* refuse.h: what no workflow script may hold, and what is likely wrong in one. For meta.c.
 *
 * Refused are imports and TypeScript, each only where tokens leave no doubt. Noted, and left to the
 * run: sources of chance and time, what other hosts have (timers, `require`, `process`, `fetch`),
 * names that nothing defines, promises that nothing awaits, and what agent(), parallel() and
 * pipeline() will not take, where it stands there literally.
 *
 * Ownership  the tokens are borrowed.
 * Threads    any; pure.
 * Failure    ERR_BAD_SCRIPT and a fault.
 */
#ifndef DROVER_SCRIPT_READER_REFUSE_H
#define DROVER_SCRIPT_READER_REFUSE_H

#include "base/base.h"
#include "base/err.h"
#include "script/reader/meta.h"
#include "script/reader/tokens.h"

/* The tokens need not be whole: those before a syntax error are looked at, too. */
MUST_CHECK struct err refuse_foreign(const struct tokens *tokens, struct script_fault *ret_fault);
/* The file declares this name itself, or may do so. */
MUST_CHECK bool script_declares(const struct tokens *tokens, enum word word);

/* `name(…) {` in an object or a class. */
MUST_CHECK bool script__is_method(const struct tokens *tokens, uint32_t at);

/* Fill the notes of a prepared script. */
struct context_object;
void script_note_risks(const struct tokens *tokens, const struct context_object *context,
                       struct script_prepared *prepared);
void script_note_absent(const struct tokens *tokens, struct script_prepared *prepared);
void script_note_names(const struct tokens *tokens, struct script_prepared *prepared);
/* A call of agent(), parallel(), pipeline() or workflow() is at `at`: uses of its promise. A
 * variable is searched for in the whole file, until all searches have taken *scan_left tokens. */
enum { SCRIPT_SCAN_MAX = 16 << 20 };
void script_note_result(const struct tokens *tokens, struct script_prepared *prepared, uint32_t at,
                        uint32_t *scan_left);
/* The value of the option `schema` begins at `value`. */
void script_note_schema(const struct tokens *tokens, struct script_prepared *prepared,
                        uint32_t value);
/* Adds a note at a token, as the last one. Without room, a grave one takes the place of the last
 * that is not, and any other is dropped (false). */
enum note_gravity { NOTE_WARNS, NOTE_GRAVE };
bool script__note(const struct tokens *tokens, struct script_prepared *prepared, uint32_t at,
                  const char *code, enum note_gravity gravity, const char *format, ...)
    PRINTF_LIKE(6, 7);
/* The same, unless a note says so already: false. */
bool script__note_once(const struct tokens *tokens, struct script_prepared *prepared, uint32_t at,
                       const char *code, enum note_gravity gravity, const char *format, ...)
    PRINTF_LIKE(6, 7);

#endif
