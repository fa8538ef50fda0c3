/* notes.h: what is likely wrong in a script. For read.c.
 *
 * Noted, and left to the run: sources of chance and time (notes.c), names of other hosts, such as
 * timers, `require`, `process`, `fetch` (guards.c), names that nothing defines (names.c), promises
 * that nothing awaits (results.c), and what agent(), parallel() and pipeline() will not take, where
 * it stands there literally (notes.c, schemas.c).
 *
 * Ownership  the tokens are borrowed.
 * Threads    any; pure.
 */
#ifndef DROVER_SCRIPT_READER_NOTES_H
#define DROVER_SCRIPT_READER_NOTES_H

#include "base/base.h"
#include "script/reader/context_object.h"
#include "script/reader/read.h"
#include "script/reader/tokens.h"

/* Fill the notes of a prepared script. */
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
