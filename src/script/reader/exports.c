/* exports.c: what a module gives away, in any of the ways there are. */
#include <stdio.h>
#include <string.h>

#include "script/reader/forms.h"
#include "script/reader/literal.h"

static const char syntax[] = "syntax_error";

static struct err refuse(struct found_exports *found, uint32_t at, const char *code,
                         const char *text) {
    found->err = token_fault(found->tokens, at, code, found->fault, "%s", text);
    return found->err;
}

static void note_export(struct found_exports *found, uint32_t at, struct bytes name) {
    if (found->first_at == TOKEN_NOWHERE) {
        found->first_at = at;
    }
    found->count += name.len == 4 && memcmp(name.data, "meta", 4) == 0 ? 0 : 1;
    size_t left = sizeof found->names - found->listed;
    if (left > name.len + 8) {
        int wrote = snprintf(found->names + found->listed, left, "%s%.*s",
                             found->listed == 0 ? "" : ", ", (int)name.len, name.data);
        found->listed += (size_t)wrote;
    }
}

static void set_main(struct found_exports *found, enum main_how how, uint32_t at) {
    if (found->forms->how == MAIN_NONE) {
        found->forms->how = how;
        found->forms->main_at = at;
    }
}

static void set_meta(struct found_exports *found, uint32_t value) {
    if (found->forms->meta_value == TOKEN_NOWHERE) {
        found->forms->meta_value = value;
    }
}

/* --- export … --------------------------------------------------------------------------------- */

