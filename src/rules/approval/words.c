/* words.c: the reader of words, for commands, patterns and shell texts. The reader notes each part
 * of a shell that it meets; each caller decides which of them a word may have. */
#include "rules/approval/words.h"

#include "base/glob.h"

static const char *const keywords[] = {"!",    "case",  "coproc",    "do",     "done",    "elif",
                                       "else", "esac",  "fi",        "for",    "foreach", "if",
                                       "in",   "end",   "nocorrect", "repeat", "select",  "then",
                                       "time", "until", "function",  "while",  "noglob",  NULL};

bool words_are_bare(struct bytes word, bool first) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+:,./_-=";
    bool bare = word.len > 0;
    for (size_t i = 0; i < word.len && bare; i++) {
        /* The first word with "=" would set a variable; zsh looks for the program of "=NAME". */
        bare = memchr(plain, word.data[i], sizeof plain - 1) != NULL &&
               (word.data[i] != '=' || (!first && i > 0));
    }
    return bare;
}

static void word_quote(struct text *out, struct bytes word, bool first) {
    if (words_are_bare(word, first)) {
        text_add(out, word.data, word.len);
        return;
    }
    text_add_char(out, '\'');
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] == '\'') {
            text_add_str(out, "'\\''");
        } else {
            text_add_char(out, word.data[i]);
        }
    }
    text_add_char(out, '\'');
}

void words_add_quoted(struct text *command, struct bytes word) {
    const bool first = command->len == 0;
    text_add_str(command, first ? "" : " ");
    word_quote(command, word, first);
}

/* --- Reading ---------------------------------------------------------------------------------- */

enum token {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_JOIN,   /* "&&", "||", ";" or "|". */
    TOKEN_BROKEN, /* A quote without its end, or another operator. */
};
struct word {
    struct text value;   /* Owned, as is the next one. */
    struct text pattern; /* As a glob of characters; of a pattern alone. */
    bool wild;           /* "*", "?" or "[" without quotes. */
    bool quoted;         /* A part of it is. */
    bool operates;       /* Expansion, redirection, subshell, line break: never a plain word. */
    bool changes;        /* "~", braces, a comment, control characters: a shell may change them. */
};

static void word_done(struct word *word) {
    text_done(&word->value);
    text_done(&word->pattern);
}

/* A word that is also written as a glob. */
static struct word word_of_pattern(void) {
    return (struct word){.value = text_up_to(GLOB_PATTERN_MAX),
                         .pattern = text_up_to((size_t)2 * GLOB_PATTERN_MAX)};
}

static void literal_add(struct word *word, struct bytes run) {
    text_add(&word->value, run.data, run.len);
    for (size_t i = 0; i < run.len && word->pattern.size_max > 0; i++) {
        text_add_str(&word->pattern, memchr("?*[]\\!", run.data[i], 6) != NULL ? "\\" : "");
        text_add_char(&word->pattern, run.data[i]);
    }
}

static void wildcard_add(struct word *word, char c) {
    text_add_char(&word->value, c);
    if (word->pattern.size_max > 0) {
        text_add_char(&word->pattern, c);
    }
}

static bool is_one_of(char c, const char *set) {
    return c != '\0' && strchr(set, c) != NULL;
}

/* A character outside of quotes. */
static void bare_add(struct word *word, char c) {
    static const char wildcards[] = "*?[", brackets[] = "*?[]!";
    const size_t len = word->value.len;
    const char before = len == 0 ? '\0' : word->value.data[len - 1];
    const unsigned char byte = (unsigned char)c;
    word->operates = word->operates || is_one_of(c, "$`<>()\n");
    word->changes = word->changes || byte < ' ' || byte == 0x7f || is_one_of(c, "{}") ||
                    (c == '~' && (len == 0 || is_one_of(before, ":=/"))) ||
                    (len == 0 && !word->quoted && is_one_of(c, "#="));
    word->wild = word->wild || is_one_of(c, wildcards);
    if (is_one_of(c, brackets)) {
        wildcard_add(word, c);
    } else {
        literal_add(word, (struct bytes){&c, 1});
    }
}

/* A quoted part, which begins at `at`. Place behind it; 0: it has no end. */
static size_t quotes_read(struct bytes text, size_t at, struct word *word) {
    const char quote = text.data[at++];
    word->quoted = true;
    if (quote == '\'') {
        const char *end = memchr(text.data + at, quote, text.len - at);
        const size_t len = end == NULL ? 0 : (size_t)(end - text.data) - at;
        literal_add(word, (struct bytes){text.data + at, len});
        return end == NULL ? 0 : at + len + 1;
    }
    while (at < text.len && text.data[at] != quote) {
        if (text.data[at] == '\\' && at + 1 < text.len &&
            is_one_of(text.data[at + 1], "$`\"\\\n")) {
            at++;
        } else {
            word->operates = word->operates || is_one_of(text.data[at], "$`");
        }
        literal_add(word, (struct bytes){text.data + at, 1});
        at++;
    }
    return at < text.len ? at + 1 : 0;
}

static enum token join_read(struct bytes text, size_t *at) {
    const char c = text.data[*at];
    const bool twice = *at + 1 < text.len && text.data[*at + 1] == c;
    const bool alone = !twice && (*at + 1 == text.len || !is_one_of(text.data[*at + 1], "&|"));
    *at += twice ? 2 : 1;
    return (twice && c != ';') || (alone && c != '&') ? TOKEN_JOIN : TOKEN_BROKEN;
}

