/* inside.h: shared by the files behind model.h. Nobody else includes it.
 *
 *   models.c    each connection: its route; the set of them
 *   channel.c   the queue of a connection, its slots, its outages, its breaker
 *   asking.c    one call: queued, tried, tried again, delivered
 *   posting.c   one try over HTTP
 *   playing.c   one try of the scripted model
 *   listing.c   what providers say of their models
 */
#ifndef DROVER_MODEL_CALLS_INSIDE_H
#define DROVER_MODEL_CALLS_INSIDE_H

#include "base/link.h"
#include "loop/address.h"
#include "model/model.h"
#include "model/scripted/script.h"
#include "model/wire/wire.h"
#include "rules/provider/brake.h"

enum { ROUTE_HEADERS_MAX = CONNECTION_HEADERS_MAX + 8, MODEL_PRIORITIES = 2 };

/* How a connection is used: made when it is set, and kept by the calls that began with it. */
struct route {
    unsigned refs;
    struct model_connection *connection; /* Owned. */
    struct address_list *allow;          /* Owned: the base URL's host and nothing else. */
    char *authority, *bearer;            /* Owned. */
    struct fetch_header headers[ROUTE_HEADERS_MAX]; /* Borrowed from the above, or static. */
    size_t header_count;
};
struct route *route_ref(struct route *route);
void route_unref(struct route *route); /* NULL is allowed. */
/* `path` starts with /v1 or not, as the base ends with it or not. */
void route_url(const struct route *route, const char *path, char *ret_url, size_t size);

/* A model that a provider listed. */
struct listed {
    char *id; /* Owned. */
    int64_t window;
};
void listed_free(struct listed *listed, size_t count);
/* Limits of a model, as its calls have shown them. */
struct learned {
    char *model;                               /* Owned; without its connection. */
    int64_t window, until_ms;                  /* Window after a refusal; 0: none was. */
    int64_t accepted, accepted_until_ms;       /* Tokens of the longest prompt that was taken. */
    int64_t refused_until_ms[PARAMETER_COUNT]; /* 0: it takes that, as far as anybody knows. */
};

struct channel {
    struct channel *next;
    struct models *models;
    char *name;          /* Owned. */
    struct route *route; /* NULL: removed; it goes when nothing runs any more. */
    struct link queue[MODEL_PRIORITIES];
    uint64_t running, waiting; /* waiting: in the queue. */
    struct brake brake;        /* Lowers the limit of `running` after a 429. */
    struct outage outage;
    struct model_failure away; /* Why it is away: the last failure that said so. */
    struct asking *probe;      /* Borrowed: the call that finds out; NULL: none is out. */
    struct asking *tell;       /* Borrowed: the next that `task` looks at; NULL: it is done. */
    struct loop_task task;     /* Tells calls in the queue how long they wait. */
    struct timer timer;        /* Gives slots away that are free later. */
    int64_t quota_until_ms;    /* The breaker: 0: closed. Wall clock; and the same */
    uint64_t quota_until_ns;   /* by the clock that nobody sets. */
    unsigned quota_trips;      /* In a row. */
    struct listed *listed;     /* Owned. */
    size_t listed_count;
    struct learned *learned; /* Owned; the one that was not used for longest first. */
    size_t learned_count;
    int64_t listed_ms;       /* When; 0: never. */
    struct listing *listing; /* Under way; NULL: none. */
    bool list_failed;
    enum model_cause list_cause; /* Why it failed, where that stops calls, too. */
    bool mended;                 /* As models_on_mended has reported. */
    bool doubtful; /* Nobody knows yet whether anything is there: only its list is asked for. */
};

