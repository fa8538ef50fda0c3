/* forms.c: the exports of a file, the form that follows from them, and the prepared text. */
#include "script/reader/forms.h"

#include <stdio.h>
#include <string.h>

#include "script/reader/literal.h"

static const char bad_meta[] = "bad_meta", no_flow[] = "no_flow";
#define FLOW_MEMBERS "name, description, steps and render"

/* Everything that a file exports. The first error stays. */
struct exports {
    const struct tokens *tokens;
    enum script_kind kind;
    struct script_fault *fault;
    struct forms *forms;
    struct err err;
    uint32_t declared_meta; /* The literal of a `meta` that is not exported; TOKEN_NOWHERE. */
    bool default_missing;   /* An object was exported, without `default`. */
    uint32_t first_at;      /* Token of the first export; TOKEN_NOWHERE: none. */
    unsigned count;         /* Without `meta`. */
    size_t listed;
    char names[160]; /* "a, b": cut when there are more. */
};

static void export_refuse(struct exports *exports, uint32_t at, const char *code,
                          const char *text) {
    exports->err = token_fault(exports->tokens, at, code, exports->fault, "%s", text);
}

static void export_note(struct exports *exports, uint32_t at, struct bytes name) {
    if (exports->first_at == TOKEN_NOWHERE) {
        exports->first_at = at;
    }
    exports->count += bytes_is(name, "meta") ? 0 : 1;
    size_t left = sizeof exports->names - exports->listed;
    if (left > name.len + 8) {
        int wrote = snprintf(exports->names + exports->listed, left, "%s%.*s",
                             exports->listed == 0 ? "" : ", ", (int)name.len, name.data);
        exports->listed += (size_t)wrote;
    }
}

static void export_set_main(struct exports *exports, enum main_how how, uint32_t at) {
    if (exports->forms->how == MAIN_NONE) {
        exports->forms->how = how;
        exports->forms->main_at = at;
    }
}

static void export_set_meta(struct exports *exports, uint32_t value) {
    if (exports->forms->meta_value == TOKEN_NOWHERE) {
        exports->forms->meta_value = value;
    }
}

/* --- export … --------------------------------------------------------------------------------- */

/* Name of a value that cannot be called, as far as its first token tells; NULL: it may be. */
static const char *not_callable(const struct tokens *tokens, uint32_t at) {
    uint32_t function = token_is_word(tokens, at, WORD_ASYNC) ? at + 1 : at;
    switch (token_kind(tokens, at)) {
    case TOKEN_STRING:
    case TOKEN_TEMPLATE:
    case TOKEN_NUMBER:
        return "a value";
    case TOKEN_END:
        return "nothing";
    default:
        break;
    }
    if (token_is_word(tokens, at, WORD_CLASS)) {
        return "a class";
    }
    if (token_is_word(tokens, function, WORD_FUNCTION) && token_is(tokens, function + 1, "*")) {
        return "a generator";
    }
    return token_is_any(tokens, at, "[{") ? "an object" : NULL;
}

/* The same of a value that is no object of a flow. */
static const char *not_a_flow(const struct tokens *tokens, uint32_t at) {
    const uint32_t function = token_is_word(tokens, at, WORD_ASYNC) ? at + 1 : at;
    if (token_is(tokens, at, "{")) {
        return NULL;
    }
    if (token_is_word(tokens, function, WORD_FUNCTION) ||
        token_is(tokens, token_after(tokens, function), "=>")) {
        return "a function";
    }
    return token_is(tokens, at, "[") ? "a list" : not_callable(tokens, at);
}

/* Refuses a value that cannot be what is exported in this way. */
static bool value_is_refused(struct exports *exports, enum main_how how, uint32_t at) {
    const bool flow = exports->kind == SCRIPT_FLOW;
    const char *kind = flow ? not_a_flow(exports->tokens, at) : not_callable(exports->tokens, at);
    const char *wanted = how == MAIN_DEFAULT
                             ? "a function that takes the args"
                             : "a function that takes the args, or an object with one as "
                               "\"default\"";
    if (kind != NULL) {
        exports->err = token_fault(exports->tokens, at, flow ? no_flow : "no_main", exports->fault,
                                   "%s must be %s; it is %s",
                                   how == MAIN_DEFAULT ? "the default export" : "module.exports",
                                   flow ? "a flow, an object with " FLOW_MEMBERS : wanted, kind);
    }
    return kind != NULL;
}

