/* chat_commands.c: lines of a chat that begin with a slash, and completion of what is typed. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/program.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/base/quantity.h"
#include "cli/budget/limits.h"
#include "cli/session/session.h"
#include "cli/terminal/plain.h"
#include "cli/turn/chat.h"

#define MESSAGES_PATH "/messages?limit=50"
enum {
    QUEUE_SHOWN = 80,
    BODY_MAX = LINES_LINE_MAX * 6 + 100,
    WAYS_MAX = 200, /* Completions that are looked at. */
    WAYS_SHOWN = 40,
    HTTP_NOT_FOUND = 404,
    FLOW_NAME_SHOWN = 250,
};

/* --- Commands about what was said ------------------------------------------------------------- */

/* A queued message is not part of the conversation yet. */
static bool message_is_queued(const json_t *message) {
    const char *status = talk_text(message, "status");
    return strcmp(status, "queued") == 0 || strcmp(status, "steering") == 0 ||
           strcmp(status, "delivered") == 0;
}

/* Requests a new turn for the last message of that role; `none`: what is printed where there is
 * none. */
static struct err last_repeat(struct chat *chat, const char *role, const char *rest,
                              const struct text *body, const char *none) {
    AUTO(json_release) json_t *page = NULL, *answer = NULL;
    const json_t *message = NULL;
    const char *id = NULL;
    size_t at = 0;
    struct err err = chat_ask(chat, "GET", MESSAGES_PATH, NULL, &page);
    json_array_foreach(json_object_get(page, "items"), at, message) {
        if (id == NULL && strcmp(talk_text(message, "role"), role) == 0 &&
            !message_is_queued(message)) {
            id = talk_text(message, "id");
        }
    }
    if (!err_failed(err) && id == NULL) {
        chat_say(chat, "[%s]", none);
        return ERR_OK;
    }
    const struct api_request last = {
        .method = "POST", .base = "/api/v1/messages/", .id = id, .rest = rest, .body = body};
    err = err_failed(err) ? err : api_ask(chat->talk, &last, &answer, &chat->invocation->why);
    if (err_failed(err)) {
        return err;
    }
    if (talk_text(answer, "fork")[0] != '\0') {
        chat_say(chat, "[the old version is in %s]", talk_text(answer, "fork"));
    }
    return chat_watch(chat, talk_text(answer, "run"));
}

static struct err do_retry(struct chat *chat, const char *rest) {
    return last_repeat(chat, "assistant", "/regenerate", NULL /* no body */,
                       "there is no answer yet");
}

static struct err do_edit(struct chat *chat, const char *rest) {
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    if (rest[0] == '\0') {
        chat_say(chat, "[what should it say? /edit TEXT]");
        return ERR_OK;
    }
    text_add_char(&body, '{');
    text_add_member(&body, "text", bytes_of(rest));
    text_add_char(&body, '}');
    return last_repeat(chat, "user", "/resend", &body, "you have said nothing yet");
}

/* Without a turn, or where that takes no message any more, it is a message as any other. */
static struct err do_steer(struct chat *chat, const char *rest) {
    AUTO(mem_release) char *run = NULL;
    if (rest[0] == '\0') {
        chat_say(chat, "[what should it know? /steer TEXT]");
        return ERR_OK;
    }
    TRY(chat_send(chat, rest, "steer", NULL /* a new id */, &run));
    return chat_watch(chat, run);
}

static struct err do_title(struct chat *chat, const char *rest) {
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    text_add_char(&body, '{');
    text_add_member(&body, "title", bytes_of(rest));
    text_add_char(&body, '}');
    return chat_ask(chat, "PATCH", "", &body, NULL /* nothing is read */);
}

static struct err do_clear(struct chat *chat, const char *rest) {
    TRY(chat_ask(chat, "POST", "/clear", NULL, NULL /* nothing is read */));
    chat_say(chat, "[the session is empty]");
    return ERR_OK;
}

