/* link.c: rounds over libpq's pipeline mode.
 *
 * A round is: [Parse] Bind Execute, for each queued step and then the closing statement, and one
 * Sync. libpq answers with a result and a NULL for each message, and a last result for the Sync.
 * After an error the server ignores everything up to the Sync, so the end of a round is always the
 * end of what the server does. libpq never blocks: where it would, pg_patience_wait does, and knows
 * an end.
 */
#include "store/postgres/link.h"

#include <endian.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "store/statements.h"

enum {
    /* After one round, all savepoints may end by ROLLBACK TO and RELEASE, and as many begin. At the
     * start there are BEGIN, the fence and the savepoints: no more. */
    QUEUE_MAX = 3 * SAVEPOINTS_MAX,
    /* Messages whose answers wait in the pipe, where they must find room: about 100 bytes each. */
    SENT_MAX = 64,
    SENT_BY_RUN_MAX = 2 * (QUEUE_MAX + 1), /* Each statement may bring its Parse. */
    MESSAGE_SIZE = 256,
    CONNECT_MAX_S = 30,
    LOOKS_MAX = 4, /* The server's last words come first, the end of the connection after them. */
};

enum { PG_NAME_SIZE = 32, SQLSTATE_SIZE = 6 /* With the terminator. */ };

/* A statement is prepared once for each set of argument kinds. An argument declares its own type
 * (bigint or text), so that a sum never narrows to 32 bits; a NULL fits either, and must stand
 * where the statement tells its type. */
struct pg_prepared {
    struct pg_prepared *next; /* Owned: the same SQL with other kinds of arguments. */
    uint64_t numbers, texts;  /* Bit n: what argument n was declared as. Neither: left open. */
    bool known;               /* The server has it. */
    bool sent;                /* On its way; the answer decides. */
    char name[PG_NAME_SIZE];
};

/* A message that was sent and will be answered. */
struct sent {
    struct pg_prepared *prepares; /* Borrowed; NULL: this executes. */
    bool fence, schema;
    bool closes; /* Belongs to the statement that closes the round, not to a queued step. */
};

struct pg_link {
    const struct libpq *pq;       /* Borrowed for life. */
    struct pg_patience *patience; /* Borrowed for life. */
    unsigned silence_ms;
    PGconn *conn; /* Owned. */
    bool alive;
    struct statements statements; /* Owned; values: struct pg_prepared. */
    struct pg_step queue[QUEUE_MAX];
    size_t queued;
    struct sent sent[SENT_MAX];
    size_t sents;
    bool queue_failed;
    bool streams; /* The round's last answer is being read row by row. */
    char message[MESSAGE_SIZE];
    char sqlstate[SQLSTATE_SIZE];
};

/* On every connection, before anything else:
 * - synchronous_commit: an answered write is durable, whatever the server's default says.
 * - timeouts: those of the server are for guests; our session holds the schema's lock while idle.
 * - keepalives: and when our machine is gone without a word, or the network between, the server
 *   must see it, or it would keep the lock for us: by its own default for two hours.
 * - seqscan and jit: plans are made once, while tables are small, and kept; a scan that is right
 *   for ten rows would still be used for ten million. Each of our statements has an index. */
static const char settings[] = "SET synchronous_commit = on;"
                               "SET default_transaction_isolation = 'read committed';"
                               "SET statement_timeout = 0;"
                               "SET lock_timeout = 0;"
                               "SET idle_in_transaction_session_timeout = 0;"
                               "SET tcp_keepalives_idle = 10;"
                               "SET tcp_keepalives_interval = 5;"
                               "SET tcp_keepalives_count = 4;"
                               "SET tcp_user_timeout = 30000;"
                               "SET enable_seqscan = off;"
                               "SET jit = off;"
                               "SET bytea_output = hex";
static const char settings_14[] = "SET idle_session_timeout = 0"; /* New in 14. */

static void ignore_notice(void *ctx, const PGresult *result) {
    (void)ctx;
    (void)result; /* libpq's default prints it on stderr. */
}

