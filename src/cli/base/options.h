/* options.h: rows of a table of flags (struct flag), short where a flag is of an ordinary kind.
 *
 *   static const struct flag tail_flags[] = {
 *       OPTION_SWITCH("follow", 'f', "Follow: print new events as they come."),
 *       OPTION_TEXT("model", 'm', "NAME", "Which model.", .env = "DROVER_MODEL"),
 *       OPTION_INT("after", 0, "SEQ", 0, INT64_MAX, "Start after this event.", .absent = "0"),
 *       OPTION_END,
 *   };
 *
 * A row is the name, the letter (0: none), what stands for the value in help, the bounds of a
 * number, and the sentence of help; further members of struct flag may follow.
 */
#ifndef DROVER_CLI_BASE_OPTIONS_H
#define DROVER_CLI_BASE_OPTIONS_H

#define OPTION_SWITCH(name_, letter_, ...)                                                         \
    { .name = (name_), .letter = (letter_), .kind = FLAG_SWITCH, .about = __VA_ARGS__ }
#define OPTION_TEXT(name_, letter_, value_, ...)                                                   \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .kind = FLAG_TEXT, .value = (value_),                \
        .about = __VA_ARGS__                                                                       \
    }
#define OPTION_LIST(name_, letter_, value_, ...)                                                   \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .kind = FLAG_LIST, .value = (value_),                \
        .about = __VA_ARGS__                                                                       \
    }
#define OPTION_NUMBER(kind_, name_, letter_, value_, min_, max_, ...)                              \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .kind = (kind_), .value = (value_), .min = (min_),   \
        .max = (max_), .about = __VA_ARGS__                                                        \
    }
#define OPTION_INT(name_, letter_, value_, min_, max_, ...)                                        \
    OPTION_NUMBER(FLAG_INT, name_, letter_, value_, min_, max_, __VA_ARGS__)
/* Bounds in milliseconds. */
#define OPTION_TIME(name_, min_, max_, ...)                                                        \
    OPTION_NUMBER(FLAG_DURATION, name_, 0, "TIME", min_, max_, __VA_ARGS__)
#define OPTION_DATABASE                                                                            \
    OPTION_TEXT("database", 0, "URL", "Use postgres://… instead of SQLite in the data directory.", \
                .env = "DROVER_DATABASE")
/* The time for which a command waits for a daemon that is away. */
#define OPTION_RETRY(about_)                                                                       \
    OPTION_TIME("retry-for", 0, INT64_C(24) * 3600 * 1000, about_, .absent = "5m")
#define OPTION_END                                                                                 \
    { .name = NULL }

#endif
