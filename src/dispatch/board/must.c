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
    BEGIN_MAX_MS = 10 * 60 * 1000, /* Until a command has begun: it may wait for a slot. */
    TAIL_READ_MAX = 4 << 10,       /* Bytes of the end of each stream. */
    PLACE_MAX = 16 << 10,          /* Bytes of a folder, or of PATH. */
    WORD_MAX = 200,
};

enum check_state {
    CHECK_ORDERING,
    CHECK_LOOKING,
    CHECK_DELAYED, /* The next command begins once `stop` is back, which reads what that writes. */
    CHECK_BEGINNING,
    CHECK_RUNNING,
    CHECK_READING,
    CHECK_DONE,
};

/* The command at hand, as notes of its run say; LATE: it was stopped, as it did not begin. */
enum command_state { COMMAND_QUEUED, COMMAND_BEGUN, COMMAND_LATE, COMMAND_ENDED };

struct must_check {
    struct link link; /* In the list of all. */
    struct musts *musts;
    enum check_state state;
    struct link waits;
    size_t waiters; /* Number of `waits`, and of those that were called and read the findings. */
    struct ask ask, stop; /* The second one stops its command. */
    struct pool_job job;
    struct timer timer; /* Ends the wait for a command to begin. */
    /* The move, as it was asked for: all texts are owned. */
    enum task_status to;
    bool person;
    struct text owner, project, task_word, inside, token, named;
    /* The order. */
    struct must_order order; /* Texts of the order are these: */
    struct text task, attempt, must_haves, prints, root, path, order_project, run;
    json_t *list; /* Owned. */
    /* The command at hand. */
    size_t next; /* Index of the item after it. */
    struct must must;
    struct table_node node; /* By its run; listed while BEGINNING and RUNNING. */
    struct id command;
    bool stop_again; /* The board changed while `stop` was away. */
    enum command_state command_state;
    struct must_end end;
    struct run_bounds bounds;
    int64_t run_attempt;
    char tail[2 * TAIL_READ_MAX];
    size_t tail_len;
    /* Findings. */
    bool unread; /* The must-haves could not be read. */
    struct text unmet, new_prints;
    struct task_checked checked;
};

struct musts {
    struct musts_options options;
    struct room room;
    struct link checks;
    struct table commands;
    struct ask recovery;
    struct run_bounds bounds; /* For the recovery. */
    bool more;                /* There are more commands of an earlier daemon. */
};

static void check_next(struct must_check *check);

/* --- Life of a check -------------------------------------------------------------------------- */

static void check_texts(struct must_check *check, struct text *texts[static 16]) {
    struct text *const all[16] = {
        &check->owner,         &check->project, &check->task_word, &check->inside,
        &check->token,         &check->named,   &check->task,      &check->attempt,
        &check->must_haves,    &check->prints,  &check->root,      &check->path,
        &check->order_project, &check->run,     &check->unmet,     &check->new_prints};
    memcpy(texts, all, sizeof all);
}

static void check_free(struct must_check *check) {
    struct text *texts[16];
    assert(check->waiters == 0);
    link_remove(&check->link);
    if (check->node.name.len > 0) {
        table_remove(&check->musts->commands, &check->node);
    }
    timer_stop(check->musts->options.room.loop, &check->timer);
    ask_drop(&check->ask);
    ask_drop(&check->stop);
    json_release(&check->list);
    check_texts(check, texts);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_done(texts[i]);
    }
    mem_free(check);
}

/* Done, and nothing of it is away, nor read by anybody. */
static void check_maybe_free(struct must_check *check) {
    if (check->state == CHECK_DONE && check->waiters == 0 && check->stop.state != ASK_AWAY) {
        check_free(check);
    }
}

/* Each waiter reads the findings until it stops. One that does so at once, or stops another one,
 * takes none away from under the loop. */
