/* subagents.c: a person starts a subagent of a session, as a model does with spawn_subagent: the
 * session is notified of its end.
 *
 *   read ──> look (the session's folder, for the agent) ──> pool (the agent is found) ──> spawned
 */
#include "engine/turn/subagents.h"
#include "api/session/sessions.h"
#include "base/json/json.h"
#include "dispatch/base/agent_order.h"
#include "dispatch/turn/tool_settings.h"
#include "engine/turn/background.h"

enum { TOOLS_MAX = 64, LABEL_MAX = 100 };

struct spawn_op {
    struct request request;
    struct bytes input, model, agent, label; /* No data: not given. */
    json_t *tools;
    int64_t budget; /* -1: not given. */
    struct default_model model_default;
    struct text root, path, settings; /* Owned: of the session, terminated. */
    struct text narrowed;             /* Owned: settings of the subagent. */
    struct agent_order order;         /* Owned: an agent that is a program. */
    struct id session, run, message, answer;
};

#define AT(member) offsetof(struct spawn_op, member)
static const struct field spawn_rows[] = {
    {FIELD("input", FIELD_TEXT, AT(input)), .required = true, .min = 1, .max = TURN_TEXT_MAX},
    {FIELD("label", FIELD_TEXT, AT(label)), .min = 1, .max = LABEL_MAX},
    {FIELD("model", FIELD_TEXT, AT(model)), .min = 1, .max = SESSION_MODEL_MAX},
    {FIELD("agent", FIELD_TEXT, AT(agent)), .min = 1, .max = SESSION_AGENT_MAX},
    {FIELD("tools", FIELD_TEXTS, AT(tools)), .max = TOOLS_MAX},
    {FIELD("budget", FIELD_INT, AT(budget)), .max = INT64_C(1) << 53, .absent = -1},
};
const struct field_set sessions__spawn_fields = {FIELD_ROWS(spawn_rows), .use = FIELD_GIVEN};

static struct err spawn_read(void *ctx) {
    struct spawn_op *spawn = ctx;
    const struct {
        const char *name;
        struct bytes text;
    } lines[] = {{"label", spawn->label}, {"model", spawn->model}, {"agent", spawn->agent}};
    struct why *why = &spawn->request.op.why;
    request_text(&spawn->request, &spawn->root, SESSION_ROOT_MAX + 1);
    request_text(&spawn->request, &spawn->path, CLIENT_ENVIRONMENT_MAX);
    request_text(&spawn->request, &spawn->settings, SESSION_SETTINGS_MAX + 1);
    request_text(&spawn->request, &spawn->narrowed, SESSION_SETTINGS_MAX);
    agent_order_init(&spawn->order);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (!sessions__line_valid(lines[i].text)) {
            return err_why(why, ERR_BAD_FIELD, "%s: no control characters", lines[i].name);
        }
    }
    if (spawn->agent.data != NULL && spawn->tools != NULL) {
        return err_why(why, ERR_BAD_FIELD,
                       "tools: a program has tools of its own; leave this out with \"agent\"");
    }
    return ERR_OK;
}

/* --- The session ------------------------------------------------------------------------------ */

static struct err spawn_look(struct tx *tx, void *ctx) {
    struct spawn_op *spawn = ctx;
    struct session_row session;
    op_restart(&spawn->request.op);
    struct err err = request_session(tx, &spawn->request, &session);
    const struct {
        struct text *text;
        struct bytes from;
    } copies[] = {{&spawn->root, session.root},
                  {&spawn->path, session.path},
                  {&spawn->settings, session.settings}};
    for (size_t i = 0; i < COUNT_OF(copies) && !err_failed(err); i++) {
        text_clear(copies[i].text);
        text_add(copies[i].text, copies[i].from.data, copies[i].from.len);
        err = text_failed(copies[i].text) ? text_error(copies[i].text, "sessions: seat") : ERR_OK;
    }
    if (!err_failed(err) && session.program.len > 0 && spawn->agent.data == NULL &&
        spawn->model.data == NULL) {
        err = err_why(&spawn->request.op.why, ERR_BAD_FIELD,
                      "model: a program answers in this session; name the agent, or the model, of "
                      "the subagent");
    }
    return err;
}

static void spawn_looked(struct err result, void *ctx) {
    struct spawn_op *spawn = ctx;
    request_go(&spawn->request, result);
}

