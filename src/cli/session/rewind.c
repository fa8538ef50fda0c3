/* rewind.c: see rewind.h. */
#include "cli/session/rewind.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/base/quantity.h"
#include "cli/session/session.h"
#include "cli/terminal/plain.h"

enum {
    BODY_MAX = 8 << 20,
    PATH_SIZE = 512,
    WORDS_SHOWN = 80,           /* Bytes of a message. */
    ANSWER_MS = 11 * 60 * 1000, /* Longer than the daemon takes at most. */
};

/* --- The target ------------------------------------------------------------------------------- */

void rewind_target_done(struct rewind_target *target) {
    mem_free(target->id);
    json_decref(target->message);
    *target = (struct rewind_target){.id = NULL};
}

static void target_take(struct rewind_target *target, const char *id, json_t *message) {
    rewind_target_done(target);
    target->id = mem_copy(id, strlen(id));
    target->message = message == NULL ? NULL : json_incref(message);
}

/* Counts the messages of the user that are in the conversation, from the newest. */
struct search {
    int64_t left;
    bool enough;
    struct rewind_target *target;
};

static void on_message(void *ctx, const json_t *message) {
    struct search *search = ctx;
    if (search->enough || !json_is_true(json_object_get(message, "active")) || --search->left > 0) {
        return;
    }
    search->enough = true;
    AUTO(json_release) json_t *copy = json_deep_copy(message);
    target_take(search->target, talk_text(message, "id"), copy);
}

struct err rewind_target_back(struct talk *talk, const char *session, int64_t back,
                              struct rewind_target *ret_target, struct why *why) {
    AUTO(text_done) struct text path = text_up_to(PATH_SIZE);
    struct search search = {.left = back, .target = ret_target};
    if (!talk_target(&path, "/api/v1/sessions/", session,
                     "/messages?role=user&status=completed,interrupted,failed")) {
        talk_unknown(why, SESSION_UNKNOWN, session);
        return err_make(ERR_NOT_FOUND, "rewind: session");
    }
    const struct talk_rows rows = {
        .path = path.data, .enough = &search.enough, .each = on_message, .ctx = &search};
    TRY(talk_rows(talk, &rows, why));
    if (search.enough) {
        return ERR_OK;
    }
    return search.left == back
               ? err_why(why, ERR_MESSAGE_NOT_FOUND, "the conversation has no message of a user")
               : err_why(why, ERR_MESSAGE_NOT_FOUND,
                         "the conversation has only %lld messages of a user",
                         (long long)(back - search.left));
}

struct err rewind_target_find(struct talk *talk, const char *id, struct rewind_target *ret_target,
                              struct why *why) {
    AUTO(json_release) json_t *message = NULL;
    if (strncmp(id, "pnt_", 4) != 0) {
        const struct api_request request = {
            .base = "/api/v1/messages/", .id = id, .unknown = "there is no message '{}'"};
        TRY(api_ask(talk, &request, &message, why));
    }
    target_take(ret_target, message == NULL ? id : talk_text(message, "id"), message);
    return ERR_OK;
}

void rewind_target_text(const struct rewind_target *target, struct text *text) {
    const json_t *part = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(target->message, "parts"), at, part) {
        if (strcmp(talk_text(part, "kind"), "text") == 0) {
            text_add_str(text, talk_text(part, "text"));
        }
    }
}

/* --- The request ------------------------------------------------------------------------------ */

struct err rewind_ask(struct talk *talk, const struct rewind_wish *wish, json_t **ret_answer,
                      struct why *why) {
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    text_add_char(&body, '{');
    api_member(&body, "to", wish->to);
    text_add_member_bool(&body, "files", wish->what != REWIND_CONVERSATION);
    text_add_member_bool(&body, "conversation", wish->what != REWIND_FILES);
    text_add_member_bool(&body, "preview", wish->way == REWIND_PREVIEW);
    if (wish->force != NULL) {
        json_add_member(&body, "force", wish->force);
    }
    text_add_char(&body, '}');
    const struct api_request request = {.method = "POST",
                                        SESSION_REQUEST(wish->session),
                                        .rest = "/rewind",
                                        .body = &body,
                                        .timeout_ms = ANSWER_MS};
    return api_ask(talk, &request, ret_answer, why);
}

/* --- The preview ------------------------------------------------------------------------------ */

