/* must.c: see must.h. */
#include "dispatch/board/must.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/base/room.h"
#include "dispatch/base/table.h"
#include "dispatch/board/must_files.h"

enum {
    RETRY_MS = 1000,
    RETRY_MAX_MS = 60 * 1000,
    BEGIN_MAX_MS = 10 * 60 * 1000,          /* Until a command has begun: it may wait for a slot. */
    TAIL_READ_MAX = 4 << 10,                /* Bytes of the end of each stream. */
    PLACE_MAX = 16 << 10,                   /* Bytes of a folder, or of PATH. */
    TEXT_MAX = MUST_UNMET_MAX + (64 << 10), /* Bytes of a list, or of fingerprints. */
    WORD_MAX = 200,
};

/* ASKING: the store is asked. TOLD: its waiters read the findings, and no note finds the check. */
enum check_state { CHECK_ASKING, CHECK_IN_POOL, CHECK_WAITING, CHECK_TOLD };

struct must_check {
    struct link link; /* In the list of all. */
    struct musts *musts;
    struct table_node node; /* By `attempt`, until CHECK_TOLD. */
    struct id attempt;
    enum check_state state;
    bool again;  /* A note came, or a wait, since the row was read. */
    bool looked; /* The pool has done its work: without a descriptor it has not. */
    struct link waits;
    size_t waiters; /* Number of `waits`, and of those that were called and read the findings. */
    struct ask ask;
    struct pool_job job;
    struct timer timer;       /* Ends the wait for a command to begin. */
    struct check_order order; /* Texts of the order are these: */
    struct text must_haves, prints, root, found;
    struct id at_hand, ran; /* The command in the row; the last one that has ended. */
    struct id command;      /* The command in the row before, which is stopped with its check. */
    struct check_step step;
    char lack[WORD_MAX];
    struct text unmet, new_prints; /* Findings in words; new fingerprints. */
    struct task_checked checked;
};

struct musts {
    struct musts_options options;
    struct room room;
    struct link checks;
    struct table table;
    struct ask recovery;
    struct run_bounds bounds; /* For the recovery. */
    bool more;                /* There are more commands of an earlier daemon. */
};

static const struct task_checked checked_none = {
    .attempt = {"none", 4}, .must_haves = {"", 0}, .unmet = {"", 0}};

static void check_read(struct must_check *check);
static void check_begin(struct must_check *check, const char *lack);

/* --- Life of a check -------------------------------------------------------------------------- */

enum { CHECK_TEXTS = 6 };
static void check_texts(struct must_check *check, struct text *texts[static CHECK_TEXTS]) {
    struct text *const all[CHECK_TEXTS] = {&check->root,  &check->must_haves, &check->prints,
                                           &check->found, &check->unmet,      &check->new_prints};
    memcpy(texts, all, sizeof all);
}

static void check_leave_table(struct must_check *check) {
    if (check->node.name.len > 0) {
        table_remove(&check->musts->table, &check->node);
        check->node.name = BYTES("");
    }
}

static void check_free(struct must_check *check) {
    struct text *texts[CHECK_TEXTS];
    assert(check->waiters == 0);
    link_remove(&check->link);
    check_leave_table(check);
    timer_stop(check->musts->options.room.loop, &check->timer);
    ask_drop(&check->ask);
    check_texts(check, texts);
    for (size_t i = 0; i < CHECK_TEXTS; i++) {
        text_done(texts[i]);
    }
    mem_free(check);
}

static void wait_end(struct must_wait *wait, const struct task_checked *checked) {
    link_remove(&wait->link);
    wait->checked = checked;
    wait->done(wait);
}

/* Each waiter reads the findings until it stops. One that does so at once, or stops another one,
 * takes none away from under the loop. */
static void check_tell(struct must_check *check, const struct task_checked *checked) {
    check_leave_table(check);
    check->state = CHECK_TOLD;
    check->waiters++;
    while (!links_empty(&check->waits)) {
        wait_end(CONTAINER_OF(check->waits.next, struct must_wait, link), checked);
    }
    if (--check->waiters == 0) {
        check_free(check);
    }
}

/* The waits for checks before the one in the row: those have ended without findings. */
static void check_tell_earlier(struct must_check *check) {
    check->waiters++;
    for (struct link *link = check->waits.next; link != &check->waits;) {
        struct must_wait *wait = CONTAINER_OF(link, struct must_wait, link);
        const bool earlier = wait->number < check->order.number;
        if (earlier) {
            wait_end(wait, &checked_none);
        }
        link = earlier ? check->waits.next : link->next; /* Others may have gone with it. */
    }
    check->waiters--;
}

/* --- The end ---------------------------------------------------------------------------------- */