/* What can't be called, as far as its first token tells. */
static const char *not_callable(const struct tokens *tokens, uint32_t at) {
    uint32_t function = token_is_word(tokens, at, WORD_ASYNC) ? at + 1 : at;
    switch (tokens->list[at].kind) {
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
    return token_is(tokens, at, "[") || token_is(tokens, at, "{") ? "an object" : NULL;
}

static struct err find_default(struct found_exports *found, uint32_t at) {
    const struct tokens *tokens = found->tokens;
    const char *kind = not_callable(tokens, at + 2);
    note_export(found, at, BYTES("default"));
    if (kind != NULL) {
        found->err = token_fault(tokens, at + 2, "no_main", found->fault,
                                 "the default export must be a function that takes the args; it is"
                                 " %s",
                                 kind);
        return found->err;
    }
    if (found->forms->how == MAIN_DEFAULT || found->forms->how == MAIN_LISTED) {
        return refuse(found, at, syntax, "there is a default export already");
    }
    found->forms->how = MAIN_DEFAULT; /* It is stronger than `module.exports`. */
    found->forms->main_at = at + 2;
    return ERR_OK;
}

/* export { a, b as c } */
static struct err find_list(struct found_exports *found, uint32_t at) {
    const struct tokens *tokens = found->tokens;
    uint32_t open = at + 1, close = tokens->list[open].mate;
    if (token_is_word(tokens, close + 1, WORD_FROM)) {
        return refuse(found, at, "import",
                      "a workflow script is one file: it cannot export from another");
    }
    for (uint32_t name = open + 1; name < close; name++) {
        bool renamed = token_is_word(tokens, name + 1, WORD_AS);
        uint32_t outer = renamed ? name + 2 : name;
        note_export(found, at, token_text(tokens, outer));
        if (token_is_word(tokens, outer, WORD_DEFAULT)) {
            set_main(found, MAIN_LISTED, name);
        }
        while (name < close && !token_is(tokens, name, ",")) {
            name++;
        }
    }
    return ERR_OK;
}

/* Of a declaration, the name. */
static uint32_t declared_name(const struct tokens *tokens, uint32_t at) {
    at += token_is_word(tokens, at, WORD_ASYNC) ? 1 : 0;
    at++;
    return token_is(tokens, at, "*") ? at + 1 : at;
}

static bool is_variable(enum word word) {
    return word == WORD_CONST || word == WORD_LET || word == WORD_VAR;
}

static struct err find_declaration(struct found_exports *found, uint32_t at) {
    const struct tokens *tokens = found->tokens;
    enum word word = token_word(tokens, at + 1);
    bool function = word == WORD_FUNCTION || word == WORD_CLASS ||
                    (word == WORD_ASYNC && token_is_word(tokens, at + 2, WORD_FUNCTION));
    if (!function && !is_variable(word)) {
        return refuse(found, at, syntax, "this exports nothing that a script can export");
    }
    uint32_t name = declared_name(tokens, at + 1);
    note_export(found, at, token_text(tokens, name));
    if (is_variable(word) && token_is_word(tokens, name, WORD_META) &&
        token_is(tokens, name + 1, "=")) {
        set_meta(found, name + 2);
    }
    return ERR_OK;
}

static struct err find_export(struct found_exports *found, uint32_t at) {
    const struct tokens *tokens = found->tokens;
    if (token_is_word(tokens, at + 1, WORD_DEFAULT)) {
        return find_default(found, at);
    }
    if (token_is(tokens, at + 1, "{")) {
        return find_list(found, at);
    }
    if (token_is(tokens, at + 1, "*")) {
        return refuse(found, at, "import",
                      "a workflow script is one file: it cannot export from another");
    }
    return find_declaration(found, at);
}

/* --- module.exports = … ----------------------------------------------------------------------- */

struct members {
    struct found_exports *found;
    uint32_t at, meta, main;
};

static void find_member(void *ctx, struct bytes key, uint32_t value) {
    struct members *members = ctx;
    if (key.len > 0) {
        note_export(members->found, members->at, key);
    }
    if (key.len == 7 && memcmp(key.data, "default", 7) == 0) {
        members->main = value;
    } else if (key.len == 4 && memcmp(key.data, "meta", 4) == 0) {
        members->meta = value;
    }
}

static void find_members(struct found_exports *found, uint32_t object) {
    struct members members = {found, object, TOKEN_NOWHERE, TOKEN_NOWHERE};
    literal_each_key(found->tokens, object, find_member, &members);
    if (members.meta != TOKEN_NOWHERE && token_is(found->tokens, members.meta - 1, ":")) {
        set_meta(found, members.meta);
    }
    if (members.main != TOKEN_NOWHERE) {
        set_main(found, MAIN_MEMBER, object);
    } else {
        found->default_missing = true;
    }
}

/* `at`: the "=" behind `module.exports`. */
static struct err find_module(struct found_exports *found, uint32_t at) {
    if (token_is(found->tokens, at + 1, "{")) {
        find_members(found, at + 1);
        return ERR_OK;
    }
    note_export(found, at, BYTES("module.exports"));
    const char *kind = not_callable(found->tokens, at + 1);
    if (kind != NULL) {
        found->err = token_fault(found->tokens, at + 1, "no_main", found->fault,
                                 "module.exports must be a function that takes the args, or an"
                                 " object with one as \"default\"; it is %s",
                                 kind);
        return found->err;
    }
    set_main(found, MAIN_MODULE, at + 1);
    return ERR_OK;
}

/* `at`: the name in `exports.NAME =`. */
static void find_exported(struct found_exports *found, uint32_t at) {
    const struct tokens *tokens = found->tokens;
    note_export(found, at, token_text(tokens, at));
    if (token_is_word(tokens, at, WORD_DEFAULT)) {
        set_main(found, MAIN_EXPORTS, at + 2);
    } else if (token_is_word(tokens, at, WORD_META)) {
        set_meta(found, at + 2);
    }
}

static bool is_module_exports(const struct tokens *tokens, uint32_t at) {
    return token_is_word(tokens, at, WORD_MODULE) && token_is(tokens, at + 1, ".") &&
           token_is_word(tokens, at + 2, WORD_EXPORTS);
}

static struct err find_assignment(struct found_exports *found, uint32_t at) {
    const struct tokens *tokens = found->tokens;
    bool module = is_module_exports(tokens, at);
    uint32_t behind = module ? at + 3 : at + 1;
    if (module && token_is(tokens, behind, "=")) {
        return find_module(found, behind);
    }
    bool member = token_is(tokens, behind, ".") && token_is(tokens, behind + 2, "=");
    if (member && (module || token_is_word(tokens, at, WORD_EXPORTS))) {
        find_exported(found, behind + 1);
    }
    return ERR_OK;
}

/* --- All of them ------------------------------------------------------------------------------ */

static void find_plain_meta(struct found_exports *found, uint32_t at) {
    const struct tokens *tokens = found->tokens;
    if (found->declared_meta == TOKEN_NOWHERE && token_is_word(tokens, at + 1, WORD_META) &&
        token_is(tokens, at + 2, "=") && token_is(tokens, at + 3, "{")) {
        found->declared_meta = at + 3;
    }
}

static struct err find_at(struct found_exports *found, uint32_t at) {
    switch (token_word(found->tokens, at)) {
    case WORD_EXPORT:
        return find_export(found, at);
    case WORD_MODULE:
    case WORD_EXPORTS:
        return find_assignment(found, at);
    case WORD_CONST:
    case WORD_LET:
    case WORD_VAR:
        find_plain_meta(found, at);
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

struct err exports_find(struct found_exports *found) {
    const struct tokens *tokens = found->tokens;
    found->first_at = TOKEN_NOWHERE;
    found->declared_meta = TOKEN_NOWHERE;
    for (uint32_t at = 0; at < tokens->count; at = token_behind(tokens, at)) {
        struct err err = token_begins(tokens, at) ? find_at(found, at) : ERR_OK;
        if (err_failed(err)) {
            return err;
        }
    }
    /* Beside a main function, `const meta` counts without being exported itself. */
    if (found->forms->meta_value == TOKEN_NOWHERE && found->forms->how != MAIN_NONE) {
        found->forms->meta_value = found->declared_meta;
    }
    return ERR_OK;
}
