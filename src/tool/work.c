/* work.c: what all tools share; and the one door to those that are performed here. */
#include "tool/work.h"

#include <string.h>

#include "base/utf8.h"
#include "tool/extra_root.h"

/* --- Looks and results ------------------------------------------------------------------------ */

void tool_look_init(struct tool_look *look) {
    *look = (struct tool_look){0};
    for (size_t i = 0; i < TOOL_SUBJECTS_MAX; i++) {
        text_init(&look->subjects[i], TOOL_ARGUMENTS_MAX);
    }
    text_init(&look->diff, TOOL_DIFF_MAX);
    text_init(&look->refusal, sizeof(struct why));
}

void tool_look_done(struct tool_look *look) {
    for (size_t i = 0; i < TOOL_SUBJECTS_MAX; i++) {
        text_done(&look->subjects[i]);
    }
    text_done(&look->diff);
    text_done(&look->refusal);
}

void tool_result_init(struct tool_result *result) {
    *result = (struct tool_result){0};
    text_init(&result->content, TOOL_CONTENT_MAX);
    text_init(&result->diff, TOOL_DIFF_MAX);
}

void tool_result_done(struct tool_result *result) {
    text_done(&result->content);
    text_done(&result->diff);
}

/* --- What a tool says of itself --------------------------------------------------------------- */

static enum permission default_of(enum tool_id id, const struct permission_rules *rules,
                                  const struct bytes *subjects, size_t count) {
    bool edits = (id == TOOL_WRITE_FILE || id == TOOL_EDIT_FILE) && rules != NULL && rules->edits;
    return edits && permission_edit_is_plain(subjects, count) ? PERMISSION_ALLOW
                                                              : tool_get(id)->permission;
}

static struct permission_verdict judge(enum tool_id id, const struct permission_rules *rules,
                                       const struct bytes *subjects, size_t count) {
    const struct tool *tool = tool_get(id);
    struct permission_question question = {.tool = bytes_of(tool->name),
                                           .kind = tool->subject,
                                           .subjects = subjects,
                                           .subject_count = count,
                                           .otherwise = default_of(id, rules, subjects, count)};
    return permission_judge(rules, &question);
}

bool work_may_see(const struct tool_work *work, const char *shown) {
    struct bytes subject = bytes_of(shown);
    enum tool_id id = work->call->id;
    const struct permission_rules *rules = work->place->rules;
    /* What a search shows has been read. */
    return judge(id, rules, &subject, 1).permission != PERMISSION_DENY &&
           (id != TOOL_SEARCH_FILES ||
            judge(TOOL_READ_FILE, rules, &subject, 1).permission != PERMISSION_DENY);
}

struct permission_verdict tool_judge(const struct tool_call *call, const struct tool_look *look,
                                     const struct permission_rules *rules) {
    struct bytes subjects[TOOL_SUBJECTS_MAX];
    for (size_t i = 0; i < look->subject_count; i++) {
        const struct text *text = &look->subjects[i];
        subjects[i] = (struct bytes){text->data == NULL ? "" : text->data, text->len};
    }
    return judge(call->id, rules, subjects, look->subject_count);
}

static bool same(const struct text *text, const char *other) {
    return text->len == strlen(other) &&
           (text->len == 0 || memcmp(text->data, other, text->len) == 0);
}

struct err work_arrive(struct tool_work *work, const char *shown, const char *real) {
    if (work->step == WORK_LOOK) {
        struct tool_look *look = work->look;
        text_add_str(&look->subjects[0], shown);
        text_add_str(&look->subjects[1], real);
        look->subject_count = strcmp(shown, real) == 0 ? 1 : 2;
        size_t at = text_failed(&look->subjects[0]) ? 0 : 1;
        return text_failed(&look->subjects[at]) ? text_error(&look->subjects[at], "tool: subject")
                                                : ERR_OK;
    }
    if (!work_may_see(work, shown) || !work_may_see(work, real)) {
        why_set(&work->why, "\"%.200s\" is denied by a rule of the user's", shown);
        work->cause = CARD_RULE;
        return err_make(ERR_FORBIDDEN, "tool: denied");
    }
    const struct tool_look *seen = work->seen;
    if (seen != NULL && seen->subject_count > 0 && !same(&seen->subjects[1], real)) {
        why_set(&work->why, "\"%.200s\" leads elsewhere than when it was allowed; nothing was done",
                shown);
        return err_make(ERR_CONFLICT, "tool: moved");
    }
    return ERR_OK;
}

struct err work_compare(struct tool_work *work, const struct sha256_hex *before) {
    if (work->step == WORK_LOOK) {
        work->look->before = *before;
        return ERR_OK;
    }
    if (work->seen != NULL && strcmp(work->seen->before.text, before->text) != 0) {
        why_set(&work->why, "the file was changed since this was allowed; read it again");
        return err_make(ERR_CONFLICT, "tool: changed");
    }
    work->result->before = *before;
    return ERR_OK;
}