/* Makes one line: libpq ends its texts with a newline, and breaks those with several causes. */
static void remember(struct pg_link *link, const char *sqlstate, const char *message) {
    (void)snprintf(link->sqlstate, sizeof link->sqlstate, "%s", sqlstate != NULL ? sqlstate : "");
    (void)snprintf(link->message, sizeof link->message, "%s", message != NULL ? message : "");
    for (char *c = link->message; *c != '\0'; c++) {
        if (*c == '\n') {
            *c = c[1] == '\0' ? '\0' : ' ';
        }
    }
}

static struct err lose(struct pg_link *link) {
    if (link->alive) {
        link->alive = false;
        remember(link, "", link->pq->PQerrorMessage(link->conn));
    }
    link->queued = 0;
    link->sents = 0;
    link->streams = false;
    return err_make(ERR_STORE_DOWN, "postgres: connection");
}

/* PQgetResult, which would wait without end. NULL also when the link was lost. */
static PGresult *next_result(struct pg_link *link, unsigned silence_ms) {
    if (!pg_patience_wait(link->patience, link->pq, link->conn, silence_ms)) {
        link->alive = false;
        remember(link, "", "the server keeps the connection and does not answer");
        (void)lose(link); /* A caller that finds no result looks whether the link is alive. */
        return NULL;
    }
    return link->pq->PQgetResult(link->conn);
}

bool pg_link_alive(const struct pg_link *link) {
    return link->alive;
}

void pg_link_look(struct pg_link *link) {
    assert(link->sents == 0);
    for (unsigned i = 0; i < LOOKS_MAX && link->alive; i++) {
        struct pollfd socket = {.fd = link->pq->PQsocket(link->conn), .events = POLLIN};
        if (poll(&socket, 1, /* timeout */ 0) <= 0) {
            return;
        }
        if (link->pq->PQconsumeInput(link->conn) != 1) {
            (void)lose(link); /* The caller looks whether the link is alive. */
        }
    }
}

const struct libpq *pg_link_libpq(const struct pg_link *link) {
    return link->pq;
}

int pg_link_socket(const struct pg_link *link) {
    return link->alive ? link->pq->PQsocket(link->conn) : -1;
}

int pg_link_version(const struct pg_link *link) {
    return link->pq->PQserverVersion(link->conn);
}

const char *pg_link_message(const struct pg_link *link) {
    return link->message;
}

static bool answered(ExecStatusType status) {
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* The first row whose text begins the state wins, so a class (two characters) stands below the
 * states that are exceptions to it. */
static const struct {
    const char *begins;
    enum err_code code;
} meanings[] = {
    {"08", ERR_STORE_DOWN},       /* Connection exceptions. */
    {"57014", ERR_BUSY},          /* Cancelled by a person or a timeout. */
    {"57", ERR_STORE_DOWN},       /* The server stops, crashed or is starting. */
    {"25P03", ERR_STORE_DOWN},    /* Idle in transaction timeout: the backend is gone. */
    {"53100", ERR_DISK_FULL},     /* Disk full on the server. */
    {"53300", ERR_STORE_DOWN},    /* Too many connections; there may be fewer soon. */
    {"53", ERR_OVERLOADED},       /* Memory and other resources of the server. */
    {"54", ERR_TEXT_TOO_LONG},    /* A limit of the program, as that of an index on its texts. */
    {"25006", ERR_READ_ONLY},     /* Read-only transaction: a standby server, or told to be. */
    {"58", ERR_STORE_IO},         /* System errors. */
    {"XX001", ERR_STORE_CORRUPT}, /* Data corrupted. */
    {"XX002", ERR_STORE_CORRUPT}, /* Index corrupted. */
    {"23", ERR_CONFLICT},         /* Constraints: a conflict that the function did not expect. */
    {"40", ERR_BUSY},             /* Another transaction was in the way of ours. */
    {"55P03", ERR_BUSY},          /* A lock is not available. */
    {"28", ERR_CONFIG},           /* User or password. */
    {"3D000", ERR_CONFIG},        /* No such database. */
    {"42501", ERR_CONFIG},        /* No privilege. */
};

struct err postgres_error(const char *sqlstate, const char *step) {
    assert(sqlstate != NULL);
    if (sqlstate[0] == '\0') {
        return err_make(ERR_STORE_DOWN, step); /* Told by libpq itself: the connection is gone. */
    }
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (strncmp(sqlstate, meanings[i].begins, strlen(meanings[i].begins)) == 0) {
            return err_make(meanings[i].code, step);
        }
    }
    return err_make(ERR_INTERNAL, step);
}

