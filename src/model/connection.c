/* connection.c: what a connection may look like, and copies of one. */
#include "model/connection.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"

static struct err bad(struct why *why, const char *name, const char *text) {
    why_set(why, "the connection \"%.*s\": %s", CONNECTION_NAME_MAX, name, text);
    return err_make(ERR_BAD_FIELD, "connection: check");
}

static bool name_fits(const char *name) {
    size_t len = strlen(name);
    return len > 0 && len <= CONNECTION_NAME_MAX && strchr("._-", name[0]) == NULL &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* Blanks and controls would end the request's line or a header's. */
static bool is_plain(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool value_fits(const char *value) {
    for (; *value != '\0'; value++) {
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f) {
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
    if (!is_plain(url) || strlen(url) > CONNECTION_URL_MAX || authority.len == 0) {
        return "\"base_url\" is no valid URL";
    }
    if (memchr(authority.data, '@', authority.len) != NULL) {
        return "\"base_url\" must not hold a name or password: set \"key\"";
    }
    if (strpbrk(url, "?#,") != NULL) {
        return "\"base_url\" must end with its path, without ? and #";
    }
    return NULL;
}

static const char *header_fault(const struct connection_header *header) {
    static const char tokens[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (header->name[0] == '\0' || strspn(header->name, tokens) != strlen(header->name) ||
        strlen(header->name) > CONNECTION_NAME_MAX) {
        return "a header's name may hold letters, digits, - and _";
    }
    if (!value_fits(header->value) || strlen(header->value) > CONNECTION_KEY_MAX) {
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

static const char *amount_fault(const struct model_connection *connection) {
    if (connection->header_count > CONNECTION_HEADERS_MAX) {
        return "it has too many headers (at most 16)";
    }
    if (connection->model_count > CONNECTION_MODELS_MAX) {
        return "it names too many models (at most 1000)";
    }
    if (connection->window < 0 || connection->window > USAGE_TOKENS_MAX) {
        return "\"window\" is no number of tokens";
    }
    if (connection->max_concurrent < 0 || connection->max_concurrent > CONNECTION_CONCURRENT_MAX) {
        return "\"max_concurrent\" must be between 1 and 4096";
    }
    return NULL;
}

static const char *key_fault(const char *key) {
    if (key != NULL && (key[0] == '\0' || !is_plain(key) || strlen(key) > CONNECTION_KEY_MAX)) {
        return "\"key\" is empty, too long, or holds a blank or a control character";
    }
    return NULL;
}

struct err connection_check(const struct model_connection *connection, struct why *why) {
    if (connection->name == NULL || !name_fits(connection->name)) {
        why_set(why,
                "a connection's name has 1 to %d of a-z, 0-9, '.', '_' and '-', and begins "
                "with a letter or digit",
                CONNECTION_NAME_MAX);
        return err_make(ERR_BAD_FIELD, "connection: check");
    }
    const char *fault =
        connection->kind == MODEL_KIND_SCRIPTED ? NULL : url_fault(connection->base_url);
    fault = fault != NULL ? fault : key_fault(connection->key);
    fault = fault != NULL ? fault : amount_fault(connection);
    for (size_t i = 0; fault == NULL && i < connection->header_count; i++) {
        fault = header_fault(&connection->headers[i]);
    }
    for (size_t i = 0; fault == NULL && i < connection->model_count; i++) {
        size_t len = strlen(connection->models[i]);
        fault = len > 0 && len <= MODEL_NAME_MAX && is_plain(connection->models[i])
                    ? NULL
                    : "a model's name is empty, too long, or holds a blank";
    }
    return fault == NULL ? ERR_OK : bad(why, connection->name, fault);
}

bool connection_names(const struct model_connection *connection, const char *model) {
    for (size_t i = 0; i < connection->model_count; i++) {
        if (strcmp(connection->models[i], model) == 0) {
            return true;
        }
    }
    return false;
}

static char *copy(const char *text) {
    return text != NULL ? mem_copy(text, strlen(text)) : NULL;
}

struct model_connection *connection_copy(const struct model_connection *from) {
    struct model_connection *to = mem_new(sizeof *to);
    *to = *from;
    to->name = copy(from->name);
    to->base_url = copy(from->base_url);
    to->key = copy(from->key);
    to->origin = copy(from->origin);
    struct connection_header *headers = mem_new_array(from->header_count + 1, sizeof *headers);
    for (size_t i = 0; i < from->header_count; i++) {
        headers[i].name = copy(from->headers[i].name);
        headers[i].value = copy(from->headers[i].value);
    }
    const char **models = mem_new_array(from->model_count + 1, sizeof *models);
    for (size_t i = 0; i < from->model_count; i++) {
        models[i] = copy(from->models[i]);
    }
    to->headers = headers;
    to->models = models;
    return to;
}

/* Our own copies: the const is for everybody else. */
static void release(const char *text) {
    mem_free((void *)(uintptr_t)text);
}

static void wipe(const char *secret) {
    if (secret != NULL) {
        explicit_bzero((void *)(uintptr_t)secret, strlen(secret));
    }
    release(secret);
}

void connection_free(struct model_connection *connection) {
    if (connection == NULL) {
        return;
    }
    for (size_t i = 0; i < connection->header_count; i++) {
        release(connection->headers[i].name);
        wipe(connection->headers[i].value);
    }
    for (size_t i = 0; i < connection->model_count; i++) {
        release(connection->models[i]);
    }
    mem_free((void *)(uintptr_t)connection->headers);
    mem_free((void *)(uintptr_t)connection->models);
    release(connection->name);
    release(connection->base_url);
    release(connection->origin);
    wipe(connection->key);
    mem_free(connection);
}
