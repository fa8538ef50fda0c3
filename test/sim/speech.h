/* speech.h: messages of a worker, collected into frames as script/worker/frames.c does it.
 *
 *   speech_open, members, speech_close ──> collected ──much, or speech_send──> a frame
 *
 * Promise    byte for byte what a real worker sends for the same messages.
 * Ownership  embedded: speech_init, speech_done. Threads: one.
 */
#ifndef DROVER_TEST_SIM_SPEECH_H
#define DROVER_TEST_SIM_SPEECH_H

#include "base/json/json.h"
#include "base/text.h"

struct speech {
    struct text out; /* Messages that are not in a frame yet: [… */
    json_t *frames;  /* Owned: texts. */
};
void speech_init(struct speech *speech);
void speech_done(struct speech *speech);

void speech_open(struct speech *speech);  /* A message: its text goes into `out`. */
void speech_close(struct speech *speech); /* Adds the brace. */
void speech_member(struct speech *speech, const char *before, const char *value);
void speech_send(struct speech *speech); /* What is collected is a frame now. */
/* Moves the first frame into `frame`, which is empty; false: there is none. */
MUST_CHECK bool speech_take(struct speech *speech, struct text *frame);

/* A JSON string as the worker's own messages escape it, */
void speech_string(struct text *text, const char *string, size_t len);
/* and what JSON.stringify() makes of a string, and of any value. */
void stringified_add(struct text *text, const char *string, size_t len);
void stringified_add_value(struct text *text, const json_t *value);

#endif
