/* session-seed WHERE SESSION COUNT [BYTES]: fills a session of a daemon that is stopped.
 *
 * For tests of what clients see of a long history, which no turn would make in time: COUNT pairs of
 * a user's message ("question N") and an answer (thinking, a tool's card, and a text of BYTES
 * bytes), made by the engine's own functions. WHERE is a data directory or a postgres:// URL. The
 * last answer is still running, and one message waits behind it, when COUNT is negative.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/session/message_rows.h"
#include "loop/world.h"

enum { PAIRS_A_TURN = 50 };

struct seed {
    const char *session;
    int64_t count, done, bytes;
    bool running;
    char *text;
};

static struct err add(struct tx *tx, struct session_row *session, struct message_row *row,
                      struct message_part *parts, size_t count) {
    uint8_t random[10];
    world_random(world_real(), random, sizeof random);
    const struct id id = id_make("msg", tx_now_ms(tx), random);
    row->message = bytes_of(id.text);
    row->active = true;
    const struct message_insert insert = {
        .session = session, .row = row, .parts = parts, .count = count};
    messages__insert(tx, &insert);
    return tx_error(tx);
}

static struct err add_pair(struct tx *tx, struct session_row *session, const struct seed *seed,
                           int64_t number) {
    char question[64];
    (void)snprintf(question, sizeof question, "question %lld", (long long)number);
    struct message_part asked = {.kind = PART_TEXT, .text = bytes_of(question)};
    struct message_row user = {.role = ROLE_USER, .status = MESSAGE_COMPLETED};
    struct err err = add(tx, session, &user, &asked, 1);
    bool last = seed->running && number == seed->count;
    struct message_part parts[] = {
        {.kind = PART_THINKING, .step = 1, .text = BYTES("hm, \"quoted\"\n")},
        {.kind = PART_TOOL,
         .step = 1,
         .state = last ? PART_STATE_PENDING : PART_STATE_SUCCEEDED,
         .name = BYTES("read_file"),
         .call = BYTES("call_1"),
         .data = BYTES("{\"arguments\":{\"path\":\"a.txt\"}}"),
         .text = BYTES("```\ncontents\n```")},
        {.kind = PART_TEXT, .step = 2, .text = {seed->text, (size_t)seed->bytes}},
    };
    struct message_row answer = {.role = ROLE_ASSISTANT,
                                 .status = last ? MESSAGE_RUNNING : MESSAGE_COMPLETED,
                                 .reply_to = user.id};
    if (!err_failed(err)) {
        err = add(tx, session, &answer, parts, COUNT_OF(parts));
    }
    if (!err_failed(err) && last) {
        struct message_part waits = {.kind = PART_TEXT, .text = BYTES("waits")};
        struct message_row queued = {.role = ROLE_USER, .status = MESSAGE_QUEUED};
        err = add(tx, session, &queued, &waits, 1);
    }
    return err;
}

static struct err seed_tx(struct tx *tx, void *ctx) {
    const struct seed *seed = ctx;
    const struct session_key key = {.session = bytes_of(seed->session)};
    struct session_row session;
    struct err err = sessions__get(tx, &key, "seed: session", &session);
    int64_t to = seed->done + PAIRS_A_TURN < seed->count ? seed->done + PAIRS_A_TURN : seed->count;
    for (int64_t i = seed->done + 1; i <= to && !err_failed(err); i++) {
        err = add_pair(tx, &session, seed, i);
    }
    return err;
}

struct turn {
    struct err err;
    bool done;
};

struct call {
    struct seed *seed;
    struct turn turn;
};

static struct err call_tx(struct tx *tx, void *ctx) {
    struct call *call = ctx;
    return seed_tx(tx, call->seed);
}

static void call_done(struct err err, void *ctx) {
    struct call *call = ctx;
    call->turn = (struct turn){.err = err, .done = true};
}

static void lost(void *ctx, struct err err) {
    fprintf(stderr, "session-seed: %s\n", err_name(err.code));
    exit(1);
}

static void note(void *ctx, struct bytes bytes) {
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: session-seed WHERE SESSION COUNT [BYTES]\n");
        return 2;
    }
    struct seed seed = {.session = argv[2],
                        .count = llabs(strtoll(argv[3], NULL, 10)),
                        .bytes = argc > 4 ? strtoll(argv[4], NULL, 10) : 10,
                        .running = argv[3][0] == '-'};
    seed.text = mem_new((size_t)seed.bytes + 1);
    memset(seed.text, 'y', (size_t)seed.bytes);
    struct store_options options = {
        .where = argv[1], .executor = STORE_INLINE, .world = world_real(), .lost = lost};
    for (unsigned kind = 0; kind < STORE_NOTE_KINDS_MAX; kind++) {
        options.notes[kind] = (struct store_note_kind){.deliver = note};
    }
    struct store *store = NULL;
    struct why why = {.text = ""};
    struct err err = store_open(&options, &store, &why);
    while (!err_failed(err) && seed.done < seed.count) {
        struct call call = {.seed = &seed};
        store_write(store, call_tx, call_done, &call);
        while (!call.turn.done && store_turn(store)) {
        }
        err = call.turn.err;
        seed.done += PAIRS_A_TURN;
    }
    store_close(store);
    mem_free(seed.text);
    if (err_failed(err)) {
        fprintf(stderr, "session-seed: %s: %s %s\n", err.step, err_name(err.code), why.text);
    }
    return err_failed(err) ? 1 : 0;
}
