/* fuzz_spool.c: what a holder left in its folder: `claim`, and behind the first NUL `exit.json`. A
 * command may have written anything there.
 *
 * Whatever it is, one look decides, and a second one says the same. A claim that is there is never
 * taken for none, since then the command would run again.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json/json.h"
#include "proc/spool/spool.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NAME "run_a.1"

static char root[] = "/tmp/fuzz-spool-XXXXXX";
static struct spool *spool;
static int folder = -1;

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void clean_up(void) {
    (void)unlinkat(folder, "claim", 0); /* What is not there need not go; all of it. */
    (void)unlinkat(folder, "exit.json", 0);
    fd_release(&folder);
    (void)unlinkat(spool_fd(spool), NAME, AT_REMOVEDIR);
    (void)rmdir(spool_path(spool));
    spool_close(spool);
    (void)rmdir(root);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    require(mkdtemp(root) != NULL);
    require(!err_failed(spool_open(root, &spool)));
    require(mkdirat(spool_fd(spool), NAME, 0700) == 0);
    folder = openat(spool_fd(spool), NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(folder >= 0 && atexit(clean_up) == 0);
    return 0;
}

static void put(const char *name, struct bytes bytes) {
    AUTO(fd_release)
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
}

static void look_at_exit(const struct spool_exit *exit) {
    require(exit->code >= 0 && exit->code <= 255 && exit->signal >= 0 && exit->signal <= 127);
    require(exit->os >= 0 && strnlen(exit->step, sizeof exit->step) < sizeof exit->step);
    require(exit->out >= 0 && exit->err >= 0 && exit->pty >= 0 && exit->in >= 0);
    require(exit->cpu_us >= 0 && exit->memory_kb >= 0 && exit->left >= 0);
    require(exit->started_ms >= 0 && exit->ended_ms >= 0);
    require(exit->processes >= 0 || exit->processes == EXIT_UNCOUNTED);
}

static void look_at_state(const struct spool_state *state) {
    require(state->found == SPOOL_VOID || state->found == SPOOL_CLOSED ||
            state->found == SPOOL_ENDED || state->found == SPOOL_GONE);
    if (state->found == SPOOL_ENDED) {
        look_at_exit(&state->exit);
    }
    if (state->found == SPOOL_VOID || state->pid == 0) {
        return;
    }
    require(state->pid > 1 && strlen(state->boot_id) == 36 && strlen(state->nonce) == 32);
    require(strspn(state->nonce, "0123456789abcdefABCDEF") == 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const char *text = (const char *)data;
    if (len > 3 * PROTOCOL_EXIT_SIZE) {
        return 0;
    }
    const char *split = len == 0 ? NULL : memchr(text, '\0', len);
    size_t first = split == NULL ? len : (size_t)(split - text);
    size_t behind = split == NULL ? len : first + 1;
    const struct bytes json = {text + behind, len - behind};
    put("claim", (struct bytes){text, first});
    put("exit.json", json);

    struct spool_exit exit;
    bool whole = spool_exit_parse(json, NULL /* any name */, &exit);
    if (whole) {
        look_at_exit(&exit);
    }
    struct spool_state state = {0}, again = {0};
    require(!err_failed(spool_decide(spool, NAME, SPOOL_LOOK, 1 /* epoch */, &state)));
    look_at_state(&state);
    require(whole || state.found != SPOOL_ENDED);
    require(!err_failed(spool_decide(spool, NAME, SPOOL_DECIDE, 2 /* epoch */, &again)));
    require(again.found == state.found && again.pid == state.pid);
    return 0;
}
