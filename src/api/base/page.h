/* page.h: one page of a list, for every resource that has lists.
 *
 * Promise    a page holds at most `limit` rows, and ends earlier, after a whole row, when its bytes
 *            pass PAGE_BYTES; `next` then tells where to go on. It is null only when nothing is
 *            left: one row more than may be shown is read to know that. A row that is longer than
 *            any answer is left out, and counted: the others are served.
 * Answer     {"items":[…],"next":"CURSOR"|null,"total":N,"more":true,"left_out":N}; `total` only
 *            where it was asked for, `more` where there are more than that, `left_out` only where a
 *            row was left out.
 * Slices     a list is read in slices, in a transaction each; between them other reads have their
 *            turn. page_list does that for any list whose rows follow a cursor; a list with a
 *            count of its own pauses itself (page_read_slices). A page ends after PAGE_SLICES_MAX
 *            of them at the latest, with a `next`, however few rows were found.
 * Ownership  struct page is embedded first in the list's own object, which op_done can end. What
 *            page_read hands out is borrowed from the exchange.
 * Threads    page_read, page_init: the loop. The rest: inside the list's store function.
 */
#ifndef DROVER_API_BASE_PAGE_H
#define DROVER_API_BASE_PAGE_H

#include "api/base/op.h"
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

/* The first positions of a list's query table. What a resource adds begins at PAGE_OWN; where a
 * list is not of one owner, at PAGE_OWNER. */
enum { PAGE_AFTER, PAGE_LIMIT, PAGE_TOTAL, PAGE_OWNER, PAGE_OWN };

#define PAGE_AFTER_PARAM(bytes_max)                                                                \
    {                                                                                              \
        .name = "after", .about = "Cursor: `next` of the page before.", .kind = QUERY_TEXT,        \
        .max = (bytes_max)                                                                         \
    }
#define PAGE_NUMBER_PARAM PAGE_AFTER_PARAM(20) /* A cursor that is a number. */
#define PAGE_PARAMS                                                                                \
    [PAGE_LIMIT] = {.name = "limit",                                                               \
                    .about = "Rows on a page.",                                                    \
                    .kind = QUERY_INT,                                                             \
                    .min = 1,                                                                      \
                    .max = PAGE_LIMIT_MAX,                                                         \
                    .absent = PAGE_LIMIT_DEFAULT},                                                 \
    [PAGE_TOTAL] = {                                                                               \
        .name = "total", .about = "Count the rows of all pages, to 10,000.", .kind = QUERY_FLAG}

/* Filters. Each row that was read is compared, in slices. */
enum { PAGE_WORD_MAX = 200 };
#define PAGE_WORD_PARAM(name_, about_)                                                             \
    { .name = (name_), .about = (about_), .kind = QUERY_TEXT, .max = PAGE_WORD_MAX }
#define PAGE_Q_PARAM(whose) PAGE_WORD_PARAM("q", "Only those whose " whose " contains this text.")
#define PAGE_STATE_PARAM                                                                           \
    PAGE_WORD_PARAM("state", "Only those in this state, or in one of several (a,b).")
#define PAGE_RUN_STATES "queued,running,waiting,succeeded,degraded,failed,cancelled,timed_out,lost"
#define PAGE_SINCE_PARAM(event)                                                                    \
    {                                                                                              \
        .name = "since", .about = "Only those " event " at this time or later; milliseconds.",     \
        .kind = QUERY_INT, .min = 0, .max = INT64_C(1) << 53                                       \
    }

/* The JSON Schema of an answer whose rows have the schema `item`. */
#define PAGE_SCHEMA(item)                                                                          \
    "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":"  \
    "\"array\",\"items\":" item "},\"next\":{\"type\":[\"string\",\"null\"]},\"left_out\":{"       \
    "\"type\":\"integer\"},\"total\":{\"type\":\"integer\"},\"more\":{\"type\":\"boolean\"}}}"

