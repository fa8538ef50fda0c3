/* ops_once.c: requests with an Idempotency-Key, each sent several times: at once, later, and to a
 * daemon that was killed meanwhile, since a client that got no answer sends again.
 *
 *   same key, same body      the same answer, and one effect
 *   same key, another body   refused, once the first was acknowledged
 *   a key that was forgotten either is a new request, with an effect of its own
 *
 * The bodies are jobs, and answers that are asked for again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "late.h"
#include "ops.h"

enum {
    REQUESTS_MAX = 64,
    SENDS_MAX = 4,
    ANSWER_MAX = 200,
    OTHER_BODIES = 25, /* Percentage of the sends. */
    KEPT_MS = IDEMPOTENCY_KEPT_MS - 3600 * 1000,
};

enum request_kind { REQUEST_JOB, REQUEST_AGAIN };

struct request {
    unsigned op, sends;
    enum request_kind kind;
    struct known_session *session; /* AGAIN */
    char message[ID_SIZE];         /* AGAIN */
    char key[24], label[24];
    char answer[2][ANSWER_MAX]; /* By body, as acknowledged; "": none was. */
    int64_t low_ms;             /* Lowest wall clock since the key was first sent, or renewed. */
    int64_t runs_before;        /* That the key had begun before it was forgotten. */
    bool lapsed;                /* Since then it was old enough to be forgotten. */
};

static struct request requests[REQUESTS_MAX];
static size_t request_count;

static struct request *request_find(unsigned op) {
    for (size_t i = 0; i < request_count; i++) {
        if (requests[i].op == op) {
            return &requests[i];
        }
    }
    return NULL;
}

/* --- One try ---------------------------------------------------------------------------------- */

static struct err job_run(struct tx *tx, struct errand *errand) {
    struct run_row row = {0};
    struct err err = tx_run_submit(tx, &errand->what.job, &row);
    text_add_str(&errand->answer, "{\"id\":");
    text_add_json(&errand->answer, row.run.data, err_failed(err) ? 0 : row.run.len);
    text_add_char(&errand->answer, '}');
    return err;
}

static struct err again_run(struct tx *tx, struct errand *errand) {
    struct run_row run = {0};
    errand->what.again.key =
        (struct message_key){.owner = BYTES(KNOWN_OWNER), .message = known_bytes(errand->id)};
    errand->what.again.model_default = known_bytes(errand->model.name);
    struct err err = tx_turn_again(tx, &errand->what.again, &run, &errand->why);
    text_add_str(&errand->answer, "{\"run\":");
    text_add_json(&errand->answer, run.run.data, err_failed(err) ? 0 : run.run.len);
    text_add_char(&errand->answer, '}');
    return err;
}

/* A key is forgotten after a day, by a clock that operations set, also back: it was taken at
 * `low_ms` or later. */
static bool is_kept(struct sim *sim, struct request *request) {
    int64_t now_ms = sim_wall_ms(sim);
    request->low_ms = now_ms < request->low_ms ? now_ms : request->low_ms;
    request->lapsed = request->lapsed || now_ms - request->low_ms >= KEPT_MS;
    return !request->lapsed;
}

static int64_t runs_of(struct sim *sim, const struct request *request) {
    return rows_number(sim, "SELECT count(*) FROM runs WHERE label = $1", TEXTS(request->label), 0);
}

/* An answer to a key that was forgotten: whichever body it is for, it is the first one. */
static void request_renew(struct sim *sim, struct request *request) {
    int64_t runs = runs_of(sim, request);
    request->answer[0][0] = request->answer[1][0] = '\0';
    request->runs_before = runs > 0 ? runs - 1 : 0;
    request->low_ms = sim_wall_ms(sim);
    request->lapsed = false;
}

static void acknowledged(struct sim *sim, struct request *request, unsigned body,
                         const struct errand *errand) {
    const char *answer = errand->answer.data;
    char *before = request->answer[body];
    if (!is_kept(sim, request) && strcmp(before, answer) != 0) {
        request_renew(sim, request);
    }
    if (request->answer[1 - body][0] != '\0' && is_kept(sim, request)) {
        sim_fail(sim, "the key %s was taken for two requests: %s and %s", request->key,
                 request->answer[1 - body], answer);
    }
    if (before[0] != '\0' && strcmp(before, answer) != 0 && is_kept(sim, request)) {
        sim_fail(sim, "the same request under the key %s was answered %s and %s", request->key,
                 before, answer);
    }
    (void)snprintf(before, ANSWER_MAX, "%s", answer); /* It fits. */
}

static void keyed_done(struct errand *errand, struct err result) {
    struct sim *sim = errand->sim;
    struct request *request = request_find(errand->op);
    unsigned body = errand->text.data[0] == '1';
    if (!err_failed(result)) {
        acknowledged(sim, request, body, errand);
    } else if (result.code == ERR_IDEMPOTENCY_MISMATCH && request->answer[body][0] != '\0' &&
               is_kept(sim, request)) {
        sim_fail(sim, "the same request under the key %s is taken for another one", request->key);
    } else if (request->answer[body][0] != '\0' && is_kept(sim, request) &&
               (result.code == ERR_CONFLICT || result.code == ERR_TURN_IN_PROGRESS ||
                result.code == ERR_MESSAGE_NOT_FOUND)) {
        sim_fail(sim, "the key %s was answered, and the same request is refused now: %s",
                 request->key, err_name(result.code));
    }
}

