/* connection.c: rules for connections, and copies of one. */
#include "model/connection.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/id.h"
#include "base/memory.h"
#include "base/text.h"

/* Blanks and controls would end the request's line or a header's; a header's value may hold blanks.
 */
static bool is_plain(const char *text, const char *allowed) {
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text <= ' ' && strchr(allowed, *text) == NULL) || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

struct bytes connection_authority(const char *base_url) {
    const char *at = strstr(base_url, "://");
    at = at != NULL ? at + 3 : base_url;
    return (struct bytes){at, strcspn(at, "/?#")};
}

static const char *url_fault(const char *url) {
    if (url == NULL || url[0] == '\0') {
        return "it needs a \"base_url\"";
    }
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        return "\"base_url\" must begin with http:// or https://";
    }
    struct bytes authority = connection_authority(url);
    if (!is_plain(url, "") || strlen(url) > CONNECTION_URL_MAX || authority.len == 0) {
        return "\"base_url\" is no valid URL";
    }
    if (memchr(authority.data, '@', authority.len) != NULL) {
        return "\"base_url\" must not contain a name or password: set \"key\"";
    }
    static const char *const secrets[] = {"key=", "token=", "sig=", "secret=", "password="};
    const char *query = strchr(url, '?');
    for (size_t i = 0; query != NULL && i < COUNT_OF(secrets); i++) {
        if (strcasestr(query, secrets[i]) != NULL) {
            return "\"base_url\" is shown, and its query holds a secret: set \"key\"";
        }
    }
    if (strpbrk(url, "#,") != NULL) {
        return "\"base_url\" must end with its path or its query, without #";
    }
    return NULL;
}

static const char *header_fault(const struct connection_header *header) {
    static const char tokens[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (header->name[0] == '\0' || strspn(header->name, tokens) != strlen(header->name) ||
        strlen(header->name) > CONNECTION_NAME_MAX) {
        return "a header's name may hold letters, digits, - and _";
    }
    if (!is_plain(header->value, " \t") || strlen(header->value) > CONNECTION_KEY_MAX) {
        return "a header's value holds a control character, or is too long";
    }
    static const char *const ours[] = {"host",       "content-length",    "content-type",
                                       "connection", "transfer-encoding", "accept-encoding"};
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        if (strcasecmp(header->name, ours[i]) == 0) {
            return "a header that the transfer needs itself cannot be set";
        }
    }
    return NULL;
}

/* Returns the fault of the connection; NULL: none. */
static const char *connection_fault(const struct model_connection *connection) {
    const char *key = connection->key;
    const char *fault =
        connection->kind == MODEL_KIND_SCRIPTED ? NULL : url_fault(connection->base_url);
    if (fault != NULL) {
        return fault;
    }
    if (key != NULL && (key[0] == '\0' || !is_plain(key, "") || strlen(key) > CONNECTION_KEY_MAX)) {
        return "\"key\" is empty, too long, or holds a blank or a control character";
    }
    fault = connection->key_header == NULL
                ? NULL
                : header_fault(&(struct connection_header){connection->key_header, ""});
    if (fault != NULL) {
        return fault;
    }
    if (connection->header_count > CONNECTION_HEADERS_MAX) {
        return "it has too many headers (at most 16)";
    }
    if (connection->model_count > CONNECTION_MODELS_MAX) {
        return "it names too many models (at most 1000)";
    }
    for (size_t i = 0; fault == NULL && i < connection->header_count; i++) {
        fault = header_fault(&connection->headers[i]);
    }
    for (size_t i = 0; fault == NULL && i < connection->model_count; i++) {
        size_t len = strlen(connection->models[i]);
        fault = len > 0 && len <= MODEL_NAME_MAX && is_plain(connection->models[i], "")
                    ? NULL
                    : "a model's name is empty, too long, or holds a blank";
    }
    return fault;
}

