/* check.c: finding the check of a project, and telling of its failure. */
#include "tool/check.h"

#include <string.h>

#include "base/utf8.h"
#include "rules/approval/words.h"
#include "rules/project/project.h"
#include "tool/context_files.h"
#include "tool/work.h"

enum { SETTINGS_SHOWN_MAX = 2000 };
enum { PACKAGE_MAX = 1 << 20 };

struct err check_setting_check(const json_t *value, struct why *why) {
    size_t count = json_array_size(value);
    bool fits = json_is_false(value) || (count > 0 && count <= CHECK_WORDS_MAX);
    for (size_t i = 0; i < count && fits; i++) {
        const json_t *word = json_array_get(value, i);
        size_t len = json_string_length(word);
        fits = json_is_string(word) && len <= CHECK_WORD_MAX && (i > 0 || len > 0) &&
               memchr(json_string_value(word), '\0', len) == NULL;
    }
    if (!fits) {
        return err_why(why, ERR_BAD_FIELD,
                       "check: false, or a command: 1 to %d words of at most %d bytes",
                       CHECK_WORDS_MAX, CHECK_WORD_MAX);
    }
    return ERR_OK;
}

void check_write_line(const json_t *words, struct text *text) {
    for (size_t i = 0; i < json_array_size(words); i++) {
        words_add_quoted(text, json_text(json_array_get(words, i)));
    }
}

/* --- Finding ---------------------------------------------------------------------------------- */

static bool is_there(const char *root, const char *name) {
    AUTO(context_text_done) struct context_text text = {.data = NULL};
    return context_read(root, name, 1, &text) != CONTEXT_ABSENT;
}

/* The name of the script, or NULL. A file that cannot be read is one without scripts. */
static const char *script_of(const char *root) {
    static const char *const names[] = {"build", "compile", "typecheck"};
    AUTO(context_text_done) struct context_text text = {.data = NULL};
    AUTO(json_release) json_t *package = NULL;
    if (context_read(root, "package.json", PACKAGE_MAX, &text) != CONTEXT_FOUND || text.cut ||
        err_failed(json_parse(text.data, text.len, JSON_DEPTH_MAX, &package, NULL))) {
        return NULL;
    }
    const json_t *scripts = json_object_get(package, "scripts");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (json_is_string(json_object_get(scripts, names[i]))) {
            return names[i];
        }
    }
    return NULL;
}

/* As if the model had called it. Without that tool it is denied. */
static struct permission_verdict judge(const struct tool_place *place, tool_set tools,
                                       const json_t *words) {
    const struct tool *tool = tool_get(TOOL_RUN_COMMAND);
    AUTO(text_done) struct text line = text_up_to(CHECK_LINE_MAX);
    check_write_line(words, &line);
    const struct bytes subject = text_bytes(&line);
    const struct permission_question question = {.tool = bytes_of(tool->name),
                                                 .kind = tool->subject,
                                                 .subjects = &subject,
                                                 .subject_count = 1,
                                                 .otherwise = tool->permission};
    return (tools & tool_set_of(TOOL_RUN_COMMAND)) != 0 && !text_failed(&line)
               ? permission_judge(place->rules, &question)
               : (struct permission_verdict){.permission = PERMISSION_DENY, .rule = 0};
}

struct err check_find(const struct tool_place *place, const json_t *settings, tool_set tools,
                      json_t **ret_words, bool *ret_allowed) {
    json_t *declared = json_object_get(settings, "check");
    *ret_words = NULL;
    *ret_allowed = true;
    if (place->root_count == 0) {
        return ERR_OK;
    }
    if (declared != NULL) {
        if (json_is_array(declared) && !err_failed(check_setting_check(declared, NULL))) {
            *ret_words = json_incref(declared);
        }
        return ERR_OK;
    }
    const char *root = place->roots[0].path, *script = script_of(root);
    if (script == NULL) {
        return ERR_OK;
    }
    const char *manager = is_there(root, "pnpm-lock.yaml") ? "pnpm"
                          : is_there(root, "yarn.lock")    ? "yarn"
                                                           : "npm";
    AUTO(json_release) json_t *words = json_pack("[s,s,s]", manager, "run", script);
    if (words == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "tool: check");
    }
    const struct permission_verdict verdict = judge(place, tools, words);
    *ret_allowed = verdict.permission == PERMISSION_ALLOW;
    if (*ret_allowed || verdict.rule < 0) { /* Somebody's rule was meant so. */
        *ret_words = words;
        words = NULL;
    }
    return ERR_OK;
}

