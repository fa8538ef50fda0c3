/* playing.h: what player.c and playing.c share. Nobody else includes it. */
#ifndef DROVER_TEST_SIM_PLAYING_H
#define DROVER_TEST_SIM_PLAYING_H

#include "player.h"
#include "program.h"
#include "speech.h"

struct promise {
    enum { PROMISE_PENDING, PROMISE_FULFILLED, PROMISE_REJECTED } state;
    json_t *value;         /* FULFILLED: borrowed from `kept`. */
    const char *message;   /* REJECTED: of the error. */
    struct async *waiting; /* Who waits for it, in order. */
    struct async **last;
};

enum async_kind { ASYNC_NODE, ASYNC_BODY, ASYNC_ONE, ASYNC_STAGES };

/* Calls of parallel() and pipeline(). */
struct gather {
    const struct node *node;
    json_t *x, *results;
    size_t left;
    struct promise *promise;
};

struct async {
    enum async_kind kind;
    unsigned at; /* Where it goes on. */
    const struct node *node;
    json_t *x, *all;
    unsigned index;
    struct gather *gather; /* ONE, STAGES. */
    struct promise *promise;
    struct promise *awaited;
    struct async *next; /* In a line. */
};

struct open_call {
    struct open_call *next;
    struct promise *promise;
    const char *label;
    struct player_call call;
};

/* An answer of the history, and who asked for it. */
struct recorded {
    json_t *answer; /* Borrowed from the order. */
    const char *key;
    int64_t occurrence;
    struct open_call *call; /* NULL: nobody did yet. */
};

struct block {
    struct block *next;
};

struct player {
    struct player_watch watch;
    enum player_state state;
    struct program program;
    struct block *blocks; /* Owned: all memory below. */
    json_t *kept;         /* Owned: an array of all values. */
    struct async *jobs, **jobs_end;
    struct promise *body;
    struct open_call *open; /* All that were made; their numbers are unique. */
    struct recorded *history;
    size_t history_count, repeated;
    json_t *inbox; /* Borrowed from kept; NULL: none. */
    size_t taken;
    int64_t op, total, spent, agents_max, lines_max, line_bytes;
    int64_t made, agents, settled, lines;
    const char *title; /* Of phase(); NULL: none. */
    struct speech speech;
};

/* player.c. Memory is the player's: it goes with it. */
void *player__alloc(struct player *player, size_t size);
char *player__copy(struct player *player, const char *text, size_t len);
json_t *player__keep(struct player *player, json_t *value); /* Takes over a reference. */
void player__line(struct player *player, const char *head, const char *words);
void player__log(struct player *player, const char *words);
struct promise *player__agent(struct player *player, const struct node *node, const json_t *x);

/* playing.c */
struct promise *promise__new(struct player *player);
void promise__fulfil(struct player *player, struct promise *promise, json_t *value);
void promise__reject(struct player *player, struct promise *promise, const char *message);
const char *player__shape(struct player *player, const json_t *x);
struct promise *player__begin(struct player *player); /* The body of the script. */
bool player__job(struct player *player);              /* false: there is none. */

#endif
