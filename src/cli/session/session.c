/* session.c: requests about one session. */
#include "cli/session/session.h"

#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/memory.h"
#include "cli/base/api_request.h"
#include "cli/base/project.h"
#include "cli/run/ask.h"
#include "cli/terminal/plain.h"

enum {
    IMAGE_SIZE_MAX = 64 << 20,
    BODY_MAX = 8 << 20,
    COMPACT_RETRY_MS = 10000, /* A daemon that is started again goes on with it. */
};

/* Sends `body` and copies a member of the answer. */
static struct err body_send(struct talk *talk, const struct api_request *target, const json_t *body,
                            const char *member, char **ret_text, struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text text = text_up_to(BODY_MAX);
    struct api_request request = *target;
    request.body = &text;
    TRY(json_write(body, &text));
    TRY(api_ask(talk, &request, &answer, why));
    struct bytes value = bytes_of(talk_text(answer, member));
    *ret_text = mem_copy(value.data, value.len);
    return ERR_OK;
}

static void member_set(json_t *object, const char *key, const char *value) {
    if (value != NULL) {
        (void)json_object_set_new(object, key, json_string(value)); /* Missing memory: refused. */
    }
}

struct err session_agent(struct talk *talk, const char *name, const char *root, json_t **ret_agent,
                         struct why *why) {
    AUTO(text_done) struct text query = text_up_to(3 * PATH_MAX + 16);
    text_add_str(&query, root != NULL ? "?root=" : "");
    if (root != NULL) {
        client_add_escaped(&query, root);
    }
    const struct api_request request = {.base = "/api/v1/agents/",
                                        .id = name,
                                        .rest = text_bytes(&query).data,
                                        .unknown = AGENT_UNKNOWN};
    return api_ask(talk, &request, ret_agent, why);
}

/* A session takes any name; this one has to be a program's, in the folder of the session. */
struct err session_program(struct talk *talk, const char *name, const char *root,
                           json_t **ret_agent, struct why *why) {
    struct err err = session_agent(talk, name, root, ret_agent, why);
    if (!err_failed(err) && strcmp(talk_text(*ret_agent, "kind"), "native") == 0) {
        return err_why(why, ERR_USAGE,
                       "the agent '%.64s' is one of models, for 'drover agent run' and agentType "
                       "of workflows; 'drover agent ls' lists programs with the kind cli",
                       name);
    }
    return err;
}

bool session_has_program(struct talk *talk, const json_t *row, json_t **ret_agent) {
    const char *name = talk_text(row, "agent"), *root = talk_text(row, "root");
    return name[0] != '\0' && !err_failed(session_program(talk, name, root[0] != '\0' ? root : NULL,
                                                          ret_agent, NULL /* no why */));
}

struct err session_of_agent(struct talk *talk, const char *session, struct bytes agent,
                            json_t **ret_row, struct why *why) {
    const struct api_request request = {SESSION_REQUEST(session)};
    struct err err = api_ask(talk, &request, ret_row, why);
    const char *own = err_failed(err) ? "" : talk_text(*ret_row, "agent");
    if (err_failed(err) || bytes_is(agent, own)) {
        return err;
    }
    return err_why(why, ERR_USAGE, "the session %s is one of %s%.64s%s, not of the agent '%.64s'",
                   session, own[0] == '\0' ? "a model" : "the agent '", own,
                   own[0] == '\0' ? "" : "'", agent.data);
}

void session_agent_tell(const json_t *agent) {
    if (isatty(STDERR_FILENO) == 1 && json_is_true(json_object_get(agent, "found"))) {
        AUTO(text_done) struct text line = {0};
        plain_line(&line, talk_text(agent, "may"));
        plain_note("drover: %s: %s\n", talk_text(agent, "name"), line.data);
    }
}

struct err session_make(struct talk *talk, const struct session_wish *wish, char **ret_id,
                        struct why *why) {
    AUTO(json_release) json_t *wanted = json_object(), *agent = NULL;
    const struct api_request sessions = {
        .method = "POST", .base = "/api/v1/sessions", .retry = API_RETRY_CUT};
    char root[PATH_MAX];
    struct err err = wish->root == NULL ? ERR_OK : root_resolve(wish->root, root, why);
    if (!err_failed(err) && wish->agent != NULL) {
        err = session_program(talk, wish->agent, wish->root != NULL ? root : NULL, &agent, why);
    }
    if (!err_failed(err) && wish->tells) {
        session_agent_tell(agent);
    }
    if (err_failed(err)) {
        return err;
    }
    if (wish->agent != NULL) {
        member_set(wanted, "agent", wish->agent);
        member_set(wanted, "native", wish->native);
    }
    if (wish->main) {
        (void)json_object_set_new(wanted, "main", json_true()); /* NULL is refused. */
    }
    if (wish->worktree != NULL) {
        (void)json_object_set(wanted, "worktree", wish->worktree); /* The same. */
    }
    member_set(wanted, "model", wish->model);
    member_set(wanted, "root", wish->root != NULL ? root : NULL);
    member_set(wanted, "title", wish->title);
    return body_send(talk, &sessions, wanted, "id", ret_id, why);
}

