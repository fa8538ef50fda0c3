/* names.c: see names.h. */
#include "rules/changes/names.h"

#include "base/glob.h"
#include "base/utf8.h"

enum { COMPONENT_MAX = 255 };

/* Letters after a backslash, and the bytes that they stand for. */
static const char escapes[] = "abtnvfr\"\\";
static const char escaped[] = "\a\b\t\n\v\f\r\"\\";

static const char *const secrets[] = {
    ".env*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.ppk",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_ecdsa_sk",
    "id_ed25519_sk",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    ".pypirc",
    "credentials",
    "credentials.json",
};

void change_name_write(struct bytes path, struct text *text) {
    const bool plain = utf8_valid(path.data, path.len) && !utf8_has_control(path) &&
                       !(path.len > 0 && path.data[0] == '"');
    if (plain) {
        text_add(text, path.data, path.len);
        return;
    }
    text_add_char(text, '"');
    for (size_t i = 0; i < path.len; i++) {
        const char c = path.data[i];
        const char *at = c == '\0' ? NULL : memchr(escaped, c, sizeof escaped - 1);
        if (at != NULL) {
            text_add_char(text, '\\');
            text_add_char(text, escapes[at - escaped]);
        } else if (c < ' ' || c > '~') { /* Bytes above 127 are negative, or large. */
            text_addf(text, "\\%03o", (unsigned)(unsigned char)c);
        } else {
            text_add_char(text, c);
        }
    }
    text_add_char(text, '"');
}

static bool digits_read(struct bytes rest, unsigned *ret_byte) {
    unsigned byte = 0;
    for (size_t i = 0; i < 3; i++) {
        if (i >= rest.len || rest.data[i] < '0' || rest.data[i] > '7') {
            return false;
        }
        byte = byte * 8 + (unsigned)(rest.data[i] - '0');
    }
    *ret_byte = byte;
    return byte > 0 && byte <= 255;
}

bool change_name_read(struct bytes name, struct text *path) {
    if (name.len == 0 || memchr(name.data, '\0', name.len) != NULL) {
        return false;
    }
    if (name.data[0] != '"') {
        text_add(path, name.data, name.len);
        return !text_failed(path);
    }
    size_t i = 1;
    for (; i < name.len && name.data[i] != '"'; i++) {
        if (name.data[i] != '\\') {
            text_add_char(path, name.data[i]);
            continue;
        }
        const struct bytes rest = {name.data + i + 1, name.len - i - 1};
        const char *at = rest.len == 0 ? NULL : memchr(escapes, rest.data[0], sizeof escapes - 1);
        unsigned byte = 0;
        if (at != NULL) {
            text_add_char(path, escaped[at - escapes]);
            i++;
        } else if (digits_read(rest, &byte)) {
            text_add_char(path, (char)(unsigned char)byte);
            i += 3;
        } else {
            return false;
        }
    }
    return i == name.len - 1 && i > 1 && !text_failed(path);
}

bool change_name_is_safe(struct bytes path) {
    struct bytes rest = path, part = {NULL, 0};
    if (path.len == 0 || path.data[0] == '/' || path.data[path.len - 1] == '/' ||
        memchr(path.data, '\0', path.len) != NULL) {
        return false;
    }
    while (bytes_next(&rest, '/', &part)) {
        if (part.len == 0 || bytes_is(part, ".") || bytes_is(part, "..") ||
            bytes_equal_nocase(part, BYTES(".git"))) {
            return false;
        }
    }
    return true;
}

bool change_name_is_secret(struct bytes path) {
    struct bytes rest = path, last = {NULL, 0};
    while (bytes_next(&rest, '/', &last)) {
    }
    if (last.len == 0 || last.len > COMPONENT_MAX) {
        return false;
    }
    char lower[COMPONENT_MAX];
    for (size_t i = 0; i < last.len; i++) {
        const char c = last.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        const struct bytes name = {lower, last.len};
        if (glob_match(GLOB_PATH, bytes_of(secrets[i]), name)) {
            return true;
        }
    }
    return false;
}
