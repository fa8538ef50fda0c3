/* decide.c: who decided, and what became of it.
 *
 *   claim    lock    exit.json
 *   void                          VOID
 *   closed                        CLOSED
 *   go       held                 ALIVE
 *   go       free    whole        ENDED
 *   go       free    otherwise    GONE
 *   no folder, but something else of its name: STRANGE
 *   none                          NONE; or we link `void` or `closed`, and look again: somebody may
 *                                 have been faster
 *
 * The order of the looks matters. A holder takes the lock before it claims and lets go of it after
 * exit.json is in place; so the claim is read first, then the lock is tried, then the result is
 * read. Nothing here waits for a lock: a holder that stands between its lock and its claim loses
 * the race for the claim to us, or we to it, and link(2) says which.
 *
 * `go` is not synced (but for `once`), so a power cut may leave a claim that is there and empty. It
 * was linked by a holder, since ours are synced; so it is `go`, of a boot that is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/number.h"
#include "loop/world.h"
#include "proc/spool/inside.h"
#include "proc/spool/spool.h"

enum {
    CLAIM_SIZE_MAX = 512,
    CLAIM_WORDS_MAX = 5,
    NONCE_LEN = 32,
    BOOT_ID_LEN = 36,
    LOOKS_MAX = 4, /* Each loses a race for the claim, and a claim never goes away again. */
    TEMPORARY_SIZE = 32,
};

/* --- Reading the claim ------------------------------------------------------------------------ */

enum claim { CLAIM_NONE, CLAIM_VOID, CLAIM_CLOSED, CLAIM_GO };

static size_t split_words(struct bytes line, struct bytes *words, size_t words_max) {
    size_t count = 0, at = 0;
    while (count < words_max && at < line.len) {
        size_t begin = at;
        while (at < line.len && line.data[at] != ' ') {
            at++;
        }
        words[count++] = (struct bytes){line.data + begin, at - begin};
        at++; /* The blank. */
    }
    return count;
}

static bool word_is(struct bytes word, const char *text) {
    return word.len == strlen(text) && memcmp(word.data, text, word.len) == 0;
}

static bool copy_word(struct bytes word, size_t len, char *ret_text) {
    if (word.len != len) {
        return false;
    }
    memcpy(ret_text, word.data, len);
    ret_text[len] = '\0';
    return true;
}

/* Words behind the fifth are of a later version. */
static bool parse_go(const struct bytes *words, size_t count, struct spool_state *state) {
    int64_t pid = 0, start_time = 0;
    uint8_t nonce[NONCE_LEN / 2];
    if (count < CLAIM_WORDS_MAX || !hex_parse(words[4], nonce, sizeof nonce) ||
        !number_parse(words[1], (struct number_bounds){2, INT_MAX}, &pid) ||
        !number_parse(words[2], (struct number_bounds){0, INT64_MAX}, &start_time) ||
        !copy_word(words[3], BOOT_ID_LEN, state->boot_id) ||
        !copy_word(words[4], NONCE_LEN, state->nonce)) {
        return false;
    }
    state->pid = (int)pid;
    state->start_time = (uint64_t)start_time;
    return true;
}

static struct err read_boot_id(char *ret_boot_id, size_t size) {
    AUTO(fd_release) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, ret_boot_id, size - 1);
    if (got < 0) {
        return err_from_errno(errno, "spool: read the boot id");
    }
    ret_boot_id[got] = '\0';
    ret_boot_id[strcspn(ret_boot_id, "\n")] = '\0';
    return ERR_OK;
}

static void forget_holder(struct spool_state *state) {
    state->pid = 0;
    state->start_time = 0;
    state->boot_id[0] = '\0';
    state->nonce[0] = '\0';
    state->rebooted = true;
}

static struct err read_go(const struct bytes *words, size_t count, struct spool_state *state) {
    if (!parse_go(words, count, state)) {
        forget_holder(state);
        return ERR_OK;
    }
    char boot_id[sizeof state->boot_id];
    struct err err = read_boot_id(boot_id, sizeof boot_id);
    if (err_failed(err)) {
        return err;
    }
    state->rebooted = strcmp(boot_id, state->boot_id) != 0;
    return ERR_OK;
}

