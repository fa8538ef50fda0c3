/* jail.c: see jail.h.
 *
 * The rows are what the engine and musl's allocator need. Memory is only ever private, anonymous
 * and not executable, and the socket is read and written, nothing else: no descriptor can arrive on
 * it, since that takes another call.
 */
#include "script/worker/jail.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

/* The clocks of other processes have numbers below 0. */
enum { CLOCK_OF_OTHERS = INT32_MIN, KIND_OF_MAP = MAP_TYPE | MAP_ANONYMOUS };

static const struct filter_row rows[] = {
    {SYS_read, FILTER_ALLOW, {{FILTER_EQUAL, 0, FILTER_WHOLE, SCRIPT_FD}}},
    {SYS_write, FILTER_ALLOW, {{FILTER_EQUAL, 0, FILTER_WHOLE, SCRIPT_FD}}},
    {SYS_brk, FILTER_ALLOW, {{0}}},
    {SYS_mmap,
     FILTER_ALLOW,
     {{FILTER_NO_BIT, 2, PROT_EXEC, 0},
      {FILTER_EQUAL, 3, KIND_OF_MAP, MAP_PRIVATE | MAP_ANONYMOUS}}},
    {SYS_mprotect, FILTER_ALLOW, {{FILTER_NO_BIT, 2, PROT_EXEC, 0}}},
    {SYS_mremap, FILTER_ALLOW, {{0}}},
    {SYS_munmap, FILTER_ALLOW, {{0}}},
    {SYS_madvise, FILTER_ALLOW, {{0}}},
    {SYS_clock_gettime, FILTER_ALLOW, {{FILTER_NO_BIT, 0, CLOCK_OF_OTHERS, 0}}},
    {SYS_exit, FILTER_ALLOW, {{0}}},
    {SYS_exit_group, FILTER_ALLOW, {{0}}},
};

static struct err failed(void) {
    return err_from_errno(errno, "jail");
}

struct err jail_prepare(struct jail *ret_jail) {
    const struct rlimit none = {0, 0};
    /* Not dumpable: other processes of the user can't look into it or change it. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
        setrlimit(RLIMIT_FSIZE, &none) < 0 || privileges_drop() < 0) {
        return failed();
    }
    call_filter_begin(&ret_jail->filter);
    call_filter_add(&ret_jail->filter, rows, COUNT_OF(rows));
    call_filter_end(&ret_jail->filter, FILTER_REST_KILLS);
    /* With no path in the ruleset everything that landlock judges is refused. A kernel without
     * landlock has the filter still, which knows no call that takes a path. */
    int abi = landlock_abi();
    AUTO(fd_release) int ruleset = abi < 1 ? -1 : landlock_create(abi);
    bool left = abi < 1 || (ruleset >= 0 && landlock_enter(ruleset) >= 0);
    return left ? ERR_OK : failed();
}

struct err jail_enter(const struct jail *jail, const struct script_birth *birth) {
    const struct rlimit none = {0, 0}, files = {SCRIPT_FD + 1, SCRIPT_FD + 1};
    const struct rlimit memory = {birth->memory_max, birth->memory_max};
    /* The first of the two ends the worker by a signal that says why. */
    const struct rlimit cpu = {SCRIPT_CPU_TOTAL_S, SCRIPT_CPU_TOTAL_S + 1};
    for (int fd = SCRIPT_FD + 1; fd < JAIL_FILES_MAX; fd++) {
        (void)close(fd); /* Most are none. */
    }
    bool entered = setrlimit(RLIMIT_CPU, &cpu) == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0 &&
                   setrlimit(RLIMIT_NPROC, &none) == 0 &&
                   (birth->memory_max == 0 || setrlimit(RLIMIT_AS, &memory) == 0) &&
                   call_filter_enter(&jail->filter) == 0;
    return entered ? ERR_OK : failed();
}