static struct err do_queue(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *page = NULL;
    const json_t *message = NULL;
    bool any = false;
    size_t at = 0;
    struct err err = chat_ask(chat, "GET", MESSAGES_PATH, NULL, &page);
    json_array_foreach(json_object_get(page, "items"), at, message) {
        if (message_is_queued(message)) {
            AUTO(text_done) struct text line = {0};
            const json_t *part = json_array_get(json_object_get(message, "parts"), 0);
            plain_line(&line, talk_text(part, "text"));
            struct bytes words = text_bytes(&line);
            chat_say(chat, "%s  %.*s", talk_text(message, "id"), (int)utf8_cut(words, QUEUE_SHOWN),
                     words.data);
            any = true;
        }
    }
    if (!err_failed(err) && !any) {
        chat_say(chat, "[no message is queued]");
    }
    return err;
}

/* --- Other commands --------------------------------------------------------------------------- */

static struct err do_image(struct chat *chat, const char *rest) {
    AUTO(mem_release) char *id = NULL;
    if (rest[0] == '\0') {
        chat_say(chat, "[which file? /image FILE]");
        return ERR_OK;
    }
    TRY(session_attach(chat->talk, chat->session, rest, &id, &chat->invocation->why));
    (void)json_array_append_new(chat->images, json_string(id));
    chat_say(chat, "[attached to the next message]");
    return ERR_OK;
}

static struct err do_quit(struct chat *chat, const char *rest) {
    chat->over = true;
    return ERR_OK;
}

static struct err do_model(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *row = NULL, *agent = NULL;
    TRY(chat_ask(chat, "GET", "", NULL, &row));
    if (session_has_program(chat->talk, row, &agent)) {
        chat_say(chat, "[the program keeps the model that its session began with; /agent lets "
                       "another one answer]");
        return ERR_OK;
    }
    mem_free(chat->model);
    chat->model = rest[0] == '\0' ? NULL : mem_copy(rest, strlen(rest));
    chat_say(chat, "[the next messages go to %s]",
             chat->model == NULL ? "the session's model" : chat->model);
    return ERR_OK;
}

/* The session's permissions, instructions and messages stay. */
static struct err do_agent(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *row = NULL, *agent = NULL;
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    text_add_char(&body, '{');
    text_add_member(&body, "agent", bytes_of(rest));
    text_add_char(&body, '}');
    TRY(chat_ask(chat, "PATCH", "", &body, &row));
    const bool program = session_has_program(chat->talk, row, &agent);
    if (program) { /* Messages to a program name no model. */
        mem_free(chat->model);
        chat->model = NULL;
    }
    AUTO(text_done) struct text may = {0};
    plain_line(&may, program ? talk_text(agent, "may") : "");
    const char *model = talk_text(row, "model");
    chat_say(chat, "[from now on %s answers%s%s]",
             program               ? rest
             : model[0] != '\0'    ? model
             : chat->model != NULL ? chat->model
                                   : "the daemon's model",
             may.len > 0 ? "; " : "", may.len > 0 ? may.data : "");
    return ERR_OK;
}

static struct err do_session(struct chat *chat, const char *rest) {
    chat_say(chat, "[%s]", chat->session);
    return ERR_OK;
}

/* Begins a session with the model of the messages to come, or with the same program, where one
 * answers, and the model of the command line. */
static struct err do_new(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *row = NULL, *agent = NULL;
    struct session_wish wish = {
        .model = chat->model, .root = chat->root, .title = rest[0] == '\0' ? NULL : rest};
    char *session = NULL;
    struct err err = chat_ask(chat, "GET", "", NULL, &row);
    if (wish.model == NULL && talk_text(row, "model")[0] != '\0') {
        wish.model = talk_text(row, "model");
    }
    if (!err_failed(err) && session_has_program(chat->talk, row, &agent)) {
        wish.agent = talk_text(row, "agent");
        wish.model = session_model(&chat->invocation->args);
        const char *root = talk_text(row, "root");
        wish.root = root[0] == '\0' ? NULL : root;
    }
    err = err_failed(err) ? err : session_make(chat->talk, &wish, &session, &chat->invocation->why);
    if (!err_failed(err)) {
        mem_free(chat->session);
        chat->session = session;
        chat->seq = 0;
        chat_say(chat, "[%s]", session);
    }
    return err;
}

