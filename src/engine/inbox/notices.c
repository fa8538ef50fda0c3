/* notices.c: notices to a person: of questions, and of notices that cannot be delivered.
 *
 * A question that is asked again, since its run began a new attempt, is a new row of approvals, but
 * no new notice to a receiver that has acknowledged one of a row that nobody answered.
 */
#include "base/hash.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "engine/base/settings.h"
#include "engine/inbox/rows.h"

enum { DEPTH_MAX = 64 /* Runs above one another whose webhooks are notified. */ };

void inbox__wishes_read(struct tx *tx, struct bytes owner, struct inbox__wishes *ret_wishes) {
    struct inbox__wishes wishes = {.webhook = BYTES(""), .origin = BYTES("")};
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT origin, notify_after_ms FROM nodes WHERE id = 1", NO_ARGS);
    struct settings settings;
    if (rows != NULL) {
        wishes.origin = rows_copy(rows, 0);
        wishes.after_ms = rows_int(rows, 1);
    }
    rows_release(&rows);
    tx_fail(tx, tx_settings_read(tx, &settings));
    wishes.events = notice_events_read(settings.notify_on);
    wishes.origin = settings.public_url.len > 0 ? settings.public_url : wishes.origin;
    if (bytes_is(owner, "local") && settings.notify_webhook.len > 0) {
        wishes.webhook = settings.notify_webhook;
    }
    *ret_wishes = wishes;
}

struct bytes tx_inbox_origin(struct tx *tx) {
    struct inbox__wishes wishes;
    inbox__wishes_read(tx, BYTES(""), &wishes);
    return wishes.origin;
}

struct err tx_inbox_set_place(struct tx *tx, const struct inbox_place *place) {
    tx_do(tx, "UPDATE nodes SET origin = $1, notify_after_ms = $2 WHERE id = 1",
          ARGS(arg_text(place->origin), arg_int(place->notify_after_ms)));
    return tx_error(tx);
}

/* --- Questions -------------------------------------------------------------------------------- */

struct asking {
    const struct inbox_ask *ask;
    struct inbox__wishes wishes;
    struct bytes title, project; /* In the arena. */
    bool full;                   /* The owner has INBOX_OPEN_MAX open notices. */
};

/* The same however often the function runs. */
static struct id about_id(struct tx *tx, struct bytes about, struct bytes address) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, about.data, about.len);
    sha256_add(&sha, address.data, address.len);
    const struct sha256 digest = sha256_finish(&sha);
    return id_make("dlv", tx_now_ms(tx), digest.bytes);
}

static bool ask_is_told(struct tx *tx, const struct inbox_ask *ask, struct bytes address) {
    return tx_number(tx,
                     "SELECT count(*) FROM approvals a JOIN inbox i ON i.approval = a.id"
                     " AND i.approval <> 0 WHERE a.run = $1 AND a.step = $2 AND i.address = $3"
                     " AND (a.id = $4 OR (a.digest = $5 AND a.state = 'cancelled'"
                     " AND i.state = 'acknowledged'))",
                     ARGS(arg_int(ask->run->id), arg_text(ask->step), arg_text(address),
                          arg_int(ask->id), arg_text(ask->digest))) > 0;
}

/* A text leaves the machine without what looks like a key. */
static void question_add(struct text *text, struct bytes question) {
    AUTO(text_done) struct text clean = text_up_to(16 * INBOX_QUESTION_MAX);
    const size_t len = utf8_cut(question, INBOX_QUESTION_MAX);
    redact_add(&clean, (struct bytes){question.data, len}, NULL /* none is known */);
    text_add_str(&clean, len < question.len ? " …" : "");
    text_add_member(text, "question", text_failed(&clean) ? BYTES("") : text_bytes(&clean));
}

static void ask_write(const struct asking *asking, struct bytes delivery, struct text *text) {
    const struct inbox_ask *ask = asking->ask;
    const struct inbox__head head = {.delivery = delivery,
                                     .event = NOTICE_ASKED,
                                     .title = asking->title,
                                     .project = asking->project,
                                     .session = ask->session,
                                     .origin = asking->wishes.origin,
                                     .page = "/inbox/",
                                     .name = ask->approval};
    text_add_char(text, '{');
    inbox__write_head(&head, text);
    text_add_member(text, "run", ask->run->run);
    text_add_member(text, "kind", bytes_of(run_kind_name(ask->run->kind)));
    text_add_member(text, "approval", ask->approval);
    text_add_member(text, "asks", ask->leave ? BYTES("permission") : BYTES("answer"));
    text_add_member(text, "step", ask->step);
    question_add(text, ask->question);
    text_add_char(text, '}');
}

static void ask_owe(struct tx *tx, const struct asking *asking, struct bytes address) {
    const struct inbox_ask *ask = asking->ask;
    const struct id id = about_id(tx, ask->approval, address);
    AUTO(text_done) struct text payload = text_up_to(INBOX_PAYLOAD_MAX);
    struct inbox_row row = {.delivery = bytes_of(id.text),
                            .owner = ask->run->owner,
                            .run = ask->run->run,
                            .address = address,
                            .kind = RECEIVER_WEBHOOK,
                            .event = NOTICE_ASKED,
                            .approval = ask->id};
    if (ask_is_told(tx, ask, address)) {
        return;
    }
    ask_write(asking, row.delivery, &payload);
    row.payload = text_bytes(&payload);
    tx_fail(tx, text_failed(&payload) ? text_error(&payload, "inbox: question") : ERR_OK);
    tx_fail(tx, inbox__insert(tx, &row));
    if (asking->full) { /* The row says why nobody was notified. */
        row.state = INBOX_DROPPED;
        row.settled_ms = tx_now_ms(tx);
        row.cause = BYTES("1000 notices are not delivered yet; no more questions are added");
        tx_fail(tx, inbox__write(tx, &row));
    }
}