static void tail_read(const struct must_check *check, const struct check_found *found,
                      struct text *tail) {
    const struct spool *spool = dispatch_options(check->musts->options.dispatch)->spool;
    AUTO(mem_release) char *bytes = mem_new(TAIL_READ_MAX);
    char name[ID_SIZE + 24];
    (void)snprintf(name, sizeof name, "%.*s.%lld", (int)found->run.len, found->run.data,
                   (long long)found->run_attempt);
    for (int i = 0; i < 2; i++) {
        struct log_place place = {.name = name, .stream = i == 0 ? LOG_OUT : LOG_ERR};
        struct log_read read = {.len = 0};
        /* A sentence without its output says enough. */
        bool well = !err_failed(spool_log_read(spool, &place, bytes, TAIL_READ_MAX, &read));
        if (well && read.size > TAIL_READ_MAX) {
            place.offset = read.size - TAIL_READ_MAX;
            well = !err_failed(spool_log_read(spool, &place, bytes, TAIL_READ_MAX, &read));
        }
        text_add(tail, bytes, well ? read.len : 0);
    }
}

/* In the pool: the findings in words. */
static void found_run(struct pool_job *job) {
    struct must_check *check = CONTAINER_OF(job, struct must_check, job);
    AUTO(json_release) json_t *list = NULL;
    AUTO(json_release) json_t *must_haves = NULL;
    check->looked = true;
    text_clear(&check->unmet);
    if (err_failed(json_parse_wrapped(text_bytes(&check->found), &list, NULL)) ||
        err_failed(json_parse_wrapped(text_bytes(&check->must_haves), &must_haves, NULL))) {
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        AUTO(text_done) struct text tail = text_up_to(2 * TAIL_READ_MAX);
        struct check_found found;
        check_found_read(json_array_get(list, i), must_haves, &found);
        if (found.run.len > 0) {
            tail_read(check, &found, &tail);
            found.end.tail = text_bytes(&tail);
            must_command_add(&check->unmet, &found.must, &found.end);
        } else {
            text_add_str(&check->unmet, check->unmet.len > 0 ? "," : "");
            text_add_json(&check->unmet, found.sentence.data, found.sentence.len);
        }
    }
}

static void check_over(struct must_check *check) {
    /* Without room for the findings nothing was checked: the move is refused. */
    const bool whole =
        !text_failed(&check->unmet) && (check->order.end == CHECK_MET || check->unmet.len > 0);
    check->checked = (struct task_checked){.moved = check->order.end == CHECK_MET,
                                           .attempt = bytes_of(check->attempt.text),
                                           .must_haves = text_bytes(&check->must_haves),
                                           .unmet = text_bytes(&check->unmet)};
    check_tell(check, check->order.end != CHECK_DROPPED && whole ? &check->checked : &checked_none);
}

/* --- Steps ------------------------------------------------------------------------------------ */

static bool has_sandbox(const struct must_check *check) {
    return dispatch_options(check->musts->options.dispatch)->sandbox_lack == NULL;
}

static void on_step_written(void *ctx) {
    struct must_check *check = ctx;
    if (err_failed(check->ask.err)) { /* The command cannot be begun: a finding. */
        (void)snprintf(check->lack, sizeof check->lack, "the command could not be begun (%s)",
                       err_name(check->ask.err.code));
        check_begin(check, check->lack);
        return;
    }
    check_read(check);
}

static void step_write(struct must_check *check, store_fn fn) {
    check->state = CHECK_ASKING;
    check->step.attempt = bytes_of(check->attempt.text);
    check->step.number = check->order.number;
    check->step.sandbox = has_sandbox(check);
    check->step.bounds = dispatch_bounds(check->musts->options.dispatch);
    ask_write(&check->ask, fn, on_step_written);
}

static struct err looked_tx(struct tx *tx, void *ctx) {
    const struct must_check *check = ctx;
    return tx_check_looked(tx, &check->step);
}

static struct err begin_tx(struct tx *tx, void *ctx) {
    const struct must_check *check = ctx;
    return tx_check_begin(tx, &check->step);
}

static struct err late_tx(struct tx *tx, void *ctx) {
    const struct must_check *check = ctx;
    return tx_check_late(tx, &check->step);
}

static struct err stop_tx(struct tx *tx, void *ctx) {
    const struct must_check *check = ctx;
    return tx_must_stop(tx, bytes_of(check->step.run.text), &check->step.bounds);
}

/* Why no command can run; NULL: it can. */
static const char *command_lack(const struct must_check *check) {
    if (dispatch_held(check->musts->options.dispatch) == RUN_HELD) {
        return "drover holds and begins nothing, until 'drover release'";
    }
    if (check->root.len == 0) {
        return "neither the attempt nor its project has a folder to run it in";
    }
    return check->order.confined && !has_sandbox(check)
               ? "its agent works in a sandbox, and commands can have none on this machine"
               : NULL;
}