enum page_of { PAGE_OF_OWNER, PAGE_OF_ALL };
struct page_form {
    bool (*valid)(struct bytes cursor); /* NULL: a cursor is a number from 1. */
    enum page_of of;                    /* ALL: there is no `?owner=`. */
};
struct page_ask {
    struct bytes owner;
    struct bytes after; /* A cursor of the form; no bytes: from the start. */
    int64_t from;       /* `after` as a number; 0: from the start. */
    int64_t limit;
    bool total; /* Whether the rows of all pages are counted. */
};
/* False: the request was refused and answered. */
MUST_CHECK bool page_read(struct exchange *exchange, const struct page_form *form,
                          struct page_ask *ret_ask);

/* Text of a filter; "" where it is absent. */
struct bytes page_word(const struct exchange *exchange, unsigned position);
/* Whether `text` contains `q`, whatever the case of ASCII letters. */
bool page_holds(struct bytes text, struct bytes q);
/* Whether `words` (a,b) has the word, or is empty. */
bool page_names(struct bytes words, struct bytes word);
/* Refuses words that are none of `known`, which is a list with commas, too. */
MUST_CHECK struct err page_words_check(struct bytes words, const char *name, const char *known,
                                       struct why *why);

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

/* Progress of a page, copied from slice to slice. */
struct page_at {
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
    /* Progress of page_list: where its next part begins, "" and 0 at the start, */
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
struct page;
/* Reads the rows after `part->after`, `limit` at most, and gives each to page_add, or to page_pass
 * where a filter leaves it out. */
typedef struct err (*page_rows_fn)(struct tx *tx, struct page *page, const struct page_part *part);

struct page {
    struct op op;
    int64_t limit;
    struct store *store;         /* Borrowed; NULL: the list has no slices. */
    store_fn fn;                 /* Function of each slice. */
    page_rows_fn rows;           /* Reader of page_list. */
    struct page_ask ask;         /* Request of page_list. */
    struct page_at now;          /* Progress, while the function runs. */
    struct page_at slice_before; /* Progress at the end of the slice before. */
};

void page_init(struct page *page, struct exchange *exchange, int64_t limit);
/* Reads the list in slices, counts it where that was asked for, and answers. */
void page_list(struct page *page, struct store *store, const struct page_ask *ask,
               page_rows_fn rows);
/* Reads by slices: `fn` gets the page, or what the page is the first member of. */
void page_read_slices(struct page *page, struct store *store, store_fn fn);
/* Begins a slice: the first call in the function. Returns the number of rows to read: those that
 * the page still takes, and one more. */
int64_t page_begin(struct page *page);
/* Ends the slice: the next one goes on at `from`. False: the slices are used up (PAGE_CUT). */
MUST_CHECK bool page_pause(struct page *page, int64_t from);
/* Ends the rows of the answer. True: all rows are to be counted now, from the start. False: the
 * slices were used up, and page_end is next. */
MUST_CHECK bool page_listed(struct page *page);
/* For each row that was read, with its cursor. True: write it to page->op.answer. */
MUST_CHECK bool page_add(struct page *page, struct bytes cursor);
MUST_CHECK bool page_add_number(struct page *page, int64_t cursor);
/* For a row that no filter admits. */
void page_pass(struct page *page, struct bytes cursor);
void page_pass_number(struct page *page, int64_t cursor);
/* For a part that ends before its limit: the next one begins after `cursor`. */
void page_looked(struct page *page, struct bytes cursor);
void page_looked_number(struct page *page, int64_t cursor);
/* Of a page whose slices were used up: the next page begins after `cursor`. */
void page_stop(struct page *page, struct bytes cursor);
/* Ends the answer. `total` PAGE_NO_TOTAL: nobody asked. Above PAGE_TOTAL_MAX, or where the slices
 * were used up, `more` is said with it. */
void page_end(struct page *page, int64_t total);

#endif
