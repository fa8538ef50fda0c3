/* page.h: one page of a list, for every resource that has lists.
 *
 * Promise    a page holds at most `limit` rows, and ends earlier, after a whole row, when its bytes
 *            pass PAGE_BYTES; `next` then tells where to go on. It is null exactly when nothing is
 *            left: one row more than may be shown is read to know that. A row that is longer than
 *            any answer is left out, and counted: the others are served.
 * Answer     {"items":[…],"next":"CURSOR"|null,"total":N,"left_out":N}; `total` only where it was
 *            asked for, `left_out` only where a row was left out.
 * Ownership  struct page is embedded first in the list's own object, which op_done can end. What
 *            page_read hands out is borrowed from the exchange.
 * Threads    page_read, page_init: the loop. The rest: inside the list's store function.
 */
#ifndef DROVER_API_PAGE_H
#define DROVER_API_PAGE_H

#include "api/op.h"
#include "base/base.h"
#include "base/limits.h"
#include "http/http.h"

enum {
    PAGE_LIMIT_DEFAULT = LIMIT_PAGE_DEFAULT,
    PAGE_LIMIT_MAX = LIMIT_PAGE_MAX,
    PAGE_BYTES = 1 << 20,
    PAGE_CURSOR_MAX = 328, /* Bytes. */
    PAGE_NO_TOTAL = -1,
};

/* --- What the client asks for ----------------------------------------------------------------- */

/* The first positions of a list's query table. What a resource adds begins at PAGE_OWN; where a
 * list is not of one owner, at PAGE_OWNER. */
enum { PAGE_AFTER, PAGE_LIMIT, PAGE_OWNER, PAGE_OWN };

#define PAGE_AFTER_PARAM(bytes_max)                                                                \
    {                                                                                              \
        .name = "after", .about = "Cursor: `next` of the page before.", .kind = QUERY_TEXT,        \
        .max = (bytes_max)                                                                         \
    }
#define PAGE_NUMBER_PARAM PAGE_AFTER_PARAM(20) /* A cursor that is a number. */
#define PAGE_LIMIT_PARAM                                                                           \
    {                                                                                              \
        .name = "limit", .about = "Rows on a page.", .kind = QUERY_INT, .min = 1,                  \
        .max = PAGE_LIMIT_MAX, .absent = PAGE_LIMIT_DEFAULT                                        \
    }
#define PAGE_TOTAL_PARAM                                                                           \
    { .name = "total", .about = "Count all rows too.", .kind = QUERY_FLAG }

/* The JSON Schema of an answer whose rows have the schema `item`. */
#define PAGE_SCHEMA_OPEN(item)                                                                     \
    "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":"  \
    "\"array\",\"items\":" item "},\"next\":{\"type\":[\"string\",\"null\"]},\"left_out\":{"       \
    "\"type\":\"integer\"}"
#define PAGE_SCHEMA(item) PAGE_SCHEMA_OPEN(item) "}}"
#define PAGE_SCHEMA_TOTAL(item) PAGE_SCHEMA_OPEN(item) ",\"total\":{\"type\":\"integer\"}}}"

enum page_of { PAGE_OF_OWNER, PAGE_OF_ALL };
struct page_form {
    bool (*valid)(struct bytes cursor); /* NULL: a cursor is a number from 1. */
    enum page_of of;                    /* ALL: there is no `?owner=`. */
};
struct page_ask {
    struct bytes owner;
    struct bytes after; /* A cursor of the form; no bytes: from the start. */
    int64_t from;       /* The same as a number; 0: from the start. */
    int64_t limit;
};
/* The answer was given when it is false. */
MUST_CHECK bool page_read(struct exchange *exchange, const struct page_form *form,
                          struct page_ask *ret_ask);

/* --- The page --------------------------------------------------------------------------------- */

struct page {
    struct op op;
    int64_t limit;
    /* While the function runs. */
    int64_t rows;     /* Number of those that the page has come past, */
    int64_t shown;    /* of these that its answer holds, */
    int64_t left_out; /* and of those that are too long for it. */
    size_t mark;      /* Length of the answer before its last row. */
    size_t last_len;
    bool full; /* A row was left out: read no further. */
    char last[PAGE_CURSOR_MAX];
};

void page_init(struct page *page, struct exchange *exchange, int64_t limit);
/* First thing in the function. How many rows to read: one more than are shown. */
int64_t page_begin(struct page *page);
/* For each row that was read, with its cursor. True: write it to page->op.answer. */
MUST_CHECK bool page_add(struct page *page, struct bytes cursor);
MUST_CHECK bool page_add_number(struct page *page, int64_t cursor);
/* The next page goes on behind `cursor`, whatever was shown of what stands before it. */
void page_stop(struct page *page, struct bytes cursor);
/* Last thing. `total` PAGE_NO_TOTAL: nobody asked. */
void page_end(struct page *page, int64_t total);

#endif
