/* native.c: see native.h.
 *
 * Lines of Claude Code that are read:
 *
 *   {"type":"user","cwd":…,"message":{"content":"words" | [{"type":"text"|"tool_result",…}]}}
 *   {"type":"assistant","cwd":…,"message":{"content":[{"type":"text"|"tool_use",…}]}}
 *
 * and of Codex, each {"type":…,"payload":…}:
 *
 *   session_meta                         {"id","cwd"}
 *   response_item/message                {"role":"user"|"assistant","content":[{"text"}]}
 *   response_item/function_call          {"name","arguments": JSON as a text,"call_id"}
 *   response_item/function_call_output   {"call_id","output"}
 *   event_msg/token_count                {"info":{"total_token_usage"}}: of the whole session
 */
#include "agent/native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/reader.h"
#include "agent/where.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "rules/turn/card.h"

enum {
    NAME_KEPT_MAX = 200, /* Bytes of the name of a tool, and of the id of a call. */
    FOLDERS_MAX = 20000, /* Entries that a search looks at. */
    CHUNK = 64 << 10,
};

static bool is_codex(const struct native_wish *wish) {
    return strcmp(wish->what->program, "codex") == 0;
}

bool native_id_valid(struct bytes id) {
    if (id.len < NATIVE_ID_MIN || id.len > NATIVE_ID_MAX || id.data[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        const char c = id.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-')) {
            return false;
        }
    }
    return true;
}

/* --- What was said ---------------------------------------------------------------------------- */

struct reading {
    const struct native_wish *wish;
    struct native_session *session;
    bool codex;
    size_t known;               /* Lines of messages, or of the session. */
    char cwd[LIMIT_PATH_MAX];   /* Folder of the first line that names one. */
    char id[NATIVE_ID_MAX + 1]; /* As the file has it; "": it does not say. */
    struct usage total;         /* Tokens of the whole session, where the program counts so. */
};

static size_t part_bytes(const struct message_part *part) {
    return part->text.len + part->data.len + part->name.len + part->call.len;
}

static void part_done(struct native_session *session, struct message_part *part) {
    session->bytes -= part_bytes(part);
    mem_free((char *)part->text.data);
    mem_free((char *)part->data.data);
    mem_free((char *)part->name.data);
    mem_free((char *)part->call.data);
}

static void message_drop_part(struct native_session *session, struct native_message *message) {
    part_done(session, &message->parts[0]);
    message->count--;
    memmove(message->parts, message->parts + 1, message->count * sizeof message->parts[0]);
}

static void message_drop(struct native_session *session) {
    struct native_message *first = &session->list[0];
    for (size_t i = 0; i < first->count; i++) {
        part_done(session, &first->parts[i]);
    }
    mem_free(first->parts);
    session->count--;
    memmove(session->list, session->list + 1, session->count * sizeof session->list[0]);
    session->cut = true;
}

void native_done(struct native_session *session) {
    while (session->count > 0) {
        message_drop(session);
    }
    mem_free(session->list);
    session->list = NULL;
    text_done(&session->reader);
}

/* A copy without NUL, which databases refuse, and with a mark where it is cut. */
static struct bytes copy_up_to(struct bytes from, size_t max) {
    static const char mark[] = " [...]";
    const bool whole = from.len <= max;
    const size_t len = whole ? from.len : utf8_cut(from, max - sizeof mark);
    char *copy = mem_new(len + sizeof mark);
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        if (from.data[i] != '\0') {
            copy[kept++] = from.data[i];
        }
    }
    if (!whole) {
        memcpy(copy + kept, mark, sizeof mark - 1);
        kept += sizeof mark - 1;
    }
    return (struct bytes){copy, kept};
}

/* The message that goes on: an answer is all that comes until the user speaks again. */
static struct native_message *message_of(struct reading *reading, enum message_role role) {
    struct native_session *session = reading->session;
    struct native_message *last = session->count == 0 ? NULL : &session->list[session->count - 1];
    if (last != NULL && last->role == role && role == ROLE_ASSISTANT) {
        return last;
    }
    if (session->count == NATIVE_MESSAGES_MAX) {
        message_drop(session);
    }
    last = &session->list[session->count++];
    *last = (struct native_message){
        .role = role, .parts = mem_new_array(NATIVE_PARTS_MAX, sizeof(struct message_part))};
    return last;
}