static struct err do_compact(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *run = NULL;
    struct err err = session_compact(chat->talk, chat->session, &run, &chat->invocation->why);
    if (err.code == ERR_INTERRUPTED && chat->form == CHAT_TERMINAL) {
        return chat_stop(chat);
    }
    if (!err_failed(err)) {
        AUTO(text_done) struct text note = {0};
        plain_line(&note, talk_text(run, "note"));
        chat_say(chat, "[%s]", text_bytes(&note).data);
    }
    return err;
}

static struct err do_usage(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *row = NULL;
    TRY(chat_ask(chat, "GET", "", NULL, &row));
    const json_t *usage = json_object_get(row, "usage");
    long long calls = talk_int(usage, "calls");
    long long read =
        talk_int(usage, "fresh") + talk_int(usage, "cache_read") + talk_int(usage, "cache_write");
    chat_say(chat,
             "[%lld call%s; %lld tokens read, %lld written; cost %s; %lld of %lld tokens in use]",
             calls, plural(calls), read, (long long)talk_int(usage, "output"),
             budget_show_cost(talk_int(usage, "cost_micros"), talk_int(usage, "cost_unknown")).text,
             (long long)talk_int(row, "context_used"), (long long)talk_int(row, "context_window"));
    return ERR_OK;
}

static struct err do_help(struct chat *chat, const char *rest);

static const struct {
    const char *name, *about;
    struct err (*run)(struct chat *chat, const char *rest); /* rest: what follows the name. */
} commands[] = {
    {"agent", "NAME: let this program answer from now on; without NAME, a model", do_agent},
    {"clear", "remove all messages of the session", do_clear},
    {"compact", "summarize the conversation for the model; the messages stay", do_compact},
    {"edit", "TEXT: send your last message again with this text; a fork keeps the old one",
     do_edit},
    {"help", "list these commands", do_help},
    {"image", "FILE: attach an image to the next message", do_image},
    {"model", "NAME: use this model from now on; without NAME, the session's", do_model},
    {"new", "[TITLE]: start another session", do_new},
    {"queue", "list queued messages", do_queue},
    {"quit", "leave; the session stays", do_quit},
    {"retry", "ask for the last answer again", do_retry},
    {"rewind", "[N]: take back what was done since your last message, or the N-th last",
     chat_rewind},
    {"session", "show the id of the session", do_session},
    {"steer", "TEXT: add this to the answer that is being written", do_steer},
    {"title", "TITLE: name the session", do_title},
    {"usage", "show tokens, cost, and how full the model's window is", do_usage},
};

static struct err do_help(struct chat *chat, const char *rest) {
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        chat_say(chat, "/%-8s %s", commands[i].name, commands[i].about);
    }
    chat_say(chat, "/%-8s %s", "FLOW", "[QUESTION]: start this flow; drover flow ls lists them");
    return ERR_OK;
}

/* --- Flows ------------------------------------------------------------------------------------ */

/* The session is notified of its end. ERR_NOT_FOUND: there is no flow of that name. */
static struct err flow_start(struct chat *chat, const char *name, const char *question) {
    AUTO(json_release) json_t *row = NULL, *agent = NULL, *run = NULL;
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    TRY(chat_ask(chat, "GET", "", NULL, &row));
    const char *model = chat->model != NULL ? chat->model : talk_text(row, "model");
    const bool has_model = model[0] != '\0' && !session_has_program(chat->talk, row, &agent);
    const char *root = talk_text(row, "root");
    text_add_char(&body, '{');
    api_member(&body, "name", name);
    api_member(&body, "root", root[0] != '\0' ? root : NULL);
    api_member(&body, "input", question[0] != '\0' ? question : NULL);
    api_member(&body, "model", has_model ? model : NULL);
    text_add_str(&body, ",\"notify\":[{");
    api_member(&body, "session", chat->session);
    text_add_str(&body, "}]}");
    const struct api_request start = {.method = "POST", .base = "/api/v1/flows", .body = &body};
    struct err err = api_ask(chat->talk, &start, &run, &chat->invocation->why);
    if (err_failed(err) && err_http_status(err.code) == HTTP_NOT_FOUND) {
        chat->invocation->why.text[0] = '\0';
        return err_make(ERR_NOT_FOUND, "chat: flow");
    }
    if (!err_failed(err)) {
        chat_say(chat, "[flow %s: %s; this session is notified of its end]", name,
                 talk_text(run, "id"));
    }
    return err;
}

