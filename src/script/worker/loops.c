/* loops.c: see loops.h. Tokens first, then which brackets belong together, then the loops. */
#include "script/worker/loops.h"

#include <string.h>

#include "base/memory.h"

enum kind { KIND_WORD, KIND_LOOP, KIND_HEADED, KIND_VALUE, KIND_MARK };
struct token {
    uint32_t start;
    uint32_t partner;  /* Of a bracket: the index of the other one; 0: none. */
    uint32_t function; /* The index of the '{' of the function around it; 0: the script. */
    enum kind kind;
    char mark;        /* Of KIND_MARK: its character; '>' for an arrow. */
    bool is_function; /* Of a '{': a function's body. */
};
struct tokens {
    struct bytes text;
    struct token *list; /* Owned. The first is no token, so that 0 can mean none. */
    size_t count, size;
    uint32_t function; /* Around what is read next. */
};

static void add(struct tokens *tokens, struct token token) {
    token.function = tokens->function;
    if (tokens->count == tokens->size) {
        tokens->size = tokens->size == 0 ? 256 : tokens->size * 2;
        tokens->list = mem_grow(tokens->list, tokens->size * sizeof *tokens->list);
    }
    tokens->list[tokens->count++] = token;
}

/* --- Tokens ---------------------------------------------------------------------------------- */

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static bool is_one_of(struct bytes word, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) == word.len && memcmp(words[i], word.data, word.len) == 0) {
            return true;
        }
    }
    return false;
}

static enum kind kind_of(const struct tokens *tokens, struct bytes word) {
    static const char *const loops[] = {"for", "while", "do"};
    static const char *const headed[] = {"if", "switch", "catch", "with"};
    /* Behind these a value begins, and not an operator. */
    static const char *const before[] = {"return", "typeof", "case", "in",   "of",    "delete",
                                         "void",   "throw",  "new",  "else", "await", "yield"};
    const struct token *last = &tokens->list[tokens->count - 1];
    if (last->kind == KIND_MARK && last->mark == '.') {
        return KIND_VALUE; /* A member may have any name. */
    }
    if (is_one_of(word, loops, COUNT_OF(loops))) {
        return KIND_LOOP;
    }
    if (is_one_of(word, headed, COUNT_OF(headed))) {
        return KIND_HEADED;
    }
    return is_one_of(word, before, COUNT_OF(before)) ? KIND_WORD : KIND_VALUE;
}

/* The end of what is delimited by the character at `at`, behind it. */
static size_t skip_quoted(struct bytes text, size_t at) {
    char quote = text.data[at++];
    while (at < text.len && text.data[at] != quote && text.data[at] != '\n') {
        at += text.data[at] == '\\' ? 2 : 1;
    }
    return at + 1;
}

static size_t skip_comment(struct bytes text, size_t at) {
    if (text.data[at + 1] == '/') {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        return end == NULL ? text.len : (size_t)(end - text.data);
    }
    const char *end = memmem(text.data + at + 2, text.len - at - 2, "*/", 2);
    return end == NULL ? text.len : (size_t)(end - text.data) + 2;
}

static size_t skip_pattern(struct bytes text, size_t at) {
    bool in_class = false;
    for (at++; at < text.len && text.data[at] != '\n'; at++) {
        char c = text.data[at];
        if (c == '\\') {
            at++;
        } else if (c == '/' && !in_class) {
            return at + 1;
        } else if (c == '[' || c == ']') {
            in_class = c == '[';
        }
    }
    return at;
}

/* A template's text, up to its end or to the next "${", which is then the token that opens. */
static size_t skip_template(struct tokens *tokens, size_t at) {
    struct bytes text = tokens->text;
    while (at < text.len && text.data[at] != '`') {
        if (text.data[at] == '$' && at + 1 < text.len && text.data[at + 1] == '{') {
            add(tokens, (struct token){.start = (uint32_t)at, .kind = KIND_MARK, .mark = '$'});
            return at + 2;
        }
        at += text.data[at] == '\\' ? 2 : 1;
    }
    add(tokens, (struct token){.start = (uint32_t)at, .kind = KIND_VALUE});
    return at + 1;
}

