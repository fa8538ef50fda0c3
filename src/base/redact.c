/* redact.c: at each place of the text, each rule says how many bytes of a secret begin there. */
#include "base/redact.h"

#include <string.h>

static const char removed[] = "[removed]";

enum { WORD_MIN = 32, KEY_REST_MIN = 8, ID_REST = 26, NAME_MAX_LEN = 64 };

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* A character of keys and of names. */
static bool is_word(char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

static bool is_secret(char c) {
    return is_word(c) || (c != '\0' && strchr(".+/=~", c) != NULL);
}

static bool is_end(char c) {
    return (unsigned char)c <= ' ' || strchr("\"'`<>,;\\)]}", c) != NULL;
}

static bool begins(struct bytes text, const char *with) {
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

static struct bytes rest_of(struct bytes text, size_t at) {
    return (struct bytes){text.data + at, text.len - at};
}

static size_t span(struct bytes text, bool (*holds)(char c)) {
    size_t len = 0;
    while (len < text.len && holds(text.data[len])) {
        len++;
    }
    return len;
}

static size_t until_end(struct bytes text) {
    size_t len = 0;
    while (len < text.len && !is_end(text.data[len])) {
        len++;
    }
    return len;
}

/* --- Names ------------------------------------------------------------------------------------ */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool name_has(struct bytes name, const char *word) {
    size_t len = strlen(word);
    for (size_t at = 0; at + len <= name.len; at++) {
        size_t same = 0;
        while (same < len && lower(name.data[at + same]) == word[same]) {
            same++;
        }
        if (same == len) {
            return true;
        }
    }
    return false;
}

bool redact_name(struct bytes name) {
    static const char *const words[] = {"secret",  "password", "passwd",        "credential",
                                        "apikey",  "api_key",  "authorization", "cookie",
                                        "api-key", "bearer"};
    static const char *const ends[] = {"key", "token", "pass", "pwd", "auth"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (name_has(name, words[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t len = strlen(ends[i]);
        if (name.len >= len && name_has(rest_of(name, name.len - len), ends[i])) {
            return true;
        }
    }
    return false;
}

/* --- Rules: the length of a secret that begins here; 0: none does ----------------------------- */

static size_t known(struct bytes text, const struct redact_secrets *secrets) {
    size_t longest = 0;
    for (size_t i = 0; secrets != NULL && i < secrets->count; i++) {
        const struct bytes item = secrets->items[i];
        if (item.len >= REDACT_SECRET_MIN && item.len > longest && text.len >= item.len &&
            memcmp(text.data, item.data, item.len) == 0) {
            longest = item.len;
        }
    }
    return longest;
}

/* "-----BEGIN … PRIVATE KEY-----" to its end, or to that of the text where it was cut. */
static size_t private_key(struct bytes text) {
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    if (!begins(text, begin)) {
        return 0;
    }
    for (size_t at = sizeof begin; at < text.len; at++) {
        if (begins(rest_of(text, at), end)) {
            const char *line = memchr(text.data + at, '\n', text.len - at);
            return line == NULL ? text.len : (size_t)(line - text.data);
        }
    }
    return text.len;
}

static size_t service_key(struct bytes text) {
    static const char *const prefixes[] = {
        "sk-",  "sk_",         "rk_",  "pk_",    "ghp_",  "gho_",  "ghu_",  "ghs_",
        "ghr_", "github_pat_", "xox",  "glpat-", "AKIA",  "ASIA",  "AIza",  "ya29.",
        "eyJ",  "hf_",         "gsk_", "xai-",   "drv_",  "drr_",  "npm_",  "pypi-",
        "SG.",  "dop_v1_",     "key-", "r8_",    "tvly-", "pplx-", "whsec_"};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        size_t len = strlen(prefixes[i]);
        if (begins(text, prefixes[i]) && span(rest_of(text, len), is_secret) >= KEY_REST_MIN) {
            return len + span(rest_of(text, len), is_secret);
        }
    }
    return 0;
}

/* run_01h…, as engine/base/ids makes them: letters, "_", and 26 characters. */
static bool is_id(struct bytes word) {
    size_t letters = 0;
    while (letters < word.len && word.data[letters] >= 'a' && word.data[letters] <= 'z') {
        letters++;
    }
    return letters > 0 && letters <= 4 && word.len == letters + 1 + ID_REST &&
           word.data[letters] == '_';
}

static size_t long_word(struct bytes text) {
    size_t len = span(text, is_word);
    bool letters = false, digits = false;
    for (size_t i = 0; i < len; i++) {
        letters = letters || is_letter(text.data[i]);
        digits = digits || is_digit(text.data[i]);
    }
    const struct bytes word = {text.data, len};
    return len >= WORD_MIN && letters && digits && !is_id(word) ? span(text, is_secret) : 0;
}

/* --- Rules that keep a beginning: *ret_kept bytes of it --------------------------------------- */

/* NAME=VALUE, "NAME": "VALUE", --NAME VALUE, NAME: Bearer VALUE. */
static size_t named_value(struct bytes text, size_t *ret_kept) {
    static const char *const schemes[] = {"Bearer ", "bearer ", "Basic ", "basic ", "Token "};
    size_t name = span(text, is_word), at = name;
    if (name == 0 || name > NAME_MAX_LEN || !redact_name((struct bytes){text.data, name})) {
        return 0;
    }
    const bool flag = begins(text, "--");
    bool separated = false;
    while (at < text.len && at < name + 8 && strchr("\"'\\ =:", text.data[at]) != NULL) {
        separated = separated || text.data[at] == '=' || text.data[at] == ':' || flag;
        at++;
    }
    for (size_t i = 0; separated && i < COUNT_OF(schemes); i++) {
        at += begins(rest_of(text, at), schemes[i]) ? strlen(schemes[i]) : 0;
    }
    size_t value = separated ? until_end(rest_of(text, at)) : 0;
    *ret_kept = at;
    const struct bytes rest = rest_of(text, at);
    return value > 0 && !begins(rest, "null") && !begins(rest, removed) ? at + value : 0;
}

static size_t scheme_value(struct bytes text, size_t *ret_kept) {
    static const char *const schemes[] = {"Bearer ", "bearer ", "Basic "};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        *ret_kept = strlen(schemes[i]);
        if (begins(text, schemes[i]) &&
            span(rest_of(text, *ret_kept), is_secret) >= REDACT_SECRET_MIN) {
            return *ret_kept + span(rest_of(text, *ret_kept), is_secret);
        }
    }
    return 0;
}

/* "://USER:PASSWORD@": what stands before the host. */
static size_t url_user(struct bytes text, size_t *ret_kept) {
    size_t end = 3;
    if (!begins(text, "://")) {
        return 0;
    }
    *ret_kept = end;
    size_t at_sign = 0;
    for (; end < text.len && !is_end(text.data[end]) && text.data[end] != '/'; end++) {
        at_sign = text.data[end] == '@' ? end : at_sign;
    }
    return at_sign > *ret_kept ? at_sign : 0;
}

/* "?NAME=VALUE…" of a URL. */
static size_t url_query(struct bytes text, size_t *ret_kept) {
    size_t len = text.len > 0 && text.data[0] == '?' ? until_end(text) : 0;
    *ret_kept = 1;
    return len > 1 && memchr(text.data, '=', len) != NULL ? len : 0;
}

static size_t whole(struct bytes text, bool starts_word, const struct redact_secrets *secrets) {
    size_t len = known(text, secrets);
    len = len > 0 ? len : private_key(text);
    if (len == 0 && starts_word) {
        len = service_key(text);
        len = len > 0 ? len : long_word(text);
    }
    return len;
}

static size_t text_part(struct bytes text, bool starts_word, size_t *ret_kept) {
    size_t len = url_user(text, ret_kept);
    len = len > 0 ? len : url_query(text, ret_kept);
    if (len == 0 && starts_word) {
        len = named_value(text, ret_kept);
        len = len > 0 ? len : scheme_value(text, ret_kept);
    }
    return len;
}

void redact_add(struct text *into, struct bytes text, const struct redact_secrets *secrets) {
    for (size_t at = 0; at < text.len;) {
        const struct bytes rest = rest_of(text, at);
        const bool starts_word = at == 0 || !is_word(text.data[at - 1]);
        size_t kept = 0, len = whole(rest, starts_word, secrets);
        len = len > 0 ? len : text_part(rest, starts_word, &kept);
        if (len == 0) {
            text_add_char(into, text.data[at++]);
            continue;
        }
        text_add(into, rest.data, kept);
        text_add_str(into, removed);
        at += len;
    }
}
