/* call.c: see call.h. */
#include "store/call.h"

#include "base/memory.h"

enum { POOL_MAX = 1024 }; /* More are given back to the system: a burst must not stay for ever. */

void calls_push(struct calls *calls, struct call *call) {
    call->next = NULL;
    if (calls->last == NULL) {
        calls->first = call;
    } else {
        calls->last->next = call;
    }
    calls->last = call;
    calls->count++;
    calls->eager += call->lazy ? 0 : 1;
}

struct call *calls_pop(struct calls *calls) {
    struct call *call = calls->first;
    if (call == NULL) {
        return NULL;
    }
    calls->first = call->next;
    if (calls->first == NULL) {
        calls->last = NULL;
    }
    calls->count--;
    calls->eager -= call->lazy ? 0 : 1;
    call->next = NULL;
    return call;
}

void calls_free(struct calls *calls) {
    for (struct call *call = calls_pop(calls); call != NULL; call = calls_pop(calls)) {
        mem_free(call);
    }
}

void calls_move(struct calls *to, struct calls *from) {
    if (from->first == NULL) {
        return;
    }
    if (to->last == NULL) {
        to->first = from->first;
    } else {
        to->last->next = from->first;
    }
    to->last = from->last;
    to->count += from->count;
    to->eager += from->eager;
    *from = (struct calls){.first = NULL};
}

struct call *call_pool_take(struct call_pool *pool) {
    struct call *call = pool->free;
    if (call == NULL) {
        return mem_new(sizeof *call);
    }
    pool->free = call->next;
    pool->count--;
    *call = (struct call){.next = NULL};
    return call;
}

void call_pool_give(struct call_pool *pool, struct call *call) {
    if (pool->count >= POOL_MAX) {
        mem_free(call);
        return;
    }
    call->next = pool->free;
    pool->free = call;
    pool->count++;
}

void call_pool_done(struct call_pool *pool) {
    while (pool->free != NULL) {
        struct call *call = pool->free;
        pool->free = call->next;
        mem_free(call);
    }
    pool->count = 0;
}
