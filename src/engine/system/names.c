/* names.c: see names.h.
 *
 * An id is a prefix and 26 characters that begin with its time, so that the ids which begin alike
 * are a range of the unique index on ids. That index knows no owner: rows of other owners are
 * passed over here, and count as rows that were read.
 */
#include "engine/system/names.h"

#include <string.h>

#include "base/id.h"

const char *const name_kind_names[NAME_KINDS + 1] = {
    "run",      "job",   "turn",   "agent",   "workflow", "session", "approval",
    "delivery", "token", "memory", "message", "terminal", "mail",    "tree",
};

enum { ID_CHARS = 26, PREFIX_SIZE = 6 /* "mail_" */ };

/* Statements have the columns id, kind, label, time, owner, and 1 for a run that has ended. */
struct name_source {
    const char *prefix;   /* "run_" */
    const char *by_id;    /* Ids from $1 to $2, at most $3 rows. */
    const char *by_label; /* Label $2 of the owner $1, at most $3 rows; NULL: it has no label. */
    const char *newest;   /* Newest objects of the owner $1, at most $2 rows. */
};

#define RUN_NAME                                                                                   \
    "SELECT run, kind, CASE label WHEN '' THEN command ELSE label END, made_ms, owner,"            \
    " CASE WHEN ended_ms IS NULL THEN 0 ELSE 1 END FROM runs"
/* The index of kinds is used only where the kind is known not to be `agent`. */
#define OF_KIND(kind_) " WHERE owner = $1 AND kind <> 'agent' AND kind = '" kind_ "'"
#define RUN_TOPS(kind_)                                                                            \
    "SELECT id FROM (SELECT id, root FROM runs" OF_KIND(                                           \
        kind_) " ORDER BY id DESC LIMIT 200) " kind_ "s WHERE root = 0"
/* Runs inside of others got their label from us or from a script: "sh". It would hide that of a run
 * that a person named. An agent stands in a workflow, and answers where an agent is asked for. */
#define RUN_SOURCE(labelled_, newest_)                                                             \
    {                                                                                              \
        .prefix = "run_",                                                                          \
        .by_id = RUN_NAME " WHERE run >= $1 AND run <= $2 ORDER BY run DESC LIMIT $3",             \
        .by_label = RUN_NAME " WHERE owner = $1 AND label = $2 AND label <> ''"                    \
                             " AND length(label) <= 500" labelled_ " LIMIT $3",                    \
        .newest = (newest_)                                                                        \
    }
#define RUN_SOURCE_OF(where_, labelled_)                                                           \
    RUN_SOURCE(labelled_, RUN_NAME where_ " ORDER BY id DESC LIMIT $2")
#define LABELLED_TOP " AND root = 0 ORDER BY id DESC"
#define LABELLED_ANY " ORDER BY root DESC, id DESC"

#define MESSAGE_NAME                                                                               \
    "SELECT message, 'message', messages.role, messages.made_ms, owner, 0 FROM messages"           \
    " JOIN sessions ON sessions.id = messages.session"

#define MAIL_NAME "SELECT mail, 'mail', title, made_ms, owner, 0 FROM mail"
#define TREE_NAME "SELECT tree, 'tree', name, made_ms, owner, 0 FROM trees"
#define TERMINAL_NAME "SELECT terminal, 'terminal', name, made_ms, owner, 0 FROM terminals"

