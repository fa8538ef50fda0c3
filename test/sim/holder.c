/* holder.c: proc/holder.h over the table of processes.
 *
 * Both ends of a link have a queue, and each word takes its time; between two words anything may
 * happen, also the end of the daemon. The promises of the real one hold: one first word, exactly
 * one `ended`, nothing inside a call, one piece of input at a time.
 */
#include "proc/holder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "hosts.h"
#include "inside.h"
#include "processes.h"

enum { CLAIM_MS = 10000, ORDER_FD_FIRST = 1 << 20 };

struct holders {
    struct loop *loop;
    struct holders_stats stats;
};

struct holder {
    struct holders *holders;
    struct command *command; /* The world's. */
    struct holder_news news;
    void *ctx;
    bool claimed, silent;
    struct timer patience;
    int64_t sizes[LOG_STREAMS];
    int64_t piece_end; /* Of the input on its way; 0: none is. */
};

/* --- Orders ----------------------------------------------------------------------------------- */

struct orders {
    struct order *first;
    int next_fd;
};

static struct orders *orders(void) {
    static struct orders all = {.next_fd = ORDER_FD_FIRST};
    return &all;
}

void order_free(struct order *order) {
    sim_free(order->name);
    sim_free(order->nonce);
    sim_free(order->line);
    sim_free(order->cwd);
    sim_free(order->input);
    sim_free(order);
}

void orders_forget(void) {
    while (orders()->first != NULL) {
        struct order *order = orders()->first;
        orders()->first = order->next;
        order_free(order);
    }
    orders()->next_fd = ORDER_FD_FIRST;
}

static char *join(const char *const *words) {
    size_t size = 1;
    for (const char *const *at = words; *at != NULL; at++) {
        size += strlen(*at) + 1;
    }
    char *line = sim_new(size);
    for (const char *const *at = words; *at != NULL; at++) {
        (void)strcat(line, *at);
        (void)strcat(line, at[1] == NULL ? "" : " ");
    }
    return line;
}

struct err holder_order_make(const struct holder_order *order, const char *spool_path,
                             int *ret_fd) {
    struct sim *sim = sim_current();
    (void)spool_path;
    if (!sim_healed(sim) && sim_chance(sim, "order EMFILE", 2)) {
        return err_from_errno(EMFILE, "holder: make an order");
    }
    struct order *made = sim_new(sizeof *made);
    made->name = sim_copy(order->name);
    made->nonce = sim_copy(order->nonce);
    made->line = join(order->argv);
    made->cwd = sim_copy(order->cwd);
    made->input = sim_new(order->input.len + 1);
    if (order->input.len > 0) {
        memcpy(made->input, order->input.data, order->input.len);
    }
    made->input_len = (int64_t)order->input.len;
    made->flags = order->flags;
    made->timeout_ms = order->timeout_ms;
    made->grace_ms = order->grace_ms;
    made->fd = orders()->next_fd++;
    made->next = orders()->first;
    orders()->first = made;
    *ret_fd = made->fd;
    return ERR_OK;
}

static struct order *order_take(int fd) {
    struct order **at = &orders()->first;
    while (*at != NULL && (*at)->fd != fd) {
        at = &(*at)->next;
    }
    struct order *order = *at;
    assert(order != NULL);
    *at = order->next;
    return order;
}

/* --- Holders ---------------------------------------------------------------------------------- */

struct err holders_open(const struct holders_options *options, struct holders **ret_holders) {
    struct holders *holders = mem_new(sizeof *holders);
    holders->loop = options->loop;
    *ret_holders = holders;
    return ERR_OK;
}

void holders_close(struct holders *holders) {
    mem_free(holders);
}

void holders_get_stats(const struct holders *holders, struct holders_stats *ret_stats) {
    *ret_stats = holders->stats;
}

static void leave(struct holder *holder) {
    timer_stop(holder->holders->loop, &holder->patience);
    holder->holders->stats.live--;
    if (holder->command != NULL) {
        holder->command->link = NULL;
        sim_plan_stop(sim_current(), &holder->command->mail_event);
        words_free(&holder->command->to_daemon, &holder->command->to_daemon_end);
    }
}

