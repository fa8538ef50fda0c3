#include "store/postgres/prepared.h"

#include <endian.h>
#include <limits.h>
#include <stdio.h>

#include "base/memory.h"

/* Types that are built into every PostgreSQL have fixed numbers. */
enum { TYPE_OPEN = 0, TYPE_BIGINT = 20, TYPE_TEXT = 25 };

void pg_prepareds_end(void *first) {
    struct pg_prepared *next = NULL;
    for (struct pg_prepared *one = first; one != NULL; one = next) {
        next = one->next;
        mem_free(one);
    }
}

struct pg_prepared *pg_prepareds_get(struct statements *statements, const char *sql,
                                     const struct arg *args, size_t count) {
    assert(count <= DRIVER_ARGS_MAX);
    uint64_t numbers = 0, texts = 0;
    for (size_t i = 0; i < count; i++) {
        numbers |= args[i].kind == ARG_INT ? UINT64_C(1) << i : 0;
        texts |= args[i].kind == ARG_TEXT ? UINT64_C(1) << i : 0;
    }
    struct statements_slot *slot = statements_find(statements, sql, /* use */ 0);
    struct pg_prepared *last = NULL, *one = slot->value;
    unsigned variant = 0;
    /* A declaration fits the same kinds of arguments, and NULL in place of each. */
    while (one != NULL && ((numbers & ~one->numbers) != 0 || (texts & ~one->texts) != 0)) {
        last = one;
        one = one->next;
        variant++;
    }
    if (one == NULL) {
        one = mem_new(sizeof *one);
        one->numbers = numbers;
        one->texts = texts;
        (void)snprintf(one->name, sizeof one->name, "s%zu_%u", slot->number, variant); /* Fits. */
        if (last == NULL) {
            slot->value = one;
        } else {
            last->next = one;
        }
    }
    return one;
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
