/* notes.c: what will throw, or may, when a run comes there. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/text.h"
#include "base/utf8.h"
#include "script/judge/notes.h"
#include "script/reader/literal.h"
#include "script/reader/syntax.h"

enum { ITEMS_MAX = 4096 };

struct noting {
    const struct tokens *tokens;
    struct judge *judge;
    unsigned agents;    /* Calls of agent(). */
    uint32_t options;   /* The "{" of the options that are looked at. */
    uint32_t scan_left; /* For script_note_result. */
    bool names_model;   /* An agent has a model of its own, or may have one. */
};

/* --- Time and chance -------------------------------------------------------------------------- */

static void note_date(struct noting *noting, uint32_t at) {
    static const char code[] = "not_deterministic";
    const struct tokens *tokens = noting->tokens;
    bool made = token_is_word(tokens, at - 1, WORD_NEW);
    bool called = token_is(tokens, at + 1, "(");
    if (token_is(tokens, at + 1, ".") && token_is_word(tokens, at + 2, WORD_NOW) &&
        token_is(tokens, at + 3, "(")) {
        (void)script__note(noting->judge, at, code, NOTE_WARNS,
                           "Date.now() throws in a workflow: pass the time in args");
    } else if (made && (!called || token_is(tokens, at + 2, ")")) &&
               !token_is(tokens, at + 1, ".")) {
        (void)script__note(noting->judge, at - 1, code, NOTE_WARNS,
                           "new Date() without a time throws in a workflow: pass the time in args");
    } else if (!made && called) {
        (void)script__note(noting->judge, at, code, NOTE_WARNS,
                           "Date() throws in a workflow: pass the time in args");
    }
}

/* --- Locales ---------------------------------------------------------------------------------- */

/* a.toLocaleString("en"), a.localeCompare(b, "en"): other engines write and sort by the locale. */
static void note_locale(struct noting *noting, uint32_t at) {
    static const char *const writes[] = {"toLocaleString", "toLocaleDateString",
                                         "toLocaleTimeString", NULL};
    const struct tokens *tokens = noting->tokens;
    struct bytes name = token_text(tokens, at);
    unsigned found = 0;
    bool compares = bytes_is(name, "localeCompare");
    if (!token_is(tokens, at + 1, "(") || (!compares && !bytes_find(name, writes, &found))) {
        return;
    }
    uint32_t end = tokens->list[at + 1].mate;
    uint32_t locale = compares ? token_comma(tokens, at + 2, end) + 1 : at + 2;
    if (locale < end) {
        (void)script__note_once(noting->judge, at, "locale", NOTE_WARNS,
                                "%.*s() ignores locales and options: this engine has none",
                                (int)name.len, name.data);
    }
}

/* --- Calls ------------------------------------------------------------------------------------ */

/* The value of an option, or an argument, where it is a text that stands there, made plain. */
static bool option_text(const struct tokens *tokens, uint32_t value, struct text *text) {
    struct script_fault ignored;
    bool found = token_kind(tokens, value) == TOKEN_STRING &&
                 token_is_any(tokens, value + 1, ",})") &&
                 !err_failed(literal_text(tokens, value, text, &ignored)) && !text_failed(text) &&
                 text->len > 0 && memchr(text->data, '\0', text->len) == NULL;
    if (found) {
        utf8_make_plain(text->data, text->len);
    }
    return found;
}

/* The last note is about this name. */
static void name_last(struct noting *noting, enum script_note_about about, struct bytes name) {
    struct script_note *note = &noting->judge->notes->list[noting->judge->notes->count - 1];
    note->about = about;
    note->doubt = about != NOTE_ABOUT_MODEL;
    memcpy(note->name, name.data, name.len);
    note->name[name.len] = '\0';
}

