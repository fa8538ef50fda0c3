/* holder_kit.h: the built holder, driven from outside as a daemon does it.
 *
 * Each wait is for an event and ends after a minute with a failed test. Everything happens in a
 * scratch folder of the test; what is left of a failed test's processes ends with their orders'
 * timeouts.
 */
#ifndef DROVER_TEST_HOLDER_KIT_H
#define DROVER_TEST_HOLDER_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/base.h"
#include "proc/spool/protocol.h"

#define KIT_NAME "run_test.1"
#define KIT_NONCE "0123456789abcdef0123456789abcdef"

enum { KIT_JSON_SIZE = PROTOCOL_EXIT_SIZE + 1, KIT_WORDS_SIZE = 1 << 16, KIT_PATH_SIZE = 512 };

struct kit {
    char spool[128];
};
int kit_open(void **state);
int kit_close(void **state); /* Removes the folder with all that is in it. */
#define KIT_TEST(test) cmocka_unit_test_setup_teardown(test, kit_open, kit_close)

struct kit_order {
    const char *const *argv;
    const char *shell;      /* Instead: sh -c SHELL. */
    const char *const *env; /* NULL: PATH alone. */
    const char *cwd;        /* NULL: the spool. */
    const char *spool;      /* NULL: the kit's. */
    const char *cgroup;     /* NULL: none. */
    unsigned flags;
    struct bytes input;
    uint64_t timeout_ms, grace_ms, log_max, memory_max, processes_max, rows, columns;
    const char *const *write; /* Ends with NULL; NULL: none. */
    const char *const *hide;  /* Ends with NULL; NULL: nothing. Then the order is a strict one. */
    uint64_t file_max;        /* RLIMIT_FSIZE of the holder: where its disk ends. 0: none. */
    struct bytes raw;         /* Instead of all that: the order's bytes. */
};

/* A holder, or a connection to one. */
struct held {
    struct kit *kit;
    pid_t pid;
    int fd;
    size_t len;
    char words[KIT_WORDS_SIZE]; /* What came and was not taken yet. */
};
struct held *kit_start(struct kit *kit, const struct kit_order *order);
struct held *kit_connect(struct kit *kit);
void kit_let_go(struct held *held);      /* Closes the connection. */
int kit_wait_process(struct held *held); /* Its wait status. */

void kit_say(struct held *held, const char *words);
void kit_say_bytes(struct held *held, struct bytes bytes);
/* Skips lines until one begins so; returns what follows there, until the next call. */
const char *kit_wait_line(struct held *held, const char *beginning);
/* Waits until `grown STREAM` or a result says that at least that many bytes are there. */
void kit_wait_size(struct held *held, const char *stream, long size);
bool kit_is_closed(struct held *held); /* Waits for the end of the connection. */

/* Waits for the last word and for the holder's end; returns exit.json as the disk has it. */
const char *kit_wait_result(struct held *held);
/* The whole life of one command. */
const char *kit_run(struct kit *kit, const struct kit_order *order);
long kit_number(const char *json, const char *key);
void kit_assert_text(const char *json, const char *key, const char *expected);

/* A file of the run's folder: whole, terminated, ended by free(). NULL: there is none. */
char *kit_file(struct kit *kit, const char *name, size_t *ret_len);
void kit_assert_file(struct kit *kit, const char *name, const char *expected);
void kit_path(struct kit *kit, const char *name, char *ret_path);
bool kit_has(struct kit *kit, const char *name);

/* Checks that no process of the command is left: none whose folder is the scratch folder. */
void kit_assert_alone(struct kit *kit);

#endif