void holder_close(struct holder *holder) {
    if (holder != NULL) {
        leave(holder);
        mem_free(holder);
    }
}

static void finish(struct holder *holder, enum holder_end end, const struct spool_exit *exit) {
    void (*ended)(void *, enum holder_end, const struct spool_exit *) = holder->news.ended;
    void *ctx = holder->ctx;
    leave(holder);
    mem_free(holder);
    ended(ctx, end, exit);
}

static void lose_unclaimed(struct timer *patience) {
    finish(CONTAINER_OF(patience, struct holder, patience), HOLDER_LOST, NULL /* exit */);
}

static struct holder *holder_make(struct holders *holders, struct command *command,
                                  const struct holder_news *news, void *ctx) {
    struct holder *holder = mem_new(sizeof *holder);
    holder->holders = holders;
    holder->command = command;
    holder->news = *news;
    holder->ctx = ctx;
    command->link = holder;
    holders->stats.live++;
    return holder;
}

struct err holder_start(struct holders *holders, int order_fd, const struct holder_news *news,
                        void *ctx, struct holder **ret_holder) {
    struct sim *sim = sim_current();
    struct order *order = order_take(order_fd);
    if (sim_acting_is_dead(sim) || (!sim_healed(sim) && sim_chance(sim, "start EMFILE", 4))) {
        order_free(order);
        return err_from_errno(EMFILE, "holder: make a link");
    }
    struct command *command = command_born(sim, order);
    order_free(order);
    struct holder *holder = holder_make(holders, command, news, ctx);
    timer_start(holders->loop, &holder->patience, CLAIM_MS, lose_unclaimed);
    holders->stats.started++;
    *ret_holder = holder;
    return ERR_OK;
}

struct err holder_adopt(struct holders *holders, const char *name, const struct holder_news *news,
                        void *ctx, struct holder **ret_holder) {
    struct sim *sim = sim_current();
    struct command *command =
        command_find(processes_of(sim), (struct folder_key){sim->acting, name});
    bool listens = command != NULL && !sim_acting_is_dead(sim) &&
                   (command->state == COMMAND_RUNNING || command->state == COMMAND_DRAINING);
    if (!listens || (!sim_healed(sim) && sim_chance(sim, "adopt", 5))) {
        return err_make(listens ? ERR_BUSY : ERR_NOT_FOUND, "holder: connect");
    }
    if (command->link != NULL) { /* The older link of this daemon: its end will break. */
        sim_fail(sim, "%s is adopted twice by one daemon", name);
    }
    struct holder *holder = holder_make(holders, command, news, ctx);
    holder->claimed = holder->silent = true;
    holders->stats.adopted++;
    command_told(sim, command, WORD_ASK, 0, (struct bytes){"", 0});
    if (command->state == COMMAND_DRAINING) {
        holder_hears(sim, command, WORD_EXITED, 0, LOG_OUT);
    }
    *ret_holder = holder;
    return ERR_OK;
}

/* --- Told ------------------------------------------------------------------------------------- */

static void tell(struct holder *holder, enum order_word kind, int64_t number, struct bytes bytes) {
    struct sim *sim = sim_current();
    if (!sim_acting_is_dead(sim)) {
        command_told(sim, holder->command, kind, number, bytes);
    }
}

void holder_stop(struct holder *holder, unsigned grace_ms) {
    tell(holder, WORD_STOP, grace_ms, (struct bytes){"", 0});
}

void holder_ask(struct holder *holder) {
    holder->silent = true;
    tell(holder, WORD_ASK, 0, (struct bytes){"", 0});
}

bool holder_is_silent(const struct holder *holder) {
    return holder->silent;
}

void holder_input(struct holder *holder, int64_t offset, struct bytes bytes) {
    if (holder->piece_end == 0 && bytes.len > 0) {
        size_t len = bytes.len < PROTOCOL_INPUT_MAX ? bytes.len : PROTOCOL_INPUT_MAX;
        holder->piece_end = offset + (int64_t)len;
        tell(holder, WORD_INPUT, offset, (struct bytes){bytes.data, len});
    }
}

void holder_input_end(struct holder *holder, int64_t offset) {
    tell(holder, WORD_INPUT_END, offset, (struct bytes){"", 0});
}