/* CONNECTION/MODEL. A program has names of its own. */
static void note_connection(struct noting *noting, uint32_t value, struct bytes name) {
    const struct bytes connection = {name.data, strcspn(name.data, "/")};
    if (literal_value_of(noting->tokens, noting->options, "agentType") == TOKEN_NOWHERE &&
        script__note_once(noting->judge, value, "unknown_connection", NOTE_WARNS,
                          "there is no provider \"%.*s\": an agent with this model fails",
                          (int)connection.len, connection.data)) {
        name_last(noting, NOTE_ABOUT_CONNECTION, connection);
    }
}

/* Scripts of other hosts name models by words of theirs, and leave the choice to us with them. */
static void note_model(struct noting *noting, uint32_t value) {
    AUTO(text_done) struct text name = text_up_to(SCRIPT_MODEL_MAX);
    bool known = option_text(noting->tokens, value, &name);
    bool empty = token_kind(noting->tokens, value) == TOKEN_STRING && name.len == 0 &&
                 token_is_any(noting->tokens, value + 1, ",}");
    if (!empty && (!known || memchr(name.data, '/', name.len) != NULL)) {
        noting->names_model = true;
        if (known) {
            note_connection(noting, value, text_bytes(&name));
        }
        return;
    }
    if (empty || strcmp(name.data, "inherit") == 0) {
        return;
    }
    if (script__note_once(
            noting->judge, value, "foreign_model", NOTE_WARNS,
            "\"%s\" is no CONNECTION/MODEL: the setting model_aliases says which model is "
            "asked, else it is that of the run",
            name.data)) {
        name_last(noting, NOTE_ABOUT_MODEL, text_bytes(&name));
    }
}

/* workflow("PLUGIN:NAME"); any other name of a workflow may be there when it is asked for. */
static void note_named(struct noting *noting, uint32_t value, enum script_note_about about) {
    AUTO(text_done) struct text name = text_up_to(SCRIPT_MODEL_MAX);
    const bool type = about == NOTE_ABOUT_AGENT_TYPE;
    if (option_text(noting->tokens, value, &name) &&
        (type || memchr(name.data, ':', name.len) != NULL) &&
        script__note_once(noting->judge, value, type ? "unknown_agent_type" : "unknown_workflow",
                          NOTE_WARNS, "there is no %s \"%.100s\"", type ? "agent type" : "workflow",
                          name.data)) {
        name_last(noting, about, text_bytes(&name));
    }
}

/* As in prelude.js, which throws on all but one. */
static void note_isolation(struct noting *noting, uint32_t value) {
    AUTO(text_done) struct text kind = text_up_to(60);
    if (!option_text(noting->tokens, value, &kind) || strcmp(kind.data, "worktree") == 0) {
        return;
    }
    (void)script__note_once(
        noting->judge, value, "isolation", NOTE_GRAVE,
        "there is no isolation \"%s\"%s: agent() throws on all but \"worktree\"", kind.data,
        strcmp(kind.data, "remote") == 0 ? ", since agents work on this machine" : "");
}

/* As in prelude.js, which throws on a level that it does not know. */
static void note_effort(struct noting *noting, uint32_t value) {
    static const char *const levels[] = {"low", "medium", "high", "xhigh", "max", NULL};
    AUTO(text_done) struct text level = text_up_to(60);
    unsigned at = 0;
    if (!option_text(noting->tokens, value, &level) ||
        bytes_find(text_bytes(&level), levels, &at)) {
        return;
    }
    if (strcmp(level.data, "minimal") == 0) {
        (void)script__note_once(noting->judge, value, "effort", NOTE_WARNS,
                                "there is no effort \"minimal\": the model is asked with \"low\"");
    } else {
        (void)script__note_once(
            noting->judge, value, "effort", NOTE_WARNS,
            "there is no effort \"%s\": agent() throws on all but low, medium, high, "
            "xhigh and max",
            level.data);
    }
}