struct text *work_diff(struct tool_work *work) {
    return work->step == WORK_LOOK ? &work->look->diff : &work->result->diff;
}

void work_add_text(struct text *text, struct bytes bytes) {
    if (bytes.len == 0) {
        return; /* There may be no data at all. */
    }
    size_t start = 0;
    for (size_t i = 0; i < bytes.len;) {
        unsigned char c = (unsigned char)bytes.data[i];
        bool plain = c >= 0x20 && c < 0x7F;
        if (plain || c == '\n' || c == '\t') {
            i++;
            continue;
        }
        size_t len = 1;
        while (c >= 0xC2 && len < 4 && i + len < bytes.len &&
               ((unsigned char)bytes.data[i + len] & 0xC0) == 0x80) {
            len++;
        }
        if (c >= 0xC2 && utf8_valid(bytes.data + i, len)) {
            i += len;
            continue;
        }
        text_add(text, bytes.data + start, i - start);
        text_add_str(text, c == '\r' ? "" : "\xEF\xBF\xBD");
        start = ++i;
    }
    text_add(text, bytes.data + start, bytes.len - start);
}

/* --- The door --------------------------------------------------------------------------------- */

/* Ours are those that the model can do nothing about. */
static bool is_ours(struct err err, const struct why *why) {
    return err_failed(err) && (err.code == ERR_OUT_OF_MEMORY || why->text[0] == '\0');
}

static enum card_cause cause_of(const struct tool_work *work, struct err err) {
    return work->cause != CARD_DONE ? work->cause : card_cause_of_error(err.code);
}

/* What runs: the file, as the project has it; a text is nothing that is known; else the name. */
static void workflow_from_input(const struct tool_call *call, const struct tool_place *place,
                                struct tool_look *look) {
    const char *path = json_string_value(json_object_get(call->input, "scriptPath"));
    const char *name = json_string_value(json_object_get(call->input, "name"));
    const char *root = place->root_count > 0 ? place->roots[0].path : "";
    size_t len = strlen(root);
    if (path != NULL && len > 0 && strncmp(path, root, len) == 0 && path[len] == '/') {
        path += len + 1;
    }
    const char *subject = path != NULL                                     ? path
                          : json_object_get(call->input, "script") != NULL ? NULL
                                                                           : name;
    if (subject != NULL) {
        text_add_str(&look->subjects[0], subject);
        look->subject_count = 1;
    }
}

/* What a command or a URL is, for the rules. */
static void subject_from_input(const struct tool_call *call, const struct tool_place *place,
                               struct tool_look *look) {
    static const char *const names[] = {"command", "url", "path", "session", "name"};
    const json_t *value = NULL;
    if (call->id == TOOL_RUN_WORKFLOW) {
        workflow_from_input(call, place, look);
        return;
    }
    for (size_t i = 0; value == NULL && i < COUNT_OF(names); i++) {
        value = json_object_get(call->input, names[i]);
    }
    if (!json_is_string(value)) {
        return;
    }
    struct text *text = &look->subjects[0];
    text_add(text, json_string_value(value), json_string_length(value));
    const json_t *args =
        tool_get(call->id)->performer == TOOL_RUN ? json_object_get(call->input, "args") : NULL;
    for (size_t i = 0; i < json_array_size(args); i++) {
        const json_t *arg = json_array_get(args, i);
        text_add_char(text, ' ');
        text_add(text, json_string_value(arg), json_string_length(arg));
    }
    look->subject_count = 1;
}

struct err tool_look(const struct tool_call *call, const struct tool_place *place,
                     struct tool_look *look) {
    const struct tool *tool = tool_get(call->id);
    if (call->id == TOOL_REQUEST_ACCESS) {
        return extra_root_look(call, place, look);
    }
    if (tool->performer != TOOL_HERE) {
        subject_from_input(call, place, look);
        return text_failed(&look->subjects[0]) ? text_error(&look->subjects[0], "tool: subject")
                                               : ERR_OK;
    }
    struct tool_work work = {.call = call, .place = place, .step = WORK_LOOK, .look = look};
    struct err err = tool->perform(&work);
    if (is_ours(err, &work.why)) {
        return err;
    }
    if (err_failed(err)) {
        text_add_str(&look->refusal, work.why.text);
        look->cause = cause_of(&work, err);
    }
    return ERR_OK;
}

struct err tool_perform(const struct tool_call *call, const struct tool_place *place,
                        const struct tool_look *seen, struct tool_result *result) {
    const struct tool *tool = tool_get(call->id);
    assert(tool->performer == TOOL_HERE);
    struct tool_work work = {
        .call = call, .place = place, .step = WORK_DO, .seen = seen, .result = result};
    struct err err = tool->perform(&work);
    if (is_ours(err, &work.why)) {
        return err;
    }
    if (err_failed(err)) {
        result->cause = cause_of(&work, err);
        text_clear(&result->content);
        text_clear(&result->diff);
        text_add_str(&result->content, work.why.text);
    }
    return ERR_OK;
}