static void part_add(struct reading *reading, enum message_role role,
                     const struct message_part *part) {
    struct native_session *session = reading->session;
    struct native_message *message = message_of(reading, role);
    if (message->count == NATIVE_PARTS_MAX) {
        message_drop_part(session, message);
        session->cut = true;
    }
    message->parts[message->count++] = *part;
    session->bytes += part_bytes(part);
    while (session->bytes > NATIVE_BYTES_MAX && session->count > 1) {
        message_drop(session);
    }
    while (session->bytes > NATIVE_BYTES_MAX && session->list[0].count > 1) {
        message_drop_part(session, &session->list[0]);
        session->cut = true;
    }
}

static void words_add(struct reading *reading, enum message_role role, struct bytes words) {
    if (bytes_trim(words, " \t\r\n").len == 0) {
        return;
    }
    const struct message_part part = {.kind = PART_TEXT,
                                      .step = role == ROLE_USER ? 0 : 1,
                                      .text = copy_up_to(words, NATIVE_TEXT_MAX)};
    part_add(reading, role, &part);
}

/* Card of a tool (engine/turn/cards.h). `input`: arguments, or NULL. */
static void tool_add(struct reading *reading, struct bytes call, struct bytes tool,
                     const json_t *input) {
    AUTO(text_done) struct text arguments = text_up_to(NATIVE_ARGUMENTS_MAX);
    AUTO(text_done) struct text data = text_up_to(NATIVE_ARGUMENTS_MAX + 100);
    if (!json_is_object(input) || err_failed(json_write(input, &arguments)) ||
        memmem(text_bytes(&arguments).data, arguments.len, "\\u0000", 6) != NULL) {
        text_clear(&arguments);
        text_add_str(&arguments, "{}");
    }
    text_add_str(&data, "{\"arguments\":");
    json_add_stored(&data, text_bytes(&arguments));
    text_add_str(&data, ",\"digest\":\"\",\"repeatable\":false}");
    const struct message_part part = {.kind = PART_TOOL,
                                      .step = 1,
                                      .state = PART_STATE_RUNNING,
                                      .name = copy_up_to(tool, NAME_KEPT_MAX),
                                      .call = copy_up_to(call, NAME_KEPT_MAX),
                                      .data = copy_up_to(text_bytes(&data), data.len),
                                      .text = copy_up_to(BYTES(""), 1)};
    part_add(reading, ROLE_ASSISTANT, &part);
}

static void part_end(struct message_part *part, enum card_cause cause) {
    part->state = card_cause_state(cause);
    part->cause = bytes_of(card_cause_name(cause));
}

