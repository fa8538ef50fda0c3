/* faulty.c: see faulty.h. The program's own main() runs after the plan is made. */
#include "faulty.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"

/* The calls in front of the C library's have no other place to find it. */
static struct {
    bool active, counting;
    enum faulty_call call;
    enum faulty_how how;
    unsigned first, times;
    const char *kind;  /* Borrowed from the environment, like `under`. */
    const char *under; /* NULL: every file counts. */
    const char *from;  /* NULL: from the beginning. */
    atomic_bool armed; /* `from` was seen. */
    atomic_uint seen[FAULTY_CALLS];
    sqlite3_mem_methods sqlite;
} plan;

static const char *const calls[FAULTY_CALLS] = {
    [FAULTY_ALLOC] = "alloc",       [FAULTY_SQLITE_ALLOC] = "sqlite-alloc",
    [FAULTY_WRITE] = "write",       [FAULTY_SYNC] = "sync",
    [FAULTY_TRUNCATE] = "truncate", [FAULTY_OPEN] = "open",
    [FAULTY_READ] = "read",         [FAULTY_MAP] = "map",
    [FAULTY_RENAME] = "rename",     [FAULTY_UNLINK] = "unlink",
    [FAULTY_START] = "start",       [FAULTY_ANY] = "any",
};

static const char *const hows[FAULTY_HOWS] = {
    [FAULTY_NOT] = "",      [FAULTY_IO] = "io",     [FAULTY_FULL] = "full", [FAULTY_RO] = "ro",
    [FAULTY_KILL] = "kill", [FAULTY_TORN] = "torn", [FAULTY_DONE] = "done",
};

_Noreturn void faulty_die(void) {
    (void)kill(getpid(), SIGKILL); /* Cannot fail. */
    for (;;) {
        (void)pause(); /* Until it arrives. */
    }
}

/* The call is made in the kernel: ours of that name would ask us. */
static bool armed(void) {
    if (plan.from == NULL || atomic_load(&plan.armed)) {
        return true;
    }
    bool there = syscall(SYS_faccessat, AT_FDCWD, plan.from, F_OK) == 0;
    atomic_store(&plan.armed, there);
    return there;
}

static bool is_any(enum faulty_call call) {
    return plan.call == FAULTY_ANY && call > FAULTY_SQLITE_ALLOC;
}

bool faulty_wants(enum faulty_call call) {
    return plan.active && (plan.counting || plan.call == call || is_any(call)) && armed();
}