struct err connection_check(const struct model_connection *connection, struct why *why) {
    const char *name = connection->name != NULL ? connection->name : "";
    if (!connection_name_valid(bytes_of(name))) {
        return err_why(why, ERR_BAD_FIELD,
                       "a connection's name has 1 to %d of a-z, 0-9, '.', '_' and '-', and begins "
                       "with a letter or digit",
                       CONNECTION_NAME_MAX);
    }
    const char *fault = connection_fault(connection);
    if (fault != NULL) {
        return err_why(why, ERR_BAD_FIELD, "the connection \"%s\": %s", name, fault);
    }
    return provider_numbers_check(&connection->numbers, name, why);
}

bool connection_names(const struct model_connection *connection, const char *model) {
    for (size_t i = 0; i < connection->model_count; i++) {
        if (strcmp(connection->models[i], model) == 0) {
            return true;
        }
    }
    return false;
}

static char *text_copy(const char *text) {
    return text != NULL ? mem_copy(text, strlen(text)) : NULL;
}

struct model_connection *connection_copy(const struct model_connection *from) {
    struct model_connection *to = mem_new(sizeof *to);
    *to = *from;
    to->name = text_copy(from->name);
    to->base_url = text_copy(from->base_url);
    to->key = text_copy(from->key);
    to->key_header = text_copy(from->key_header);
    to->origin = text_copy(from->origin);
    struct connection_header *headers = mem_new_array(from->header_count + 1, sizeof *headers);
    for (size_t i = 0; i < from->header_count; i++) {
        headers[i].name = text_copy(from->headers[i].name);
        headers[i].value = text_copy(from->headers[i].value);
    }
    const char **models = mem_new_array(from->model_count + 1, sizeof *models);
    for (size_t i = 0; i < from->model_count; i++) {
        models[i] = text_copy(from->models[i]);
    }
    to->headers = headers;
    to->models = models;
    return to;
}

/* Our own copies: the const is for everybody else. Each is wiped, since some are secrets. */
static void text_release(const char *text) {
    char *owned = (char *)(uintptr_t)text;
    mem_wipe(&owned);
}

void connection_free(struct model_connection *connection) {
    if (connection == NULL) {
        return;
    }
    for (size_t i = 0; i < connection->header_count; i++) {
        text_release(connection->headers[i].name);
        text_release(connection->headers[i].value);
    }
    for (size_t i = 0; i < connection->model_count; i++) {
        text_release(connection->models[i]);
    }
    mem_free((void *)(uintptr_t)connection->headers);
    mem_free((void *)(uintptr_t)connection->models);
    text_release(connection->name);
    text_release(connection->base_url);
    text_release(connection->origin);
    text_release(connection->key);
    text_release(connection->key_header);
    mem_free(connection);
}

struct err key_load(const struct world *world, const char *path, char **ret_key, struct why *why) {
    struct stat found;
    if (stat(path, &found) == 0 && !S_ISREG(found.st_mode)) { /* A pipe would be read for ever. */
        return err_why(why, ERR_CONFIG, "the key file %s is no regular file", path);
    }
    if (stat(path, &found) == 0 && (found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return err_why(why, ERR_CONFIG,
                       "the key file %s can be read by other users: run 'chmod 600' on it", path);
    }
    AUTO(mem_wipe) char *text = NULL;
    size_t size = 0;
    struct err err = world->file_read(world->ctx, path, CONNECTION_KEY_MAX + 8, &text, &size);
    if (err_failed(err)) {
        why_set(why, "the key file %s cannot be read: %s", path, err_title(err.code));
        return err;
    }
    size_t from = strspn(text, " \t\r\n"), len = strcspn(text + from, " \t\r\n");
    size_t after = strspn(text + from + len, " \t\r\n");
    if (len == 0 || len > CONNECTION_KEY_MAX || from + len + after != size) {
        return err_why(why, ERR_CONFIG,
                       "the key file %s must hold one line of at most %d characters without "
                       "blanks",
                       path, CONNECTION_KEY_MAX);
    }
    *ret_key = mem_copy(text + from, len);
    return ERR_OK;
}