static void find_default(struct exports *exports, uint32_t at) {
    export_note(exports, at, BYTES("default"));
    if (value_is_refused(exports, MAIN_DEFAULT, at + 2)) {
        return;
    }
    if (exports->forms->how == MAIN_DEFAULT || exports->forms->how == MAIN_LISTED) {
        export_refuse(exports, at, "syntax_error", "there is a default export already");
    } else { /* A default export is stronger than `module.exports`. */
        exports->forms->how = MAIN_DEFAULT;
        exports->forms->main_at = at + 2;
    }
}

/* export { a, b as c } */
static void find_list(struct exports *exports, uint32_t at) {
    const struct tokens *tokens = exports->tokens;
    uint32_t close = tokens->list[at + 1].mate;
    for (uint32_t name = at + 2; name < close; name++) {
        uint32_t outer = token_is_word(tokens, name + 1, WORD_AS) ? name + 2 : name;
        export_note(exports, at, token_text(tokens, outer));
        if (token_is_word(tokens, outer, WORD_DEFAULT)) {
            export_set_main(exports, MAIN_LISTED, name);
        }
        while (name < close && !token_is(tokens, name, ",")) {
            name++;
        }
    }
}

static void find_export(struct exports *exports, uint32_t at) {
    const struct tokens *tokens = exports->tokens;
    bool list = token_is(tokens, at + 1, "{");
    enum word word = token_word(tokens, at + 1);
    bool async = word == WORD_ASYNC;
    bool variable = token_is_variable_word(tokens, at + 1);
    if (word == WORD_DEFAULT) {
        find_default(exports, at);
    } else if (token_is(tokens, at + 1, "*") ||
               (list && token_is_word(tokens, tokens->list[at + 1].mate + 1, WORD_FROM))) {
        export_refuse(exports, at, "import",
                      "a workflow script is one file: it cannot export from another");
    } else if (list) {
        find_list(exports, at);
    } else if (!variable && word != WORD_FUNCTION && word != WORD_CLASS &&
               !(async && token_is_word(tokens, at + 2, WORD_FUNCTION))) {
        export_refuse(exports, at, "syntax_error", "this exports nothing that a script can export");
    } else {
        uint32_t name = at + (async ? 3 : 2);
        name += token_is(tokens, name, "*") ? 1 : 0;
        export_note(exports, at, token_text(tokens, name));
        if (variable && token_is_word(tokens, name, WORD_META) && token_is(tokens, name + 1, "=")) {
            export_set_meta(exports, name + 2);
        }
    }
}

/* --- module.exports = … ----------------------------------------------------------------------- */

struct members {
    struct exports *exports;
    uint32_t at, meta, main;
};

static void members_take(void *ctx, struct bytes key, uint32_t value) {
    struct members *members = ctx;
    if (key.len > 0) {
        export_note(members->exports, members->at, key);
    }
    if (bytes_is(key, "default")) {
        members->main = value;
    } else if (bytes_is(key, "meta")) {
        members->meta = value;
    }
}

/* `at`: the value after `module.exports =`. */
static void find_module(struct exports *exports, uint32_t at) {
    const struct tokens *tokens = exports->tokens;
    if (token_is(tokens, at, "{")) {
        struct members members = {exports, at, TOKEN_NOWHERE, TOKEN_NOWHERE};
        literal_each_key(tokens, at, members_take, &members);
        if (members.meta != TOKEN_NOWHERE && token_is(tokens, members.meta - 1, ":")) {
            export_set_meta(exports, members.meta);
        }
        if (members.main != TOKEN_NOWHERE) {
            export_set_main(exports, MAIN_MEMBER, at);
        } else if (exports->kind == SCRIPT_FLOW) {
            export_set_main(exports, MAIN_MODULE, at);
        } else {
            exports->default_missing = true;
        }
        return;
    }
    export_note(exports, at - 1, BYTES("module.exports"));
    if (!value_is_refused(exports, MAIN_MODULE, at)) {
        export_set_main(exports, MAIN_MODULE, at);
    }
}

static bool is_module_exports(const struct tokens *tokens, uint32_t at) {
    return token_is_word(tokens, at, WORD_MODULE) && token_is(tokens, at + 1, ".") &&
           token_is_word(tokens, at + 2, WORD_EXPORTS);
}