static void note_option(void *ctx, struct bytes key, uint32_t value) {
    static const char *const options[] = {
        "label",     "phase",        "schema",         "model",          "effort", "isolation",
        "agentType", "capabilities", "max_tool_calls", "max_tool_iters", "tools",  "budget",
    };
    struct noting *noting = ctx;
    char typed[64] = "";
    if (bytes_is(key, "model")) {
        note_model(noting, value);
        return;
    }
    if (bytes_is(key, "effort")) {
        note_effort(noting, value);
        return;
    }
    noting->names_model = noting->names_model || key.len == 0 || bytes_is(key, "agentType");
    if (bytes_is(key, "agentType")) {
        note_named(noting, value, NOTE_ABOUT_AGENT_TYPE);
    } else if (bytes_is(key, "isolation")) {
        note_isolation(noting, value);
    } else if (bytes_is(key, "schema")) {
        script_note_schema(noting->judge, value);
    }
    if (key.len == 0 || key.len >= sizeof typed) {
        return;
    }
    memcpy(typed, key.data, key.len);
    utf8_make_plain(typed, key.len);
    struct suggest suggest;
    suggest_begin(&suggest, typed);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i], typed) == 0) {
            return;
        }
        suggest_offer(&suggest, options[i]);
    }
    uint32_t at = token_is(noting->tokens, value - 1, ":") ? value - 2 : value;
    const char *best = suggest_best(&suggest);
    (void)script__note_once(noting->judge, at, "unknown_option", NOTE_WARNS,
                            "agent() has no option \"%s\", and ignores it%s%s%s", typed,
                            best == NULL ? "" : "; did you mean \"", best == NULL ? "" : best,
                            best == NULL ? "" : "\"?");
}

/* The first tokens of a function. */
static bool is_function(const struct tokens *tokens, uint32_t at) {
    const uint32_t function = token_is_word(tokens, at, WORD_ASYNC) ? at + 1 : at;
    return token_is_word(tokens, function, WORD_FUNCTION) ||
           syntax_arrow_body(tokens, at) != TOKEN_NOWHERE;
}

/* phase(title, …), parallel(list, f): another host's, where the call does the work. */
static void note_second(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    uint32_t end = tokens->list[at + 1].mate, comma = token_comma(tokens, at + 2, end);
    bool works = comma < end && is_function(tokens, comma + 1);
    if (token_is_word(tokens, at, WORD_PARALLEL) && works) {
        (void)script__note(noting->judge, at, "not_a_function", NOTE_GRAVE,
                           "parallel() takes a list of functions alone: pipeline(items, f) calls a "
                           "function for each item");
    } else if (token_is_word(tokens, at, WORD_PHASE) &&
               (works || (comma < end && token_is(tokens, comma + 1, "[")))) {
        (void)script__note(noting->judge, at, "phase", NOTE_GRAVE,
                           "phase() opens a heading alone: it calls no function and waits for no "
                           "agents, so do so after it");
    }
}

/* parallel([…]), pipeline([…]): the number of items, and whether they are promises already. */
static void note_items(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    if (!token_is(tokens, at + 2, "[")) {
        return;
    }
    uint32_t end = tokens->list[at + 2].mate;
    unsigned items = 0;
    for (uint32_t item = at + 3; item < end; items++) {
        if (items == 0 && token_is_word(tokens, at, WORD_PARALLEL) &&
            token_is_word(tokens, item, WORD_AGENT) && token_is(tokens, item + 1, "(")) {
            (void)script__note(noting->judge, item, "not_a_function", NOTE_GRAVE,
                               "parallel() takes functions: write `() => agent(…)`");
        }
        item = token_comma(tokens, item, end) + 1;
    }
    if (items > ITEMS_MAX) {
        (void)script__note(noting->judge, at, "too_many_items", NOTE_GRAVE,
                           "%u items: at most %d are taken by one call", items, ITEMS_MAX);
    }
}

