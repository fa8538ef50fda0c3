/* forms.c: the form of a file, and its prepared text. */
#include "script/reader/forms.h"

#include <string.h>

#include "script/reader/literal.h"

static const char bad_meta[] = "bad_meta";

/* --- Which form ------------------------------------------------------------------------------- */

static bool meta_comes_first(const struct tokens *tokens) {
    return token_is_word(tokens, 0, WORD_EXPORT) && token_is_word(tokens, 1, WORD_CONST) &&
           token_is_word(tokens, 2, WORD_META) && token_is(tokens, 3, "=");
}

static struct err refuse_form(const struct tokens *tokens, const struct found_exports *found,
                              struct script_fault *ret_fault) {
    if (found->count > 0 || found->default_missing) {
        return token_fault(tokens, found->first_at == TOKEN_NOWHERE ? 0 : found->first_at,
                           "no_main", ret_fault,
                           "no main function: write `export default async function main(args)`;"
                           " the exports found are: %s",
                           found->listed == 0 ? "none" : found->names);
    }
    return token_fault(tokens, 0, bad_meta, ret_fault,
                       "the first statement must be `export const meta = {…}`, or there must be"
                       " `export default async function main(args)`; exports found: %s",
                       found->listed == 0 ? "none" : found->names);
}

struct err forms_find(const struct tokens *tokens, struct forms *ret_forms,
                      struct script_fault *ret_fault) {
    *ret_forms = (struct forms){.main_at = TOKEN_NOWHERE, .meta_value = TOKEN_NOWHERE};
    struct found_exports found = {.tokens = tokens, .fault = ret_fault, .forms = ret_forms};
    struct err err = exports_find(&found);
    if (err_failed(err)) {
        return err;
    }
    bool body = ret_forms->how == MAIN_NONE && meta_comes_first(tokens) && found.count == 0 &&
                !found.default_missing;
    if (!body && ret_forms->how == MAIN_NONE) {
        return refuse_form(tokens, &found, ret_fault);
    }
    ret_forms->form = body ? SCRIPT_FORM_BODY : SCRIPT_FORM_MAIN;
    return ERR_OK;
}

/* Of what may stand on a line behind a literal, what would go on with it. */
static bool goes_on(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    if (tokens->list[at].kind == TOKEN_TEMPLATE || tokens->list[at].kind == TOKEN_TEMPLATE_OPEN ||
        word == WORD_IN || word == WORD_INSTANCEOF) {
        return true;
    }
    return tokens->list[at].kind == TOKEN_PUNCT && !token_is(tokens, at, ";") &&
           !token_is(tokens, at, "{") && !token_is(tokens, at, "}") && !token_is(tokens, at, "!") &&
           !token_is(tokens, at, "~") && !token_is(tokens, at, "++") && !token_is(tokens, at, "--");
}

struct err forms_check_end(const struct tokens *tokens, const struct forms *forms, uint32_t behind,
                           struct script_fault *ret_fault) {
    bool list = token_is(tokens, behind, ",") || token_is(tokens, behind, "}");
    if ((forms->form == SCRIPT_FORM_MAIN && list) || token_is(tokens, behind, ";") ||
        tokens->list[behind].kind == TOKEN_END) {
        return ERR_OK;
    }
    if (token_same_line(tokens, behind) || goes_on(tokens, behind)) {
        return token_fault(tokens, behind, bad_meta, ret_fault,
                           "meta must be a literal, and nothing else: a \";\" must stand before"
                           " this");
    }
    return ERR_OK;
}

/* --- The text --------------------------------------------------------------------------------- */

/* Copies the source, but for what is put in its place, which begins no earlier than what was put
 * last. */
struct writer {
    struct bytes source;
    size_t at; /* The next byte that is to be copied. */
    struct text *text;
};

static void copy_until(struct writer *writer, size_t end) {
    if (end > writer->at) {
        text_add(writer->text, writer->source.data + writer->at, end - writer->at);
        writer->at = end;
    }
}

/* `words` instead of what stands up to `end`, which is not shorter; then blanks, and the ends of
 * lines where they were. */
static void put(struct writer *writer, size_t start, size_t end, const char *words) {
    copy_until(writer, start);
    text_add_str(writer->text, words);
    size_t skip = strlen(words);
    for (; writer->at < end; writer->at++) {
        char c = writer->source.data[writer->at];
        if (c == '\n' || c == '\r') {
            text_add_char(writer->text, c);
        } else if (((unsigned char)c & 0xc0) != 0x80 && skip == 0) {
            text_add_char(writer->text, ' ');
        } else if (skip > 0) {
            skip--;
        }
    }
}

static size_t start_of(const struct tokens *tokens, uint32_t at) {
    return tokens->list[at].start;
}

static size_t end_of(const struct tokens *tokens, uint32_t at) {
    return (size_t)tokens->list[at].start + tokens->list[at].len;
}

static void write_body(struct writer *writer, const struct tokens *tokens,
                       const struct forms *forms) {
    uint32_t last = tokens->list[forms->meta_value].mate;
    last += token_is(tokens, last + 1, ";") ? 1 : 0;
    put(writer, start_of(tokens, 0), end_of(tokens, last), "");
}

/* A name that the script does not use: six letters at most, the length of `export`. */
struct free_name {
    char text[6];
};