static void check_end(struct must_check *check) {
    /* Without room for the findings nothing was checked: the move is refused. */
    const bool whole = !check->unread && !text_failed(&check->unmet);
    check->state = CHECK_DONE;
    check->checked =
        (struct task_checked){.attempt = whole ? text_bytes(&check->attempt) : BYTES("none"),
                              .must_haves = text_bytes(&check->must_haves),
                              .unmet = text_bytes(&check->unmet),
                              .prints = text_bytes(&check->new_prints)};
    check->waiters++;
    for (struct link *link = NULL; (link = links_take(&check->waits)) != NULL;) {
        struct must_wait *wait = CONTAINER_OF(link, struct must_wait, link);
        wait->checked = &check->checked;
        wait->done(wait);
    }
    check->waiters--;
    check_maybe_free(check);
}

/* True: the daemon stops, and the check stays as it is until musts_close. */
static bool check_rests(const struct must_check *check) {
    room_maybe_stopped(&check->musts->room);
    return check->musts->room.asker.stopping;
}

/* --- Commands --------------------------------------------------------------------------------- */

static void tail_read(struct must_check *check, enum log_stream stream) {
    const struct spool *spool = dispatch_options(check->musts->options.dispatch)->spool;
    char name[ID_SIZE + 24];
    char *at = check->tail + check->tail_len;
    struct log_read read = {.len = 0};
    (void)snprintf(name, sizeof name, "%s.%lld", check->command.text,
                   (long long)check->run_attempt);
    struct log_place place = {.name = name, .stream = stream};
    for (int reads = 2; reads > 0; reads--) {
        if (err_failed(spool_log_read(spool, &place, at, TAIL_READ_MAX, &read))) {
            return; /* A sentence without its output says enough. */
        }
        place.offset = read.size > TAIL_READ_MAX ? read.size - TAIL_READ_MAX : 0;
        if (place.offset == 0) {
            break;
        }
    }
    check->tail_len += read.len;
}

static void tail_run(struct pool_job *job) {
    struct must_check *check = CONTAINER_OF(job, struct must_check, job);
    check->tail_len = 0;
    tail_read(check, LOG_OUT);
    tail_read(check, LOG_ERR);
}

static void tail_done(struct pool_job *job) {
    struct must_check *check = CONTAINER_OF(job, struct must_check, job);
    if (check_rests(check)) {
        return;
    }
    check->end.timeout_s = check->order.timeout_s;
    check->end.tail = (struct bytes){check->tail, check->tail_len};
    must_command_add(&check->unmet, &check->must, &check->end);
    check_next(check);
}

static void command_ended(struct must_check *check) {
    timer_stop(check->musts->options.room.loop, &check->timer);
    table_remove(&check->musts->commands, &check->node);
    check->node.name = BYTES("");
    check->state = CHECK_READING;
    pool_begin(&check->musts->room.pool, &check->job, POOL_QUICK, tail_run, tail_done);
}

static struct err stop_tx(struct tx *tx, void *ctx) {
    const struct must_check *check = ctx;
    const struct run_key key = {.owner = text_bytes(&check->owner),
                                .run = bytes_of(check->command.text)};
    return tx_must_stop(tx, &key, check->end.unbegun ? BYTES("") : text_bytes(&check->attempt),
                        &check->bounds);
}

static void stop_done(void *ctx);

/* The end of the command comes by a note. */
static void command_stop(struct must_check *check) {
    check->bounds = dispatch_bounds(check->musts->options.dispatch);
    check->stop_again = false;
    ask_write(&check->stop, stop_tx, stop_done);
}

static void command_begin(struct must_check *check);

static void stop_done(void *ctx) {
    struct must_check *check = ctx;
    if (check->state == CHECK_DELAYED) {
        command_begin(check);
    } else if (check->stop_again && check->state == CHECK_RUNNING) {
        command_stop(check);
    } else {
        check_maybe_free(check);
    }
}

static void on_late(struct timer *timer) {
    struct must_check *check = CONTAINER_OF(timer, struct must_check, timer);
    if (check->state == CHECK_RUNNING && check->command_state == COMMAND_QUEUED &&
        check->stop.state == ASK_IDLE) {
        check->command_state = COMMAND_LATE;
        check->end.unbegun = true;
        command_stop(check);
    }
}

