#include "store/postgres/prepared.h"

#include <endian.h>
#include <limits.h>
#include <stdio.h>

#include "base/memory.h"

/* Types that are built into every PostgreSQL have fixed numbers. */
enum { TYPE_OPEN = 0, TYPE_BIGINT = 20, TYPE_TEXT = 25 };

void pg_prepareds_init(struct pg_prepareds *prepareds) {
    *prepareds = (struct pg_prepareds){.first = NULL};
    statements_init(&prepareds->statements);
}

void pg_prepareds_done(struct pg_prepareds *prepareds) {
    for (size_t i = 0; i < prepareds->size; i++) {
        struct pg_prepared *next = NULL;
        for (struct pg_prepared *one = prepareds->first[i]; one != NULL; one = next) {
            next = one->next;
            mem_free(one);
        }
    }
    mem_free(prepareds->first);
    statements_done(&prepareds->statements);
    *prepareds = (struct pg_prepareds){.first = NULL};
}

static struct pg_prepared **find_first(struct pg_prepareds *prepareds, const char *sql,
                                       size_t *ret_number) {
    bool is_new = false;
    size_t number = statements_number(&prepareds->statements, sql, &is_new);
    if (number >= prepareds->size) {
        size_t size = prepareds->size == 0 ? 64 : prepareds->size * 2;
        prepareds->first = mem_grow(prepareds->first, size * sizeof *prepareds->first);
        for (size_t i = prepareds->size; i < size; i++) {
            prepareds->first[i] = NULL;
        }
        prepareds->size = size;
    }
    *ret_number = number;
    return &prepareds->first[number];
}

static bool fits(const struct pg_prepared *one, uint64_t numbers, uint64_t texts) {
    return (numbers & ~one->numbers) == 0 && (texts & ~one->texts) == 0;
}

struct pg_prepared *pg_prepareds_get(struct pg_prepareds *prepareds, const char *sql,
                                     const struct arg *args, size_t count) {
    assert(count <= DRIVER_ARGS_MAX);
    uint64_t numbers = 0, texts = 0;
    for (size_t i = 0; i < count; i++) {
        numbers |= args[i].kind == ARG_INT ? UINT64_C(1) << i : 0;
        texts |= args[i].kind == ARG_TEXT ? UINT64_C(1) << i : 0;
    }
    size_t number = 0;
    struct pg_prepared **at = find_first(prepareds, sql, &number);
    unsigned variant = 0;
    while (*at != NULL && !fits(*at, numbers, texts)) {
        at = &(*at)->next;
        variant++;
    }
    if (*at == NULL) {
        struct pg_prepared *one = mem_new(sizeof *one);
        one->numbers = numbers;
        one->texts = texts;
        (void)snprintf(one->name, sizeof one->name, "s%zu_%u", number, variant); /* Fits. */
        *at = one;
    }
    return *at;
}

void pg_arguments_fill(struct pg_arguments *arguments, const struct arg *args, size_t count) {
    assert(count <= DRIVER_ARGS_MAX);
    for (size_t i = 0; i < count; i++) {
        arguments->formats[i] = 1;
        switch (args[i].kind) {
        case ARG_NULL:
            arguments->types[i] = TYPE_OPEN;
            arguments->values[i] = NULL;
            arguments->lengths[i] = 0;
            break;
        case ARG_INT:
            arguments->numbers[i] = htobe64((uint64_t)args[i].number);
            arguments->types[i] = TYPE_BIGINT;
            arguments->values[i] = (const char *)&arguments->numbers[i];
            arguments->lengths[i] = sizeof arguments->numbers[i];
            break;
        case ARG_TEXT:
            assert(args[i].text.len <= INT_MAX);
            arguments->types[i] = TYPE_TEXT;
            /* NULL would mean the SQL value NULL. */
            arguments->values[i] = args[i].text.data != NULL ? args[i].text.data : "";
            arguments->lengths[i] = (int)args[i].text.len;
            break;
        }
    }
}