static struct err read_claim(int folder_fd, struct spool_state *state, enum claim *ret_claim) {
    char claim[CLAIM_SIZE_MAX];
    ptrdiff_t len = 0;
    struct err err = spool__read_file(folder_fd, "claim", claim, sizeof claim, &len);
    if (err_failed(err)) {
        return err;
    }
    if (len == SPOOL__ABSENT) {
        *ret_claim = CLAIM_NONE;
        return ERR_OK;
    }
    if (len == SPOOL__STRANGE) { /* No power cut makes that of a claim. */
        *ret_claim = CLAIM_GO;
        return ERR_OK;
    }
    struct bytes words[CLAIM_WORDS_MAX];
    size_t count = 0;
    const char *end = len <= 0 ? NULL : memchr(claim, '\n', (size_t)len);
    if (end != NULL) {
        count = split_words((struct bytes){claim, (size_t)(end - claim)}, words, COUNT_OF(words));
    }
    if (count > 0 && word_is(words[0], "void")) {
        *ret_claim = CLAIM_VOID;
        return ERR_OK;
    }
    if (count > 0 && word_is(words[0], "closed")) {
        *ret_claim = CLAIM_CLOSED;
        return ERR_OK;
    }
    *ret_claim = CLAIM_GO;
    return read_go(words, count > 0 && word_is(words[0], "go") ? count : 0, state);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static struct err look_at_result(int folder_fd, const char *name, struct spool_state *state) {
    char json[PROTOCOL_EXIT_SIZE];
    ptrdiff_t len = 0;
    struct err err = spool__read_file(folder_fd, "exit.json", json, sizeof json, &len);
    if (err_failed(err)) {
        return err;
    }
    bool whole = len > 0 && spool_exit_parse((struct bytes){json, (size_t)len}, name, &state->exit);
    state->found = whole ? SPOOL_ENDED : SPOOL_GONE;
    return ERR_OK;
}

/* `folder_fd` -1: there is none. */
static struct err look(int folder_fd, const char *name, struct spool_state *state) {
    enum claim claim = CLAIM_NONE;
    struct err err = folder_fd < 0 ? ERR_OK : read_claim(folder_fd, state, &claim);
    if (err_failed(err)) {
        return err;
    }
    if (claim != CLAIM_GO) {
        state->found = claim == CLAIM_VOID     ? SPOOL_VOID
                       : claim == CLAIM_CLOSED ? SPOOL_CLOSED
                                               : SPOOL_NONE;
        return ERR_OK;
    }
    bool held = false;
    err = spool__lock_held(folder_fd, &held);
    if (err_failed(err)) {
        return err;
    }
    if (held) {
        state->found = SPOOL_ALIVE;
        return ERR_OK;
    }
    return look_at_result(folder_fd, name, state);
}

/* --- Deciding --------------------------------------------------------------------------------- */

/* A claim of ours: no holder may begin any more. */
struct refusal {
    enum spool_wish wish; /* DECIDE or CLOSE. */
    int64_t epoch;
};

static struct err write_refusal(int fd, const struct refusal *refusal) {
    char line[48];
    int len = snprintf(line, sizeof line, "%s %lld\n",
                       refusal->wish == SPOOL_CLOSE ? "closed" : "void", (long long)refusal->epoch);
    assert(len > 0 && (size_t)len < sizeof line);
    ssize_t put = write(fd, line, (size_t)len);
    if (put < 0) {
        return err_from_errno(errno, "spool: write a claim");
    }
    if (put != len) {
        return err_from_errno(ENOSPC, "spool: write a claim");
    }
    return fsync(fd) < 0 ? err_from_errno(errno, "spool: sync a claim") : ERR_OK;
}

/* Synced before it is linked: after a power cut a claim without its bytes would pass for a holder's
 * (see above), and what never ran for something that nobody knows the outcome of. Somebody who was
 * faster is no error. */
static struct err link_refusal(int folder_fd, const struct refusal *refusal) {
    char temporary[TEMPORARY_SIZE];
    uint64_t random = 0;
    world_random(world_real(), &random, sizeof random);
    (void)snprintf(temporary, sizeof temporary, ".claim.%016llx", (unsigned long long)random);
    AUTO(fd_release)
    int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno, "spool: make a claim");
    }
    struct err err = write_refusal(fd, refusal);
    if (!err_failed(err) && linkat(folder_fd, temporary, folder_fd, "claim", 0 /* flags */) < 0 &&
        errno != EEXIST) {
        err = err_from_errno(errno, "spool: link a claim");
    }
    (void)unlinkat(folder_fd, temporary, 0 /* a file */); /* It may stay; nobody reads it. */
    if (!err_failed(err) && fsync(folder_fd) < 0) {
        err = err_from_errno(errno, "spool: sync a folder");
    }
    return err;
}

static struct err make_folder(const struct spool *spool, const char *name) {
    if (mkdirat(spool_fd(spool), name, 0700) < 0 && errno != EEXIST) {
        return err_from_errno(errno, "spool: make a folder");
    }
    return fsync(spool_fd(spool)) < 0 ? err_from_errno(errno, "spool: sync the spool") : ERR_OK;
}

static struct err decide(const struct spool *spool, const char *name,
                         const struct refusal *refusal) {
    struct err err = make_folder(spool, name);
    if (err_failed(err)) {
        return err;
    }
    AUTO(fd_release) int folder = -1;
    err = spool__folder(spool, name, &folder);
    if (err_failed(err) || folder < 0) {
        /* Removed, or replaced, in between: the next look sees it. */
        return err.code == ERR_CONFLICT ? ERR_OK : err;
    }
    return link_refusal(folder, refusal);
}

static struct err look_by_name(const struct spool *spool, const char *name,
                               struct spool_state *state) {
    *state = (struct spool_state){.found = SPOOL_NONE};
    AUTO(fd_release) int folder = -1;
    struct err err = spool__folder(spool, name, &folder);
    if (err.code == ERR_CONFLICT) {
        state->found = SPOOL_STRANGE;
        return ERR_OK;
    }
    return err_failed(err) ? err : look(folder, name, state);
}

struct err spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                        int64_t epoch, struct spool_state *ret_state) {
    for (unsigned i = 0; i < LOOKS_MAX; i++) {
        struct spool_state state;
        struct err err = look_by_name(spool, name, &state);
        if (err_failed(err)) {
            return err;
        }
        if (state.found != SPOOL_NONE || wish == SPOOL_LOOK) {
            *ret_state = state;
            return ERR_OK;
        }
        err = decide(spool, name, &(struct refusal){.wish = wish, .epoch = epoch});
        if (err_failed(err)) {
            return err;
        }
    }
    /* Somebody removes the folder as often as we make it. */
    return err_make(ERR_CONFLICT, "spool: decide");
}