static bool has_sandbox(const struct must_check *check) {
    return dispatch_options(check->musts->options.dispatch)->sandbox_lack == NULL;
}

static struct err run_tx(struct tx *tx, void *ctx) {
    struct must_check *check = ctx;
    const struct must_command command = {.run = check->command,
                                         .owner = text_bytes(&check->owner),
                                         .line = check->must.value,
                                         .order = &check->order,
                                         .sandbox = has_sandbox(check),
                                         .bounds = check->bounds};
    struct run_row row;
    return tx_must_run(tx, &command, &row);
}

/* The note of the run came before, and says whether it runs. */
static void run_done(void *ctx) {
    struct must_check *check = ctx;
    AUTO(text_done) struct text why = text_up_to(WORD_MAX);
    if (err_failed(check->ask.err)) {
        table_remove(&check->musts->commands, &check->node);
        check->node.name = BYTES("");
        if (check->ask.err.code == ERR_CONFLICT) { /* The task was taken away: the move says so. */
            check_end(check);
            return;
        }
        text_addf(&why, "the command could not be begun (%s)", err_name(check->ask.err.code));
        must_unmet_add(&check->unmet, &check->must, why.data);
        check_next(check);
        return;
    }
    check->state = CHECK_RUNNING;
    if (check->command_state == COMMAND_ENDED) {
        command_ended(check);
    } else {
        timer_start(check->musts->options.room.loop, &check->timer, BEGIN_MAX_MS, on_late);
    }
}

static void command_begin(struct must_check *check) {
    struct musts *musts = check->musts;
    if (check->stop.state == ASK_AWAY) {
        check->state = CHECK_DELAYED;
        return;
    }
    check->state = CHECK_BEGINNING;
    check->command_state = COMMAND_QUEUED;
    check->end = (struct must_end){.exit_code = -1};
    check->bounds = dispatch_bounds(musts->options.dispatch);
    check->command = world_new_id(loop_world(musts->options.room.loop), "run");
    check->node.name = bytes_of(check->command.text);
    table_add(&musts->commands, &check->node);
    ask_write(&check->ask, run_tx, run_done);
}

/* Why no command can run; NULL: it can. */
static const char *command_lack(const struct must_check *check, bool holds) {
    if (holds) {
        return "drover holds and begins nothing, until 'drover release'";
    }
    if (check->root.len == 0) {
        return "neither the attempt nor its project has a folder to run it in";
    }
    return check->order.confined && !has_sandbox(check)
               ? "its agent works in a sandbox, and commands can have none on this machine"
               : NULL;
}

/* The next command, or the end. */
static void check_next(struct must_check *check) {
    const bool holds = dispatch_held(check->musts->options.dispatch) == RUN_HELD;
    const bool runs = check->to == TASK_REVIEW;
    while (runs && check->next < json_array_size(check->list)) {
        check->must = must_read(json_array_get(check->list, check->next++));
        if (check->must.kind != MUST_COMMAND) {
            continue;
        }
        const char *lack = command_lack(check, holds);
        if (lack == NULL) {
            command_begin(check);
            return;
        }
        must_unmet_add(&check->unmet, &check->must, lack);
    }
    check_end(check);
}

void musts_job_note(void *room, const struct run_row *row) {
    struct musts *musts = room;
    struct table_node *node = table_find(&musts->commands, row->run);
    struct must_check *check = node == NULL ? NULL : CONTAINER_OF(node, struct must_check, node);
    if (check == NULL || check->command_state == COMMAND_ENDED || musts->room.asker.stopping) {
        return;
    }
    if (check->command_state == COMMAND_QUEUED && row->state == RUN_RUNNING) {
        check->command_state = COMMAND_BEGUN;
    }
    if (run_state_final(row->state)) {
        check->command_state = COMMAND_ENDED;
        check->end.state = row->state;
        check->end.cause = row->cause;
        check->end.exit_code = row->exit_code;
        check->run_attempt = row->attempt;
    }
    if (check->command_state == COMMAND_ENDED && check->state == CHECK_RUNNING) {
        command_ended(check);
    }
}