static void job_fill(struct sim *sim, struct request *request, struct errand *errand) {
    char purpose[32];
    (void)snprintf(purpose, sizeof purpose, "keyed %u", request->sends); /* It fits. */
    text_addf(&errand->text, "{\"argv\":[\"work\",\"op-%u\"],\"label\":\"%s\"}", request->op,
              request->label);
    errand->what.job = (struct run_new){.run = late_id(sim, request->op, "run", purpose),
                                        .owner = BYTES(KNOWN_OWNER),
                                        .parent = BYTES(""),
                                        .kind = KIND_JOB,
                                        .key = BYTES(""),
                                        .label = known_bytes(request->label),
                                        .command = BYTES("work"),
                                        .project = BYTES(""),
                                        .bounds = errand_bounds(errand),
                                        .spec = {errand->text.data + 1, errand->text.len - 1}};
    errand->run = job_run;
}

static void again_fill(struct sim *sim, struct request *request, struct errand *errand) {
    char purpose[32];
    (void)snprintf(purpose, sizeof purpose, "keyed %u", request->sends); /* It fits. */
    memcpy(errand->id, request->message, sizeof errand->id);
    errand->what.again = (struct turn_message){.run = late_id(sim, request->op, "run", purpose),
                                               .answer = late_id(sim, request->op, "msg", purpose),
                                               .bounds = errand_bounds(errand)};
    errand->run = again_run;
    errand_change(errand);
}

static void keyed_send(struct sim *sim, unsigned op) {
    struct request *request = request_find(op);
    bool other = sim_chance(sim, "another body", OTHER_BODIES);
    const char *body = other ? "1" : "0"; /* What is not part of its effect, but of its digest. */
    if (request->sends++ == 0) {
        request->low_ms = sim_wall_ms(sim);
    }
    struct errand *errand = errand_new(sim, "keyed request", request->session);
    const struct idempotency_request digest = {
        .method = BYTES("POST"), .target = known_bytes(request->label), .body = known_bytes(body)};
    errand->op = op;
    errand->once = (struct idempotency){.owner = BYTES(KNOWN_OWNER),
                                        .route = request->kind == REQUEST_JOB
                                                     ? BYTES("/api/v1/jobs")
                                                     : BYTES("/api/v1/messages/{id}/again"),
                                        .key = known_bytes(request->key),
                                        .digest = idempotency_digest(&digest)};
    text_add_str(&errand->text, body);
    if (request->kind == REQUEST_JOB) {
        job_fill(sim, request, errand);
    } else {
        again_fill(sim, request, errand);
    }
    errand->done = keyed_done;
    errand_send(errand);
}

/* --- The operation ---------------------------------------------------------------------------- */

static void answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct request *request = ctx;
    (void)sim;
    (void)snprintf(request->message, sizeof request->message, "%s", row->text[0].data);
}

static void answer_find(struct sim *sim, struct request *request) {
    struct known_session *session = known_pick(sim, "session");
    if (session != NULL) {
        ask_each(sim,
                 "SELECT max(m.message) FROM messages m JOIN sessions s ON s.id = m.session"
                 " WHERE s.session = $1 AND m.role = 'assistant' AND m.status = 'completed'",
                 TEXTS(session->id), answer_take, request);
    }
    if (request->message[0] != '\0') {
        request->session = session;
        request->kind = REQUEST_AGAIN;
    }
}

static void keyed_request(struct sim *sim) {
    if (request_count == REQUESTS_MAX) {
        return;
    }
    struct request *request = &requests[request_count++];
    *request = (struct request){.op = sim_operation(sim), .kind = REQUEST_JOB};
    if (sim_chance(sim, "again", 50)) {
        answer_find(sim, request);
    }
    (void)snprintf(request->key, sizeof request->key, "key-%u", request->op);       /* It fits. */
    (void)snprintf(request->label, sizeof request->label, "keyed-%u", request->op); /* Likewise. */
    uint64_t sends = 2 + sim_choose(sim, "sends", SENDS_MAX - 1);
    for (uint64_t i = 0; i < sends; i++) {
        late_plan(sim, keyed_send);
    }
}

/* --- One effect ------------------------------------------------------------------------------- */

static void once_look(struct sim *sim) {
    for (size_t i = 0; i < request_count; i++) {
        struct request *request = &requests[i];
        bool kept = request->sends > 0 && is_kept(sim, request);
        int64_t count = runs_of(sim, request);
        if (kept && count > 1 + request->runs_before) {
            sim_fail(sim, "the key %s began %lld runs", request->key,
                     (long long)(count - request->runs_before));
        }
    }
}

static void once_begin(struct sim *sim) {
    (void)sim;
    request_count = 0;
}

static const struct sim_op ops_once[] = {{"keyed_request", 5, keyed_request}, {NULL, 0, NULL}};

const struct sim_part part_once = {
    .name = "once", .ops = ops_once, .begin = once_begin, .look = once_look};