static void spawn_begin(void *ctx) {
    struct spawn_op *spawn = ctx;
    const struct sessions_api *api = spawn->request.api;
    connections_default_model(api->connections, &spawn->model_default);
    spawn->session = request_new_id(&spawn->request, "ses");
    spawn->run = request_new_id(&spawn->request, "run");
    spawn->message = request_new_id(&spawn->request, "msg");
    spawn->answer = request_new_id(&spawn->request, "msg");
    store_read(spawn->request.store, spawn_look, spawn_looked, spawn);
}

static struct err spawn_start(void *ctx) {
    const struct spawn_op *spawn = ctx;
    const struct sessions_api *api = spawn->request.api;
    if (!connections_look(api->connections, spawn_begin, ctx)) {
        spawn_begin(ctx);
    }
    return ERR_OK;
}

static struct bytes given_or_empty(struct bytes text) {
    return text.data == NULL ? BYTES("") : text;
}

/* --- The agent -------------------------------------------------------------------------------- */

static struct err spawn_pool(void *ctx) {
    struct spawn_op *spawn = ctx;
    const struct sessions_api *api = spawn->request.api;
    struct why *why = &spawn->request.op.why;
    const char *settings = spawn->settings.len > 0 ? spawn->settings.data : "";
    if (!toolplace_narrow(settings, spawn->tools, &spawn->narrowed)) {
        return err_why(why, ERR_BAD_FIELD, "tools: names of tools that the session has itself");
    }
    if (spawn->agent.data == NULL) {
        return ERR_OK;
    }
    const struct agent_wish wish = {.name = spawn->agent,
                                    .root = spawn->root.len > 0 ? spawn->root.data : NULL,
                                    .home = api->home,
                                    .path = spawn->path.len > 0 ? spawn->path.data : NULL,
                                    .rows = api->agents,
                                    .model = given_or_empty(spawn->model),
                                    .first = AGENT_PROGRAMS_ONLY};
    agent_order_find(&wish, &spawn->order);
    if (spawn->order.kind == AGENT_ORDER_UNKNOWN) {
        return err_why(why, ERR_BAD_FIELD,
                       "agent: there is no program '%.*s' that is an agent; 'drover agent ls' "
                       "lists them",
                       (int)spawn->agent.len, spawn->agent.data);
    }
    *why = spawn->order.why;
    return spawn->order.err;
}

/* --- Spawned ---------------------------------------------------------------------------------- */

static struct err spawn_work(struct tx *tx, void *ctx) {
    struct spawn_op *spawn = ctx;
    struct request *request = &spawn->request;
    struct turn_seat seat;
    struct subagent subagent;
    TRY(request_session(tx, request, &seat.session));
    seat.model = seat.session.model.len > 0 && seat.session.program.len == 0
                     ? seat.session.model
                     : bytes_of(spawn->model_default.name);
    const struct subagent_new what = {.seat = &seat,
                                      .input = spawn->input,
                                      .model = spawn->order.kind == AGENT_ORDER_PROGRAM
                                                   ? text_bytes(&spawn->order.model)
                                                   : given_or_empty(spawn->model),
                                      .program = text_bytes(&spawn->order.program),
                                      .agent = given_or_empty(spawn->agent),
                                      .label = given_or_empty(spawn->label),
                                      .settings = text_bytes(&spawn->narrowed),
                                      .cost_micros = spawn->budget,
                                      .session = spawn->session,
                                      .run = spawn->run,
                                      .message = spawn->message,
                                      .answer = spawn->answer,
                                      .bounds = request->bounds};
    struct err err = tx_subagent_spawn(tx, &what, &subagent, &request->op.why);
    if (!err_failed(err)) {
        struct background_row row = {.run = subagent.run,
                                     .subagent = subagent.session,
                                     .title = subagent.title,
                                     .notice = BYTES(""),
                                     .delivery = "pending"};
        run_shown(&row.run, tx_epoch(tx), run_bounds_hold(&request->bounds));
        background_write_json(&row, &request->op.answer);
        request->about = subagent.session;
    }
    return err;
}

static void spawn_end(void *ctx, struct err result) {
    struct spawn_op *spawn = ctx;
    agent_order_done(&spawn->order);
}

const struct request_kind sessions__spawn = {
    .size = sizeof(struct spawn_op),
    .writes = true,
    .later = true,
    .one = &session_one,
    .fields = &sessions__spawn_fields,
    .read = spawn_read,
    .start = spawn_start,
    .pool = spawn_pool,
    .work = spawn_work,
    .end = spawn_end,
};