static void check_begin(struct must_check *check, const char *lack) {
    check->step.lack = lack;
    check->step.run = world_new_id(loop_world(check->musts->options.room.loop), "run");
    step_write(check, begin_tx);
}

static void on_late(struct timer *timer) {
    struct must_check *check = CONTAINER_OF(timer, struct must_check, timer);
    if (check->state == CHECK_WAITING) {
        step_write(check, late_tx);
    }
}

static void disk_run(struct pool_job *job) {
    struct must_check *check = CONTAINER_OF(job, struct must_check, job);
    const struct must_folder folder = {.root = text_bytes(&check->root),
                                       .must_haves = text_bytes(&check->must_haves),
                                       .prints = text_bytes(&check->prints)};
    check->looked = true;
    text_clear(&check->unmet);
    text_clear(&check->new_prints);
    if (check->order.to == TASK_CLAIMED) {
        must_prints_write(&folder, &check->new_prints);
    } else if (!must_files_check(&folder, &check->unmet)) {
        const struct must unread = {MUST_SENTENCE, BYTES("must_haves")};
        must_unmet_add(&check->unmet, &unread, "the list could not be read");
    }
}

static void on_pool_done(struct pool_job *job) {
    struct must_check *check = CONTAINER_OF(job, struct must_check, job);
    room_maybe_stopped(&check->musts->room);
    if (check->musts->room.asker.stopping) {
        return; /* musts_close frees it. */
    }
    if (!check->looked) {
        check_read(check);
    } else if (check->order.phase == CHECK_LOOK) {
        check->step.unmet = text_bytes(&check->unmet);
        check->step.prints = text_bytes(&check->new_prints);
        step_write(check, looked_tx);
    } else if (check->again) {
        check_read(check);
    } else {
        check_over(check);
    }
}

static void in_pool(struct must_check *check, enum pool_kind kind,
                    void (*run)(struct pool_job *job)) {
    check->state = CHECK_IN_POOL;
    check->looked = false;
    pool_begin(&check->musts->room.pool, &check->job, kind, run, on_pool_done);
}

static bool is_same(const struct id *one, const struct id *other) {
    return strcmp(one->text, other->text) == 0;
}

/* Begins the step that the row asks for. */
static void check_go_on(struct must_check *check) {
    const struct check_order *order = &check->order;
    const struct id before = check->command;
    check->command = check->at_hand;
    if (before.text[0] != '\0' && !is_same(&before, &check->at_hand) &&
        !is_same(&before, &check->ran)) { /* The check was dropped. */
        check->step.run = before;
        step_write(check, stop_tx);
        return;
    }
    check_tell_earlier(check);
    switch (order->phase) {
    case CHECK_LOOK:
        in_pool(check,
                must_has(text_bytes(&check->must_haves), MUST_OF_UNCHANGED) ? POOL_SLOW
                                                                            : POOL_QUICK,
                disk_run);
        break;
    case CHECK_BEGIN:
        check_begin(check, command_lack(check));
        break;
    case CHECK_RUN:
        check->state = CHECK_WAITING;
        if (order->queued) {
            timer_start(check->musts->options.room.loop, &check->timer, BEGIN_MAX_MS, on_late);
        }
        break;
    case CHECK_OVER:
        if (links_empty(&check->waits)) {
            check_tell(check, &checked_none);
        } else {
            in_pool(check, POOL_QUICK, found_run);
        }
        break;
    }
}

/* --- The row ---------------------------------------------------------------------------------- */

static void text_set(struct text *text, struct bytes bytes) {
    text_clear(text);
    text_add(text, bytes.data, bytes.len);
}

/* On a thread of the store, which owns these texts until on_read. */
static struct err check_find_tx(struct tx *tx, void *ctx) {
    struct must_check *check = ctx;
    struct check_order *order = &check->order;
    TRY(tx_check_find(tx, bytes_of(check->attempt.text), order));
    text_set(&check->must_haves, order->must_haves);
    text_set(&check->prints, order->prints);
    text_set(&check->root, order->root);
    text_set(&check->found, order->found);
    check->at_hand = id_copy(order->command);
    check->ran = id_copy(order->ran);
    return ERR_OK;
}

static void on_read(void *ctx) {
    struct must_check *check = ctx;
    if (check->again) {
        check_read(check);
        return;
    }
    check_go_on(check);
}

static void check_read(struct must_check *check) {
    check->state = CHECK_ASKING;
    check->again = false;
    ask_read(&check->ask, check_find_tx, on_read);
}

