/* work.c: tools share the rules that judge the files they find, and texts of others. */
#include "tool/work.h"

#include <string.h>

#include "base/utf8.h"

int64_t input_int(const json_t *input, const char *name, int64_t absent) {
    const json_t *value = json_object_get(input, name);
    return value == NULL ? absent : (int64_t)json_number_value(value);
}

static struct permission_verdict judge(enum tool_id id, const struct permission_rules *rules,
                                       const struct bytes *subjects, size_t count,
                                       struct bytes digest) {
    const struct tool *tool = tool_get(id);
    bool edits = (id == TOOL_WRITE_FILE || id == TOOL_EDIT_FILE) && rules != NULL;
    bool allowed = edits && permission_edit_is_free(rules, subjects, count);
    /* A program acts without asking, as far as its definition goes: somebody says yes to that, as
     * to a command. */
    bool program = id == TOOL_SPAWN_SUBAGENT && count > 0;
    struct permission_question question = {.tool = bytes_of(tool->name),
                                           .kind = tool->subject,
                                           .subjects = subjects,
                                           .subject_count = count,
                                           .digest = digest,
                                           .otherwise = allowed   ? PERMISSION_ALLOW
                                                        : program ? PERMISSION_ASK
                                                                  : tool->permission};
    return permission_judge(rules, &question);
}

bool work_may_see(const struct tool_work *work, const char *shown) {
    struct bytes subject = bytes_of(shown);
    enum tool_id id = work->call->id;
    const struct permission_rules *rules = work->place->rules;
    /* A search reads what it shows, and an output of a task what it stores. */
    const bool reads = id == TOOL_SEARCH_FILES || id == TOOL_TASK_OUTPUT;
    const struct bytes none = BYTES("");
    return judge(id, rules, &subject, 1, none).permission != PERMISSION_DENY &&
           (!reads ||
            judge(TOOL_READ_FILE, rules, &subject, 1, none).permission != PERMISSION_DENY);
}

struct permission_verdict tool_judge(const struct tool_call *call, const struct tool_look *look,
                                     const struct permission_rules *rules) {
    struct bytes subjects[TOOL_SUBJECTS_MAX];
    for (size_t i = 0; i < look->subject_count; i++) {
        subjects[i] = text_bytes(&look->subjects[i]);
    }
    const struct bytes digest = bytes_of(call->digest.text);
    const struct permission_verdict verdict =
        judge(call->id, rules, subjects, look->subject_count, digest);
    if (call->id != TOOL_TASK_OUTPUT || look->subject_count == 0) {
        return verdict;
    }
    /* The file of an output needs as much as if read_file read it. */
    const struct permission_verdict read =
        judge(TOOL_READ_FILE, rules, subjects, look->subject_count, digest);
    return read.permission > verdict.permission ? read : verdict;
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
        work->cause = CARD_RULE;
        return err_why(&work->why, ERR_FORBIDDEN, "\"%.200s\" is denied by a rule of the user",
                       shown);
    }
    const struct tool_look *seen = work->seen;
    if (seen != NULL && seen->subject_count > 0 &&
        !bytes_is(text_bytes(&seen->subjects[1]), real)) {
        return err_why(
            &work->why, ERR_CONFLICT,
            "\"%.200s\" leads to another file than when it was allowed; nothing was done", shown);
    }
    return ERR_OK;
}

struct err work_open_place(struct tool_work *work, const char *path, enum place_kind kind,
                           struct place_opened *ret_opened) {
    struct err err = place_open(work->place, path, kind, ret_opened, &work->why);
    return err_failed(err) ? err : work_arrive(work, ret_opened->path.shown, ret_opened->real.text);
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

struct err work_texts_fit(struct tool_work *work, const struct text *own) {
    const struct text *texts[] = {own, work_diff(work),
                                  work->step == WORK_DO ? &work->result->content : NULL};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i] != NULL && text_failed(texts[i])) {
            return text_error(texts[i], "tool: result");
        }
    }
    return ERR_OK;
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