static const struct name_source sources[NAME_KINDS] = {
    [NAME_RUN] = RUN_SOURCE(
        LABELLED_TOP, RUN_NAME
        " WHERE id IN (" RUN_TOPS("job") " UNION ALL " RUN_TOPS("turn") " UNION ALL " RUN_TOPS(
            "workflow") " UNION ALL " RUN_TOPS("flow") ") ORDER BY id DESC LIMIT $2"),
    [NAME_JOB] = RUN_SOURCE_OF(OF_KIND("job"), LABELLED_TOP),
    [NAME_TURN] = RUN_SOURCE_OF(OF_KIND("turn"), LABELLED_TOP),
    [NAME_AGENT] = RUN_SOURCE_OF(" WHERE owner = $1 AND kind = 'agent'", LABELLED_ANY),
    [NAME_WORKFLOW] = RUN_SOURCE_OF(OF_KIND("workflow"), LABELLED_TOP),
    [NAME_SESSION] = {.prefix = "ses_",
                      .by_id = "SELECT session, 'session', title, made_ms, owner, 0 FROM sessions"
                               " WHERE session >= $1 AND session <= $2 AND hidden = 0"
                               " ORDER BY session DESC LIMIT $3",
                      .by_label =
                          "SELECT session, 'session', title, made_ms, owner, 0 FROM sessions"
                          " WHERE owner = $1 AND title = $2 AND title <> '' AND hidden = 0"
                          " AND length(title) <= 500"
                          " ORDER BY id DESC LIMIT $3",
                      .newest =
                          "SELECT session, 'session', title, changed_ms, owner, 0 FROM sessions"
                          " WHERE owner = $1 AND parent = 0 AND archived_ms IS NULL AND hidden = 0"
                          " ORDER BY changed_ms DESC, id DESC LIMIT $2"},
    [NAME_APPROVAL] =
        {.prefix = "apr_",
         .by_id = "SELECT approval, 'approval', step, asked_ms, owner, 0 FROM approvals"
                  " WHERE approval >= $1 AND approval <= $2 ORDER BY approval DESC LIMIT $3",
         .newest = "SELECT approval, 'approval', step, asked_ms, owner, 0 FROM approvals"
                   " WHERE owner = $1 AND answered_ms IS NULL ORDER BY id DESC LIMIT $2"},
    [NAME_DELIVERY] =
        {.prefix = "dlv_",
         .by_id = "SELECT delivery, 'delivery', address, made_ms, owner, 0 FROM inbox"
                  " WHERE delivery >= $1 AND delivery <= $2 ORDER BY delivery DESC LIMIT $3",
         .newest = "SELECT delivery, 'delivery', address, made_ms, owner, 0 FROM inbox"
                   " WHERE owner = $1 AND settled_ms IS NULL ORDER BY id DESC LIMIT $2"},
    [NAME_TOKEN] =
        {.prefix = "tok_",
         .by_id = "SELECT token, 'token', label, made_ms, owner, 0 FROM tokens"
                  " WHERE token >= $1 AND token <= $2 AND revoked_ms IS NULL"
                  " ORDER BY token DESC LIMIT $3",
         /* Live tokens are few (TOKEN_COUNT_MAX), and have no index by label or owner. */
         .by_label = "SELECT token, 'token', label, made_ms, owner, 0 FROM tokens"
                     " WHERE $1 <> '' AND token > 'tok_' AND label = $2 AND revoked_ms IS NULL"
                     " ORDER BY token DESC LIMIT $3",
         .newest = "SELECT token, 'token', label, made_ms, owner, 0 FROM tokens"
                   " WHERE $1 <> '' AND token > 'tok_' AND revoked_ms IS NULL ORDER BY token DESC "
                   "LIMIT $2"},
    [NAME_MEMORY] = {.prefix = "mem_",
                     .by_id = "SELECT memory, 'memory', title, made_ms, owner, 0 FROM memory"
                              " WHERE memory >= $1 AND memory <= $2 ORDER BY memory DESC LIMIT $3",
                     /* An owner has at most MEMORY_ROWS_MAX, and no index by title. */
                     .by_label = "SELECT memory, 'memory', title, made_ms, owner, 0 FROM memory"
                                 " WHERE owner = $1 AND title = $2 ORDER BY id DESC LIMIT $3",
                     .newest = "SELECT memory, 'memory', title, made_ms, owner, 0 FROM memory"
                               " WHERE owner = $1 ORDER BY id DESC LIMIT $2"},
    [NAME_TERMINAL] = {.prefix = "trm_",
                       .by_id = TERMINAL_NAME " WHERE terminal >= $1 AND terminal <= $2"
                                              " ORDER BY terminal DESC LIMIT $3",
                       /* An owner has at most TERMINALS_MAX, and no index by name. */
                       .by_label = TERMINAL_NAME
                       " WHERE owner = $1 AND name = $2 ORDER BY id DESC LIMIT $3",
                       .newest = TERMINAL_NAME " WHERE owner = $1 ORDER BY id DESC LIMIT $2"},
    [NAME_MAIL] = {.prefix = "mail_",
                   .by_id =
                       MAIL_NAME " WHERE mail >= $1 AND mail <= $2 ORDER BY mail DESC LIMIT $3",
                   .newest = MAIL_NAME " WHERE owner = $1 ORDER BY id DESC LIMIT $2"},
    [NAME_TREE] = {.prefix = "tre_",
                   .by_id =
                       TREE_NAME " WHERE tree >= $1 AND tree <= $2 ORDER BY tree DESC LIMIT $3",
                   /* The index is that of the owner, whose trees are few. */
                   .by_label = TREE_NAME " WHERE owner = $1 AND name = $2 AND state <> 'gone'"
                                         " ORDER BY id DESC LIMIT $3",
                   .newest = TREE_NAME " WHERE owner = $1 AND state <> 'gone'"
                                       " ORDER BY id DESC LIMIT $2"},
    [NAME_MESSAGE] = {.prefix = "msg_",
                      .by_id = MESSAGE_NAME " WHERE message >= $1 AND message <= $2"
                                            " ORDER BY message DESC LIMIT $3",
                      .newest = MESSAGE_NAME " WHERE messages.id IN (SELECT id FROM messages"
                                             " ORDER BY id DESC LIMIT 200) AND owner = $1"
                                             " AND hidden = 0 ORDER BY messages.id DESC LIMIT $2"},
};