/* module.exports = …, module.exports.NAME = …, exports.NAME = … */
static void find_assignment(struct exports *exports, uint32_t at) {
    const struct tokens *tokens = exports->tokens;
    bool module = is_module_exports(tokens, at);
    uint32_t name = at + (module ? 4 : 2);
    if (module && token_is(tokens, name - 1, "=")) {
        find_module(exports, name);
    } else if ((module || token_is_word(tokens, at, WORD_EXPORTS)) &&
               token_is(tokens, name - 1, ".") && token_is(tokens, name + 1, "=")) {
        export_note(exports, name, token_text(tokens, name));
        if (token_is_word(tokens, name, WORD_DEFAULT)) {
            export_set_main(exports, MAIN_EXPORTS, name + 2);
        } else if (token_is_word(tokens, name, WORD_META)) {
            export_set_meta(exports, name + 2);
        }
    }
}

static void exports_find(struct exports *exports) {
    const struct tokens *tokens = exports->tokens;
    for (uint32_t at = 0; at < tokens->count && !err_failed(exports->err);
         at = token_after(tokens, at)) {
        enum word word = token_begins(tokens, at) ? token_word(tokens, at) : WORD_NONE;
        if (word == WORD_EXPORT) {
            find_export(exports, at);
        } else if ((word == WORD_MODULE || word == WORD_EXPORTS) &&
                   !token_ends_header(tokens, at - 1) /* A guard: there is no `module` here. */) {
            find_assignment(exports, at);
        } else if (word != WORD_NONE && token_is_variable_word(tokens, at) &&
                   exports->declared_meta == TOKEN_NOWHERE &&
                   token_is_word(tokens, at + 1, WORD_META) && token_is(tokens, at + 2, "=") &&
                   token_is(tokens, at + 3, "{")) {
            exports->declared_meta = at + 3;
        }
    }
    /* Beside a main function, `const meta` counts without being exported itself. */
    if (exports->forms->meta_value == TOKEN_NOWHERE && exports->forms->how != MAIN_NONE) {
        exports->forms->meta_value = exports->declared_meta;
    }
}

/* --- The object of a flow --------------------------------------------------------------------- */

uint32_t forms_declared(const struct tokens *tokens, struct bytes name) {
    for (uint32_t at = 1; at < tokens->count; at++) {
        if (tokens->list[at].parent != TOKEN_NOWHERE ||
            !bytes_equal(token_text(tokens, at), name)) {
            continue;
        }
        if (token_is_word(tokens, at - 1, WORD_FUNCTION)) {
            return at - 1;
        }
        if (token_is_variable_word(tokens, at - 1) && token_is(tokens, at + 1, "=")) {
            return at + 2;
        }
    }
    return TOKEN_NOWHERE;
}

/* An expression ends before this token, as far as it tells. */
static bool value_ends(const struct tokens *tokens, uint32_t at) {
    return token_kind(tokens, at) == TOKEN_END || token_is_any(tokens, at, ";,}") ||
           !token_same_line(tokens, at);
}

/* The "{" of what is exported, or of the variable that is; TOKEN_NOWHERE: it is computed. */
static uint32_t flow_object(const struct tokens *tokens, const struct forms *forms) {
    uint32_t at = forms->how == MAIN_MEMBER ? literal_value_of(tokens, forms->main_at, "default")
                                            : forms->main_at;
    if (token_is_free_name(tokens, at) &&
        (forms->how == MAIN_LISTED || value_ends(tokens, at + 1))) {
        at = forms_declared(tokens, token_text(tokens, at));
    }
    bool whole = token_is(tokens, at, "{") && value_ends(tokens, token_after(tokens, at));
    return whole ? at : TOKEN_NOWHERE;
}

/* --- Which form ------------------------------------------------------------------------------- */

