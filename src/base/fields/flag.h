/* flag.h: a flag of a command line. Rows stand in the tables of commands (cli/base/args.h) and,
 * for a field that users set, in the row of the field (fields.h). All texts are static. */
#ifndef DROVER_BASE_FIELDS_FLAG_H
#define DROVER_BASE_FIELDS_FLAG_H

#include <stdbool.h>
#include <stdint.h>

enum flag_kind { FLAG_SWITCH, FLAG_TEXT, FLAG_INT, FLAG_DURATION, FLAG_SIZE, FLAG_LIST };

/* Milliseconds: 10,000 days. */
#define FLAG_AGE_MAX (INT64_C(10000) * 24 * 3600 * 1000)

struct field_set;

struct flag {
    const char *name; /* Without the dashes. */
    char letter;      /* "-f"; 0: none. */
    enum flag_kind kind;
    const char *value; /* Placeholder of the value in help: "DIR". */
    const char *about; /* Help, in a line. */
    /* Value where the flag stands alone; another one comes after "=" only. NULL: it needs one. */
    const char *alone;
    const char *choices; /* TEXT, or each word of a LIST: "sse|ws|poll"; NULL: free. */
    int64_t min, max;    /* INT, DURATION (in ms), SIZE (in bytes). In a field's row 0 and 0: the
                          * bounds of the field. */
    /* A setting can also come from the environment and from the configuration file (there its key
     * is the name with "_" for "-"). */
    const char *env; /* NULL: not from there. */
    /* Words between bars that are no short names here: the command says itself what "last" means,
     * which else is the newest. NULL: none. */
    const char *own_words;
    bool in_file;       /* May stand in the configuration file. */
    const char *absent; /* Value when no source has one, as text; NULL: none. */
    /* A row of a command's table that stands for the flags of these fields, in their order: those
     * that set them, or those that narrow a list by them. It has a name only to tell it from the
     * end of the table. NULL: an ordinary flag. */
    const struct field_set *fields;
    bool filters;
};
#define FLAGS_OF(fields_)                                                                          \
    { .name = "", .fields = (fields_) }
#define FILTERS_OF(fields_)                                                                        \
    { .name = "", .fields = (fields_), .filters = true }

#endif