/* A program such as claude has commands of its own. */
static bool program_has_commands(struct chat *chat) {
    AUTO(json_release) json_t *row = NULL, *agent = NULL;
    if (err_failed(chat_ask(chat, "GET", "", NULL, &row)) ||
        !session_has_program(chat->talk, row, &agent)) {
        return false;
    }
    const struct program *program = program_find(bytes_of(talk_text(agent, "program")));
    return program != NULL && (program_can(program) & PROGRAM_HAS_COMMANDS) != 0;
}

struct err chat_command(struct chat *chat, const char *text) {
    const char *line = text + 1;
    size_t len = strcspn(line, " ");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (bytes_is((struct bytes){line, len}, commands[i].name)) {
            return commands[i].run(chat, line + len + strspn(line + len, " "));
        }
    }
    AUTO(mem_release) char *name = mem_copy(line, len);
    const struct err err = len == 0 ? err_make(ERR_NOT_FOUND, "chat: flow")
                                    : flow_start(chat, name, line + len + strspn(line + len, " "));
    if (err.code != ERR_NOT_FOUND) {
        return err;
    }
    if (len > 0 && program_has_commands(chat)) {
        AUTO(mem_release) char *run = NULL;
        const struct err sent = chat_send(chat, text, NULL /* policy */, NULL /* a new id */, &run);
        return err_failed(sent) ? sent : chat_watch(chat, run);
    }
    chat_say(chat, "[there is no /%s; /help lists the commands]", name);
    return ERR_OK;
}

/* --- Completion ------------------------------------------------------------------------------- */

/* Ways to go on with a word: texts that begin with it. */
struct ways {
    struct bytes word;
    json_t *texts; /* Owned. */
};

static void way_add(struct ways *ways, const char *text) {
    if (bytes_begin(bytes_of(text), ways->word) && json_array_size(ways->texts) < WAYS_MAX) {
        (void)json_array_append_new(ways->texts, json_string(text)); /* Missing: not offered. */
    }
}

static void commands_find(struct ways *ways) {
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        AUTO(text_done) struct text name = text_up_to(32);
        text_addf(&name, "/%s ", commands[i].name);
        way_add(ways, text_bytes(&name).data);
    }
}

/* Nothing where the flows cannot be listed. */
static void flows_find(struct chat *chat, struct ways *ways) {
    AUTO(json_release) json_t *row = NULL, *catalog = NULL;
    AUTO(text_done) struct text path = text_up_to(PATH_MAX * 3 + 40);
    const json_t *flow = NULL;
    size_t at = 0;
    if (err_failed(chat_ask(chat, "GET", "", NULL, &row))) {
        return;
    }
    text_add_str(&path, "/api/v1/flows");
    if (talk_text(row, "root")[0] != '\0') {
        text_add_str(&path, "?root=");
        client_add_escaped(&path, talk_text(row, "root"));
    }
    if (err_failed(talk_get(chat->talk, text_bytes(&path).data, &catalog, NULL /* no why */))) {
        return;
    }
    json_array_foreach(json_object_get(catalog, "flows"), at, flow) {
        AUTO(text_done) struct text name = text_up_to(FLOW_NAME_SHOWN);
        text_addf(&name, "/%s ", talk_text(flow, "name"));
        way_add(ways, text_bytes(&name).data);
    }
}

static void model_find(void *ctx, const json_t *model) {
    way_add(ctx, talk_text(model, "id"));
}

static void program_way_add(void *ctx, const json_t *agent) {
    if (json_is_true(json_object_get(agent, "found"))) {
        way_add(ctx, talk_text(agent, "name"));
    }
}

