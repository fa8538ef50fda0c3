/* note.c: a note is added: its place, and its room. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "script/judge/notes.h"

/* Makes room for a note: a grave one takes that of the last which is not. False: there is none. */
static bool room_make(struct script_notes *notes, bool grave) {
    if (notes->count < SCRIPT_NOTES_MAX) {
        return true;
    }
    unsigned last = grave ? SCRIPT_NOTES_MAX : 0;
    while (last > 0 && notes->list[last - 1].grave) {
        last--;
    }
    if (last == 0) {
        return false;
    }
    memmove(&notes->list[last - 1], &notes->list[last],
            (SCRIPT_NOTES_MAX - last) * sizeof *notes->list);
    notes->count--;
    return true;
}

bool script__note(struct judge *judge, uint32_t at, const char *code, enum note_gravity gravity,
                  const char *format, ...) {
    struct script_notes *notes = judge->notes;
    struct script_note note = {.grave = gravity == NOTE_GRAVE};
    va_list args;
    if (!room_make(notes, note.grave)) { /* Before the place is computed, which counts lines. */
        return false;
    }
    const struct script_place place = token_place(judge->tokens, at);
    note.fault = (struct script_fault){.line = place.line, .column = place.column, .code = code};
    va_start(args, format);
    (void)vsnprintf(note.fault.message, sizeof note.fault.message, format,
                    args); /* Cut at worst. */
    va_end(args);
    notes->list[notes->count++] = note;
    return true;
}

bool script__note_once(struct judge *judge, uint32_t at, const char *code,
                       enum note_gravity gravity, const char *format, ...) {
    const struct script_notes *notes = judge->notes;
    char message[sizeof notes->list[0].fault.message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args); /* Cut at worst. */
    va_end(args);
    for (size_t i = 0; i < notes->count; i++) {
        if (strcmp(notes->list[i].fault.message, message) == 0) {
            return false;
        }
    }
    return script__note(judge, at, code, gravity, "%s", message);
}
