/* limits.h: the bounds that more than one room must agree on. A bound that one room keeps for
 * itself stands in that room's header.
 */
#ifndef DROVER_BASE_LIMITS_H
#define DROVER_BASE_LIMITS_H

enum {
    LIMIT_BODY_MAX = 1 << 20,        /* Bytes of one request body; more answers 413. */
    LIMIT_PAGE_MAX = 200,            /* Items of one page of a list. */
    LIMIT_PAGE_DEFAULT = 50,         /* The same, when the client names none. */
    LIMIT_PATH_MAX = 4096,           /* Bytes of a file's path, with the terminator. */
    LIMIT_LOG_LINE_MAX = 4096,       /* Bytes of one log line: what a pipe takes in one piece. */
    LIMIT_LOOP_PARSE_MAX = 64 << 10, /* Bytes of JSON parsed on the loop; more goes to a thread. */
};

#endif
