/* fields.h: a field of the API is declared once, as a row of a table, and everything else follows
 * from the row: reading a request, writing an answer, openapi.json, the flag of a command and the
 * body that the command sends (cli/base/flags.h).
 *
 * Where      the table of a resource is rules/FEATURE/fields.c; the struct that its rows point into
 *            (`at`) is declared beside it.
 * Promise    a member that the table does not name, a wrong type and a passed bound are refused by
 *            name (base/json/json.h has the sentences). An answer has its members in the order of
 *            the rows.
 * Ownership  tables are static. What is read is borrowed from the JSON value.
 * Threads    any; pure.
 */
#ifndef DROVER_BASE_FIELDS_FIELDS_H
#define DROVER_BASE_FIELDS_FIELDS_H

#include "base/base.h"
#include "base/err.h"
#include "base/fields/flag.h"
#include "base/json/json.h"
#include "base/text.h"

/* Kind of a value, and type of its member in the struct. */
enum field_kind {
    FIELD_TEXT,    /* struct bytes */
    FIELD_CHARS,   /* const char *; NULL: absent */
    FIELD_ID,      /* struct id; shown only */
    FIELD_INT,     /* int64_t */
    FIELD_TIME,    /* int64_t, milliseconds since 1970; shown only; 0 is shown as null */
    FIELD_DAY,     /* int64_t, days since 1970; shown only, as "2026-11-20" */
    FIELD_BOOL,    /* bool */
    FIELD_NAME,    /* enum: index in `names`, where "" is empty; shown only */
    FIELD_NAMES,   /* unsigned: bit n is names[n]; an array of strings */
    FIELD_TEXTS,   /* json_t *: an array of strings; read only */
    FIELD_LIST,    /* struct field_list: an array of strings, kept as JSON in the row */
    FIELD_JSON,    /* json_t *: any value, which the reader checks; read only */
    FIELD_STORED,  /* struct bytes: JSON of a row; shown only */
    FIELD_OBJECT,  /* Members of `fields`, of the struct there */
    FIELD_MEMBERS, /* struct bytes: a stored object, whose members the answer gets; shown only */
};

/* A list as a body gave it, and as its row keeps it. A row is shown as given, where it was; what is
 * kept is written with the row. */
struct field_list {
    json_t *given;     /* Borrowed; NULL: it was not given. */
    struct bytes kept; /* ["a","b"]; "": none. */
};

/* Purposes of a field. */
enum field_use {
    FIELD_GIVEN = 1 << 0,      /* Taken from the body of the request that makes a resource, */
    FIELD_CHANGED = 1 << 1,    /* and of the one that changes it. */
    FIELD_LISTED = 1 << 2,     /* Shown, by lists too. */
    FIELD_WHOLE = 1 << 3,      /* Shown where a resource is shown alone. */
    FIELD_KEPT = 1 << 4,       /* In the row alone, */
    FIELD_WRITTEN = 1 << 5,    /* and never read from it. */
    FIELD_TOLD = 1 << 6,       /* In the event NAME_changed. */
    FIELD_KEPT_WHOLE = 1 << 7, /* As FIELD_KEPT, but not read for lists. */
    FIELD_SHOWN = FIELD_LISTED | FIELD_TOLD,
};

/* When the column of a field is written. */
enum field_group {
    FIELD_INSERTED = 1,  /* When the row is made, */
    FIELD_SET = 2,       /* and with the group of columns that changes together; the next group:
                         * FIELD_SET << 1. */
    FIELD_KEY = 1 << 20, /* Part of the key, after the field that the resource names. */
};

/* How a list of the rows is narrowed, by a parameter of the query. */
enum field_filter {
    FIELD_UNFILTERED,
    FIELD_EQUAL, /* NAME=VALUE: rows with this value. Part of the statement, for an index. */
    FIELD_EQUAL_OR_NONE, /* The same, and rows without one; "" is a value, too. */
    FIELD_ANY_OF,        /* NAME=a,b: rows with one of these words. */
    FIELD_SINCE,         /* `since`: rows of this time or later. */
    FIELD_HAS,           /* NAME=WORD: rows whose list has this word. */
    FIELD_SEARCH,        /* `q`: rows where it, or another field like it, contains this text. */
};

