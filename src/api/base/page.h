/* page.h: one page of a list, for every resource that has lists.
 *
 * Promise    a page holds at most `limit` rows, and ends earlier, after a whole row, when its bytes
 *            pass PAGE_BYTES; `next` then tells where to go on. It is null only when nothing is
 *            left: one row more than may be shown is read to know that. A row that is longer than
 *            any answer is left out, and counted: the others are served.
 * Answer     {"items":[…],"next":"CURSOR"|null,"partial":true,"total":N,"more":true,"left_out":N};
 *            `partial` only where the slices were used up before the page was full, `total` only
 *            where it was asked for, `more` where there are more than that, `left_out` only where a
 *            row was left out.
 * Slices     a list is read in slices, in a transaction each; between them other reads have their
 *            turn. A page ends after PAGE_SLICES_MAX of them at the latest, or those of its kind,
 *            with a `next`, however few rows were found.
 * Filters    words of the query that `words` of its table does not name are refused.
 * Ownership  struct page is embedded first in the list's own object. Texts are borrowed from the
 *            exchange.
 * Threads    page_serve: the loop. The rest: inside the list's store function.
 */
#ifndef DROVER_API_BASE_PAGE_H
#define DROVER_API_BASE_PAGE_H

#include "api/base/request.h"
#include "base/base.h"
#include "base/limits.h"
#include "http/http.h"
#include "store/store.h"

enum {
    PAGE_LIMIT_DEFAULT = LIMIT_PAGE_DEFAULT,
    PAGE_LIMIT_MAX = LIMIT_PAGE_MAX,
    PAGE_BYTES = 1 << 20,
    PAGE_CURSOR_MAX = 328, /* Bytes. */
    PAGE_NO_TOTAL = -1,
    PAGE_TOTAL_MAX = 10000, /* Counted so far; what is more is not counted. */
    PAGE_SLICES_MAX = 200,
    PAGE_PART_ROWS = 128, /* Rows of one statement. */
};

/* --- What the client asks for ----------------------------------------------------------------- */

/* The first rows of a list's query table. `bytes_max`: of a cursor. */
#define PAGE_PARAMS(bytes_max) PAGE_PARAMS_UP_TO(bytes_max, PAGE_LIMIT_MAX)
#define PAGE_PARAMS_UP_TO(bytes_max, rows_max)                                                     \
    {QUERY("after", QUERY_TEXT, "Cursor: `next` of the page before."), .max = (bytes_max)},        \
        {QUERY("limit", QUERY_INT, "Rows on a page."), .min = 1, .max = (rows_max),                \
         .absent = PAGE_LIMIT_DEFAULT},                                                            \
    {                                                                                              \
        QUERY("total", QUERY_FLAG, "Count the rows of all pages, to 10,000.")                      \
    }
enum { PAGE_NUMBER = 20 }; /* Bytes of a cursor that is a number. */

/* Filters. Each row that was read is compared, in slices. */
enum { PAGE_WORD_MAX = 200 };
#define PAGE_WORD_PARAM(name_, about_)                                                             \
    { QUERY((name_), QUERY_TEXT, (about_)), .max = PAGE_WORD_MAX }
/* Words of which a filter names one or several; others are refused. */
#define PAGE_WORDS_PARAM(name_, about_, words_)                                                    \
    { QUERY((name_), QUERY_TEXT, (about_)), .max = PAGE_WORD_MAX, .words = (words_) }
#define PAGE_STATE_PARAM(words_)                                                                   \
    PAGE_WORDS_PARAM("state", "Only those in this state, or in one of several (a,b).", words_)
#define PAGE_Q_PARAM(whose) PAGE_WORD_PARAM("q", "Only those whose " whose " contains this text.")
#define PAGE_RUN_STATES "queued,running,waiting,succeeded,degraded,failed,cancelled,timed_out,lost"
#define PAGE_SINCE_PARAM(event)                                                                    \
    {                                                                                              \
        QUERY("since", QUERY_INT, "Only those " event " at this time or later; milliseconds."),    \
            .min = 0, .max = INT64_C(1) << 53                                                      \
    }

/* The JSON Schema of an answer whose rows have the schema `item`. */
#define PAGE_SCHEMA_WITH(more_, item)                                                              \
    "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":"  \
    "\"array\",\"items\":" item "},\"next\":{\"type\":[\"string\",\"null\"]},\"left_out\":{"       \
    "\"type\":\"integer\"},\"partial\":{\"type\":\"boolean\"},\"total\":{\"type\":\"integer\"},"   \
    "\"more\":{\"type\":\"boolean\"}" more_ "}}"
#define PAGE_SCHEMA(item) PAGE_SCHEMA_WITH("", item)

struct page;
/* Whether a row passes the filter of that name; one that is absent admits every row. Any thread. */
/* `word` is one of those asked for (a,b). */
MUST_CHECK bool page_is(const struct page *page, const char *name, struct bytes word);
/* `text` contains `q`, whatever the case of ASCII letters. */
MUST_CHECK bool page_holds(const struct page *page, struct bytes text);
/* `at_ms` is not before `since`. */
MUST_CHECK bool page_since(const struct page *page, int64_t at_ms);
/* Whether `words` (a,b) has the word, or is empty. */
MUST_CHECK bool page_names(struct bytes words, struct bytes word);

