/* mails.c: see mails.h. A mail to an agent that has no main session yet takes two transactions: the
 * first says which agent is meant, which is looked up in the pool then; the second makes the
 * session and stores the mail. */
#include "api/mail/mails.h"

#include "agent/program.h"
#include "api/board/client.h"
#include "api/session/sessions.h"
#include "dispatch/base/agent_order.h"
#include "engine/mail/mail.h"

const struct resource_handlers mail_handlers = {.resource = &mail_resource};

enum { ROOT_MAX = 4096 };

struct mail_op {
    struct request request; /* First. */
    struct mail mail;
    struct mail_key key;
    struct mail_session session;
    struct text agent, root, path; /* Owned: what is looked up. */
    struct agent_order order;      /* Owned: what was found. */
    bool wanted, named;
    struct id id;
};

static void key_read(struct mail_op *op) {
    op->key = (struct mail_key){.owner = op->request.key.owner,
                                .client = board_client_read(op->request.op.exchange)};
}

/* --- Send ------------------------------------------------------------------------------------- */

static void text_default(struct bytes *text, const char *value) {
    *text = text->data == NULL ? bytes_of(value) : *text;
}

static struct err send_read(void *ctx) {
    struct mail_op *op = ctx;
    struct mail *mail = &op->mail;
    struct bytes *const texts[] = {&mail->project, &mail->to,         &mail->title,
                                   &mail->about,   &mail->supersedes, &mail->in_reply_to};
    key_read(op);
    op->key.client.named = mail->from;
    request_text(&op->request, &op->agent, MAIL_NAME_MAX);
    request_text(&op->request, &op->root, ROOT_MAX);
    request_text(&op->request, &op->path, CLIENT_ENVIRONMENT_MAX);
    agent_order_init(&op->order);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_default(texts[i], "");
    }
    text_default(&mail->type, MAIL_REQUEST);
    return mail->text.len > 0
               ? ERR_OK
               : err_why(&op->request.op.why, ERR_MISSING_FIELD, "\"text\" is missing");
}

static struct err send_start(void *ctx) {
    struct mail_op *op = ctx;
    op->id = request_new_id(&op->request, "mail");
    op->session.session.session = request_new_id(&op->request, "ses");
    op->session.message = request_new_id(&op->request, "msg");
    op->session.line = program_message_line;
    const struct sessions_api *api = op->request.api;
    agent_order_set_aliases(&op->order, connections_settings(api->connections)->model_aliases);
    return ERR_OK;
}

/* After the first transaction. */
static struct err send_pool(void *ctx) {
    struct mail_op *op = ctx;
    const struct sessions_api *api = op->request.api;
    const struct agent_wish wish = {.name = text_bytes(&op->agent),
                                    .root = op->root.data,
                                    .home = api->home,
                                    .config_dir = api->config_dir,
                                    .path = op->path.len > 0 ? op->path.data : NULL,
                                    .rows = api->agents,
                                    .model = BYTES(""),
                                    .takes_names = op->named};
    const struct agent_order *order = &op->order;
    struct session_new *session = &op->session.session;
    if (!op->wanted) {
        return ERR_OK;
    }
    agent_order_find(&wish, &op->order);
    op->session.looked = true;
    session->program = text_bytes(&order->program);
    session->model = text_bytes(&order->model);
    session->settings = agent_order_settings(order);
    session->instructions = agent_order_instructions(order);
    session->path = text_bytes(&op->path);
    op->request.op.why = order->why;
    return order->err;
}

static struct err send_work(struct tx *tx, void *ctx) {
    struct mail_op *op = ctx;
    struct mail mail = op->mail; /* The function may run again. */
    struct mail_wanted wanted;
    mail.mail = bytes_of(op->id.text);
    board_client_complete(tx, op->request.op.exchange, &op->key.client);
    const struct err err =
        tx_mail_send(tx, &op->key, &op->session, &mail, &wanted, &op->request.op.why);
    if (err_failed(err)) {
        return err;
    }
    op->wanted = op->request.more = wanted.wanted;
    if (wanted.wanted) {
        text_clear(&op->agent);
        text_clear(&op->root);
        text_clear(&op->path);
        text_add(&op->agent, wanted.agent.data, wanted.agent.len);
        text_add(&op->root, wanted.root.data, wanted.root.len);
        text_add(&op->path, wanted.path.data, wanted.path.len);
        op->named = wanted.named;
        return ERR_OK;
    }
    fields_write(&mail_resource.fields, FIELD_LISTED, &mail, &op->request.op.answer);
    op->request.about = mail.mail;
    return tx_error(tx);
}

static void send_end(void *ctx, struct err result) {
    struct mail_op *op = ctx;
    agent_order_done(&op->order);
}

static const struct request_kind send = {.size = sizeof(struct mail_op),
                                         .writes = true,
                                         .fields = &mail_resource.fields,
                                         .into = offsetof(struct mail_op, mail),
                                         .read = send_read,
                                         .start = send_start,
                                         .pool = send_pool,
                                         .work = send_work,
                                         .end = send_end};

/* --- Retract ---------------------------------------------------------------------------------- */

static struct err retract_read(void *ctx) {
    key_read(ctx);
    return ERR_OK;
}

static struct err retract_work(struct tx *tx, void *ctx) {
    struct mail_op *op = ctx;
    struct mail mail;
    op->key.mail = exchange_param(op->request.op.exchange, 0);
    board_client_complete(tx, op->request.op.exchange, &op->key.client);
    const struct err err = tx_mail_retract(tx, &op->key, &mail, &op->request.op.why);
    if (!err_failed(err)) {
        fields_write(&mail_resource.fields, FIELD_LISTED, &mail, &op->request.op.answer);
    }
    return err;
}

static const struct request_kind retract = {
    .size = sizeof(struct mail_op), .writes = true, .read = retract_read, .work = retract_work};

/* --- Routes ----------------------------------------------------------------------------------- */

#define OWNER_QUERY .query = OP_OWNER_QUERY("Another owner's mail")
#define MAIL_ANSWER .answer = {.fields = &mail_resource.fields, .use = FIELD_LISTED}
#define SEND_ROUTE                                                                                 \
    OWNER_QUERY, .inside = INSIDE_ALWAYS, .run_token = true, .has_body = true,                     \
                 .idempotent_key = true, .body_max = 512 << 10,                                    \
                 .body = {.fields = &mail_resource.fields, .use = FIELD_GIVEN}, MAIL_ANSWER,       \
                 .answer_status = 201, .request = &send

const struct route mail_routes[] = {
    {ROUTE("POST", "/api/v1/mail", SCOPE_RUN, "Send mail to an agent, a session or a person"),
     SEND_ROUTE},
    {ROUTE("POST", "/api/v1/mail/{id}/retract", SCOPE_RUN, "Take back mail that is not read yet"),
     OWNER_QUERY, .inside = INSIDE_ALWAYS, .run_token = true, MAIL_ANSWER, .request = &retract},
    {ROUTE("POST", "/api/mail", SCOPE_RUN, "Send mail, as its prompt says"), SEND_ROUTE},
    {.method = NULL},
};