/* How commands show a field where there is not room for all. */
enum field_fit {
    FIELD_CUTS,
    FIELD_LEAVES, /* The column is not shown. */
    FIELD_WRAPS,  /* The last column: its value continues on the lines below. */
    FIELD_BELOW,  /* A text of many lines, which follow those of the other fields. */
};
/* Widths of columns. FIELD_REST: the rest of the line; such a column is the last one. */
enum { FIELD_REST = 1000, FIELD_ID_WIDTH = 30, FIELD_TIME_WIDTH = 11 };

/* How an empty value is shown: 0, false, "", no bytes. The description of an answer requires what
 * is not left out. */
enum field_empty { FIELD_EMPTY_SHOWN, FIELD_EMPTY_NULL, FIELD_EMPTY_LEFT_OUT };

/* Value of a field that is computed from the row. */
struct field_value {
    bool left_out;      /* The answer has no such member, */
    bool null;          /* or null. */
    const char *prefix; /* FIELD_TEXT: begin of the text, before `text`; NULL: none. */
    struct bytes text;
    int64_t number; /* FIELD_INT, FIELD_TIME, FIELD_BOOL */
};

struct field {
    const char *name;
    enum field_kind kind;
    unsigned use;  /* Bits of enum field_use; 0: those of the table. */
    size_t at;     /* Offset of the member. */
    bool required; /* Must be given, but not to change one; in answers: is never left out. */
    bool or_null;  /* INT: may be given as null, which is 0; in the row `none` is NULL. */
    bool plain;    /* Text that terminals show: control characters are refused. */
    enum field_empty empty;
    int64_t none;             /* INT, shown: a value that stands for null; 0: there is none. */
    int64_t min, max;         /* Read: bytes of a text, a value, a number of items; as in json.h. */
    int64_t each_max;         /* LIST: bytes of each string; none is empty. */
    int64_t absent;           /* INT, NAMES: value where none is given. */
    const char *const *names; /* NAME, NAMES, and a text that must be one of them; NULL ends it. */
    const struct field_set *fields;             /* OBJECT */
    struct field_value (*get)(const void *row); /* Shown: computes the value; NULL: the member. */
    const char *schema; /* JSON Schema, where kind and bounds do not say it; NULL: they do. */
    struct flag flag;   /* Name NULL: the commands have none. */
    /* Members for resources (base/resource/resource.h). */
    const char *column; /* Name of the column; NULL: it has none. */
    unsigned group;     /* Bits of enum field_group. */
    enum field_filter filter;
    const char *filter_about; /* The filter, in a line. Of several with FIELD_SEARCH one has it. */
    struct flag filter_flag;  /* The same as a flag; of FIELD_ANY_OF with its choices. */
    /* Output of commands. A line of one row begins with the heading, in lower case. */
    const char *head; /* "CREATED"; NULL: the name of the field. */
    int width;        /* Width of the column, as printf has it; 0: none. */
    enum field_fit fit;
};

/* Members of a row that most rows have, and heading and width of a column. */
#define FIELD(name_, kind_, at_) .name = (name_), .kind = (kind_), .at = (at_)
#define FIELD_HEAD(head_, width_) .head = (head_), .width = (width_)

/* The flag of a row: any; with a bound of its own, from `least_`; with these words. */
#define FLAG(name_, kind_, value_, about_)                                                         \
    .flag = {.name = (name_), .kind = (kind_), .value = (value_), .about = (about_)}
#define FLAG_SIZED(name_, least_, about_)                                                          \
    .flag = {.name = (name_),                                                                      \
             .kind = FLAG_SIZE,                                                                    \
             .value = "SIZE",                                                                      \
             .min = (least_),                                                                      \
             .max = INT64_C(1) << 50,                                                              \
             .about = (about_)}
#define FLAG_WORD(name_, value_, choices_, about_)                                                 \
    .flag = {.name = (name_),                                                                      \
             .kind = FLAG_TEXT,                                                                    \
             .value = (value_),                                                                    \
             .choices = (choices_),                                                                \
             .about = (about_)}

/* Members of a row that is a filter: the parameter of the API, and the flag. The texts follow
 * "Only", "Only those" and "Only those whose". */
#define FILTER_TEXT(filter_, name_, letter_, value_, about_)                                       \
    .filter = (filter_), .filter_about = "Only " about_,                                           \
    .filter_flag = {.name = (name_),                                                               \
                    .letter = (letter_),                                                           \
                    .kind = FLAG_TEXT,                                                             \
                    .value = (value_),                                                             \
                    .about = "List only " about_}