/* --- Telling ---------------------------------------------------------------------------------- */

/* In single quotes of a shell. */
static void add_quoted(struct text *text, struct bytes word) {
    text_add_char(text, '\'');
    for (size_t i = 0; i < word.len; i++) {
        text_add_str(text, word.data[i] == '\'' ? "'\\" : "");
        text_add_char(text, word.data[i]);
        text_add_str(text, word.data[i] == '\'' ? "'" : "");
    }
    text_add_char(text, '\'');
}

/* The settings of a project are replaced as a whole, so the command has all of them. */
static bool settings_with(const struct check_unallowed *check, struct text *text) {
    AUTO(json_release) json_t *settings = NULL;
    if (check->project_rules.len == 0) {
        settings = json_object();
    } else if (err_failed(json_parse_wrapped(check->project_rules, &settings, NULL /* no why */))) {
        return false;
    }
    json_t *rules = json_object_get(settings, "permissions");
    if (!json_is_array(rules)) {
        rules = json_array();
        (void)json_object_set_new(settings, "permissions", rules); /* NULL is refused. */
    }
    (void)json_array_append_new(rules, json_pack("{s:s,s:s,s:s}", "tool", "run_command", "subject",
                                                 check->line, "permission", "allow"));
    return !err_failed(json_write(settings, text)) && !text_failed(text);
}

void check_write_unallowed(const struct check_unallowed *check, struct text *text) {
    AUTO(text_done) struct text settings = text_up_to(SETTINGS_SHOWN_MAX);
    const bool of_project = project_takes_rules(check->project);
    text_addf(text,
              "[drover: this project has a check, %s, which did not run after these changes, "
              "since no rule allows it. ",
              check->line);
    if (of_project && settings_with(check, &settings)) {
        text_addf(text, "The user allows it by: drover project set %.*s --settings ",
                  (int)check->project.len, check->project.data);
        add_quoted(text, text_bytes(&settings));
    } else {
        text_addf(text,
                  "The user allows it by a rule in the settings of the %s: {\"tool\":"
                  "\"run_command\",\"subject\":\"%s\",\"permission\":\"allow\"}",
                  of_project ? "project" : "session", check->line);
    }
    text_add_str(text, "\nThis is said once in a session.]");
}

/* The last `count` characters. */
static void add_end(struct text *text, struct bytes from, size_t count) {
    size_t at = from.len;
    while (at > 0 && count > 0) {
        at--;
        count -= ((unsigned char)from.data[at] & 0xC0) != 0x80 ? 1 : 0;
    }
    text_add_str(text, at > 0 ? "[…]" : "");
    text_add(text, from.data + at, from.len - at);
}

static void add_output(const struct check_failure *failure, struct text *text) {
    AUTO(text_done) struct text out = text_up_to(3 * failure->out.len + 1);
    AUTO(text_done) struct text err = text_up_to(3 * failure->err.len + 1);
    work_add_text(&out, failure->out);
    work_add_text(&err, failure->err);
    const size_t max = CHECK_OUTPUT_MAX, half = max / 2;
    size_t of_out = utf8_count(text_bytes(&out)), of_err = utf8_count(text_bytes(&err));
    size_t err_max = of_out < half ? max - of_out : half;
    err_max = of_err < err_max ? of_err : err_max;
    add_end(text, text_bytes(&out), max - err_max);
    bool parted = out.len == 0 || err.len == 0 || out.data[out.len - 1] == '\n';
    text_add_str(text, parted ? "" : "\n");
    add_end(text, text_bytes(&err), err_max);
    text->failed = text->failed || text_failed(&out) || text_failed(&err);
}

void check_write_note(const struct check_failure *failure, struct text *text) {
    text_addf(text, "[drover: after these changes the check of this project, %s, ", failure->line);
    switch (failure->state) {
    case CHECK_EXITED:
        text_addf(text, "failed with exit code %d", failure->exit_code);
        break;
    case CHECK_SIGNALED:
        text_add_str(text, "was ended by a signal");
        break;
    case CHECK_TIMED_OUT:
        text_addf(text, "did not end within %d seconds", CHECK_TIMEOUT_MS / 1000);
        break;
    }
    text_add_str(text, ". Put right what your changes broke. The end of its output:]\n");
    add_output(failure, text);
}