/* --- The page --------------------------------------------------------------------------------- */

/* State of a page. page.c draws the edges. */
enum page_state {
    PAGE_LISTING,  /* Rows are written to the answer. */
    PAGE_FULL,     /* All rows of the answer are written, and more follow. */
    PAGE_COUNTING, /* The rows of all pages are counted, from the start. */
    PAGE_CUT,      /* The slices were used up before the last row was read. */
    PAGE_ENDED,    /* The answer is whole. */
    PAGE_STATES
};

enum { PAGE_SUMS = 8 };

/* Progress of a page, copied from slice to slice. */
struct page_at {
    int64_t sums[PAGE_SUMS]; /* Sums that the list adds up while its rows are counted. */
    enum page_state state;
    int64_t rows;     /* Number of rows that the page has come past, */
    int64_t shown;    /* of these that its answer holds, */
    int64_t left_out; /* and of those that are too long for it. */
    int64_t counted;  /* Rows of all pages, so far. */
    int64_t from;     /* Where the slice goes on; 0: in the first one, or the first that counts. */
    int64_t slice;    /* Number of the slice, from 0. */
    size_t len;       /* Length of the answer, where the slice ended. */
    size_t mark;      /* Length of the answer before the last row. */
    size_t last_len;  /* Length of `last`. */
    size_t next_len;  /* Length of `next` of the answer, which is `last`; 0: no page follows. */
    bool partial;     /* Whether the slices were used up before the page was listed. */
    /* Where the next part begins, "" and 0 at the start, */
    size_t at_len;
    int64_t at_number;
    int64_t part_left; /* and the rows that its part may still read; 0: more may follow it. */
    char last[PAGE_CURSOR_MAX];
    char at[PAGE_CURSOR_MAX];
};

/* Where a part of a list begins, and how long it may be. */
struct page_part {
    struct bytes after; /* A cursor; no bytes: from the start. */
    int64_t from;       /* `after` as a number; 0: from the start. */
    int64_t limit;
};
/* Reads the rows after `part->after`, `limit` at most, and gives each to page_row. */
typedef struct err (*page_rows_fn)(struct tx *tx, struct page *page, const struct page_part *part);

struct page_kind {
    /* Size (0: a struct page), `one`, and the steps read, after and end. */
    struct request_kind request;
    bool (*valid)(struct bytes cursor); /* NULL: a cursor is a number from 1, */
    const struct resource *resource;    /* or the name of a row of this; NULL: it is not. */
    page_rows_fn rows;
    int64_t slices; /* Slices of a page that does not count; 0: PAGE_SLICES_MAX. */
    /* Writes the member `sums` of the answer, where all rows were counted; NULL: there is none. */
    void (*sums)(const struct page *page, struct text *text);
    /* Writes members of the list's own, after `next`; NULL: there are none. */
    void (*members)(const struct page *page, struct text *text);
    /* In place of `rows`, of what is not in the store: calls page_begin, …, page_end, and
     * request_answer. */
    void (*begin)(struct page *page);
};

struct page {
    struct request request;
    const struct page_kind *kind;
    struct bytes after; /* Cursor; no bytes: from the start. */
    int64_t from;       /* `after` as a number; 0: from the start. */
    int64_t limit;
    bool total;                  /* Whether the answer has the number of rows of all pages, */
    bool sums;                   /* and the sums of the list. */
    struct page_at now;          /* Progress, while the function runs. */
    struct page_at slice_before; /* Progress at the end of the slice before. */
};
#define PAGE_OF(page_, type) CONTAINER_OF(page_, type, page)

/* Reads the query, and the list in slices; counts it where that was asked for, and answers. */
void page_serve(struct exchange *exchange, const struct page_kind *kind,
                const struct request_host *host);
/* Begins a slice: the first call in the function. Returns the number of rows to read: those that
 * the page still takes, and one more. */
int64_t page_begin(struct page *page);
/* Ends the slice: the next one goes on at `from`. False: the slices are used up (PAGE_CUT). */
MUST_CHECK bool page_pause(struct page *page, int64_t from);
/* Ends the rows of the answer. True: all rows are to be counted now, from the start. False: the
 * slices were used up, and page_end is next. */
MUST_CHECK bool page_listed(struct page *page);
/* For each row that was read, with its cursor. True: write it to the answer. */
MUST_CHECK bool page_add(struct page *page, struct bytes cursor);
MUST_CHECK bool page_add_number(struct page *page, int64_t cursor);
/* The same, where filters may leave the row out. */
MUST_CHECK bool page_row(struct page *page, struct bytes cursor, bool fits);
MUST_CHECK bool page_row_number(struct page *page, int64_t cursor, bool fits);
/* For a part that ends before its limit: the next one begins after `cursor`. */
void page_looked(struct page *page, struct bytes cursor);
void page_looked_number(struct page *page, int64_t cursor);
/* Of a page whose slices were used up: the next page begins after `cursor`. */
void page_stop(struct page *page, struct bytes cursor);
/* Ends the answer. `total` PAGE_NO_TOTAL: nobody asked. Above PAGE_TOTAL_MAX, or where the slices
 * were used up, `more` is said with it. */
void page_end(struct page *page, int64_t total);

#endif
