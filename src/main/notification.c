/* notification.c: see notification.h. */
#include "main/notification.h"

#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "engine/approval/approvals.h"
#include "engine/inbox/inbox.h"
#include "engine/run/runs.h"

enum { APPROVALS_READ = 16 };

/* On one line: what is shown on a desktop, and passes through other programs. */
static void words_add(struct text *into, struct bytes words) {
    AUTO(text_done) struct text clean = text_up_to(NOTIFICATION_TEXT_MAX * 16);
    words.len = words.len < NOTIFICATION_TEXT_MAX ? words.len : NOTIFICATION_TEXT_MAX;
    redact_add(&clean, words, NULL /* none is known */);
    if (!text_failed(&clean) && clean.len > 0) {
        for (size_t i = 0; i < clean.len; i++) {
            clean.data[i] = strchr("\n\r\t", clean.data[i]) != NULL ? ' ' : clean.data[i];
        }
        utf8_make_plain(clean.data, clean.len);
        text_add(into, clean.data, clean.len);
    }
}

enum { LINK_PARTS = 3 }; /* Origin, page and name; an empty origin: there is no link. */

/* The most important event gives the title; each has its part of the text. */
static void part_add(struct notification *notification, enum notice_event event, struct bytes run,
                     struct bytes title, const struct bytes *link) {
    if (notification->said++ == 0) {
        for (size_t i = 0; link[0].len > 0 && i < LINK_PARTS; i++) {
            text_add(&notification->link, link[i].data, link[i].len);
        }
        notification->event = event;
        (void)snprintf(notification->run.text, sizeof notification->run.text, "%.*s", (int)run.len,
                       run.data); /* An id fits. */
        words_add(&notification->title, title);
    } else {
        text_add_str(&notification->text, "; ");
        words_add(&notification->text, title);
        text_add_str(&notification->text, ": ");
    }
}

struct reading {
    struct notification *notification;
    struct bytes origin;
};

static struct err approval_add(void *ctx, const struct approval_row *row) {
    const struct reading *reading = ctx;
    struct notification *notification = reading->notification;
    const struct bytes link[LINK_PARTS] = {reading->origin, BYTES("/inbox/"), row->approval};
    if (row->id <= notification->asked_after) {
        return ERR_OK;
    }
    notification->asked_last =
        row->id > notification->asked_last ? row->id : notification->asked_last;
    const bool question = row->kind != ASKS_LEAVE;
    part_add(notification, NOTICE_ASKED, row->run,
             question ? BYTES("drover has a question") : BYTES("drover asks for permission"), link);
    if (!question) {
        words_add(&notification->text, row->step);
        text_add_str(&notification->text, ": ");
    }
    words_add(&notification->text, row->shown);
    text_add_str(&notification->text, row->shown.len > NOTIFICATION_TEXT_MAX ? " …" : "");
    return ERR_OK;
}

static struct err item_add(struct tx *tx, const struct reading *reading,
                           const struct notification_item *item) {
    struct notification *notification = reading->notification;
    const struct bytes run = bytes_of(item->run.text);
    const struct bytes link[LINK_PARTS] = {run.len > 0 ? reading->origin : run, BYTES("/r/"), run};
    static const char *const titles[] = {"", "drover is stalled", "failed", "finished"};
    bool found = false;
    struct run_row row = {.attempt = 0};
    AUTO(text_done) struct text title = text_up_to(NOTIFICATION_TEXT_MAX);
    const struct run_key key = {.owner = BYTES("local"), .run = bytes_of(item->run.text)};
    TRY(item->run.text[0] == '\0' ? ERR_OK : tx_run_find_shown(tx, &key, &found, &row));
    if (found) {
        const struct bytes name = row.label.len > 0 ? row.label : row.command;
        text_addf(&title, "%s %s: %.*s", run_kind_name(row.kind), titles[item->event],
                  name.len > 200 ? 200 : (int)name.len, name.len > 0 ? name.data : "");
    } else {
        text_add_str(&title, titles[item->event]);
    }
    part_add(notification, item->event, key.run, text_bytes(&title), link);
    words_add(&notification->text, bytes_of(item->text));
    if (found && row.cause != CAUSE_NONE) {
        words_add(&notification->text, bytes_of(run_cause_about(row.cause)));
        text_add_str(&notification->text, row.note.len > 0 ? ": " : "");
        words_add(&notification->text, row.note);
    }
    return ERR_OK;
}

struct err notification_read(struct tx *tx, void *ctx) {
    struct notification *notification = ctx;
    struct err err = ERR_OK;
    text_clear(&notification->title);
    text_clear(&notification->text);
    text_clear(&notification->link);
    struct reading reading = {notification, tx_inbox_origin(tx)};
    notification->said = 0;
    notification->asked_last = notification->asked_after;
    if (notification->questions) {
        const struct approval_page page = {.owner = BYTES("local"), .limit = APPROVALS_READ};
        err = tx_approval_each(tx, &page, approval_add, &reading);
    }
    for (enum notice_event event = NOTICE_STALLED; event <= NOTICE_ENDED; event++) {
        for (size_t i = 0; i < notification->count && !err_failed(err); i++) {
            const struct notification_item *item = &notification->items[i];
            err = item->event == event ? item_add(tx, &reading, item) : ERR_OK;
        }
    }
    if (notification->omitted > 0) {
        text_addf(&notification->text, "; and %zu more", notification->omitted);
    }
    return err;
}

void notification_init(struct notification *notification) {
    *notification = (struct notification){.count = 0};
    text_init(&notification->title, 4 * NOTIFICATION_TEXT_MAX);
    text_init(&notification->text, 4 * NOTIFICATION_TEXT_MAX);
    text_init(&notification->link, NOTIFICATION_TEXT_MAX);
}

void notification_done(struct notification *notification) {
    text_done(&notification->title);
    text_done(&notification->text);
    text_done(&notification->link);
}
