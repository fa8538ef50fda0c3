/* search.c: sessions, and messages of one, by what stands in them.
 *
 * There is no index of words: the two databases have none in common, and a list of words of one's
 * own would have to be kept in step with every change of a text. What is here looks at the texts,
 * newest first, and stops when it has looked at enough; the caller goes on from there.
 */
#include "engine/base/search_sql.h"
#include "engine/session/messages.h"
#include "engine/session/rows.h"

enum {
    BATCH_SESSIONS = 50,
    BATCH_MESSAGES = 20,
    TEXT_HEAD = 256 << 10, /* Characters of one text. */
    SNIPPET_BEFORE = 40,   /* Bytes. */
    SNIPPET_AFTER = 80,
};

struct search {
    struct tx *tx;
    char lower[SESSION_SEARCH_MAX], pattern_text[SEARCH_PATTERN_SIZE(SESSION_SEARCH_MAX)];
    struct bytes text, pattern; /* In lower case. */
    int64_t sessions;
    size_t bytes; /* Looked at so far. */
};

/* Bytes from there to the beginning of the next character. */
static size_t character_rest(struct bytes text, size_t at) {
    size_t from = at;
    while (at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80) {
        at++;
    }
    return at - from;
}

static void search_init(struct search *search, struct tx *tx, struct bytes text) {
    assert(text.len > 0 && text.len <= SESSION_SEARCH_MAX);
    search->tx = tx;
    for (size_t i = 0; i < text.len; i++) {
        search->lower[i] = search_lower(text.data[i]);
    }
    search->text = (struct bytes){search->lower, text.len};
    search->pattern = search_pattern(text, search->pattern_text);
}

/* *ret_around: the text around the first place, in whole characters. */
static bool text_find(const struct search *search, struct bytes text, struct bytes *ret_around) {
    const struct bytes lower = search->text;
    for (size_t at = 0; at + lower.len <= text.len; at++) {
        size_t same = 0;
        while (same < lower.len && search_lower(text.data[at + same]) == lower.data[same]) {
            same++;
        }
        if (same == lower.len) {
            size_t from = at > SNIPPET_BEFORE ? at - SNIPPET_BEFORE : 0;
            size_t to = at + lower.len + SNIPPET_AFTER;
            from += character_rest(text, from);
            to = to < text.len ? to + character_rest(text, to) : text.len;
            *ret_around = (struct bytes){text.data + from, to - from};
            return true;
        }
    }
    return false;
}

/* --- One session ------------------------------------------------------------------------------ */

/* Texts of a batch of messages, newest first, and only of those that hold what is looked for. */
static const char texts_sql[] = "SELECT m.id, m.message, p.bytes, CASE WHEN " SEARCH_LOWER(
    "substr(p.text, 1, 262144)") " LIKE $4 ESCAPE '!' THEN p.text ELSE '' END"
                                 " FROM (SELECT id, message FROM messages WHERE session = $1 AND "
                                 "id < $2"
                                 " AND status NOT IN ('removed', 'reserved') ORDER BY id DESC "
                                 "LIMIT $3) m"
                                 " LEFT JOIN parts p ON p.message = m.id AND p.kind = 'text' ORDER "
                                 "BY m.id DESC, p.number";
static_assert(TEXT_HEAD == 262144, "texts_sql looks at as many characters");

/* False: the session has more text than one call may look at. *ret_hit: text "": not found. */
static bool session_look(struct search *search, const struct session_row *row,
                         struct session_hit *ret_hit) {
    struct session_hit hit = {.message = BYTES(""), .text = BYTES("")};
    int64_t last = INT64_MAX; /* Id of the oldest message looked at. */
    bool more = true;
    if (text_find(search, row->title, &hit.text)) {
        hit.text = row->title;
    }
    while (more && hit.text.len == 0 && search->bytes < SESSION_SEARCH_BYTES) {
        int64_t messages = 0;
        AUTO(rows_release)
        struct rows *rows = tx_rows(search->tx, texts_sql,
                                    ARGS(arg_int(row->id), arg_int(last), arg_int(BATCH_MESSAGES),
                                         arg_text(search->pattern)));
        while (hit.text.len == 0 && rows_step(rows)) {
            messages += rows_int(rows, 0) != last;
            last = rows_int(rows, 0);
            search->bytes += rows_null(rows, 2) ? 0 : (size_t)rows_int(rows, 2);
            /* A database may fold more letters than a-z: such a text is not found. NULL: a message
             * without a text. */
            if (!rows_null(rows, 3) && text_find(search, rows_text(rows, 3), &hit.text)) {
                hit.message = rows_copy(rows, 1);
                hit.text = tx_copy(search->tx, hit.text);
            }
        }
        more = messages == BATCH_MESSAGES;
    }
    *ret_hit = hit;
    return !more || hit.text.len > 0;
}