/* Error that the server reported. A FATAL one means that it has closed, or will at once. */
static struct err reported(struct pg_link *link, const PGresult *result, const char *step) {
    const char *sqlstate = link->pq->PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = link->pq->PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (sqlstate == NULL) {
        return lose(link);
    }
    remember(link, sqlstate, message);
    struct err err = postgres_error(sqlstate, step);
    if (err.code == ERR_STORE_DOWN) {
        link->alive = false;
        link->queued = 0;
    }
    return err;
}

/* --- Statements and their arguments ----------------------------------------------------------- */

/* Types that are built into every PostgreSQL have fixed numbers. */
enum { TYPE_OPEN = 0, TYPE_BIGINT = 20, TYPE_TEXT = 25 };

static void prepareds_end(void *first) {
    struct pg_prepared *next = NULL;
    for (struct pg_prepared *one = first; one != NULL; one = next) {
        next = one->next;
        mem_free(one);
    }
}

static struct pg_prepared *prepareds_get(struct statements *statements, const char *sql,
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

/* The arguments as libpq wants them, in binary form: bytes with a length need no copy for a
 * terminator. Points into itself and into `args`. */
struct pg_arguments {
    Oid types[DRIVER_ARGS_MAX];
    const char *values[DRIVER_ARGS_MAX];
    int lengths[DRIVER_ARGS_MAX], formats[DRIVER_ARGS_MAX];
    uint64_t numbers[DRIVER_ARGS_MAX]; /* Big-endian. */
};
static void arguments_fill(struct pg_arguments *arguments, const struct arg *args, size_t count) {
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

/* --- Opening and closing ---------------------------------------------------------------------- */

/* As PQexec: the last result is that of the script, since the server stops at a failure. */
static struct err run_script(struct pg_link *link, const char *sql, unsigned silence_ms) {
    const struct libpq *pq = link->pq;
    if (!link->alive || pq->PQexitPipelineMode(link->conn) != 1 ||
        pq->PQsendQuery(link->conn, sql) != 1) {
        return lose(link);
    }
    PGresult *result = NULL;
    for (PGresult *one = NULL; (one = next_result(link, silence_ms)) != NULL;) {
        pq->PQclear(result); /* NULL is allowed. */
        result = one;
    }
    bool worked = link->alive && answered(pq->PQresultStatus(result));
    struct err err = worked ? ERR_OK : reported(link, result, "postgres: script");
    pq->PQclear(result);
    if (link->alive && pq->PQenterPipelineMode(link->conn) != 1) {
        return lose(link);
    }
    return err;
}

static struct err prepare_session(struct pg_link *link) {
    const struct libpq *pq = link->pq;
    if (pq->PQstatus(link->conn) != CONNECTION_OK) {
        /* libpq gives no SQLSTATE here, so a wrong password can only be shown, not classified. */
        return lose(link);
    }
    (void)pq->PQsetNoticeReceiver(link->conn, ignore_notice, NULL);
    if (pq->PQsetnonblocking(link->conn, 1) != 0 || pq->PQenterPipelineMode(link->conn) != 1) {
        return lose(link);
    }
    struct err err = run_script(link, settings, link->silence_ms);
    if (!err_failed(err) && pq->PQserverVersion(link->conn) >= 140000) {
        err = run_script(link, settings_14, link->silence_ms);
    }
    return err;
}

/* A try to connect ends: after ten seconds for each address of each host, or after what the URL
 * says with connect_timeout.
 *
 * libpq takes 0 and less for a wait without end, and it cannot be cut short: not by a signal while
 * the daemon stands by, not by the store's end. */
static struct err connect_check(const struct libpq *pq, const char *url, struct why *why) {
    struct err err = ERR_OK;
    PQconninfoOption *options = pq->PQconninfoParse(url, /* errmsg */ NULL);
    for (const PQconninfoOption *at = options; at != NULL && at->keyword != NULL; at++) {
        int64_t seconds = 0;
        if (strcmp(at->keyword, "connect_timeout") == 0 && at->val != NULL &&
            !number_parse(bytes_of(at->val), (struct number_bounds){1, CONNECT_MAX_S}, &seconds)) {
            err = err_why(why, ERR_CONFIG,
                          "the database's URL: connect_timeout must be 1 to %d (seconds)",
                          CONNECT_MAX_S);
        }
    }
    pq->PQconninfoFree(options); /* NULL, for a URL that cannot be read: connecting says why. */
    return err;
}

static PGconn *connect_to(const struct libpq *pq, const char *url) {
    /* Words before the URL are defaults that the URL may override, those after it
     * hold. A peer that vanishes without a word is noticed within about 30 seconds. Of several
     * hosts the one is taken that can write. */
    static const char *const words[] = {
        "connect_timeout",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "target_session_attrs",
        "dbname",
        "client_encoding",
        "application_name",
        NULL,
    };
    const char *const values[] = {"10",      "10", "5",    "4",      "30000",
                                  "primary", url,  "UTF8", "drover", NULL};
    static_assert(COUNT_OF(words) == COUNT_OF(values), "a value for each word");
    return pq->PQconnectdbParams(words, values, /* expand_dbname */ 1);
}

struct err pg_link_open(const struct libpq *libpq, const char *url, struct pg_patience *patience,
                        struct pg_link **ret_link, struct why *why) {
    TRY(connect_check(libpq, url, why));
    struct pg_link *link = mem_new(sizeof *link);
    link->pq = libpq;
    link->patience = patience;
    link->silence_ms = patience->enter_ms;
    link->alive = true;
    link->conn = connect_to(libpq, url);
    struct err err = link->conn == NULL ? err_make(ERR_OUT_OF_MEMORY, "postgres: connect")
                                        : prepare_session(link);
    if (err_failed(err)) {
        why_set(why, "PostgreSQL: %s", pg_link_message(link));
        pg_link_close(link);
        return err;
    }
    *ret_link = link;
    return ERR_OK;
}

void pg_link_close(struct pg_link *link) {
    if (link == NULL) {
        return;
    }
    link->pq->PQfinish(link->conn); /* NULL is allowed. */
    statements_done(&link->statements, prepareds_end);
    mem_free(link);
}

void pg_link_set_silence(struct pg_link *link, unsigned ms) {
    link->silence_ms = ms;
}

/* --- Rounds ----------------------------------------------------------------------------------- */

void pg_link_queue(struct pg_link *link, struct pg_step step) {
    assert(link->queued < QUEUE_MAX);
    link->queue[link->queued] = step;
    link->queued++;
}

bool pg_link_unqueue_last(struct pg_link *link, const char *sql) {
    if (link->queued == 0 || link->queue[link->queued - 1].sql != sql) {
        return false;
    }
    link->queued--;
    return true;
}

static bool send_one(struct pg_link *link, const char *sql, const struct arg *args, size_t count,
                     struct sent what) {
    struct pg_arguments arguments;
    arguments_fill(&arguments, args, count);
    struct pg_prepared *prepared = prepareds_get(&link->statements, sql, args, count);
    if (!prepared->known && !prepared->sent) {
        if (link->pq->PQsendPrepare(link->conn, prepared->name, sql, (int)count, arguments.types) !=
            1) {
            return false;
        }
        prepared->sent = true;
        link->sent[link->sents++] = (struct sent){.prepares = prepared, .closes = what.closes};
    }
    if (link->pq->PQsendQueryPrepared(link->conn, prepared->name, (int)count, arguments.values,
                                      arguments.lengths, arguments.formats,
                                      /* resultFormat: text */ 0) != 1) {
        return false;
    }
    link->sent[link->sents++] = what;
    return true;
}

/* Judges one answer; ERR_OK also for a message that the server skipped. */
static struct err judge(struct pg_link *link, const struct sent *sent, PGresult *result) {
    ExecStatusType status = link->pq->PQresultStatus(result);
    if (sent->prepares != NULL) {
        sent->prepares->sent = false;
        sent->prepares->known = answered(status);
    }
    if (status == PGRES_PIPELINE_ABORTED || answered(status)) {
        return ERR_OK;
    }
    struct err err =
        reported(link, result, sent->prepares != NULL ? "postgres: prepare" : "postgres: run");
    if (sent->schema && err.code != ERR_STORE_DOWN) {
        return err_make(ERR_BUSY, "postgres: the schema is of another version");
    }
    bool fell = sent->fence && strcmp(link->sqlstate, "22012") == 0;
    return fell ? err_make(ERR_STORE_LOST, "postgres: fence") : err;
}

/* Reads the answer to one message, up to its NULL. *ret_result is filled when the round closed. */
static struct err read_one(struct pg_link *link, const struct sent *sent, PGresult **ret_result) {
    const struct libpq *pq = link->pq;
    PGresult *result = next_result(link, link->silence_ms);
    if (result == NULL) {
        return lose(link);
    }
    struct err err = judge(link, sent, result);
    link->queue_failed = link->queue_failed || (err_failed(err) && !sent->closes);
    if (sent->closes && sent->prepares == NULL && answered(pq->PQresultStatus(result))) {
        *ret_result = result;
    } else {
        pq->PQclear(result);
    }
    while (link->alive && (result = next_result(link, link->silence_ms)) != NULL) {
        pq->PQclear(result);
    }
    return err;
}

/* The answers to the first `count` messages; the first failure among them. */
static struct err read_answers(struct pg_link *link, size_t count, PGresult **ret_result) {
    struct err first = ERR_OK;
    for (size_t i = 0; i < count && link->alive; i++) {
        struct err err = read_one(link, &link->sent[i], ret_result);
        first = err_failed(first) ? first : err;
    }
    return first;
}

static struct err end_round(struct pg_link *link, struct err first) {
    link->sents = 0;
    if (!link->alive) {
        return err_failed(first) ? first : err_make(ERR_STORE_DOWN, "postgres: connection");
    }
    PGresult *result = next_result(link, link->silence_ms);
    bool synced = result != NULL && link->pq->PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    link->pq->PQclear(result); /* NULL is allowed. */
    struct err err = synced ? ERR_OK : lose(link);
    return err_failed(first) ? first : err;
}

/* Ends the round on the wire and waits for all of its answers. */
static struct err close_round(struct pg_link *link, PGresult **ret_result) {
    if (link->pq->PQpipelineSync(link->conn) != 1) {
        return lose(link);
    }
    return end_round(link, read_answers(link, link->sents, ret_result));
}

/* Sends the queued steps, then this statement. */
static bool send_all(struct pg_link *link, const char *sql, const struct arg *args, size_t count,
                     struct sent what) {
    for (size_t i = 0; i < link->queued; i++) {
        const struct pg_step *step = &link->queue[i];
        struct sent queued = {.fence = step->fence, .schema = step->schema};
        if (!send_one(link, step->sql, step->args, step->count, queued)) {
            return false;
        }
    }
    link->queued = 0;
    return send_one(link, sql, args, count, what);
}

static bool send_last(struct pg_link *link, const char *sql, const struct arg *args, size_t count) {
    link->queue_failed = false;
    return link->alive && send_all(link, sql, args, count, (struct sent){.closes = true});
}

struct err pg_link_run(struct pg_link *link, const char *sql, const struct arg *args, size_t count,
                       PGresult **ret_result) {
    assert(!link->streams);
    PGresult *result = NULL;
    struct err err = send_last(link, sql, args, count) ? close_round(link, &result) : lose(link);
    if (err_failed(err) || ret_result == NULL) {
        link->pq->PQclear(result);
        return err;
    }
    *ret_result = result;
    return ERR_OK;
}

struct err pg_link_stream(struct pg_link *link, const char *sql, const struct arg *args,
                          size_t count, PGresult **ret_result) {
    assert(!link->streams);
    if (!send_last(link, sql, args, count) || link->pq->PQpipelineSync(link->conn) != 1) {
        return lose(link);
    }
    PGresult *none = NULL;
    struct err err = read_answers(link, link->sents - 1, &none);
    if (err_failed(err) || !link->alive) {
        if (link->alive) {
            (void)read_one(link, &link->sent[link->sents - 1], &none); /* The server skipped it. */
        }
        return end_round(link, err);
    }
    link->streams = true;
    /* If libpq will not, all rows arrive as one piece, which is right too. */
    (void)link->pq->PQsetSingleRowMode(link->conn);
    return pg_link_stream_next(link, ret_result);
}

struct err pg_link_stream_next(struct pg_link *link, PGresult **ret_result) {
    assert(link->streams);
    PGresult *result = next_result(link, link->silence_ms);
    if (result != NULL && link->pq->PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        *ret_result = result;
        return ERR_OK;
    }
    link->streams = false;
    struct sent last = {.closes = true};
    struct err err = result != NULL ? judge(link, &last, result) : lose(link);
    for (PGresult *end = NULL;
         link->alive && (end = next_result(link, link->silence_ms)) != NULL;) {
        link->pq->PQclear(end);
    }
    err = end_round(link, err);
    if (err_failed(err)) {
        link->pq->PQclear(result);
        return err;
    }
    *ret_result = result;
    return ERR_OK;
}

struct err pg_link_numbers(struct pg_link *link, const char *sql, const struct arg *args,
                           size_t count, enum err_code absent, int64_t *ret_numbers, int columns) {
    const struct libpq *pq = link->pq;
    PGresult *result = NULL;
    TRY(pg_link_run(link, sql, args, count, &result));
    bool read = pq->PQntuples(result) > 0;
    for (int i = 0; i < columns && read; i++) {
        struct bytes text = {pq->PQgetvalue(result, 0, i), (size_t)pq->PQgetlength(result, 0, i)};
        read = !pq->PQgetisnull(result, 0, i) &&
               number_parse(text, (struct number_bounds){INT64_MIN, INT64_MAX}, &ret_numbers[i]);
    }
    pq->PQclear(result);
    return read || absent == ERR_NONE ? ERR_OK : err_make(absent, "postgres: a row is missing");
}

bool pg_link_streams(const struct pg_link *link) {
    return link->streams;
}

struct err pg_link_post(struct pg_link *link, const char *sql, const struct arg *args,
                        size_t count) {
    if (link->sents + 2 * SENT_BY_RUN_MAX > SENT_MAX) {
        return pg_link_run(link, sql, args, count, /* ret_result */ NULL);
    }
    if (!link->alive) {
        return err_make(ERR_STORE_DOWN, "postgres: connection");
    }
    return send_all(link, sql, args, count, (struct sent){.closes = false}) ? ERR_OK : lose(link);
}

void pg_link_drain(struct pg_link *link) {
    link->queued = 0;
    if (link->alive && link->sents > 0) {
        (void)close_round(link, /* ret_result */ NULL); /* The caller is about to roll back. */
    }
}

bool pg_link_queue_failed(const struct pg_link *link) {
    return link->queue_failed;
}

struct err pg_link_script(struct pg_link *link, const char *sql) {
    return run_script(link, sql, link->patience->script_ms);
}