static bool value_ended(const struct tokens *tokens) {
    const struct token *last = &tokens->list[tokens->count - 1];
    return last->kind == KIND_VALUE ||
           (last->kind == KIND_MARK && strchr(")]}", last->mark) != NULL && last->mark != '\0');
}

static size_t take_word(struct tokens *tokens, size_t at) {
    size_t end = at;
    while (end < tokens->text.len && is_word(tokens->text.data[end])) {
        end++;
    }
    struct bytes word = {tokens->text.data + at, end - at};
    add(tokens, (struct token){.start = (uint32_t)at, .kind = kind_of(tokens, word)});
    return end;
}

/* What a '{' opens, from what stands before it. */
static bool opens_function(const struct tokens *tokens) {
    const struct token *last = &tokens->list[tokens->count - 1];
    if (last->kind != KIND_MARK) {
        return false;
    }
    if (last->mark == '>') {
        return true;
    }
    const struct token *before = &tokens->list[last->partner == 0 ? 0 : last->partner - 1];
    return last->mark == ')' && last->partner > 0 && before->kind == KIND_VALUE;
}

struct nest {
    uint32_t *open; /* Owned. Indices of brackets. */
    size_t depth, size;
};

static void nest_open(struct nest *nest, size_t index) {
    if (nest->depth == nest->size) {
        nest->size = nest->size == 0 ? 64 : nest->size * 2;
        nest->open = mem_grow(nest->open, nest->size * sizeof *nest->open);
    }
    nest->open[nest->depth++] = (uint32_t)index;
}

/* True: that was the end of "${…}", and the template's text goes on. */
static bool nest_close(struct tokens *tokens, struct nest *nest) {
    if (nest->depth == 0) {
        return false;
    }
    uint32_t index = nest->open[--nest->depth];
    struct token *opened = &tokens->list[index];
    opened->partner = (uint32_t)tokens->count - 1;
    tokens->list[tokens->count - 1].partner = index;
    tokens->function = opened->is_function ? opened->function : tokens->function;
    return opened->mark == '$';
}