/* An error of a command's begin is a finding, where it stays one. */
static enum ask_verdict check_judge(void *ctx, unsigned tries, struct err err) {
    const struct must_check *check = ctx;
    const enum ask_verdict verdict = ask_usual(tries, EFFECT_TRIES_MAX, err);
    return verdict == ASK_REFUSED && check->ask.fn == begin_tx && check->step.lack == NULL
               ? ASK_ANSWERED
               : verdict;
}

/* The row stays as it is: the next note, or daemon, goes on. */
static void check_refused(void *ctx, struct err err) {
    (void)err; /* The asker has logged it. */
    check_tell(ctx, &checked_none);
}

static void check_dropped(void *ctx) {
    (void)ctx; /* The daemon stops: musts_close frees it. */
}

static struct must_check *check_get(struct musts *musts, struct bytes attempt) {
    static const struct ask_rules rules = {
        .words = {.effect = "check must-haves",
                  .again = "must-haves could not be checked; it is tried again"},
        .judge = check_judge,
        .refused = check_refused,
        .dropped = check_dropped};
    struct table_node *node = table_find(&musts->table, attempt);
    if (node != NULL) {
        struct must_check *found = CONTAINER_OF(node, struct must_check, node);
        found->again = true;
        if (found->state == CHECK_WAITING) {
            timer_stop(musts->options.room.loop, &found->timer);
            check_read(found);
        }
        return found;
    }
    struct must_check *check = mem_new(sizeof *check);
    struct text *texts[CHECK_TEXTS];
    check->musts = musts;
    check->attempt = id_copy(attempt);
    check->node.name = bytes_of(check->attempt.text);
    check_texts(check, texts);
    for (size_t i = 0; i < CHECK_TEXTS; i++) {
        text_init(texts[i], i == 0 ? PLACE_MAX : TEXT_MAX);
    }
    links_init(&check->waits);
    ask_init(&check->ask, &musts->room.asker, &rules, check);
    link_add_last(&musts->checks, &check->link);
    table_add(&musts->table, &check->node);
    check_read(check);
    return check;
}

void musts_note(struct musts *musts, struct bytes attempt) {
    if (!musts->room.asker.stopping) {
        (void)check_get(musts, attempt);
    }
}

void must_wait_start(struct musts *musts, const struct task_checking *checking,
                     struct must_wait *wait) {
    struct must_check *check = check_get(musts, bytes_of(checking->attempt.text));
    assert(wait->check == NULL);
    wait->check = check;
    wait->number = checking->number;
    wait->checked = NULL;
    check->waiters++;
    link_add_last(&check->waits, &wait->link);
}

void must_wait_stop(struct must_wait *wait) {
    struct must_check *check = wait->check;
    if (check != NULL) {
        link_remove(&wait->link);
        wait->check = NULL;
        if (--check->waiters == 0 && check->state == CHECK_TOLD) {
            check_free(check);
        }
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static struct err recover_tx(struct tx *tx, void *ctx) {
    struct musts *musts = ctx;
    return tx_must_recover(tx, &musts->bounds, &musts->more);
}

static void recover_done(void *ctx) {
    struct musts *musts = ctx;
    if (musts->more) {
        ask_write(&musts->recovery, recover_tx, recover_done);
    }
}

void musts_recover(struct musts *musts) {
    musts->bounds = dispatch_bounds(musts->options.dispatch);
    ask_write(&musts->recovery, recover_tx, recover_done);
}

struct musts *musts_open(const struct musts_options *options) {
    static const struct ask_rules rules = {
        .words = {.effect = "end the commands of an earlier daemon's checks",
                  .again = "commands of must-haves could not be ended; it is tried again"}};
    struct musts *musts = mem_new(sizeof *musts);
    musts->options = *options;
    room_init(&musts->room, &options->room,
              (struct room_pauses){.first_ms = RETRY_MS, .max_ms = RETRY_MAX_MS});
    links_init(&musts->checks);
    table_init(&musts->table);
    ask_init(&musts->recovery, &musts->room.asker, &rules, musts);
    return musts;
}

void musts_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct musts *musts = room;
    musts->room.asker.stopping = true;
    ask_stop(&musts->recovery);
    for (struct link *link = musts->checks.next; link != &musts->checks; link = link->next) {
        struct must_check *check = CONTAINER_OF(link, struct must_check, link);
        timer_stop(musts->options.room.loop, &check->timer);
        ask_stop(&check->ask);
    }
    room_stop(&musts->room, stopped, ctx);
}

void musts_close(struct musts *musts) {
    if (musts == NULL) {
        return;
    }
    room_done(&musts->room);
    while (!links_empty(&musts->checks)) {
        check_free(CONTAINER_OF(musts->checks.next, struct must_check, link));
    }
    table_done(&musts->table);
    mem_free(musts);
}
