/* proc_kit.h: what the tests of processes share: a folder of their own, files in it, the spool's
 * files as a holder would leave them, and processes that wait until they are ended.
 */
#ifndef DROVER_TEST_PROC_KIT_H
#define DROVER_TEST_PROC_KIT_H

#include <sys/types.h>

#include "base/base.h"
#include "proc/spool/spool.h"

#define NONCE_LIKE "0123456789abcdef0123456789abcdef"
/* Of this test program alone: others run beside it, and must not find its processes. */
const char *nonce(void);
#define EXIT_GOOD                                                                                  \
    "{\"v\":1,\"name\":\"run_a.1\",\"end\":\"exited\",\"code\":3,\"signal\":0,\"errno\":0,"        \
    "\"step\":\"\",\"why\":\"itself\",\"out\":3,\"err\":4,\"pty\":0,\"in\":5,\"cpu_us\":6,"        \
    "\"memory_kb\":7,\"processes\":8,\"started_ms\":9,\"ended_ms\":10,\"left\":0}"

struct place {
    char dir[64];
    struct spool *spool; /* Owned. */
};
void place_init(struct place *place);
void place_done(struct place *place); /* Removes it all. */

/* Of the attempt's folder, which is made if need be. The answer lives until the next call. */
const char *place_path(const struct place *place, const char *name, const char *file);
void put_file(const char *path, struct bytes content);
void put_text(const char *path, const char *text);
bool file_exists(const char *path);
void read_text(const char *path, char *ret_text, size_t size);

/* go PID STARTTIME BOOT_ID NONCE, of a process that lives. `boot_id` NULL: this one. */
void put_claim(const struct place *place, const char *name, pid_t pid, const char *boot_id);
int hold_lock(const struct place *place, const char *name); /* Until the descriptor is closed. */
/* Padded to its size, as a holder does. */
void put_exit(const struct place *place, const char *name, const char *json);

/* Starts `argv` with nothing but `env` in its environment; output is dropped. */
pid_t start_process(const char *const *argv, const char *const *env);
bool process_lives(pid_t pid);        /* And is no zombie. */
void end_process(pid_t pid);          /* Kills and collects a child. */
void wait_for_file(const char *path); /* Up to a minute, else the test fails. */
pid_t read_pid(const char *path);

#endif