static void models_find(struct chat *chat, struct ways *ways) {
    /* The line below says enough. */
    if (err_failed(talk_list(chat->talk, "/api/v1/models", model_find, ways, NULL /* no why */))) {
        chat_say(chat, "[the models cannot be listed]");
    }
}

/* Entries of the folder that the word names so far; a folder ends with a slash. */
static void paths_find(struct ways *ways) {
    AUTO(text_done) struct text folder = text_up_to(4096);
    const char *slash = memrchr(ways->word.data, '/', ways->word.len);
    size_t len = slash != NULL ? (size_t)(slash - ways->word.data) + 1 : 0;
    bool hidden = ways->word.len > len && ways->word.data[len] == '.';
    text_add(&folder, ways->word.data, len);
    DIR *dir = text_failed(&folder) ? NULL : opendir(len == 0 ? "." : folder.data);
    for (struct dirent *entry = NULL; dir != NULL && (entry = readdir(dir)) != NULL;) {
        AUTO(text_done) struct text path = text_up_to(8192);
        struct stat stat_of;
        text_addf(&path, "%s%s", text_bytes(&folder).data, entry->d_name);
        bool shown = (entry->d_name[0] != '.' || hidden) && !text_failed(&path) &&
                     utf8_valid(path.data, path.len) && !utf8_has_control(text_bytes(&path));
        if (shown && stat(path.data, &stat_of) == 0 && S_ISDIR(stat_of.st_mode)) {
            text_add_char(&path, '/');
        }
        if (shown) {
            way_add(ways, text_bytes(&path).data);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir); /* Nothing was written. */
    }
}

/* The longest beginning that all ways have. */
static struct bytes ways_common(const struct ways *ways) {
    struct bytes common = bytes_of(json_string_value(json_array_get(ways->texts, 0)));
    for (size_t i = 1; i < json_array_size(ways->texts); i++) {
        struct bytes other = bytes_of(json_string_value(json_array_get(ways->texts, i)));
        size_t len = 0;
        while (len < common.len && len < other.len && common.data[len] == other.data[len]) {
            len++;
        }
        common.len = utf8_cut(common, len);
    }
    return common;
}

static void ways_list(struct chat *chat, const struct ways *ways) {
    AUTO(text_done) struct text line = text_up_to(64 << 10);
    size_t count = json_array_size(ways->texts);
    for (size_t i = 0; i < count && i < WAYS_SHOWN; i++) {
        text_addf(&line, "%s%s", i > 0 ? "  " : "",
                  json_string_value(json_array_get(ways->texts, i)));
    }
    chat_say(chat, "%s%s", text_bytes(&line).data, count > WAYS_SHOWN ? "  …" : "");
}

void chat_complete(struct chat *chat, struct edit_line *edit) {
    struct bytes line = edit_line_text(edit), before = {line.data, edit->at};
    size_t from = edit->at;
    while (from > 0 && before.data[from - 1] != ' ' && before.data[from - 1] != '\n') {
        from--;
    }
    AUTO(text_done) struct text word = text_up_to(EDIT_LINE_MAX);
    text_add(&word, before.data + from, before.len - from);
    struct ways ways = {.word = text_bytes(&word), .texts = json_array()};
    AUTO(json_release) json_t *texts = ways.texts;
    if (from == 0 && before.len > 0 && before.data[0] == '/' &&
        memchr(before.data + 1, '/', before.len - 1) == NULL) {
        commands_find(&ways);
        flows_find(chat, &ways);
    } else if (bytes_begin(before, BYTES("/model "))) {
        models_find(chat, &ways);
    } else if (bytes_begin(before, BYTES("/agent "))) {
        struct err err = talk_list(chat->talk, "/api/v1/agents", program_way_add, &ways, NULL);
        (void)err; /* Then there is nothing to complete. */
    } else if (ways.word.len > 0) {
        paths_find(&ways);
    }
    struct bytes common = json_array_size(texts) > 0 ? ways_common(&ways) : (struct bytes){0};
    if (common.len > ways.word.len) {
        edit_line_replace(edit, from, common);
    } else if (json_array_size(texts) > 1) {
        ways_list(chat, &ways);
    }
}