struct models {
    struct loop *loop;
    const struct world *world;
    struct models_options options;
    struct prices *prices;      /* Owned. */
    struct script_file *script; /* Owned; NULL: none. */
    struct channel *channels;   /* In the order of their names. */
    uint64_t asked, failed, retried, running, waiting;
    uint64_t live,
        jobs; /* Calls without a callback yet; work in the pool that still points here. */
    bool closing;
    struct roster *rosters; /* Owned. */
    struct loop_task close_task, roster_task;
    void (*refused)(void *ctx, const struct model_refused *refused); /* NULL: nobody wants it. */
    void *refused_ctx;
    void (*mended)(void *ctx); /* The same. */
    void *mended_ctx;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

enum asking_stage {
    ASK_NEW,
    ASK_QUEUED,
    ASK_TRYING,
    ASK_WAITING, /* The call has a slot, and its try begins soon. */
    ASK_ENDED,
    ASK_TOLD,
    ASK_GONE, /* Cancelled: the memory goes when none of its callbacks runs any more. */
};

enum asking_kind {
    ASKING_USUAL,
    ASKING_TEST,     /* A single try, now: slots, outage and breaker are passed over. */
    ASKING_TEST_ANY, /* The same, of any model of the connection. */
};

struct asking {
    struct link link; /* In its channel's queue. */
    struct models *models;
    struct channel *channel;       /* NULL: none yet, or none of that name. */
    struct route *route;           /* Used by the present try. */
    struct model_request *request; /* Owned; NULL while the body is built, and once it was taken. */
    struct bytes model;            /* Without its connection; own copy: `name`. */
    char *name;
    struct model_facts facts;
    enum model_priority priority;
    struct model_watch watch;
    void *ctx;
    enum asking_stage stage;
    enum asking_kind kind;
    enum outage_patience patience;
    bool listed;            /* The call has waited for a list. */
    unsigned inside, tries; /* inside: callbacks of it that run now. */
    unsigned tries_slept;   /* Tries before the last suspend: waits do not grow by them. */
    uint64_t sent_ns;       /* When the present try began. */
    size_t prompt_size;
    uint64_t begun_ns, first_ns;
    uint64_t heard_ns; /* When bytes of this try came last, whatever they said; 0: none have. */
    struct usage spent, latest;
    struct model_failure failure;
    unsigned paid;          /* Tries that broke off after a beginning, or were met with silence. */
    uint64_t not_before_ms; /* QUEUED: earliest next try, by the monotonic clock; */
    uint64_t until_ms;      /* end of its patience; 0: it has not waited; */
    uint64_t told_ms;       /* next try, as its watch knows it; 0: it does not. */
    struct loop_task task;
    struct timer deadline; /* QUEUED: of its patience; else of the try. */
    struct timer linger;
    struct stream stream;
    /* posting.c */
    struct text body;             /* Owned; built once, and again without what was refused. */
    unsigned repeats;             /* Bodies that were built after a refusal. */
    parameter_set without, found; /* Refused in this call; the part to remember. */
    parameter_set wanted, sent;   /* Parameters of the body (struct wire_order). */
    struct pool_job *job;         /* Work in the pool for it; NULL: none. */
    struct fetch_request *fetch;
    int status;
    bool streaming;
    struct text error_body, rest; /* error_body: also a whole answer that is not streamed. */
    struct retry_hint hint;
    /* playing.c */
    struct playing *playing;
};

/* models.c */
struct channel *models__channel(const struct models *models,
                                struct bytes name); /* Also doubtful. */
void models__check_closed(struct models *models);
void models__drop_channel(struct models *models, struct channel *channel);
struct model_info models__info(const struct models *models, const struct channel *channel,
                               struct bytes model);
/* The host of the connection is an empty one where it has none. */
struct parameter_target models__target(const struct channel *channel, struct bytes model);

void channel__forget_list(struct channel *channel);

/* channel.c */
enum queue_end { QUEUE_FIRST, QUEUE_LAST };
void channel__enqueue(struct channel *channel, struct asking *asking, enum queue_end end);
void channel__dequeue(struct channel *channel, struct asking *asking);
/* The one after that in the queue; NULL: the first, and no more. */
struct asking *channel__next(const struct channel *channel, const struct asking *asking);
void channel__run(struct channel *channel); /* Gives free slots away. */
void channel__release(struct channel *channel, const struct asking *asking);
struct model_load channel__load(const struct channel *channel);
/* The provider wanted fewer requests: `asking` was one too many. */
void channel__brake(struct channel *channel, const struct asking *asking);
/* *ret_resume_at_ms: when it takes requests again. */
bool channel__is_broken(const struct channel *channel, const struct world *world,
                        int64_t *ret_resume_at_ms);
void channel__trip(struct channel *channel, struct model_failure *failure,
                   const struct world *world);
/* A try of the call shows that the provider is away. Number of such failures of the connection in a
 * row; 0: this one says nothing new of it. */
unsigned channel__failures(const struct channel *channel, const struct asking *asking);
/* The next one is sent after that wait. */
void channel__fail(struct channel *channel, const struct asking *asking, uint64_t wait_ms,
                   bool named);
void channel__answers(struct channel *channel, const struct asking *asking); /* The provider. */
MUST_CHECK bool channel__is_hurried(const struct channel *channel);
/* Why calls wait, and until when. */
MUST_CHECK bool channel__is_away(const struct channel *channel, struct model_failure *ret_failure);
void channel__woke(struct channel *channel, uint64_t slept_ms);
void channel__reset(struct channel *channel);            /* Outage and breaker are over. */
void channel__stop(struct channel *channel);             /* Before it is freed. */
uint64_t models__now_ms(const struct models *models);    /* By the monotonic clock. */
uint64_t models__outage_ms(const struct models *models); /* First long wait. */

/* listing.c. wait: true: `done`, once, when no list is under way any more; false: the channel's
 * list is as new as it can be. */
MUST_CHECK bool listing__wait(struct models *models, struct channel *channel,
                              void (*done)(void *ctx), void *ctx);
void listing__forget(struct models *models, const void *ctx);
void listing__stop(struct models *models);

/* asking.c */
void asking__start(struct asking *asking); /* The call has a slot. */
/* QUEUED, while its connection takes nothing, or before its own time: tells its watch until when,
 * or ends it, where it does not wait that long. It may be gone then. */
void asking__tell_wait(struct asking *asking);
void asking__fail(struct asking *asking, enum model_cause cause, const char *format, ...)
    PRINTF_LIKE(3, 4); /* For good, without another try. */
/* The try is over: stream.answer says how. */
void asking__try_over(struct asking *asking);
/* Around everything that may call the watch. leave: false: the call is gone. */
void asking__enter(struct asking *asking);
bool asking__leave(struct asking *asking);

/* posting.c: a try over HTTP. Ends with asking__try_over or asking__fail, unless it was stopped. */
void posting__start(struct asking *asking);
void posting__stop(struct asking *asking);

/* playing.c: a try of the scripted model. Ends with asking__try_over, unless it was stopped. */
void playing__start(struct asking *asking);
void playing__stop(struct asking *asking);

#endif