/* --- One message ------------------------------------------------------------------------------ */

struct err tx_message_search(struct tx *tx, int64_t message, struct bytes text, bool *ret_found,
                             struct bytes *ret_around) {
    static_assert(TEXT_HEAD == 262144, "the statement looks at as many characters");
    struct search search = {.bytes = 0};
    search_init(&search, tx, text);
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT substr(text, 1, 262144) FROM parts WHERE message = $1 AND kind = 'text'"
                " AND " SEARCH_LOWER("substr(text, 1, 262144)") " LIKE $2 ESCAPE '!'"
                                                                " ORDER BY number",
                ARGS(arg_int(message), arg_text(search.pattern)));
    *ret_found = false;
    while (!*ret_found && rows_step(rows)) {
        *ret_found = text_find(&search, rows_text(rows, 0), ret_around);
    }
    if (*ret_found) {
        *ret_around = tx_copy(tx, *ret_around);
    }
    return tx_error(tx);
}

/* --- All of them ------------------------------------------------------------------------------ */

struct walk {
    struct search search;
    struct session_row rows[BATCH_SESSIONS]; /* A batch: their texts are copies. */
    size_t count;
    struct session_cursor after;
    session_found_fn each;
    void *ctx;
    bool ended;
};

static struct err row_keep(void *ctx, const struct session_row *row) {
    struct walk *walk = ctx;
    struct session_row *copy = &walk->rows[walk->count++];
    *copy = *row;
    sessions__copy(walk->search.tx, copy);
    return tx_error(walk->search.tx);
}

/* A session that the bound cut short is looked at anew on the next page, where it comes first;
 * there its newest texts are all that a page can look at, and the walk goes past it. */
static void walk_row(struct walk *walk, const struct session_row *row) {
    struct search *search = &walk->search;
    struct session_hit hit;
    const bool whole = session_look(search, row, &hit), first = search->sessions == 0;
    walk->ended = err_failed(tx_error(search->tx)) || (!whole && !first) ||
                  (hit.text.len > 0 && walk->each(walk->ctx, row, &hit) == SESSION_FOUND_ENOUGH);
    if (!walk->ended) {
        search->sessions++;
        walk->after = (struct session_cursor){.changed_ms = row->changed_ms, .id = row->id};
        walk->ended = search->sessions >= SESSION_SEARCH_SESSIONS ||
                      search->bytes >= SESSION_SEARCH_BYTES || tx_slice_over(search->tx);
    }
}

struct err tx_session_search(struct tx *tx, const struct session_page *page, struct bytes text,
                             session_found_fn each, void *ctx, struct session_cursor *ret_after) {
    struct walk *walk = arena_try(tx_arena(tx), sizeof *walk);
    if (walk == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "sessions: search");
    }
    *walk = (struct walk){.after = page->after, .each = each, .ctx = ctx};
    search_init(&walk->search, tx, text);
    bool all = false;
    while (!walk->ended && !all) {
        struct session_page batch = *page;
        batch.after = walk->after;
        batch.limit = BATCH_SESSIONS;
        walk->count = 0;
        TRY(tx_session_each(tx, &batch, row_keep, walk));
        for (size_t i = 0; !walk->ended && i < walk->count; i++) {
            walk_row(walk, &walk->rows[i]);
        }
        all = !walk->ended && walk->count < BATCH_SESSIONS;
    }
    *ret_after = all ? (struct session_cursor){0, 0} : walk->after;
    return tx_error(tx);
}
