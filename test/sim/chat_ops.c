/* chat_ops.c: errands. */
#include "chat_ops.h"

#include <string.h>

#include "base/memory.h"
#include "main/work.h"

enum { TEXT_BYTES_MAX = 32 << 20, ANSWER_BYTES_MAX = 4096 };

struct errand *errand_new(struct sim *sim, const char *name, struct known_session *session) {
    struct errand *errand = mem_new(sizeof *errand);
    const struct turns_api api = work_turns_api(sim_life(sim)->work);
    *errand = (struct errand){.sim = sim,
                              .op = sim_operation(sim),
                              .begun_ns = sim_now_ns(sim),
                              .name = name,
                              .session = session};
    text_init(&errand->text, TEXT_BYTES_MAX);
    text_init(&errand->answer, ANSWER_BYTES_MAX);
    connections_default_model(api.connections, &errand->model);
    return errand;
}

void errand_change(struct errand *errand) {
    errand->changes = true;
    errand->session->changes++;
    errand->session->chosen[0] = '\0';
}

bool errand_decides(const struct errand *errand) {
    return errand->session->changes == 0;
}

struct session_key errand_key(const struct errand *errand) {
    return (struct session_key){.owner = BYTES(KNOWN_OWNER),
                                .session = known_bytes(errand->session->id)};
}

struct run_bounds errand_bounds(const struct errand *errand) {
    return dispatch_bounds(work_turns_api(sim_life(errand->sim)->work).host.dispatch);
}

/* As api/base/request.c. */
static struct err errand_run_once(struct tx *tx, struct errand *errand) {
    struct idempotency_answer kept = {.status = 201};
    struct err err = tx_idempotency_find(tx, &errand->once, &errand->replayed, &kept);
    if (err_failed(err)) {
        return err;
    }
    if (errand->replayed) {
        text_add(&errand->answer, kept.body.data, kept.body.len);
        return ERR_OK;
    }
    err = errand->run(tx, errand);
    if (err_failed(err) || errand->more) {
        return err;
    }
    kept.body = (struct bytes){errand->answer.data, errand->answer.len};
    return tx_idempotency_keep(tx, &errand->once, &kept);
}

static struct err errand_run(struct tx *tx, void *ctx) {
    struct errand *errand = ctx;
    errand->more = errand->replayed = false;
    errand->why.text[0] = '\0';
    text_clear(&errand->answer);
    return errand->once.key.len > 0 ? errand_run_once(tx, errand) : errand->run(tx, errand);
}

void errand_drop(struct errand *errand) {
    text_done(&errand->text);
    text_done(&errand->answer);
    mem_free(errand);
}

static void errand_done(struct err result, void *ctx) {
    struct errand *errand = ctx;
    if (!err_failed(result) && errand->more) {
        if (errand->advance != NULL) {
            errand->advance(errand);
        }
        if (!errand->later) {
            errand_send(errand);
            return;
        }
        if (sim_life(errand->sim)->ready) {
            return;
        }
        result = err_make(ERR_CLOSING, "sim: its client has hung up");
    }
    sim_trace(errand->sim, "%s of op %u: %s", errand->name, errand->op, err_name(result.code));
    if (errand->changes) {
        errand->session->changes--;
    }
    if (errand->done != NULL) {
        errand->done(errand, result);
    }
    errand_drop(errand);
}

void errand_send(struct errand *errand) {
    struct store *store = sim_life(errand->sim)->store;
    if (errand->way == ERRAND_READ) {
        store_read(store, errand_run, errand_done, errand);
    } else {
        store_write(store, errand_run, errand_done, errand);
    }
}

bool errand_refused(const struct errand *errand, struct err result) {
    (void)errand;
    switch (result.code) {
    case ERR_INTERNAL:
    case ERR_BAD_JSON:
    case ERR_BAD_FIELD:
        return false;
    default:
        return true; /* Of a full disk, of a session that is gone, of a turn that runs. */
    }
}