static struct free_name free_name(const struct tokens *tokens) {
    struct free_name name = {"$main"};
    for (char c = '0'; c <= '9'; c++) {
        bool used = false;
        for (uint32_t at = 0; at < tokens->count && !used; at++) {
            used =
                tokens->list[at].len == 5 && memcmp(token_text(tokens, at).data, name.text, 5) == 0;
        }
        if (!used) {
            break;
        }
        name.text[4] = c;
    }
    return name;
}

/* The last token of a function without a name that is declared at `at`; 0: it is none, but an
 * expression. */
static uint32_t nameless_end(const struct tokens *tokens, uint32_t at) {
    at += token_is_word(tokens, at, WORD_ASYNC) ? 1 : 0;
    if (!token_is_word(tokens, at, WORD_FUNCTION) || !token_is(tokens, at + 1, "(")) {
        return 0;
    }
    uint32_t body = token_behind(tokens, at + 1);
    return token_is(tokens, body, "{") ? tokens->list[body].mate : 0;
}

/* The name of the function that is declared at `at`; TOKEN_NOWHERE: it has none. */
static uint32_t named_function(const struct tokens *tokens, uint32_t at) {
    at += token_is_word(tokens, at, WORD_ASYNC) && token_same_line(tokens, at + 1) ? 1 : 0;
    bool named =
        token_is_word(tokens, at, WORD_FUNCTION) && tokens->list[at + 1].kind == TOKEN_NAME;
    return named ? at + 1 : TOKEN_NOWHERE;
}

/* A declaration stays one, without the words before it. Any other value is assigned; behind a
 * function, as its declaration needed none, a ";" is added. */
static void write_default(struct writer *writer, const struct tokens *tokens, uint32_t at,
                          const char *name) {
    uint32_t value = at + 2;
    if (named_function(tokens, value) != TOKEN_NOWHERE) {
        put(writer, start_of(tokens, at), end_of(tokens, at + 1), "");
        return;
    }
    char assigned[8] = "";
    memcpy(assigned, name, 5);
    assigned[5] = '=';
    put(writer, start_of(tokens, at), end_of(tokens, at + 1), assigned);
    uint32_t end = nameless_end(tokens, value);
    if (end != 0) {
        copy_until(writer, end_of(tokens, end));
        text_add_char(writer->text, ';');
    }
}

static void write_export(struct writer *writer, const struct tokens *tokens, uint32_t at,
                         const char *name) {
    if (token_is_word(tokens, at + 1, WORD_DEFAULT)) {
        write_default(writer, tokens, at, name);
    } else if (token_is(tokens, at + 1, "{")) {
        put(writer, start_of(tokens, at), end_of(tokens, tokens->list[at + 1].mate), ";");
    } else {
        put(writer, start_of(tokens, at), end_of(tokens, at), "");
    }
}

/* `module.exports.a = b` goes to `exports`: there is no `module.exports` before one is assigned. */
static void write_member(struct writer *writer, const struct tokens *tokens, uint32_t at) {
    if (token_is_word(tokens, at, WORD_MODULE) && token_is(tokens, at + 1, ".") &&
        token_is_word(tokens, at + 2, WORD_EXPORTS) && token_is(tokens, at + 3, ".")) {
        put(writer, start_of(tokens, at), end_of(tokens, at + 2), "exports");
    }
}

static void write_return(struct text *text, const struct tokens *tokens, const struct forms *forms,
                         const char *name) {
    static const char *const returned[] = {
        [MAIN_MODULE] = "module.exports",
        [MAIN_MEMBER] = "module.exports.default",
        [MAIN_EXPORTS] = "exports.default",
    };
    uint32_t named =
        forms->how == MAIN_LISTED ? forms->main_at : named_function(tokens, forms->main_at);
    if (forms->how > MAIN_LISTED) { /* Functions are there before the first statement runs. */
        text_addf(text, "\n;function module(){}function exports(){}return %s;",
                  returned[forms->how]);
    } else if (named != TOKEN_NOWHERE) {
        struct bytes function = token_text(tokens, named);
        text_addf(text, "\n;return %.*s;", (int)function.len, function.data);
    } else {
        text_addf(text, "\n;var %s;return %s;", name, name);
    }
}

static void write_main(struct writer *writer, const struct tokens *tokens,
                       const struct forms *forms) {
    struct free_name name = free_name(tokens);
    for (uint32_t at = 0; at < tokens->count; at = token_behind(tokens, at)) {
        if (!token_begins(tokens, at)) {
            continue;
        }
        if (token_is_word(tokens, at, WORD_EXPORT)) {
            write_export(writer, tokens, at, name.text);
        } else {
            write_member(writer, tokens, at);
        }
    }
    copy_until(writer, tokens->source.len);
    write_return(writer->text, tokens, forms, name.text);
}

/* "#!" is taken at the start of a file only, and a worker puts words before it. */
static void blank_interpreter(struct writer *writer) {
    struct bytes source = writer->source;
    if (source.len > 1 && memcmp(source.data, "#!", 2) == 0) {
        const char *end = memchr(source.data, '\n', source.len);
        put(writer, 0, end == NULL ? source.len : (size_t)(end - source.data), "");
    }
}

struct err forms_write(const struct tokens *tokens, const struct forms *forms, struct text *text) {
    struct writer writer = {.source = tokens->source, .text = text};
    blank_interpreter(&writer);
    if (forms->form == SCRIPT_FORM_BODY) {
        write_body(&writer, tokens, forms);
    } else {
        write_main(&writer, tokens, forms);
    }
    copy_until(&writer, tokens->source.len);
    return text_failed(text) ? text_error(text, "script: text") : ERR_OK;
}
