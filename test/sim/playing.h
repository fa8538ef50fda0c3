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

enum async_kind {
    ASYNC_NODE,
    ASYNC_BODY,   /* A script, or the main function of one. */
    ASYNC_MODULE, /* What calls the main function, once the module is there. */
    ASYNC_CHILD,  /* What hands the end of a child to the call of workflow(). */
    ASYNC_ONE,
    ASYNC_STAGES,
    ASYNC_RACE /* Settles the promise of a race with the end of its part. */
};

/* A script under way: the run's own, or a child within. */
struct scope {
    struct program program;
    const char *path;  /* "": the run's own; else as workflow() named it. */
    int64_t op;        /* args.op; 0: none. */
    json_t *x;         /* What its last node is called with. */
    const char *title; /* Of phase(); NULL: none. */
};

/* Calls of parallel() and pipeline(). */
struct gather {
    struct scope *scope;
    const struct node *node;
    json_t *x, *results;
    size_t left;
    struct promise *promise;
};

struct async {
    enum async_kind kind;
    unsigned at; /* Where it goes on. */
    struct scope *scope;
    const struct node *node;
    json_t *x, *all;
    unsigned index;
    struct gather *gather;   /* ONE, STAGES. */
    struct promise *outcome; /* CHILD: of the call of workflow(); RACE: of the race. */
    struct open_call *timer; /* RACE. */
    struct promise *promise;
    struct promise *awaited;
    struct async *next; /* In a line. */
};

struct open_call {
    struct open_call *next;
    struct promise *promise;
    const char *label;
    struct player_call call;
    json_t *x;    /* Of workflow(): args.x; NULL: none. */
    int64_t op;   /* Of workflow(): args.op. */
    bool settled; /* A child may still be under way. */
    /* Members of a timer: */
    bool is_timer, recorded, cleared; /* recorded: the history has its end. */
    json_t *late;                     /* Value with which its end fulfils the promise. */
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
    struct scope *scope;  /* Owned, as are all: the run's own. */
    struct block *blocks; /* Owned: all memory below. */
    json_t *kept;         /* Owned: an array of all values. */
    struct async *jobs, **jobs_end;
    struct promise *body;
    struct open_call *open; /* All that were made; their numbers are unique. */
    struct recorded *history;
    size_t history_count, repeated;
    json_t *inbox; /* Borrowed from kept; NULL: none. */
    size_t taken;
    int64_t total, spent, agents_max, lines_max, line_bytes;
    int64_t made, agents, settled, lines, timers; /* timers: that are not settled. */
    struct speech speech;
};

/* player.c. Memory is the player's: it goes with it. */
void *player__alloc(struct player *player, size_t size);
char *player__copy(struct player *player, const char *text, size_t len);
json_t *player__keep(struct player *player, json_t *value); /* Takes over a reference. */
void player__line(struct player *player, const char *head, const char *words);
void player__log(struct player *player, const char *words);
struct promise *player__agent(struct player *player, const struct scope *scope,
                              const struct node *node, const json_t *x);
struct promise *player__workflow(struct player *player, const struct scope *scope,
                                 const struct node *node, const json_t *x);
/* `kind`: "sleep", "timeout". Its end fulfils `promise` with `late`, unless it is cleared. */
struct open_call *player__timer(struct player *player, const struct scope *scope,
                                const struct node *node, const char *kind, struct promise *promise,
                                json_t *late);
void player__clear(struct player *player, struct open_call *timer);

/* playing.c */
struct promise *promise__new(struct player *player);
void promise__fulfil(struct player *player, struct promise *promise, json_t *value);
void promise__reject(struct player *player, struct promise *promise, const char *message);
const char *player__shape(struct player *player, const json_t *x);
struct promise *player__begin(struct player *player, struct scope *scope); /* The whole script. */
/* A child; its end settles `outcome`. */
void player__begin_child(struct player *player, struct scope *scope, struct promise *outcome);
bool player__job(struct player *player); /* false: there is none. */

#endif