static bool check_is_of(const struct must_check *check, struct bytes note) {
    const struct bytes owner = text_bytes(&check->owner);
    const struct bytes project = text_bytes(&check->order_project);
    return note.len == owner.len + 1 + project.len && bytes_begin(note, owner) &&
           memcmp(note.data + owner.len + 1, project.data, project.len) == 0;
}

/* A task that is taken away ends its commands. The run of its attempt may go on. */
void musts_board_note(struct musts *musts, struct bytes note) {
    for (struct link *link = musts->checks.next; link != &musts->checks; link = link->next) {
        struct must_check *check = CONTAINER_OF(link, struct must_check, link);
        if (check->state != CHECK_RUNNING || !check_is_of(check, note) ||
            musts->room.asker.stopping) {
            continue;
        }
        if (check->stop.state == ASK_IDLE) {
            command_stop(check);
        } else {
            check->stop_again = true;
        }
    }
}

/* --- The disk --------------------------------------------------------------------------------- */

static void disk_run(struct pool_job *job) {
    struct must_check *check = CONTAINER_OF(job, struct must_check, job);
    const struct must_folder folder = {.root = text_bytes(&check->root),
                                       .must_haves = text_bytes(&check->must_haves),
                                       .prints = text_bytes(&check->prints)};
    if (check->to == TASK_REVIEW) {
        check->unread = !must_files_check(&folder, &check->unmet);
    } else {
        must_prints_write(&folder, &check->new_prints);
    }
}

static void disk_done(struct pool_job *job) {
    struct must_check *check = CONTAINER_OF(job, struct must_check, job);
    if (!check_rests(check)) {
        check_next(check);
    }
}

/* --- The order -------------------------------------------------------------------------------- */

static void text_set(struct text *text, struct bytes bytes) {
    text_clear(text);
    text_add(text, bytes.data, bytes.len);
}

/* On a thread of the store, which owns these texts until order_done. */
static struct err order_tx(struct tx *tx, void *ctx) {
    struct must_check *check = ctx;
    const struct bytes token = text_bytes(&check->token);
    if (check->owner.len == 0) {
        text_set(&check->owner, tx_text(tx, "SELECT owner FROM runs WHERE run = $1",
                                        ARGS(arg_text(text_bytes(&check->inside)))));
    }
    struct task_move move = {
        .key = {.owner = text_bytes(&check->owner),
                .project = text_bytes(&check->project),
                .task = text_bytes(&check->task_word)},
        .client = {.inside = check->inside.len > 0 ? check->inside.data : "",
                   .person = check->person,
                   .label = token.len == 0
                                ? BYTES("")
                                : tx_text(tx, "SELECT label FROM tokens WHERE token = $1",
                                          ARGS(arg_text(token)))},
        .to = check->to};
    if (check->named.len > 0) { /* The move itself refuses an empty name. */
        move.client.named = text_bytes(&check->named);
    }
    const struct err err = tx_must_order(tx, &move, &check->order);
    if (err_failed(err) || !check->order.due) {
        return err;
    }
    const struct must_order *order = &check->order;
    text_set(&check->task, order->task);
    text_set(&check->attempt, order->attempt);
    text_set(&check->must_haves, order->must_haves);
    text_set(&check->prints, order->prints);
    text_set(&check->root, order->root);
    text_set(&check->path, order->path);
    text_set(&check->order_project, order->project);
    text_set(&check->run, order->run);
    return ERR_OK;
}

/* Whether one check finds what the other one will. */
static bool is_same(const struct must_check *one, const struct must_check *other) {
    return one->to == other->to && bytes_equal(text_bytes(&one->task), text_bytes(&other->task)) &&
           bytes_equal(text_bytes(&one->attempt), text_bytes(&other->attempt)) &&
           bytes_equal(text_bytes(&one->must_haves), text_bytes(&other->must_haves)) &&
           bytes_equal(text_bytes(&one->prints), text_bytes(&other->prints)) &&
           bytes_equal(text_bytes(&one->root), text_bytes(&other->root));
}