/* The result of a card of the newest message, which is the answer. */
static void tool_end(struct reading *reading, struct bytes call, const json_t *result,
                     enum card_cause cause) {
    struct native_session *session = reading->session;
    struct native_message *last = session->count == 0 ? NULL : &session->list[session->count - 1];
    AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
    for (size_t i = last == NULL ? 0 : last->count; i > 0; i--) {
        struct message_part *part = &last->parts[i - 1];
        if (part->state == PART_STATE_RUNNING && bytes_equal(part->call, call)) {
            reader_text_of(result, &text);
            session->bytes -= part_bytes(part);
            mem_free((char *)part->text.data);
            part->text = copy_up_to(text_bytes(&text), NATIVE_RESULT_MAX);
            session->bytes += part_bytes(part);
            part_end(part, cause);
            return;
        }
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void cwd_set(struct reading *reading, const json_t *object) {
    const struct bytes cwd = json_bytes(object, "cwd");
    if (reading->cwd[0] == '\0' && cwd.len > 0 && cwd.len < sizeof reading->cwd &&
        memchr(cwd.data, '\0', cwd.len) == NULL) {
        memcpy(reading->cwd, cwd.data, cwd.len);
    }
}

bool native_is_of_program(struct bytes words) {
    static const char *const marks[] = {"<command-",
                                        "<local-command-",
                                        "<environment_context>",
                                        "<user_instructions>",
                                        "<permissions instructions>",
                                        "<skills_instructions>",
                                        "<turn_aborted>",
                                        "# AGENTS.md instructions"};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (words.len >= strlen(marks[i]) && memcmp(words.data, marks[i], strlen(marks[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void claude_block(struct reading *reading, enum message_role role, const json_t *block) {
    const struct bytes type = json_bytes(block, "type");
    if (bytes_is(type, "text") && !native_is_of_program(json_bytes(block, "text"))) {
        words_add(reading, role, json_bytes(block, "text"));
    } else if (bytes_is(type, "tool_use") && role == ROLE_ASSISTANT) {
        tool_add(reading, json_bytes(block, "id"), json_bytes(block, "name"),
                 json_object_get(block, "input"));
    } else if (bytes_is(type, "tool_result")) {
        tool_end(reading, json_bytes(block, "tool_use_id"), json_object_get(block, "content"),
                 json_is_true(json_object_get(block, "is_error")) ? CARD_RUN_FAILED : CARD_DONE);
    }
}

static void claude_line(struct reading *reading, const json_t *line) {
    const struct bytes type = json_bytes(line, "type");
    const json_t *content = json_object_get(json_object_get(line, "message"), "content");
    const bool user = bytes_is(type, "user");
    if (!user && !bytes_is(type, "assistant")) {
        return;
    }
    cwd_set(reading, line);
    if (json_is_true(json_object_get(line, "isSidechain"))) {
        return;
    }
    reading->known++;
    if (json_is_true(json_object_get(line, "isMeta")) ||
        json_is_true(json_object_get(line, "isCompactSummary"))) {
        return;
    }
    const enum message_role role = user ? ROLE_USER : ROLE_ASSISTANT;
    if (json_is_string(content)) {
        const struct bytes words = json_text(content);
        if (!native_is_of_program(words)) {
            words_add(reading, role, words);
        }
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        claude_block(reading, role, json_array_get(content, i));
    }
}

static void codex_call(struct reading *reading, const json_t *item) {
    const struct bytes given = json_bytes(item, "arguments");
    AUTO(json_release) json_t *input = NULL;
    if (given.len > 0) {
        (void)err_failed(json_parse(given.data, given.len, JSON_DEPTH_MAX, &input, NULL));
    }
    tool_add(reading, json_bytes(item, "call_id"), json_bytes(item, "name"), input);
}

static void codex_item(struct reading *reading, const json_t *item) {
    const struct bytes type = json_bytes(item, "type");
    const json_t *content = json_object_get(item, "content");
    const struct bytes role = json_bytes(item, "role");
    const bool user = bytes_is(role, "user");
    if (bytes_is(type, "message") && (user || bytes_is(role, "assistant"))) {
        for (size_t i = 0; i < json_array_size(content); i++) {
            const struct bytes words = json_bytes(json_array_get(content, i), "text");
            if (!user || !native_is_of_program(words)) {
                words_add(reading, user ? ROLE_USER : ROLE_ASSISTANT, words);
            }
        }
    } else if (bytes_is(type, "function_call")) {
        codex_call(reading, item);
    } else if (bytes_is(type, "function_call_output")) {
        tool_end(reading, json_bytes(item, "call_id"), json_object_get(item, "output"), CARD_DONE);
    }
}

static void codex_line(struct reading *reading, const json_t *line) {
    const struct bytes type = json_bytes(line, "type");
    const json_t *payload = json_object_get(line, "payload");
    const struct bytes kind = json_bytes(payload, "type");
    if (bytes_is(type, "session_meta")) {
        const struct bytes id = json_bytes(payload, "id");
        cwd_set(reading, payload);
        if (reading->id[0] == '\0' && native_id_valid(id)) {
            memcpy(reading->id, id.data, id.len);
        }
        reading->known++;
    } else if (bytes_is(type, "response_item")) {
        codex_item(reading, payload);
    } else if (bytes_is(type, "event_msg") && bytes_is(kind, "token_count")) {
        const json_t *sum = json_object_get(json_object_get(payload, "info"), "total_token_usage");
        const struct usage_responses_counts counts = {
            .input_tokens = reader_number(sum, "input_tokens"),
            .output_tokens = reader_number(sum, "output_tokens"),
            .cached_tokens = reader_number(sum, "cached_input_tokens"),
            .reasoning_tokens = reader_number(sum, "reasoning_output_tokens")};
        if (json_is_object(sum)) {
            reading->total = usage_of_responses(&counts);
        }
    }
}

static void line_read(struct reading *reading, struct bytes line) {
    AUTO(json_release) json_t *json = NULL;
    if (line.len == 0 || err_failed(json_parse(line.data, line.len, JSON_DEPTH_MAX, &json, NULL)) ||
        !json_is_object(json)) {
        return;
    }
    if (reading->codex) {
        codex_line(reading, json);
    } else {
        claude_line(reading, json);
    }
}

/* Lines of the file from `at` on, up to `max` bytes of it. `skips`: the first one is a part. */
struct stretch {
    off_t at, end;
    bool skips;
};
static struct err stretch_read(struct reading *reading, int fd, const struct stretch *stretch) {
    AUTO(text_done) struct text line = text_up_to(PROGRAM_LINE_MAX + 1);
    AUTO(mem_release) char *chunk = mem_new(CHUNK);
    bool skips = stretch->skips;
    off_t at = stretch->at;
    while (at < stretch->end) {
        const ssize_t got = pread(fd, chunk, CHUNK, at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno, "native: read");
        }
        if (got == 0) {
            break;
        }
        at += got;
        for (const char *from = chunk, *end = chunk + got; from < end;) {
            const char *stop = memchr(from, '\n', (size_t)(end - from));
            const size_t len = (size_t)((stop == NULL ? end : stop) - from);
            if (!skips && line.len + len > PROGRAM_LINE_MAX) {
                text_clear(&line);
                skips = true; /* Up to its end. */
            }
            if (!skips) {
                text_add(&line, from, len);
            }
            if (stop != NULL) {
                if (!skips) {
                    line_read(reading, text_bytes(&line));
                }
                text_clear(&line);
                skips = false;
            }
            from = stop == NULL ? end : stop + 1;
        }
    }
    /* A last line without an end is read, too: it is whole, or no JSON. */
    line_read(reading, text_bytes(&line));
    return ERR_OK;
}

/* --- A file ----------------------------------------------------------------------------------- */

static struct err file_bad(const struct native_wish *wish, struct why *why, const char *fault) {
    return err_why(why, ERR_CONFLICT, "native: session %.*s of %s %s", (int)wish->id.len,
                   wish->id.data, wish->what->program, fault);
}

static void session_close(struct native_session *session) {
    while (session->count > 0 && session->list[0].role != ROLE_USER) {
        message_drop(session);
    }
    for (size_t i = 0; i < session->count; i++) {
        for (size_t at = 0; at < session->list[i].count; at++) {
            struct message_part *part = &session->list[i].parts[at];
            if (part->state == PART_STATE_RUNNING) {
                part_end(part, CARD_RUN_LOST);
            }
        }
    }
}

/* State of a reader after the session, so that the next turn counts from there. */
static void reader_write(const struct reading *reading, const struct program *program,
                         struct text *text) {
    struct program_reader *reader = program_reader_new(program, reading->wish->what);
    reader_set_native(reader, reading->wish->id);
    reader->state.total = reading->total;
    program_reader_save(reader, text);
    program_reader_free(reader);
}

static struct err lines_read(struct reading *reading, int fd) {
    struct stat about;
    if (fstat(fd, &about) < 0) {
        return err_from_errno(errno, "native: stat");
    }
    struct stretch stretch = {.end = about.st_size};
    if (about.st_size > NATIVE_FILE_MAX) {
        /* The beginning names the folder. */
        const struct stretch first = {.end = CHUNK};
        const struct err err = stretch_read(reading, fd, &first);
        if (err_failed(err)) {
            return err;
        }
        while (reading->session->count > 0) {
            message_drop(reading->session);
        }
        reading->session->cut = true;
        stretch = (struct stretch){
            .at = about.st_size - NATIVE_FILE_MAX, .end = about.st_size, .skips = true};
    }
    return stretch_read(reading, fd, &stretch);
}

static struct err file_read(struct reading *reading, int fd, struct why *why) {
    const struct native_wish *wish = reading->wish;
    const struct program *program = program_find(bytes_of(wish->what->program));
    struct native_session *session = reading->session;
    text_init(&session->reader, PROGRAM_STATE_MAX);
    session->list = mem_new_array(NATIVE_MESSAGES_MAX, sizeof session->list[0]);
    reading->codex = is_codex(wish);
    const struct err err = lines_read(reading, fd);
    if (err_failed(err)) {
        return file_bad(wish, why, "cannot be read from the disk");
    }
    if (reading->known == 0 || (reading->codex && !bytes_is(wish->id, reading->id))) {
        return file_bad(wish, why, "has a file that drover cannot read: it has no known lines");
    }
    session_close(session);
    reader_write(reading, program, &session->reader);
    return ERR_OK;
}

struct err native_read_file(const struct native_wish *wish, int fd,
                            struct native_session *ret_session, struct why *why) {
    struct native_session session = {.count = 0};
    struct reading reading = {.wish = wish, .session = &session};
    const struct err err = file_read(&reading, fd, why);
    if (err_failed(err)) {
        native_done(&session);
    } else {
        *ret_session = session;
    }
    return err;
}

/* --- Where it is ------------------------------------------------------------------------------ */

/* The walk through the folders of a program; at most FOLDERS_MAX entries. */
struct search {
    const struct native_wish *wish;
    char file[NATIVE_ID_MAX + 8]; /* ID.jsonl, or the end of a rollout's name. */
    unsigned left;
    int fd;  /* Owned: the file; -1: not found. */
    int os;  /* errno of a file that is there, and cannot be opened. */
    bool of; /* The file is in the folder of `root`, by its place. */
};

static void file_try(struct search *search, int folder, const char *path) {
    struct stat about;
    search->fd = beneath_open_file(folder, path, &about);
    if (search->fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG) {
        search->os = errno;
    }
}

/* Calls `each` for the names in a folder until the file is found. */
typedef void (*name_fn)(struct search *search, int folder, const char *name);
static void names_walk(struct search *search, int folder, const char *path, name_fn each) {
    AUTO(entries_close)
    DIR *listing = entries_of(beneath_open(folder, path, O_RDONLY | O_DIRECTORY));
    const char *name;
    while (search->fd < 0 && search->left > 0 && (name = entries_next(listing)) != NULL) {
        if (name[0] != '.') {
            search->left--;
            each(search, dirfd(listing), name);
        }
    }
}

static void claude_try(struct search *search, int folder, const char *name) {
    char path[300 + sizeof search->file];
    const int len = snprintf(path, sizeof path, "%s/%s", name, search->file);
    if (len > 0 && (size_t)len < sizeof path) {
        file_try(search, folder, path);
    }
}

static void claude_search(struct search *search, int base) {
    char munged[LIMIT_PATH_MAX];
    size_t len = 0;
    for (const char *at = search->wish->root; *at != '\0' && len < sizeof munged - 1; at++) {
        const bool plain =
            (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        munged[len++] = *at;
        munged[len - 1] = plain ? *at : '-';
    }
    munged[len] = '\0';
    claude_try(search, base, munged);
    search->of = search->fd >= 0;
    if (search->fd < 0) {
        names_walk(search, base, ".", claude_try);
    }
}

static void codex_file(struct search *search, int folder, const char *name) {
    const size_t len = strlen(name), end = strlen(search->file);
    if (len > end && strncmp(name, "rollout-", 8) == 0 &&
        strcmp(name + len - end, search->file) == 0) {
        file_try(search, folder, name);
    }
}

static void codex_day(struct search *search, int folder, const char *name) {
    names_walk(search, folder, name, codex_file);
}

static void codex_month(struct search *search, int folder, const char *name) {
    names_walk(search, folder, name, codex_day);
}

static void codex_year(struct search *search, int folder, const char *name) {
    names_walk(search, folder, name, codex_month);
}

static bool is_same_folder(const char *left, const char *right) {
    struct stat one, other;
    return stat(left, &one) == 0 && stat(right, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static void file_find(struct search *search, const char *base) {
    const struct native_wish *wish = search->wish;
    const bool codex = is_codex(wish);
    AUTO(fd_release) int folder = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        search->os = errno == ENOENT || errno == ENOTDIR ? 0 : errno;
        return;
    }
    (void)snprintf(search->file, sizeof search->file, "%s%.*s.jsonl", codex ? "-" : "",
                   (int)wish->id.len, wish->id.data);
    if (codex) {
        names_walk(search, folder, ".", codex_year);
    } else {
        claude_search(search, folder);
    }
}

/* Where the program's sessions are. False: there is no home. */
static bool sessions_folder(const struct native_wish *wish, char ret_base[LIMIT_PATH_MAX]) {
    char folder[LIMIT_PATH_MAX];
    const char *name = is_codex(wish) ? "sessions" : "projects";
    const int len = agent_folder_find(wish->what, wish->home, folder)
                        ? snprintf(ret_base, LIMIT_PATH_MAX, "%s/%s", folder, name)
                        : 0;
    return len > 0 && len < LIMIT_PATH_MAX;
}

int native_open(const struct native_wish *wish) {
    char base[LIMIT_PATH_MAX];
    struct search search = {.wish = wish, .left = FOLDERS_MAX, .fd = -1};
    if (sessions_folder(wish, base)) {
        file_find(&search, base);
    }
    return search.fd;
}

struct err native_read(const struct native_wish *wish, struct native_session *ret_session,
                       struct why *why) {
    char base[LIMIT_PATH_MAX];
    if (!is_codex(wish) && strcmp(wish->what->program, "claude") != 0) {
        return err_why(why, ERR_BAD_FIELD,
                       "native: agent '%.64s' is %s, whose sessions cannot be adopted; claude and "
                       "codex can",
                       wish->what->name, wish->what->program);
    }
    if (!native_id_valid(wish->id)) {
        return err_why(
            why, ERR_BAD_FIELD,
            "native: must be the id of a session of %s: %d to %d letters, digits and '-'",
            wish->what->program, NATIVE_ID_MIN, NATIVE_ID_MAX);
    }
    if (!sessions_folder(wish, base)) {
        return err_why(why, ERR_CONFLICT, "native: the folder of %s is not known: there is no HOME",
                       wish->what->program);
    }
    struct search search = {.wish = wish, .left = FOLDERS_MAX, .fd = -1};
    file_find(&search, base);
    AUTO(fd_release) int fd = search.fd;
    if (fd < 0 && search.os != 0) {
        return file_bad(wish, why, "has a file that cannot be opened");
    }
    if (fd < 0) {
        return err_why(why, ERR_NOT_FOUND, "native: %s has no session %.*s in %.120s",
                       wish->what->program, (int)wish->id.len, wish->id.data, base);
    }
    struct native_session session = {.count = 0};
    struct reading reading = {.wish = wish, .session = &session};
    struct err err = file_read(&reading, fd, why);
    if (!err_failed(err) && !search.of && !is_same_folder(reading.cwd, wish->root)) {
        utf8_make_plain(reading.cwd, strlen(reading.cwd));
        err = err_why(why, ERR_CONFLICT, "native: session %.*s works in %.150s; name it as root",
                      (int)wish->id.len, wish->id.data,
                      reading.cwd[0] != '\0' ? reading.cwd : "another folder");
    }
    if (err_failed(err)) {
        native_done(&session);
    } else {
        *ret_session = session;
    }
    return err;
}