struct err session_worktree_read(const struct args *args, json_t **ret_worktree, struct why *why) {
    static const char *const names[] = {"name", "base"};
    AUTO(json_release) json_t *worktree = json_object();
    *ret_worktree = NULL;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = args_text(args, names[i]);
        if (value != NULL && !args_on(args, "worktree")) {
            return err_why(why, ERR_USAGE, "--%s needs --worktree", names[i]);
        }
        member_set(worktree, names[i], value);
    }
    *ret_worktree = args_on(args, "worktree") ? json_incref(worktree) : NULL;
    return ERR_OK;
}

struct err native_check(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    if (args_text(args, "native") == NULL) {
        return ERR_OK;
    }
    if (args_text(args, "agent") == NULL) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--native needs --agent: the program whose session it is");
    }
    return args_text(args, "session") == NULL
               ? ERR_OK
               : err_why(&invocation->why, ERR_USAGE, "--native and --session exclude each other");
}

const char *session_model(const struct args *args) {
    const struct flag_value *model = &args->values[args_at(args, "model")];
    return model->from == FROM_FLAG ? model->text : NULL;
}

struct err session_attach(struct talk *talk, const char *session, const char *path, char **ret_id,
                          struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    if (!talk_target(&target, "/api/v1/sessions/", session, "/attachments")) {
        talk_unknown(why, SESSION_UNKNOWN, session);
        return err_make(ERR_NOT_FOUND, "session: id");
    }
    struct err err = talk->world->file_read(talk->world->ctx, path, IMAGE_SIZE_MAX, &content, &len);
    if (err_failed(err)) {
        why_set(why, "%s cannot be read", path);
        return err;
    }
    const struct client_request request = {.method = "POST",
                                           .target = target.data,
                                           .body = {content, len},
                                           .type = "application/octet-stream"};
    err = talk_ask(talk, &request, NULL /* parsed is enough */, &answer, why);
    if (err.code == ERR_BAD_IMAGE) {
        why_set(why, "%s is not a PNG, JPEG, GIF or WebP image", path);
    }
    if (!err_failed(err)) {
        struct bytes id = bytes_of(talk_text(answer, "id"));
        *ret_id = mem_copy(id.data, id.len);
    }
    return err;
}

struct err session_say(struct talk *talk, const struct session_say *say, char **ret_run,
                       struct why *why) {
    AUTO(json_release) json_t *message = json_object();
    struct id own = world_new_id(talk->world, "cli");
    member_set(message, "text", say->text);
    member_set(message, "model", say->model);
    member_set(message, "policy", say->policy);
    member_set(message, "client_id", say->client_id != NULL ? say->client_id : own.text);
    if (say->schema != NULL) {
        (void)json_object_set_new(message, "schema", json_deep_copy(say->schema));
    }
    if (json_array_size(say->images) > 0) {
        (void)json_object_set_new(message, "attachments", json_deep_copy(say->images));
    }
    const struct api_request messages = {.method = "POST",
                                         .base = "/api/v1/sessions/",
                                         .id = say->session,
                                         .rest = "/messages",
                                         .retry_ms = say->retry_ms,
                                         .unknown = SESSION_UNKNOWN};
    return body_send(talk, &messages, message, "run", ret_run, why);
}

struct err session_ends(struct talk *talk, const char *session, struct session_ends *ret_ends,
                        struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    /* The first question of a command: a daemon that was never there is not waited for. */
    bool met = talk->client != NULL && client_was_connected(talk->client);
    const struct api_request stream = {
        .base = "/api/v1/streams/session:", .id = session, .retry_ms = met ? RUN_RETRY_MS : 0};
    struct err err = api_ask(talk, &stream, &answer, why);
    if (err.code == ERR_NOT_FOUND && why->text[0] != '\0') {
        why_set(why, "there is no session '%.60s'; 'drover session ls' lists them", session);
    }
    if (!err_failed(err)) {
        *ret_ends = (struct session_ends){.floor = talk_int(answer, "floor"),
                                          .head = talk_int(answer, "head")};
    }
    return err;
}

struct err session_compact(struct talk *talk, const char *session, json_t **ret_run,
                           struct why *why) {
    AUTO(json_release) json_t *begun = NULL;
    const struct api_request compact = {
        .method = "POST", SESSION_REQUEST(session), .rest = "/compact"};
    TRY(api_ask(talk, &compact, &begun, why));
    const struct run_wait wait = {.id = talk_text(begun, "id"), .retry_ms = COMPACT_RETRY_MS};
    return run_wait(talk, &wait, ret_run, why);
}