/* A flow has none of the functions of workflow scripts. */
static void note_absent(struct noting *noting, uint32_t at) {
    const enum word word = token_word(noting->tokens, at);
    const struct bytes name = token_text(noting->tokens, at);
    if ((word == WORD_AGENT || word == WORD_PARALLEL || word == WORD_PIPELINE ||
         word == WORD_PHASE || word == WORD_WORKFLOW) &&
        !syntax_is_method(noting->tokens, at)) {
        (void)script__note_once(noting->judge, at, "not_in_flow", NOTE_GRAVE,
                                "%.*s() throws in a flow: its steps are what runs, and run() of a "
                                "code step starts agents by ctx.dispatch(agent, task)",
                                (int)name.len, name.data);
    }
}

static void note_call(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    uint32_t end = tokens->list[at + 1].mate, comma = token_comma(tokens, at + 2, end);
    const enum word word = token_word(tokens, at);
    if (word == WORD_AGENT || word == WORD_PARALLEL || word == WORD_PIPELINE ||
        word == WORD_WORKFLOW) {
        script_note_result(noting->judge, at, &noting->scan_left);
    }
    switch (word) {
    case WORD_AGENT: /* agent(…, {…}): the second argument, where it is an object. */
        noting->agents++;
        if (comma < end && token_is(tokens, comma + 1, "{")) {
            noting->options = comma + 1;
            literal_each_key(tokens, comma + 1, note_option, noting);
        } else if (comma + 1 < end || token_is(tokens, at + 2, "...")) {
            noting->names_model = true; /* Options that only a run knows. */
        }
        break;
    case WORD_PARALLEL:
        note_second(noting, at);
        note_items(noting, at);
        break;
    case WORD_PIPELINE:
        note_items(noting, at);
        break;
    case WORD_PHASE:
        note_second(noting, at);
        break;
    case WORD_WORKFLOW:
        note_named(noting, at + 2, NOTE_ABOUT_WORKFLOW);
        break;
    default:
        break;
    }
}

/* A name that the script has not declared itself, or a member of what the main function gets. */
static void note_name(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    if (token_is_word(tokens, at, WORD_DATE)) {
        note_date(noting, at);
    } else if (token_is_word(tokens, at, WORD_MATH) && token_is(tokens, at + 1, ".") &&
               token_is_word(tokens, at + 2, WORD_RANDOM) && token_is(tokens, at + 3, "(")) {
        (void)script__note(noting->judge, at, "not_deterministic", NOTE_WARNS,
                           "Math.random() throws in a workflow: vary by index instead");
    } else if (token_is(tokens, at + 1, "(") && !token_is_word(tokens, at - 1, WORD_FUNCTION)) {
        if (noting->judge->prepared->form == SCRIPT_FORM_FLOW) {
            note_absent(noting, at);
        } else {
            note_call(noting, at);
        }
    } else if (token_is_word(tokens, at, WORD_AGENT)) {
        noting->names_model = true; /* A value that is called elsewhere. */
    }
}

void script_note_risks(struct judge *judge, const struct context_object *context) {
    const struct tokens *tokens = judge->tokens;
    static const enum word words[] = {WORD_DATE,     WORD_MATH,  WORD_AGENT,   WORD_PARALLEL,
                                      WORD_PIPELINE, WORD_PHASE, WORD_WORKFLOW};
    bool own[WORD__END] = {false};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        bool given = context->taken && words[i] != WORD_DATE && words[i] != WORD_MATH;
        own[words[i]] = !given && syntax_declares(tokens, words[i]);
    }
    /* Functions that are passed on may be called anywhere. */
    struct noting noting = {.tokens = tokens,
                            .judge = judge,
                            .scan_left = SCRIPT_SCAN_MAX,
                            .names_model = context->taken};
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (context->taken && context_object_has(tokens, context, at)) {
            note_name(&noting, at);
        } else if (token_is_member(tokens, at)) {
            note_locale(&noting, at);
        } else if (!own[token_word(tokens, at)]) {
            note_name(&noting, at);
        }
    }
    judge->notes->names_no_model = noting.agents > 0 && !noting.names_model;
}