void holder_resize(struct holder *holder, unsigned rows, unsigned columns) {
    (void)holder; /* Nobody looks at the size. */
    (void)rows;
    (void)columns;
}

/* --- Heard ------------------------------------------------------------------------------------ */

void words_free(struct word **list, struct word ***end) {
    while (*list != NULL) {
        struct word *word = *list;
        *list = word->next;
        sim_free(word->bytes);
        sim_free(word);
    }
    *end = list;
}

/* Each callback may close the holder: whoever goes on asks for the link again. */
static void hear_grown(struct command *command, enum log_stream stream, int64_t size) {
    struct holder *holder = command->link;
    if (holder != NULL && size > holder->sizes[stream]) {
        holder->sizes[stream] = size;
        if (holder->news.grown != NULL) {
            holder->news.grown(holder->ctx, stream, size);
        }
    }
}

static void hear_accepted(struct command *command, int64_t size) {
    struct holder *holder = command->link;
    if (holder == NULL) {
        return;
    }
    if (size >= holder->piece_end) {
        holder->piece_end = 0;
    }
    if (holder->news.accepted != NULL) {
        holder->news.accepted(holder->ctx, size);
    }
}

static void hear_status(struct sim *sim, struct command *command) {
    const struct folder *folder = folder_of(sim, command);
    for (enum log_stream stream = 0; folder != NULL && stream < LOG_STREAMS; stream++) {
        hear_grown(command, stream, folder->sizes[stream]);
    }
    hear_accepted(command, command->accepted);
}

static void hear_exited(struct sim *sim, struct command *command) {
    const struct folder *folder = folder_of(sim, command);
    bool whole = folder != NULL && folder->ended;
    finish(command->link, whole ? HOLDER_EXITED : HOLDER_LOST, whole ? &folder->exit : NULL);
}

static void hear(struct sim *sim, struct command *command, const struct word *word) {
    struct holder *holder = command->link;
    holder->silent = false;
    switch ((enum holder_word)word->kind) {
    case WORD_CLAIMED:
        timer_stop(holder->holders->loop, &holder->patience);
        holder->claimed = true;
        if (holder->news.claimed != NULL) {
            holder->news.claimed(holder->ctx);
        }
        break;
    case WORD_VOID:
        finish(holder, HOLDER_VOID, NULL /* exit */);
        break;
    case WORD_FAILED: {
        const struct spool_exit exit = {
            .end = EXIT_NOT_STARTED, .os = (int)word->number, .step = "holder"};
        finish(holder, HOLDER_LOST, &exit);
        break;
    }
    case WORD_GROWN:
        hear_grown(command, word->stream, word->number);
        break;
    case WORD_ACCEPTED:
        hear_accepted(command, word->number);
        break;
    case WORD_DISK_FULL:
        holder->news.disk_full(holder->ctx, word->number == 1);
        break;
    case WORD_EXITED:
        hear_exited(sim, command);
        break;
    case WORD_STATUS:
        hear_status(sim, command);
        break;
    case WORD_BROKEN:
        finish(holder, HOLDER_LOST, NULL /* exit */);
        break;
    }
}

static void mail(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, mail_event);
    struct word *word = command->to_daemon;
    command->to_daemon = word->next;
    if (command->to_daemon == NULL) {
        command->to_daemon_end = &command->to_daemon;
    }
    if (command->to_daemon != NULL) {
        sim_plan(sim, event, sim_choose(sim, "mail", 2), mail);
    }
    if (command->link != NULL) {
        unsigned acted = hosts_enter(sim, command->host);
        hear(sim, command, word);
        (void)hosts_enter(sim, acted);
    }
    sim_free(word);
}

void holder_hears(struct sim *sim, struct command *command, enum holder_word kind, int64_t number,
                  enum log_stream stream) {
    if (command->link == NULL || (command->frozen && kind != WORD_BROKEN)) {
        return;
    }
    struct word *word = sim_new(sizeof *word);
    word->kind = (int)kind;
    word->number = number;
    word->stream = stream;
    *command->to_daemon_end = word;
    command->to_daemon_end = &word->next;
    if (!command->mail_event.planned) {
        sim_plan(sim, &command->mail_event, sim_choose(sim, "mail", 4), mail);
    }
}