#define FILTER_STATE(choices_)                                                                     \
    .filter = FIELD_ANY_OF,                                                                        \
    .filter_about = "Only those in this state, or in one of several (a,b).",                       \
    .filter_flag = {.name = "state",                                                               \
                    .kind = FLAG_LIST,                                                             \
                    .value = "STATE",                                                              \
                    .choices = (choices_),                                                         \
                    .about = "List only those in this state, or in one of several: a,b."}
#define FILTER_SINCE(event_)                                                                       \
    .filter = FIELD_SINCE,                                                                         \
    .filter_about = "Only those " event_ " at this time or later; milliseconds.",                  \
    .filter_flag = {.name = "since",                                                               \
                    .kind = FLAG_DURATION,                                                         \
                    .value = "AGE",                                                                \
                    .min = 1,                                                                      \
                    .max = FLAG_AGE_MAX,                                                           \
                    .about = "List only those " event_ " within this time: 30m, 12h, 7d."}
#define FILTER_SEARCH(where_)                                                                      \
    .filter = FIELD_SEARCH, .filter_about = "Only those whose " where_ " contains this text.",     \
    .filter_flag = {.name = "search",                                                              \
                    .kind = FLAG_TEXT,                                                             \
                    .value = "TEXT",                                                               \
                    .about = "List only those whose " where_ " contains this text."}

struct field_set {
    const struct field *rows;
    size_t count;
    unsigned use;       /* Use of rows that name none. */
    const char *schema; /* Further members of the JSON Schema, with a comma after; NULL: none. */
};
static inline bool field_has(const struct field_set *set, const struct field *field, unsigned use) {
    return ((field->use != 0 ? field->use : set->use) & use) != 0;
}
enum { FIELD_ROWS_MAX = 90 }; /* Rows of one table. */
/* A longer table is an error of the build: it would stop the daemon at its first request. */
#define FIELD_ROWS(rows_)                                                                          \
    .rows = (rows_),                                                                               \
    .count = COUNT_OF(rows_) + 0 * sizeof(struct {                                                 \
                                   _Static_assert(COUNT_OF(rows_) <= FIELD_ROWS_MAX,               \
                                                  "too many rows: FIELD_ROWS_MAX");                \
                                   char none;                                                      \
                               })

/* Reads a body by the rows with this use. Members that are not given get `absent`, or stay as they
 * are. `object` NULL: nothing is given, as where a request may be without a body.
 * ERR_UNKNOWN_FIELD, ERR_MISSING_FIELD, ERR_BAD_FIELD: `into` holds a part, so it is a local. */
MUST_CHECK struct err fields_read(const struct field_set *set, enum field_use use,
                                  const json_t *object, void *into, struct why *why);

/* Texts of a struct that came from elsewhere, by the bounds of the rows with this use; one without
 * data was not given. ERR_BAD_FIELD. */
MUST_CHECK struct err fields_check(const struct field_set *set, enum field_use use, const void *row,
                                   struct why *why);
/* The index of a word among `names`. ERR_BAD_FIELD: `why` says "WHERE: 'WORD' is none of …". */
MUST_CHECK struct err field_name_find(const char *const *names, struct bytes word,
                                      const char *where, unsigned *ret_at, struct why *why);

/* Whether a list of the row has that word. */
MUST_CHECK bool field_list_has(const struct field *field, struct bytes word, const void *row);

/* The value of a row: what the field computes, or the member. */
struct field_value fields_value(const struct field *field, const void *row);
/* Writes the object. `use`: FIELD_LISTED, or FIELD_LISTED | FIELD_WHOLE. */
void fields_write(const struct field_set *set, unsigned use, const void *row, struct text *text);
/* The member of one row of the table, alone, with a comma before it unless it follows a brace. */
void fields_add_one(const struct field_set *set, const char *name, const void *row,
                    struct text *text);

/* A body or an answer, described. */
struct field_shape {
    const struct field_set *fields; /* NULL: none. */
    unsigned use;
    const struct field_set *more; /* A further table, whose fields follow; NULL: none. */
    bool page;                    /* A page of them (api/base/page.h). */
    bool loose;                   /* An answer is described without required members. */
};
void fields_schema(const struct field_shape *shape, struct text *text);

#endif
