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

int64_t input_int(const json_t *input, const char *name, int64_t absent) {
    const json_t *value = json_object_get(input, name);
    return value == NULL ? absent : (int64_t)json_number_value(value);
}

static struct permission_verdict judge(enum tool_id id, const struct permission_rules *rules,
                                       const struct bytes *subjects, size_t count) {
    const struct tool *tool = tool_get(id);
    bool edits = (id == TOOL_WRITE_FILE || id == TOOL_EDIT_FILE) && rules != NULL && rules->edits;
    bool allowed = edits && permission_edit_is_plain(subjects, count);
    struct permission_question question = {.tool = bytes_of(tool->name),
                                           .kind = tool->subject,
                                           .subjects = subjects,
                                           .subject_count = count,
                                           .otherwise =
                                               allowed ? PERMISSION_ALLOW : tool->permission};
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
        subjects[i] = text_bytes(&look->subjects[i]);
    }
    return judge(call->id, rules, subjects, look->subject_count);
}

struct err look_set_subjects(struct tool_look *look, const char *shown, const char *real) {
    text_add_str(&look->subjects[0], shown);
    text_add_str(&look->subjects[1], real);
    look->subject_count = real[0] == '\0' || strcmp(shown, real) == 0 ? 1 : 2;
    const struct text *failed = &look->subjects[text_failed(&look->subjects[0]) ? 0 : 1];
    return text_failed(failed) ? text_error(failed, "tool: subject") : ERR_OK;
}

struct err work_arrive(struct tool_work *work, const char *shown, const char *real) {
    if (work->step == WORK_LOOK) {
        return look_set_subjects(work->look, shown, real);
    }
    if (!work_may_see(work, shown) || !work_may_see(work, real)) {
        why_set(&work->why, "\"%.200s\" is denied by a rule of the user's", shown);
        work->cause = CARD_RULE;
        return err_make(ERR_FORBIDDEN, "tool: denied");
    }
    const struct tool_look *seen = work->seen;
    if (seen != NULL && seen->subject_count > 0 &&
        !bytes_is(text_bytes(&seen->subjects[1]), real)) {
        return err_why(&work->why, ERR_CONFLICT,
                       "\"%.200s\" leads elsewhere than when it was allowed; nothing was done",
                       shown);
    }
    return ERR_OK;
}

struct err work_compare(struct tool_work *work, const struct sha256_hex *before) {
    if (work->step == WORK_LOOK) {
        work->look->before = *before;
        return ERR_OK;
    }
    if (work->seen != NULL && strcmp(work->seen->before.text, before->text) != 0) {
        return err_why(&work->why, ERR_CONFLICT,
                       "the file was changed since this was allowed; read it again");
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

/* A refusal becomes a sentence, with its cause. What the model can do nothing about is an error. */
static struct err work_end(struct tool_work *work, struct err err, struct text *sentence,
                           enum card_cause *ret_cause) {
    if (!err_failed(err) || err.code == ERR_OUT_OF_MEMORY || work->why.text[0] == '\0') {
        return err;
    }
    *ret_cause = work->cause != CARD_DONE ? work->cause : card_cause_of_error(err.code);
    text_clear(sentence);
    text_add_str(sentence, work->why.text);
    return ERR_OK;
}

/* The file, as the project has it; a text is nothing that is known; else the name. NULL: none. */
static const char *workflow_of_input(const json_t *input, const struct tool_place *place) {
    const char *path = json_str(input, "scriptPath", NULL);
    const char *root = place->root_count > 0 ? place->roots[0].path : "";
    size_t len = strlen(root);
    if (path == NULL) {
        bool text = json_object_get(input, "script") != NULL;
        return text ? NULL : json_str(input, "name", NULL);
    }
    bool inside = len > 0 && strncmp(path, root, len) == 0 && path[len] == '/';
    return inside ? path + len + 1 : path;
}

/* The command, URL, … of a call, for the rules. */
static void subject_from_input(const struct tool_call *call, const struct tool_place *place,
                               struct tool_look *look) {
    static const char *const names[] = {"command", "url", "path", "session", "name"};
    struct text *text = &look->subjects[0];
    if (call->id == TOOL_RUN_WORKFLOW) {
        const char *workflow = workflow_of_input(call->input, place);
        text_add_str(text, workflow != NULL ? workflow : "");
        look->subject_count = workflow != NULL;
        return;
    }
    const json_t *value = NULL;
    for (size_t i = 0; value == NULL && i < COUNT_OF(names); i++) {
        value = json_object_get(call->input, names[i]);
    }
    if (!json_is_string(value)) {
        return;
    }
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
    return work_end(&work, tool->perform(&work), &look->refusal, &look->cause);
}

struct err tool_perform(const struct tool_call *call, const struct tool_place *place,
                        const struct tool_look *seen, struct tool_result *result) {
    const struct tool *tool = tool_get(call->id);
    assert(tool->performer == TOOL_HERE);
    struct tool_work work = {
        .call = call, .place = place, .step = WORK_DO, .seen = seen, .result = result};
    struct err err = tool->perform(&work);
    if (err_failed(err)) {
        text_clear(&result->diff);
    }
    return work_end(&work, err, &result->content, &result->cause);
}