/* Progress of one query over its statements. */
struct names {
    const struct name_query *query;
    void (*each)(void *ctx, const struct name_row *row);
    void *ctx;
    int64_t found;
    bool more;
};

static bool row_fits(const struct name_query *query, struct bytes kind, struct bytes owner) {
    bool any_run = query->kind == NAME_RUN && !bytes_is(kind, "title");
    return (any_run || bytes_is(kind, name_kind_names[query->kind])) &&
           (query->kind == NAME_TOKEN || bytes_equal(owner, query->owner));
}

static void names_read(struct tx *tx, struct names *names, const char *sql, const struct arg *args,
                       size_t count) {
    const struct name_query *query = names->query;
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, count);
    int64_t read = 0;
    while (!names->more && rows_step(rows)) {
        const struct name_row row = {.id = rows_text(rows, 0),
                                     .kind = rows_text(rows, 1),
                                     .label = rows_text(rows, 2),
                                     .made_ms = rows_int(rows, 3),
                                     .ended = rows_int(rows, 5) != 0};
        read++;
        if (row_fits(query, row.kind, rows_text(rows, 4))) {
            names->more = names->found == query->limit;
            if (!names->more) {
                names->found++;
                names->each(names->ctx, &row);
            }
        }
    }
    names->more = names->more || read >= NAMES_READ;
}

/* First and last id of those that begin with "run_01kq" or "01kq". False: no id does. */
static bool id_range(const struct name_source *source, struct bytes q, struct id *ret_first,
                     struct id *ret_last) {
    size_t prefix_len = strlen(source->prefix);
    if (q.len >= prefix_len && memcmp(q.data, source->prefix, prefix_len) == 0) {
        q = (struct bytes){q.data + prefix_len, q.len - prefix_len};
    }
    if (q.len < NAMES_PREFIX_MIN || q.len > ID_CHARS) {
        return false;
    }
    char whole[PREFIX_SIZE + ID_CHARS];
    memcpy(whole, source->prefix, prefix_len);
    memset(whole + prefix_len, '0', ID_CHARS);
    memcpy(whole + prefix_len, q.data, q.len);
    char first[4] = "";
    memcpy(first, source->prefix, prefix_len - 1);
    if (!id_valid(whole, prefix_len + ID_CHARS, first)) {
        return false;
    }
    *ret_first = id_copy((struct bytes){whole, prefix_len + q.len});
    memset(whole + prefix_len + q.len, 'z', ID_CHARS - q.len);
    *ret_last = id_copy((struct bytes){whole, prefix_len + ID_CHARS});
    return true;
}

struct err tx_names_each(struct tx *tx, const struct name_query *query,
                         void (*each)(void *ctx, const struct name_row *row), void *ctx,
                         bool *ret_more) {
    const struct name_source *source = &sources[query->kind];
    struct names names = {.query = query, .each = each, .ctx = ctx};
    struct id first, last;
    if (query->q.len == 0) {
        names_read(tx, &names, source->newest,
                   ARGS(arg_text(query->owner), arg_int(query->limit + 1)));
    } else if (source->by_label != NULL) {
        names_read(tx, &names, source->by_label,
                   ARGS(arg_text(query->owner), arg_text(query->q), arg_int(NAMES_READ)));
    }
    if (query->q.len > 0 && id_range(source, query->q, &first, &last)) {
        names_read(tx, &names, source->by_id,
                   ARGS(arg_str(first.text), arg_str(last.text), arg_int(NAMES_READ)));
    }
    *ret_more = names.more;
    return tx_error(tx);
}
