/* rows.c: see rows.h. */
#include "agent/rows.h"

#include <pthread.h>

#include "base/memory.h"

struct kept {
    struct agent_name name;
    char *definition; /* Owned. */
    size_t len;
};

struct agent_rows {
    pthread_mutex_t lock;
    size_t count;
    struct kept list[AGENT_ROWS_MAX];
};

struct agent_rows *agent_rows_new(void) {
    struct agent_rows *rows = mem_new(sizeof *rows);
    (void)pthread_mutex_init(&rows->lock, NULL); /* Cannot fail on Linux. */
    return rows;
}

void agent_rows_free(struct agent_rows *rows) {
    for (size_t i = 0; rows != NULL && i < rows->count; i++) {
        mem_free(rows->list[i].definition);
    }
    if (rows != NULL) {
        (void)pthread_mutex_destroy(&rows->lock); /* Nobody holds it. */
    }
    mem_free(rows);
}

/* Under the lock. The count: there is none. */
static size_t kept_at(const struct agent_rows *rows, struct bytes name) {
    size_t at = 0;
    while (at < rows->count && !bytes_is(name, rows->list[at].name.text)) {
        at++;
    }
    return at;
}

void agent_rows_put(struct agent_rows *rows, struct bytes name, struct bytes definition) {
    char *copy = mem_copy(definition.data, definition.len);
    assert(name.len <= AGENT_NAME_MAX);
    (void)pthread_mutex_lock(&rows->lock); /* Cannot fail for this kind. */
    const size_t at = kept_at(rows, name);
    assert(at < AGENT_ROWS_MAX);
    struct kept *kept = &rows->list[at];
    if (at == rows->count) {
        *kept = (struct kept){.definition = NULL};
        memcpy(kept->name.text, name.data, name.len);
        rows->count++;
    }
    mem_free(kept->definition);
    kept->definition = copy;
    kept->len = definition.len;
    (void)pthread_mutex_unlock(&rows->lock);
}

void agent_rows_remove(struct agent_rows *rows, struct bytes name) {
    (void)pthread_mutex_lock(&rows->lock);
    const size_t at = kept_at(rows, name);
    if (at < rows->count) {
        mem_free(rows->list[at].definition);
        rows->list[at] = rows->list[--rows->count];
    }
    (void)pthread_mutex_unlock(&rows->lock);
}

bool agent_rows_get(struct agent_rows *rows, struct bytes name, struct text *text) {
    (void)pthread_mutex_lock(&rows->lock);
    const size_t at = kept_at(rows, name);
    const bool found = at < rows->count;
    if (found) {
        text_add(text, rows->list[at].definition, rows->list[at].len);
    }
    (void)pthread_mutex_unlock(&rows->lock);
    return found;
}

bool agent_rows_have(struct agent_rows *rows, struct bytes name) {
    (void)pthread_mutex_lock(&rows->lock);
    const bool found = kept_at(rows, name) < rows->count;
    (void)pthread_mutex_unlock(&rows->lock);
    return found;
}

size_t agent_rows_names(struct agent_rows *rows, struct agent_name ret_names[AGENT_ROWS_MAX]) {
    (void)pthread_mutex_lock(&rows->lock);
    const size_t count = rows->count;
    for (size_t i = 0; i < count; i++) {
        ret_names[i] = rows->list[i].name;
    }
    (void)pthread_mutex_unlock(&rows->lock);
    return count;
}