struct err forms_find(const struct tokens *tokens, enum script_kind kind, struct forms *ret_forms,
                      struct script_fault *ret_fault) {
    *ret_forms = (struct forms){.main_at = TOKEN_NOWHERE, .meta_value = TOKEN_NOWHERE};
    struct exports exports = {.tokens = tokens,
                              .kind = kind,
                              .fault = ret_fault,
                              .forms = ret_forms,
                              .declared_meta = TOKEN_NOWHERE,
                              .first_at = TOKEN_NOWHERE};
    exports_find(&exports);
    if (err_failed(exports.err)) {
        return exports.err;
    }
    if (kind == SCRIPT_FLOW && ret_forms->how != MAIN_NONE) {
        ret_forms->form = SCRIPT_FORM_FLOW;
        ret_forms->meta_value = flow_object(tokens, ret_forms);
        return ERR_OK;
    }
    if (ret_forms->how != MAIN_NONE) {
        ret_forms->form = SCRIPT_FORM_MAIN;
        return ERR_OK;
    }
    const char *names = exports.listed == 0 ? "none" : exports.names;
    if (kind == SCRIPT_FLOW) {
        return token_fault(tokens, exports.first_at == TOKEN_NOWHERE ? 0 : exports.first_at,
                           no_flow, ret_fault,
                           "no flow: write `export default {…}`, an object with " FLOW_MEMBERS
                           "; the exports found are: %s",
                           names);
    }
    if (exports.count > 0 || exports.default_missing) {
        return token_fault(tokens, exports.first_at == TOKEN_NOWHERE ? 0 : exports.first_at,
                           "no_main", ret_fault,
                           "no main function: write `export default async function main(args)`;"
                           " the exports found are: %s",
                           names);
    }
    if (!token_is_word(tokens, 0, WORD_EXPORT) || !token_is_word(tokens, 1, WORD_CONST) ||
        !token_is_word(tokens, 2, WORD_META) || !token_is(tokens, 3, "=")) {
        return token_fault(tokens, 0, bad_meta, ret_fault,
                           "the first statement must be `export const meta = {…}`, or there must be"
                           " `export default async function main(args)`; exports found: %s",
                           names);
    }
    ret_forms->form = SCRIPT_FORM_BODY;
    return ERR_OK;
}

struct err forms_check_end(const struct tokens *tokens, const struct forms *forms, uint32_t after,
                           struct script_fault *ret_fault) {
    bool ends = token_is(tokens, after, ";") || token_kind(tokens, after) == TOKEN_END ||
                (forms->form == SCRIPT_FORM_MAIN && token_is_any(tokens, after, ",}"));
    /* A token on a line after the literal may continue it. */
    enum token_kind kind = token_kind(tokens, after);
    enum word word = token_word(tokens, after);
    bool starts = token_is_any(tokens, after, ";{}!~") || token_is(tokens, after, "++") ||
                  token_is(tokens, after, "--");
    bool continues = kind == TOKEN_TEMPLATE || kind == TOKEN_TEMPLATE_OPEN || word == WORD_IN ||
                     word == WORD_INSTANCEOF || (kind == TOKEN_PUNCT && !starts);
    if (!ends && (token_same_line(tokens, after) || continues)) {
        return token_fault(tokens, after, bad_meta, ret_fault,
                           "meta must be a literal, and nothing else: a \";\" must stand before"
                           " this");
    }
    return ERR_OK;
}

/* --- The text --------------------------------------------------------------------------------- */

/* Copies the source, except for the pieces that are replaced, which come in order. */
struct writer {
    const struct tokens *tokens;
    size_t at; /* The next byte that is to be copied. */
    struct text *text;
};

static void copy_until(struct writer *writer, size_t end) {
    if (end > writer->at) {
        text_add(writer->text, writer->tokens->source.data + writer->at, end - writer->at);
        writer->at = end;
    }
}

/* Puts `words` in place of the bytes from `start` to `end`, which are not fewer; then blanks, and
 * the ends of lines where they were. */
static void replace_bytes(struct writer *writer, size_t start, size_t end, const char *words) {
    copy_until(writer, start);
    text_add_str(writer->text, words);
    size_t skip = strlen(words);
    for (; writer->at < end; writer->at++) {
        char c = writer->tokens->source.data[writer->at];
        if (c == '\n' || c == '\r') {
            text_add_char(writer->text, c);
        } else if (((unsigned char)c & 0xc0) != 0x80 && skip == 0) {
            text_add_char(writer->text, ' ');
        } else if (skip > 0) {
            skip--;
        }
    }
}

static size_t token_end(const struct tokens *tokens, uint32_t at) {
    return (size_t)tokens->list[at].start + tokens->list[at].len;
}

static void replace_tokens(struct writer *writer, uint32_t first, uint32_t last,
                           const char *words) {
    replace_bytes(writer, writer->tokens->list[first].start, token_end(writer->tokens, last),
                  words);
}

/* A name that the script does not use: with "=" six letters, the length of `export`. */
struct free_name {
    char text[6];
};

static struct free_name free_name(const struct tokens *tokens) {
    struct free_name name = {"$main"};
    for (char c = '0'; c <= '9'; c++) {
        bool used = false;
        for (uint32_t at = 0; at < tokens->count && !used; at++) {
            used = bytes_is(token_text(tokens, at), name.text);
        }
        if (!used) {
            break;
        }
        name.text[4] = c;
    }
    return name;
}

