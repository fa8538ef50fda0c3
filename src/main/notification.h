/* notification.h: the events of one notification of a person, and their title and text.
 *
 * The most important event gives the title; every event has its part of the text. Texts are one
 * line each, without secrets (base/redact.h) and without control characters.
 *
 * Ownership  embedded; `title`, `text` and `link` are owned: notification_done.
 * Threads    the loop fills the events; during notification_read everything belongs to the reader
 *            of the store.
 */
#ifndef DROVER_MAIN_NOTIFICATION_H
#define DROVER_MAIN_NOTIFICATION_H

#include "base/base.h"
#include "base/id.h"
#include "base/text.h"
#include "rules/inbox/inbox.h"
#include "store/store.h"

enum {
    NOTIFICATION_EVENTS_MAX = 16, /* Events by name; further ones are counted. */
    NOTIFICATION_TEXT_MAX = 1000, /* Bytes of a title or a text. */
};

struct notification_item {
    enum notice_event event;
    struct id run; /* "": none. */
    char text[256];
};

struct notification {
    struct notification_item items[NOTIFICATION_EVENTS_MAX];
    size_t count, omitted;
    bool questions;      /* Approvals that are newer than `asked_after` belong to it. */
    int64_t asked_after; /* Newest approval of earlier notifications. */
    /* Filled by notification_read. */
    int64_t asked_last; /* Newest approval of this one. */
    struct text title, text;
    enum notice_event event;
    struct text link; /* To the question or the run of the title; empty: there is none. */
    struct id run;
    size_t said; /* Number of parts; 0: nothing is left to report. */
};

void notification_init(struct notification *notification);
void notification_done(struct notification *notification); /* Zeroed is fine. */
/* For store_read: reads what the events are about. `ctx` is the notification. */
MUST_CHECK struct err notification_read(struct tx *tx, void *ctx);

#endif