static size_t take_mark(struct tokens *tokens, struct nest *nest, size_t at) {
    char c = tokens->text.data[at];
    bool is_arrow = c == '=' && at + 1 < tokens->text.len && tokens->text.data[at + 1] == '>';
    bool is_function = c == '{' && opens_function(tokens);
    add(tokens, (struct token){.start = (uint32_t)at,
                               .kind = KIND_MARK,
                               .mark = is_arrow ? '>' : c,
                               .is_function = is_function});
    if (is_function) {
        tokens->function = (uint32_t)tokens->count - 1;
    }
    if (c == '{' || c == '(' || c == '[') {
        nest_open(nest, tokens->count - 1);
    } else if ((c == '}' || c == ')' || c == ']') && nest_close(tokens, nest)) {
        return skip_template(tokens, at + 1);
    }
    return at + (is_arrow ? 2 : 1);
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t take_token(struct tokens *tokens, struct nest *nest, size_t at) {
    struct bytes text = tokens->text;
    char c = text.data[at], next = at + 1 < text.len ? text.data[at + 1] : '\0';
    if (is_space(c)) {
        return at + 1;
    }
    if (c == '/' && (next == '/' || next == '*')) {
        return skip_comment(text, at);
    }
    if (is_word(c)) {
        return take_word(tokens, at);
    }
    if (c == '"' || c == '\'' || (c == '/' && !value_ended(tokens))) {
        add(tokens, (struct token){.start = (uint32_t)at, .kind = KIND_VALUE});
        return c == '/' ? skip_pattern(text, at) : skip_quoted(text, at);
    }
    size_t end = c == '`' ? skip_template(tokens, at + 1) : take_mark(tokens, nest, at);
    if (tokens->list[tokens->count - 1].mark == '$') {
        nest_open(nest, tokens->count - 1);
    }
    return end;
}

static void read_tokens(struct tokens *tokens) {
    struct nest nest = {NULL, 0, 0};
    add(tokens, (struct token){.kind = KIND_WORD});
    for (size_t at = 0; at < tokens->text.len;) {
        at = take_token(tokens, &nest, at);
    }
    mem_free(nest.open);
}

/* --- Loops ----------------------------------------------------------------------------------- */

/* The index of a loop's last token. */
static size_t loop_end(const struct tokens *tokens, size_t loop) {
    size_t at = loop + 1;
    if (at < tokens->count && tokens->list[at].kind == KIND_VALUE) {
        at++; /* "await", of a for await. */
    }
    if (at < tokens->count && tokens->list[at].mark == '(') {
        at = tokens->list[at].partner == 0 ? tokens->count : tokens->list[at].partner + 1U;
    }
    for (; at < tokens->count; at++) {
        const struct token *token = &tokens->list[at];
        if (token->mark == ';' || token->mark == '}') {
            return at;
        }
        if (token->partner > at) {
            bool is_body = token->mark == '{';
            at = token->partner;
            if (is_body) {
                return at;
            }
        }
    }
    return at;
}

static struct place place_of(struct bytes text, size_t offset) {
    struct place place = {1, 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        place.column++;
        if (text.data[i] == '\n') {
            place = (struct place){place.line + 1, 1};
        }
    }
    return place;
}

static size_t offset_of(struct bytes text, struct place at) {
    size_t offset = 0;
    for (uint32_t line = 1; line < at.line && offset < text.len; offset++) {
        line += text.data[offset] == '\n' ? 1 : 0;
    }
    return offset + (at.column > 0 ? at.column - 1 : 0);
}

static size_t first_from(const struct tokens *tokens, size_t offset) {
    size_t i = 1;
    while (i < tokens->count && tokens->list[i].start < offset) {
        i++;
    }
    return i;
}

/* The engine gives the first column of its line for a function that it has no place in yet. */
static size_t function_begun_on(const struct tokens *tokens, struct place at) {
    size_t begin = offset_of(tokens->text, at);
    size_t end = offset_of(tokens->text, (struct place){at.line + 1, 1});
    for (size_t i = first_from(tokens, begin); i < tokens->count; i++) {
        if (tokens->list[i].start >= end) {
            return 0;
        }
        if (tokens->list[i].is_function) {
            return i;
        }
    }
    return 0;
}

/* Where a function is said to begin, its name, parameters and arrow stand before its body. */
static size_t function_begun_at(const struct tokens *tokens, size_t from) {
    for (size_t i = from; i < tokens->count; i++) {
        const struct token *token = &tokens->list[i];
        if (token->is_function) {
            return i;
        }
        if (token->mark == '(' && token->partner > i) {
            i = token->partner;
        } else if (token->kind != KIND_VALUE && token->mark != '>') {
            return 0;
        }
    }
    return 0;
}

static struct place search(const struct tokens *tokens, struct place at) {
    size_t from = at.line == 0 ? 1 : first_from(tokens, offset_of(tokens->text, at));
    size_t function = from < tokens->count ? tokens->list[from].function : tokens->function;
    size_t begun = at.line == 0 ? 0 : function_begun_at(tokens, from);
    if (begun == 0 && at.line > 0 && at.column == 1) {
        begun = function_begun_on(tokens, at);
    }
    if (begun > 0) {
        function = begun;
        from = begun;
    }
    for (size_t i = 1; i < tokens->count; i++) {
        if (tokens->list[i].kind != KIND_LOOP || tokens->list[i].function != function) {
            continue;
        }
        if (i < from && loop_end(tokens, i) >= from) {
            return at; /* Inside of a loop already. */
        }
        if (i >= from) {
            return place_of(tokens->text, tokens->list[i].start);
        }
    }
    return at;
}

struct place loops_find(struct bytes script, struct place at) {
    struct tokens tokens = {.text = script};
    read_tokens(&tokens);
    struct place found = search(&tokens, at);
    mem_free(tokens.list);
    return found;
}
