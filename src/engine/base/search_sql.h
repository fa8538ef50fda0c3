/* search_sql.h: SQL by which a list is searched for a text, and the pattern of that text.
 *
 * Promise    upper and lower case are the same for A to Z and for no other letter, as in
 *            page_holds, on both databases: without a collation PostgreSQL's lower() follows the
 *            LC_CTYPE of the database, and folds letters that the pattern keeps. SQLite's folds
 *            ASCII only, and looks for no collation where nothing is compared.
 */
#ifndef DROVER_ENGINE_BASE_SEARCH_SQL_H
#define DROVER_ENGINE_BASE_SEARCH_SQL_H

#include "base/base.h"

#define SEARCH_LOWER(text) "lower(" text " COLLATE \"C\")"
#define SEARCH_PATTERN_SIZE(text_max) (2 * (text_max) + 2)

static inline char search_lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* %text% in lower case, with wildcards of LIKE escaped, in SEARCH_PATTERN_SIZE bytes; "" for "". */
static inline struct bytes search_pattern(struct bytes text, char *ret_pattern) {
    char *at = ret_pattern;
    if (text.len > 0) {
        *at++ = '%';
        for (size_t i = 0; i < text.len; i++) {
            const char c = search_lower(text.data[i]);
            if (c == '%' || c == '_' || c == '!') {
                *at++ = '!';
            }
            *at++ = c;
        }
        *at++ = '%';
    }
    return (struct bytes){ret_pattern, (size_t)(at - ret_pattern)};
}

#endif
