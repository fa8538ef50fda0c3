/* notifier.c: see notifier.h. */
#include "main/notifier.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "main/notify_command.h"

static bool is_on(const struct notifier *notifier) {
    return notifier->state != NOTIFIER_OFF &&
           connections_settings(notifier->on.connections)->notify_command.len > 0;
}

/* --- Events ----------------------------------------------------------------------------------- */

static void gathered(struct timer *timer);

static void notifier_wake(struct notifier *notifier) {
    if (notifier->state == NOTIFIER_IDLE) {
        notifier->state = NOTIFIER_GATHERING;
        timer_start(notifier->on.loop, &notifier->timer, NOTIFIER_GATHER_MS, gathered);
    }
}

static bool is_wanted(const struct notifier *notifier, enum notice_event event) {
    const struct settings *settings = connections_settings(notifier->on.connections);
    return (notice_events_read(settings->notify_on) & 1U << event) != 0;
}

static void event_add(struct notifier *notifier, enum notice_event event, struct bytes run,
                      const char *text) {
    if (!is_wanted(notifier, event)) {
        return;
    }
    if (notifier->count == NOTIFICATION_EVENTS_MAX) {
        notifier->omitted++;
    } else {
        struct notification_item *item = &notifier->items[notifier->count++];
        *item = (struct notification_item){.event = event};
        (void)snprintf(item->run.text, sizeof item->run.text, "%.*s", (int)run.len,
                       run.data);                                  /* An id fits. */
        (void)snprintf(item->text, sizeof item->text, "%s", text); /* Cut at worst. */
    }
    notifier_wake(notifier);
}

void notifier_run_note(struct notifier *notifier, const struct run_row *row) {
    enum notice_event event;
    if (!is_on(notifier) || !bytes_is(row->owner, "local") ||
        run_kind_is(row->kind, RUN_IS_SILENT)) {
        return;
    }
    if (row->state == RUN_WAITING && !run_waits_for_provider(row)) {
        notifier->questions = is_wanted(notifier, NOTICE_ASKED);
        if (notifier->questions) {
            notifier_wake(notifier);
        }
    } else if (notice_event_of(row, notifier->on.after_ms, &event)) {
        event_add(notifier, event, row->run, "");
    }
}

/* Work without progress has no note: it is looked for now and then. */
static void progress_check(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, look_timer);
    struct why why = {.text = ""};
    const bool stuck = notifier->on.stuck(notifier->on.ctx, &why);
    const int64_t stalled = notifier->on.stalled(notifier->on.ctx);
    if (is_on(notifier) && stuck && !notifier->was_stuck) {
        event_add(notifier, NOTICE_STALLED, BYTES(""), why.text);
    }
    if (is_on(notifier) && stalled > notifier->was_stalled) {
        event_add(notifier, NOTICE_STALLED, BYTES(""),
                  "a notice could not be delivered 20 times: drover inbox ls --state stalled");
    }
    notifier->was_stuck = stuck;
    notifier->was_stalled = stalled;
    timer_start(notifier->on.loop, timer, NOTIFIER_LOOK_MS, progress_check);
}

/* --- The command ------------------------------------------------------------------------------ */

static void rest_over(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, timer);
    notifier->state = NOTIFIER_IDLE;
    if (notifier->count > 0 || notifier->questions) {
        notifier_wake(notifier);
    }
}

static void notifier_rest(struct notifier *notifier, struct err err, const char *what) {
    const uint64_t now_ns = world_mono_ns(loop_world(notifier->on.loop));
    notifier->state = NOTIFIER_RESTING;
    if (err_failed(err)) {
        if (log_change_take(&notifier->failures, err, now_ns)) {
            log_event(notifier->on.log, LOG_WARN, what, LOG_FIELDS(log_err(err)));
        }
    } else {
        notifier->failures.last = ERR_OK;
    }
    timer_start(notifier->on.loop, &notifier->timer, NOTIFIER_REST_MS, rest_over);
}

static void too_slow(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, timer);
    notifier->too_slow = true;
    (void)kill(-notifier->pid, SIGKILL); /* Not collected yet, so the pid is its own. */
}

void notifier_child_ended(struct notifier *notifier, int pid, int status) {
    if (notifier->state != NOTIFIER_RUNNING || pid != notifier->pid) {
        return;
    }
    timer_stop(notifier->on.loop, &notifier->timer);
    (void)kill(-pid, SIGKILL); /* Others of the group; at worst there are none. */
    notifier->pid = 0;
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    notifier_rest(notifier, well ? ERR_OK : err_make(ERR_IO, "notify: command"),
                  notifier->too_slow ? "notify_command took over 10 s and was ended"
                                     : "notify_command failed: it ended with another code than 0");
}

static void notification_known(struct err err, void *ctx) {
    struct notifier *notifier =
        CONTAINER_OF((struct notification *)ctx, struct notifier, notification);
    if (notifier->state == NOTIFIER_OFF) {
        return;
    }
    if (err_failed(err)) {
        notifier_rest(notifier, err, "what notify_command would say could not be read");
        return;
    }
    notifier->notification.asked_after = notifier->notification.asked_last;
    if (notifier->notification.said == 0 || !is_on(notifier)) {
        notifier_rest(notifier, ERR_OK, "");
        return;
    }
    notifier->too_slow = false;
    err = notify_command_start(connections_settings(notifier->on.connections)->notify_command,
                               &notifier->notification, notifier->on.umask, &notifier->pid);
    if (err_failed(err)) {
        notifier_rest(notifier, err, "notify_command could not be started");
        return;
    }
    notifier->state = NOTIFIER_RUNNING;
    timer_start(notifier->on.loop, &notifier->timer, NOTIFIER_LIMIT_MS, too_slow);
}

static void gathered(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, timer);
    memcpy(notifier->notification.items, notifier->items, sizeof notifier->items);
    notifier->notification.count = notifier->count;
    notifier->notification.omitted = notifier->omitted;
    notifier->notification.questions = notifier->questions;
    notifier->count = notifier->omitted = 0;
    notifier->questions = false;
    notifier->state = NOTIFIER_READING;
    store_read(notifier->on.store, notification_read, notification_known, &notifier->notification);
}

/* --- Life ------------------------------------------------------------------------------------- */

void notifier_start(struct notifier *notifier, const struct notifier_options *options) {
    notifier->on = *options;
    notifier->state = NOTIFIER_IDLE;
    notification_init(&notifier->notification);
    timer_start(notifier->on.loop, &notifier->look_timer, NOTIFIER_LOOK_MS, progress_check);
    if (is_on(notifier) &&
        is_wanted(notifier, NOTICE_ASKED)) { /* Questions that were asked before are open still. */
        notifier->questions = true;
        notifier_wake(notifier);
    }
}

void notifier_stop(struct notifier *notifier) {
    if (notifier->state == NOTIFIER_OFF) {
        return;
    }
    if (notifier->state == NOTIFIER_RUNNING) {
        (void)kill(-notifier->pid, SIGKILL); /* Not collected yet, so the pid is its own. */
    }
    notifier->state = NOTIFIER_OFF;
    timer_stop(notifier->on.loop, &notifier->timer);
    timer_stop(notifier->on.loop, &notifier->look_timer);
}

void notifier_done(struct notifier *notifier) {
    notification_done(&notifier->notification);
}