/* The next one, into `word`. */
static enum token token_read(struct bytes text, size_t *at, struct word *word) {
    text_clear(&word->value);
    text_clear(&word->pattern);
    word->wild = word->quoted = word->operates = word->changes = false;
    while (*at < text.len && is_one_of(text.data[*at], " \t")) {
        (*at)++;
    }
    if (*at == text.len) {
        return TOKEN_END;
    }
    if (is_one_of(text.data[*at], ";&|")) {
        return join_read(text, at);
    }
    while (*at < text.len && !is_one_of(text.data[*at], " \t;&|")) {
        const char c = text.data[*at];
        if (c == '\'' || c == '"') {
            *at = quotes_read(text, *at, word);
        } else if (c == '\\') {
            *at = *at + 1 < text.len ? *at + 2 : 0;
            if (*at > 0) {
                word->quoted = true;
                literal_add(word, (struct bytes){text.data + *at - 1, 1});
            }
        } else {
            bare_add(word, c);
            (*at)++;
        }
        if (*at == 0) {
            return TOKEN_BROKEN;
        }
    }
    return text_failed(&word->value) || text_failed(&word->pattern) ? TOKEN_BROKEN : TOKEN_WORD;
}

void words_add_line(struct text *line, struct bytes command) {
    AUTO(word_done) struct word word = {.value = text_up_to(command.len)};
    size_t at = 0;
    while (token_read(command, &at, &word) == TOKEN_WORD) {
        text_add_str(line, line->len > 0 ? " " : "");
        text_add(line, text_bytes(&word.value).data, word.value.len);
    }
}

/* --- Patterns --------------------------------------------------------------------------------- */

bool words_are_pattern(struct bytes pattern) {
    AUTO(word_done) struct word word = word_of_pattern();
    size_t at = 0;
    enum token token = TOKEN_WORD;
    while (token == TOKEN_WORD && !word.operates) {
        token = token_read(pattern, &at, &word);
    }
    return token == TOKEN_END;
}

static bool is_rest(struct bytes pattern, size_t at, const struct word *word) {
    return word->wild && !word->quoted && bytes_is(text_bytes(&word->value), "*") &&
           bytes_trim((struct bytes){pattern.data + at, pattern.len - at}, " \t").len == 0;
}

bool words_match(struct bytes pattern, struct bytes command) {
    AUTO(word_done) struct word want = word_of_pattern();
    AUTO(word_done) struct word have = {.value = text_up_to(command.len)};
    size_t at = 0, seen = 0;
    if (pattern.len > GLOB_PATTERN_MAX || !words_are_pattern(pattern)) {
        return false;
    }
    for (;;) {
        const bool wanted = token_read(pattern, &at, &want) == TOKEN_WORD;
        if (wanted && is_rest(pattern, at, &want)) {
            return true;
        }
        const enum token token = token_read(command, &seen, &have);
        if (!wanted || token != TOKEN_WORD) {
            return !wanted && token == TOKEN_END;
        }
        const struct bytes value = text_bytes(&have.value);
        if (want.wild ? !glob_match(GLOB_WORDS, text_bytes(&want.pattern), value)
                      : !bytes_equal(text_bytes(&want.value), value)) {
            return false;
        }
    }
}

bool words_are_text(struct bytes pattern, struct bytes text) {
    AUTO(word_done) struct word word = word_of_pattern();
    size_t at = 0;
    const bool one = pattern.len <= GLOB_PATTERN_MAX &&
                     token_read(pattern, &at, &word) == TOKEN_WORD && !word.wild && !word.operates;
    return one && bytes_equal(text_bytes(&word.value), text) &&
           token_read(pattern, &at, &word) == TOKEN_END;
}

/* --- Shell text ------------------------------------------------------------------------------- */

/* The words of one part, up to a join or the end; TOKEN_BROKEN: they are not plain. */
static enum token part_read(struct shell_text *shell, size_t *at, struct word *word) {
    struct shell_part *part = &shell->parts[shell->count];
    const size_t begin = *at;
    size_t end = begin;
    unsigned keyword = 0;
    enum token token;
    part->begin = shell->words.len;
    while ((token = token_read(shell->text, at, word)) == TOKEN_WORD) {
        const struct bytes value = text_bytes(&word->value);
        const bool first = shell->words.len == part->begin;
        if (word->wild || word->operates || word->changes ||
            (first && (!words_are_bare(value, true) || bytes_find(value, keywords, &keyword)))) {
            return TOKEN_BROKEN;
        }
        text_add_str(&shell->words, first ? "" : " ");
        word_quote(&shell->words, value, first);
        end = *at;
    }
    part->length = shell->words.len - part->begin;
    part->line = bytes_trim((struct bytes){shell->text.data + begin, end - begin}, " \t");
    return part->length == 0 || text_failed(&shell->words) ? TOKEN_BROKEN : token;
}

void shell_text_read(struct bytes text, struct shell_text *ret_shell) {
    AUTO(word_done) struct word word = {.value = text_up_to(text.len)};
    size_t at = 0;
    enum token token = TOKEN_JOIN;
    *ret_shell = (struct shell_text){.text = text, .words = text_up_to(2 * WORDS_ROOM(text.len))};
    if (text.len > 0 && memchr(text.data, '\n', text.len) != NULL) {
        return;
    }
    while (token == TOKEN_JOIN && ret_shell->count < SHELL_PARTS_MAX) {
        token = part_read(ret_shell, &at, &word);
        ret_shell->count++;
    }
    ret_shell->count = token == TOKEN_END ? ret_shell->count : 0;
}

struct bytes shell_text_words(const struct shell_text *shell, size_t part) {
    const struct shell_part *at = &shell->parts[part];
    return (struct bytes){shell->words.data + at->begin, at->length};
}

void shell_text_done(struct shell_text *shell) {
    text_done(&shell->words);
}