static size_t files_count(const json_t *answer) {
    return json_array_size(json_object_get(answer, "files"));
}

static bool with_conversation(const json_t *answer) {
    return json_is_true(json_object_get(answer, "conversation"));
}

size_t rewind_refused_count(const json_t *preview) {
    return json_array_size(json_object_get(preview, "refused"));
}

bool rewind_is_empty(const json_t *preview) {
    return files_count(preview) == 0 && rewind_refused_count(preview) == 0 &&
           !with_conversation(preview);
}

static const char *file_fate(const json_t *file, const struct rewind_fates *fates) {
    const char *before = talk_text(file, "before"), *after = talk_text(file, "after");
    if (before[0] == '\0') {
        return fates->created;
    }
    if (after[0] == '\0') {
        return fates->removed;
    }
    return strcmp(before, after) == 0 ? "mode" : fates->changed;
}

/* "changed back  src/main.c  +2 −5" */
static void file_add(const json_t *file, const struct rewind_fates *fates, struct text *lines) {
    const char *before = talk_text(file, "mode_before"), *after = talk_text(file, "mode_after");
    text_addf(lines, "  %-12s  ", file_fate(file, fates));
    plain_add(lines, talk_text(file, "path"));
    if (json_is_true(json_object_get(file, "binary"))) {
        text_add_str(lines, "  binary");
    } else if (talk_int(file, "added") > 0 || talk_int(file, "removed") > 0) {
        text_addf(lines, "  +%lld −%lld", (long long)talk_int(file, "added"),
                  (long long)talk_int(file, "removed"));
    }
    if (before[0] != '\0' && after[0] != '\0' && strcmp(before, after) != 0) {
        text_addf(lines, "  (%.6s → %.6s)", before, after);
    }
    text_add_char(lines, '\n');
}

/* "  refused       src/main.c  changed by Release notes, too" */
static void refused_add(const json_t *refused, struct text *lines) {
    const char *why = talk_text(refused, "why");
    const json_t *by = json_object_get(refused, "by"), *author = NULL;
    size_t at = 0;
    text_addf(lines, "  %-12s  ", "refused");
    plain_add(lines, talk_text(refused, "path"));
    text_add_str(lines, strcmp(why, "shared") == 0 ? "  maybe changed by " : "  changed by ");
    json_array_foreach(by, at, author) {
        const char *name = talk_text(author, "name");
        text_add_str(lines, at > 0 ? ", " : "");
        plain_add(lines, name[0] != '\0' ? name : talk_text(author, "run"));
    }
    text_add_str(lines, json_array_size(by) == 0 ? "somebody outside of drover, too\n" : ", too\n");
}

void rewind_files_add(const json_t *plan, const struct rewind_fates *fates, struct text *lines) {
    const json_t *row = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(plan, "files"), at, row) {
        file_add(row, fates, lines);
    }
}

void rewind_refused_add(const json_t *plan, struct text *lines) {
    const json_t *row = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(plan, "refused"), at, row) {
        refused_add(row, lines);
    }
}

void rewind_preview_add(const struct rewind_target *target, const json_t *preview,
                        struct text *lines) {
    static const struct rewind_fates fates = {"restored", "removed", "changed back"};
    if (target->message == NULL) {
        text_addf(lines, "To the point %s\n", target->id);
    } else {
        AUTO(text_done) struct text words = text_up_to(1 << 20), line = {0};
        rewind_target_text(target, &words);
        plain_line(&line, words.len > 0 ? words.data : "");
        const struct bytes shown = text_bytes(&line);
        const size_t len = utf8_cut(shown, WORDS_SHOWN);
        text_addf(lines, "To before %s: %.*s%s\n", target->id, (int)len, shown.data,
                  len < shown.len ? "…" : "");
    }
    rewind_files_add(preview, &fates, lines);
    rewind_refused_add(preview, lines);
    if (with_conversation(preview)) {
        text_addf(lines, "  %-12s  the conversation from that message on\n", "taken back");
    }
}

void rewind_sum_add(const json_t *answer, struct text *text) {
    const size_t count = files_count(answer);
    if (count > 0) {
        text_addf(text, "%zu file%s", count, plural((int64_t)count));
    }
    if (with_conversation(answer)) {
        text_add_str(text, count > 0 ? " and the conversation" : "the conversation");
    }
}
