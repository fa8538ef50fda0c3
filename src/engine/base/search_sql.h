/* search_sql.h: SQL by which a list is searched for a text.
 *
 * Promise    upper and lower case are the same for A to Z and for no other letter, as in
 *            page_holds, on both databases: without a collation PostgreSQL's lower() follows the
 *            LC_CTYPE of the database, and folds letters that the pattern keeps. SQLite's folds
 *            ASCII only, and looks for no collation where nothing is compared.
 */
#ifndef DROVER_ENGINE_BASE_SEARCH_SQL_H
#define DROVER_ENGINE_BASE_SEARCH_SQL_H

#define SEARCH_LOWER(text) "lower(" text " COLLATE \"C\")"

#endif
