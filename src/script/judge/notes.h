/* notes.h: the parts of a judgement. For judge.c.
 *
 * Ownership  all is borrowed for the call.
 * Threads    any; pure.
 */
#ifndef DROVER_SCRIPT_JUDGE_NOTES_H
#define DROVER_SCRIPT_JUDGE_NOTES_H

#include "base/base.h"
#include "script/judge/judge.h"
#include "script/reader/context_object.h"
#include "script/reader/tokens.h"

struct judge {
    const struct tokens *tokens;
    const struct script_prepared *prepared;
    struct script_notes *notes;
};

/* Time, chance, locales, and calls of the functions of a workflow. */
void script_note_risks(struct judge *judge, const struct context_object *context);
/* Names of other hosts. */
void script_note_absent(struct judge *judge);
/* Names that nothing defines. */
void script_note_names(struct judge *judge);
/* Parameters and members that a main function will not get. */
void script_note_context(struct judge *judge, const struct context_object *context);
/* A call of agent(), parallel(), pipeline() or workflow() is at `at`: uses of its promise. A
 * variable is searched for in the whole file, until all searches have taken *scan_left tokens. */
enum { SCRIPT_SCAN_MAX = 16 << 20 };
void script_note_result(struct judge *judge, uint32_t at, uint32_t *scan_left);
/* The value of the option `schema` begins at `value`. */
void script_note_schema(struct judge *judge, uint32_t value);

/* Adds a note at a token, as the last one. Without room, a grave one takes the place of the last
 * that is not, and any other is dropped (false). */
enum note_gravity { NOTE_WARNS, NOTE_GRAVE };
bool script__note(struct judge *judge, uint32_t at, const char *code, enum note_gravity gravity,
                  const char *format, ...) PRINTF_LIKE(5, 6);
/* The same, unless a note says so already: false. */
bool script__note_once(struct judge *judge, uint32_t at, const char *code,
                       enum note_gravity gravity, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