/* The webhooks that the specs of a run and of those above it name. A damaged spec names none. */
static void asks_owe_above(struct tx *tx, const struct asking *asking) {
    int64_t id = asking->ask->run->id;
    for (int depth = 0; id != 0 && depth < DEPTH_MAX && !err_failed(tx_error(tx)); depth++) {
        AUTO(json_release) json_t *spec = NULL;
        AUTO(rows_release)
        struct rows *rows =
            tx_row(tx, "SELECT spec, parent FROM runs WHERE id = $1", ARGS(arg_int(id)));
        const bool known =
            rows != NULL && !err_failed(json_parse_wrapped(rows_text(rows, 0), &spec, NULL));
        id = rows != NULL ? rows_int(rows, 1) : 0;
        rows_release(&rows);
        const json_t *list = known ? json_object_get(spec, "notify") : NULL;
        for (size_t i = 0; i < json_array_size(list); i++) {
            struct inbox_row row = {.kind = RECEIVER_SESSION};
            if (inbox__address(json_array_get(list, i), &row) && row.kind == RECEIVER_WEBHOOK) {
                ask_owe(tx, asking, row.address);
            }
        }
    }
}

/* The session of the turn names the question, else the run. */
static void asking_read(struct tx *tx, struct asking *asking) {
    const struct inbox_ask *ask = asking->ask;
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT label, command, project, COALESCE((SELECT s.title FROM sessions s"
               " WHERE s.session = $2), '') FROM runs WHERE id = $1",
               ARGS(arg_int(ask->run->id), arg_text(ask->session)));
    if (rows != NULL) {
        const int title = rows_text(rows, 3).len > 0 ? 3 : rows_text(rows, 0).len > 0 ? 0 : 1;
        asking->title = rows_copy(rows, title);
        asking->project = rows_copy(rows, 2);
    }
}

struct err tx_inbox_ask(struct tx *tx, const struct inbox_ask *ask) {
    struct asking asking = {.ask = ask, .title = BYTES(""), .project = BYTES("")};
    inbox__wishes_read(tx, ask->run->owner, &asking.wishes);
    if ((asking.wishes.events & 1U << NOTICE_ASKED) == 0 || err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    asking_read(tx, &asking);
    asking.full =
        tx_number(tx,
                  "SELECT count(*) FROM (SELECT 1 FROM inbox WHERE owner = $1"
                  " AND settled_ms IS NULL LIMIT $2) open",
                  ARGS(arg_text(ask->run->owner), arg_int(INBOX_OPEN_MAX))) >= INBOX_OPEN_MAX;
    if (asking.wishes.webhook.len > 0) {
        ask_owe(tx, &asking, asking.wishes.webhook);
    }
    asks_owe_above(tx, &asking);
    return tx_error(tx);
}

void tx_inbox_withdraw(struct tx *tx, int64_t approval) {
    struct inbox_row row;
    while (inbox__find(tx, "approval = $1 AND approval <> 0 AND settled_ms IS NULL LIMIT 1",
                       arg_int(approval), &row)) {
        row.state = INBOX_GONE;
        row.cause = BYTES("the question needs no answer any more");
        row.settled_ms = tx_now_ms(tx);
        tx_fail(tx, inbox__write(tx, &row));
    }
}

/* --- Notices that are stalled ----------------------------------------------------------------- */

void inbox__tell_stalled(struct tx *tx, const struct inbox_row *row) {
    struct inbox__wishes wishes;
    inbox__wishes_read(tx, row->owner, &wishes);
    if (wishes.webhook.len == 0 || (wishes.events & 1U << NOTICE_STALLED) == 0 ||
        row->event == NOTICE_STALLED || bytes_equal(row->address, wishes.webhook)) {
        return;
    }
    const struct id id = about_id(tx, row->delivery, wishes.webhook);
    AUTO(text_done) struct text payload = text_up_to(INBOX_PAYLOAD_MAX);
    struct inbox_row notice = {.delivery = bytes_of(id.text),
                               .owner = row->owner,
                               .run = row->run,
                               .address = wishes.webhook,
                               .kind = RECEIVER_WEBHOOK,
                               .event = NOTICE_STALLED};
    const struct inbox__head head = {.delivery = notice.delivery,
                                     .event = NOTICE_STALLED,
                                     .title = BYTES("a notice cannot be delivered"),
                                     .origin = wishes.origin,
                                     .page = "/inbox/",
                                     .name = row->delivery};
    text_add_char(&payload, '{');
    inbox__write_head(&head, &payload);
    text_add_member(&payload, "run", row->run);
    text_add_member(&payload, "stalled", row->delivery);
    text_add_member(&payload, "address", row->address);
    text_add_member(&payload, "cause", row->cause);
    text_add_member_int(&payload, "failures", row->failures);
    text_add_char(&payload, '}');
    notice.payload = text_bytes(&payload);
    tx_fail(tx, text_failed(&payload) ? text_error(&payload, "inbox: stalled") : ERR_OK);
    tx_fail(tx, inbox__insert(tx, &notice));
}