bool faulty_below(const char *path) {
    size_t len = plan.under == NULL ? 0 : strlen(plan.under);
    return len == 0 ||
           (strncmp(path, plan.under, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

static void say(unsigned nth, const char *path) {
    char thread[16] = "";
    (void)pthread_getname_np(pthread_self(), thread, sizeof thread); /* It fits. */
    (void)dprintf(STDERR_FILENO, "fault: %s:%u at %s in %s\n", plan.kind, nth, path, thread);
}

enum faulty_how faulty_turn(enum faulty_call call, const char *path) {
    if (!faulty_wants(call)) {
        return FAULTY_NOT;
    }
    if (plan.counting && call > FAULTY_SQLITE_ALLOC) {
        (void)atomic_fetch_add(&plan.seen[FAULTY_ANY], 1);
    }
    unsigned nth = atomic_fetch_add(&plan.seen[is_any(call) ? FAULTY_ANY : call], 1) + 1;
    if (plan.counting || nth < plan.first || (plan.times > 0 && nth >= plan.first + plan.times)) {
        return FAULTY_NOT;
    }
    if (nth == plan.first) {
        say(nth, path);
    }
    if (plan.how == FAULTY_KILL) {
        faulty_die();
    }
    return plan.how;
}

/* --- The plan --------------------------------------------------------------------------------- */

_Noreturn static void refuse(const char *text) {
    (void)fprintf(stderr, "faulty: DROVER_FAULT is not a plan: %s\n", text);
    exit(125);
}

static unsigned plan_number(const char *text) {
    int64_t number = 0;
    struct bytes digits = {text, strlen(text)};
    if (!number_parse(digits, (struct number_bounds){0, 1000000000}, &number)) {
        refuse(text);
    }
    return (unsigned)number;
}

static bool plan_kind(const char *kind) {
    for (enum faulty_call call = 0; call < FAULTY_CALLS; call++) {
        size_t len = strlen(calls[call]);
        if (strcmp(kind, calls[call]) == 0) {
            plan.call = call;
            plan.how = FAULTY_IO;
            return call <= FAULTY_SQLITE_ALLOC;
        }
        for (enum faulty_how how = FAULTY_IO; how < FAULTY_HOWS; how++) {
            if (strncmp(kind, calls[call], len) == 0 && kind[len] == '-' &&
                strcmp(kind + len + 1, hows[how]) == 0) {
                plan.call = call;
                plan.how = how;
                return true;
            }
        }
    }
    return false;
}

static void *faulty_sqlite_malloc(int size) {
    bool fails = faulty_turn(FAULTY_SQLITE_ALLOC, "SQLite's memory") != FAULTY_NOT;
    return fails ? NULL : plan.sqlite.xMalloc(size);
}

static void *faulty_sqlite_realloc(void *old, int size) {
    bool fails = faulty_turn(FAULTY_SQLITE_ALLOC, "SQLite's memory") != FAULTY_NOT;
    return fails ? NULL : plan.sqlite.xRealloc(old, size);
}

static void sqlite_take_over(void) {
    sqlite3_mem_methods methods;
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &methods);
    assert(rc == SQLITE_OK);
    plan.sqlite = methods;
    methods.xMalloc = faulty_sqlite_malloc;
    methods.xRealloc = faulty_sqlite_realloc;
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    assert(rc == SQLITE_OK);
}

/* Ends `text` at its first colon; what is behind it, or NULL. */
static char *cut(char *text) {
    char *colon = strchr(text, ':');
    if (colon != NULL) {
        *colon++ = '\0';
    }
    return colon;
}

static void plan_read(const char *text) {
    char *copy = strdup(text); /* Lives as long as the program. */
    assert(copy != NULL);
    const char *kind = copy;
    char *first = cut(copy);
    const char *times = first == NULL ? NULL : cut(first);
    if (first == NULL || !plan_kind(kind)) {
        refuse(text);
    }
    plan.kind = kind;
    plan.first = plan_number(first);
    plan.times = times == NULL ? 1 : plan_number(times);
}

__attribute__((constructor)) static void plan_make(void) {
    const char *text = getenv("DROVER_FAULT");
    if (text == NULL) {
        return;
    }
    plan.counting = strcmp(text, "count") == 0;
    if (!plan.counting) {
        plan_read(text);
    }
    plan.under = getenv("DROVER_FAULT_UNDER");
    plan.from = getenv("DROVER_FAULT_FROM");
    if (plan.counting || plan.call == FAULTY_SQLITE_ALLOC) {
        sqlite_take_over();
    }
    plan.active = true;
}

__attribute__((destructor)) static void plan_end(void) {
    for (enum faulty_call call = 0; plan.counting && call < FAULTY_CALLS; call++) {
        (void)dprintf(STDERR_FILENO, "fault: %s has %u points\n", calls[call], plan.seen[call]);
    }
}

/* --- The program's own allocations, by --wrap ------------------------------------------------- */

/* Those that may not fail end the program, and that is all there is to say of them; they are no
 * points. On the way they ask mem_try as well. */
static _Thread_local unsigned must;

void *__real_mem_try(size_t size);
void *__real_mem_try_grow(void *old, size_t size);
void *__real_mem_new(size_t size);
void *__real_mem_new_array(size_t count, size_t size);
void *__real_mem_grow(void *old, size_t size);
char *__real_mem_copy(const char *bytes, size_t len);
void *__wrap_mem_try(size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);
void *__wrap_mem_new(size_t size);
void *__wrap_mem_new_array(size_t count, size_t size);
void *__wrap_mem_grow(void *old, size_t size);
char *__wrap_mem_copy(const char *bytes, size_t len);

static bool memory_fails(void) {
    return must == 0 && faulty_turn(FAULTY_ALLOC, "memory") != FAULTY_NOT;
}

void *__wrap_mem_try(size_t size) {
    return memory_fails() ? NULL : __real_mem_try(size);
}

void *__wrap_mem_try_grow(void *old, size_t size) {
    return memory_fails() ? NULL : __real_mem_try_grow(old, size);
}

void *__wrap_mem_new(size_t size) {
    must++;
    void *memory = __real_mem_new(size);
    must--;
    return memory;
}

void *__wrap_mem_new_array(size_t count, size_t size) {
    must++;
    void *memory = __real_mem_new_array(count, size);
    must--;
    return memory;
}

void *__wrap_mem_grow(void *old, size_t size) {
    must++;
    void *memory = __real_mem_grow(old, size);
    must--;
    return memory;
}

char *__wrap_mem_copy(const char *bytes, size_t len) {
    must++;
    char *copy = __real_mem_copy(bytes, len);
    must--;
    return copy;
}