/* The name of the function that is declared at `at`; TOKEN_NOWHERE: it has none. */
static uint32_t named_function(const struct tokens *tokens, uint32_t at) {
    at += token_is_word(tokens, at, WORD_ASYNC) && token_same_line(tokens, at + 1) ? 1 : 0;
    bool named =
        token_is_word(tokens, at, WORD_FUNCTION) && token_kind(tokens, at + 1) == TOKEN_NAME;
    return named ? at + 1 : TOKEN_NOWHERE;
}

/* A declaration stays one, without the words before it. Any other value is assigned; after a
 * function, as its declaration needed none, a ";" is added. */
static void write_default(struct writer *writer, uint32_t at, const char *name) {
    const struct tokens *tokens = writer->tokens;
    uint32_t value = at + 2;
    if (named_function(tokens, value) != TOKEN_NOWHERE) {
        replace_tokens(writer, at, at + 1, "");
        return;
    }
    char assigned[8];
    (void)snprintf(assigned, sizeof assigned, "%s=", name); /* Six letters fit. */
    replace_tokens(writer, at, at + 1, assigned);
    value += token_is_word(tokens, value, WORD_ASYNC) ? 1 : 0;
    uint32_t body = token_after(tokens, value + 1);
    if (token_is_word(tokens, value, WORD_FUNCTION) && token_is(tokens, value + 1, "(") &&
        token_is(tokens, body, "{") && tokens->list[body].mate != 0) {
        copy_until(writer, token_end(tokens, tokens->list[body].mate));
        text_add_char(writer->text, ';');
    }
}

/* The last line: returns the function, or one that calls it. */
static void write_return(struct writer *writer, struct bytes function, const char *first) {
    if (first == NULL) {
        text_addf(writer->text, "return %.*s;", (int)function.len, function.data);
    } else {
        text_addf(writer->text, "return(args)=>%.*s(%s,args);", (int)function.len, function.data,
                  first);
    }
}

static void write_main(struct writer *writer, const struct forms *forms, const char *first) {
    static const char *const returned[] = {
        [MAIN_MODULE] = "module.exports",
        [MAIN_MEMBER] = "module.exports.default",
        [MAIN_EXPORTS] = "exports.default",
    };
    const struct tokens *tokens = writer->tokens;
    struct free_name name = free_name(tokens);
    for (uint32_t at = 0; at < tokens->count; at = token_after(tokens, at)) {
        if (!token_begins(tokens, at)) {
            continue;
        }
        if (token_is_word(tokens, at, WORD_EXPORT)) {
            if (token_is_word(tokens, at + 1, WORD_DEFAULT)) {
                write_default(writer, at, name.text);
            } else if (token_is(tokens, at + 1, "{")) {
                replace_tokens(writer, at, tokens->list[at + 1].mate, ";");
            } else {
                replace_tokens(writer, at, at, "");
            }
        } else if (is_module_exports(tokens, at) && token_is(tokens, at + 3, ".")) {
            /* There is no `module.exports` before one is assigned. */
            replace_tokens(writer, at, at + 2, "exports");
        }
    }
    copy_until(writer, tokens->source.len);
    uint32_t named =
        forms->how == MAIN_LISTED ? forms->main_at : named_function(tokens, forms->main_at);
    if (forms->how > MAIN_LISTED) { /* Functions are there before the first statement runs. */
        text_add_str(writer->text, "\n;function module(){}function exports(){}");
        write_return(writer, bytes_of(returned[forms->how]), first);
    } else if (named != TOKEN_NOWHERE) {
        text_add_str(writer->text, "\n;");
        write_return(writer, token_text(tokens, named), first);
    } else {
        text_addf(writer->text, "\n;var %s;", name.text);
        write_return(writer, bytes_of(name.text), first);
    }
}

struct err forms_write(const struct tokens *tokens, const struct forms *forms, const char *first,
                       struct text *text) {
    struct writer writer = {.tokens = tokens, .text = text};
    struct bytes source = tokens->source;
    if (bytes_begin(source, BYTES("#!"))) { /* Legal at the start of a file only. */
        const char *end = memchr(source.data, '\n', source.len);
        replace_bytes(&writer, 0, end == NULL ? source.len : (size_t)(end - source.data), "");
    }
    if (forms->form == SCRIPT_FORM_BODY) {
        uint32_t last = tokens->list[forms->meta_value].mate;
        last += token_is(tokens, last + 1, ";") ? 1 : 0;
        replace_tokens(&writer, 0, last, "");
    } else {
        write_main(&writer, forms, first);
    }
    copy_until(&writer, source.len);
    return text_failed(text) ? text_error(text, "script: text") : ERR_OK;
}