/* Another one under way that is the same; NULL: there is none. */
static struct must_check *check_find_same(const struct must_check *check) {
    const struct musts *musts = check->musts;
    for (struct link *link = musts->checks.next; link != &musts->checks; link = link->next) {
        struct must_check *other = CONTAINER_OF(link, struct must_check, link);
        if (other != check && other->state != CHECK_ORDERING && other->state != CHECK_DONE &&
            is_same(other, check)) {
            return other;
        }
    }
    return NULL;
}

static void check_join(struct must_check *check, struct must_check *other) {
    for (struct link *link = NULL; (link = links_take(&check->waits)) != NULL;) {
        struct must_wait *wait = CONTAINER_OF(link, struct must_wait, link);
        wait->check = other;
        link_add_last(&other->waits, link);
        other->waiters++;
        check->waiters--;
    }
    check->state = CHECK_DONE;
    check_maybe_free(check);
}

/* Where the rows cannot be read, the move fails in the same way. */
static void order_done(void *ctx) {
    struct must_check *check = ctx;
    struct must_order *order = &check->order;
    struct must_check *other = NULL;
    if (err_failed(check->ask.err) || !order->due || check->waiters == 0 ||
        err_failed(json_parse_wrapped(text_bytes(&check->must_haves), &check->list, NULL))) {
        check_end(check);
        return;
    }
    order->root = text_bytes(&check->root);
    order->path = text_bytes(&check->path);
    order->project = text_bytes(&check->order_project);
    order->run = text_bytes(&check->run);
    order->attempt = text_bytes(&check->attempt);
    other = check_find_same(check);
    if (other != NULL) {
        check_join(check, other);
        return;
    }
    check->state = CHECK_LOOKING;
    pool_begin(&check->musts->room.pool, &check->job, POOL_SLOW, disk_run, disk_done);
}

/* --- Waits ------------------------------------------------------------------------------------ */

static void check_dropped(void *ctx) {
    (void)ctx; /* The daemon stops: musts_close frees it. */
}

static struct must_check *check_new(struct musts *musts, const struct task_move *move,
                                    const char *token) {
    static const struct ask_rules rules = {
        .words = {.effect = "check must-haves"}, .judge = ask_any, .dropped = check_dropped};
    struct must_check *check = mem_new(sizeof *check);
    struct text *texts[16];
    check->musts = musts;
    check_texts(check, texts);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_init(texts[i], PLACE_MAX);
    }
    text_init(&check->must_haves, TASK_LISTS_MAX);
    text_init(&check->prints, MUST_PRINTS_MAX);
    text_init(&check->new_prints, MUST_PRINTS_MAX);
    text_init(&check->unmet, MUST_UNMET_MAX);
    links_init(&check->waits);
    check->to = move->to;
    check->person = move->client.person;
    text_set(&check->owner, move->key.owner);
    text_set(&check->project, move->key.project);
    text_set(&check->task_word, move->key.task);
    text_set(&check->inside, bytes_of(move->client.inside));
    text_set(&check->token, bytes_of(token));
    if (move->client.named.data != NULL) {
        text_set(&check->named, move->client.named);
    }
    ask_init(&check->ask, &musts->room.asker, &rules, check);
    ask_init(&check->stop, &musts->room.asker, &rules, check);
    link_add_last(&musts->checks, &check->link);
    return check;
}

void must_wait_start(struct musts *musts, const struct task_move *move, const char *token,
                     struct must_wait *wait) {
    struct must_check *check = check_new(musts, move, token);
    assert(wait->check == NULL);
    wait->check = check;
    wait->checked = NULL;
    check->waiters++;
    link_add_last(&check->waits, &wait->link);
    ask_read(&check->ask, order_tx, order_done);
}

void must_wait_stop(struct must_wait *wait) {
    struct must_check *check = wait->check;
    if (check != NULL) {
        link_remove(&wait->link);
        wait->check = NULL;
        check->waiters--;
        check_maybe_free(check);
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
    table_init(&musts->commands);
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
        ask_stop(&check->stop);
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
    table_done(&musts->commands);
    mem_free(musts);
}
