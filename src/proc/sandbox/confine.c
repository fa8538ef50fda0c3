/* confine.c: see confine.h. */
#include "proc/sandbox/confine.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Capabilities ----------------------------------------------------------------------------- */

enum { CAPABILITIES_MAX = 64, VERSION_3 = 0x20080522 };

/* From the bounding set where we may; the rest says that there is nothing to gain any more. */
int privileges_drop(void) {
    const struct {
        uint32_t version;
        int pid;
    } header = {VERSION_3, 0};
    const struct { uint32_t effective, permitted, inheritable; } none[2] = {{0, 0, 0}, {0, 0, 0}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return -1;
    }
    for (unsigned long i = 0; i < CAPABILITIES_MAX; i++) {
        (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* Only who has them may, and must. */
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* None without the others. */
    return (int)syscall(SYS_capset, &header, none);
}

/* --- Landlock --------------------------------------------------------------------------------- */

enum {
    CREATE_RULESET = 444,
    ADD_RULE = 445,
    RESTRICT_SELF = 446
}; /* The same on every processor. */
enum { WHICH_VERSION = 1, PATH_BENEATH = 1, SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 };
enum { RIGHTS_FIRST = (1 << 13) - 1 }; /* ABI 1: bits 0 to 12. */

struct ruleset {
    uint64_t files, net, scopes; /* An older kernel gets the first ones only. */
};

struct path_beneath {
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));

int landlock_abi(void) {
    long abi = syscall(CREATE_RULESET, NULL /* no rules */, 0UL, WHICH_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

uint64_t landlock_rights(int abi) {
    uint64_t rights = RIGHTS_FIRST;
    rights |= abi >= LANDLOCK_ABI_REFER ? LANDLOCK_REFER : 0U;
    rights |= abi >= LANDLOCK_ABI_TRUNCATE ? LANDLOCK_TRUNCATE : 0U;
    rights |= abi >= LANDLOCK_ABI_IOCTL_DEV ? LANDLOCK_IOCTL_DEV : 0U;
    return rights;
}

int landlock_create(int abi) {
    struct ruleset rules = {.files = landlock_rights(abi)};
    size_t size = sizeof rules.files;
    if (abi >= LANDLOCK_ABI_SCOPES) {
        rules.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
        size = sizeof rules;
    }
    return (int)syscall(CREATE_RULESET, &rules, size, 0UL); /* Born close-on-exec. */
}

int landlock_allow(int ruleset, int fd, uint64_t rights) {
    const struct path_beneath rule = {.rights = rights, .fd = fd};
    return (int)syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0UL);
}

int landlock_enter(int ruleset) {
    return (int)syscall(RESTRICT_SELF, ruleset, 0UL);
}

/* --- System calls -----------------------------------------------------------------------------
 *
 * Each row becomes a few steps: is it this call, does each condition hold, then the answer. A path
 * through it costs some hundred comparisons at worst, and the kernel remembers which calls are
 * allowed whatever their arguments are.
 */

#if defined(__x86_64__)
enum { FOREIGN_BIT = 0x40000000 }; /* x32: the same processor by other numbers. */
#define PROCESSOR 0xC000003EU
#elif defined(__aarch64__)
enum { FOREIGN_BIT = 0 };
#define PROCESSOR 0xC00000B7U
#else
#error "there is no filter of system calls for this processor"
#endif

enum { LOAD = 0x20, AND = 0x54, IF_EQUAL = 0x15, IF_ANY_BIT = 0x45, RETURN = 0x06 };
enum { AT_NUMBER = 0, AT_PROCESSOR = 4, AT_ARGUMENTS = 16, ARGUMENT_SIZE = 8 };
#define ANSWER_KILL 0x80000000U
#define ANSWER_ERRNO 0x00050000U
#define ANSWER_ALLOW 0x7FFF0000U

static struct filter_step *put(struct filter *filter, int code, uint32_t value) {
    assert(filter->len < FILTER_MAX);
    struct filter_step *step = &filter->steps[filter->len++];
    *step = (struct filter_step){.code = (uint16_t)code, .value = value};
    return step;
}

/* Jumps out of a row whose condition does not hold. Their targets, the first instruction after the
 * row, are filled in once the length of the row is known. */
struct exits {
    struct filter_step *steps[FILTER_CONDITIONS_MAX];
    bool on_yes[FILTER_CONDITIONS_MAX];
    size_t count;
};

static void put_condition(struct filter *filter, const struct filter_condition *condition,
                          struct exits *exits) {
    bool of_bits = condition->how == FILTER_ANY_BIT || condition->how == FILTER_NO_BIT;
    put(filter, LOAD, AT_ARGUMENTS + ARGUMENT_SIZE * (uint32_t)condition->argument);
    if (condition->mask != FILTER_WHOLE || of_bits) {
        put(filter, AND, (uint32_t)condition->mask);
    }
    exits->steps[exits->count] = put(filter, IF_EQUAL, of_bits ? 0U : (uint32_t)condition->value);
    exits->on_yes[exits->count++] =
        condition->how == FILTER_NOT_EQUAL || condition->how == FILTER_ANY_BIT;
}

static void put_row(struct filter *filter, const struct filter_row *row) {
    struct filter_step *other_call = put(filter, IF_EQUAL, (uint32_t)row->call);
    uint16_t begin = filter->len;
    struct exits exits = {.count = 0};
    for (size_t i = 0; i < FILTER_CONDITIONS_MAX && row->conditions[i].how != FILTER_UNUSED; i++) {
        put_condition(filter, &row->conditions[i], &exits);
    }
    bool allows = row->answer == FILTER_ALLOW;
    put(filter, RETURN, allows ? ANSWER_ALLOW : ANSWER_ERRNO | (uint32_t)row->answer);
    for (size_t i = 0; i < exits.count; i++) {
        struct filter_step *step = exits.steps[i];
        ptrdiff_t distance = &filter->steps[filter->len] - step - 1;
        *(exits.on_yes[i] ? &step->yes : &step->no) = (uint8_t)distance;
    }
    if (exits.count > 0) {
        put(filter, LOAD, AT_NUMBER);
    }
    other_call->no = (uint8_t)(filter->len - begin);
}

void call_filter_begin(struct filter *filter) {
    filter->len = 0;
    put(filter, LOAD, AT_PROCESSOR);
    put(filter, IF_EQUAL, PROCESSOR)->yes = 1;
    put(filter, RETURN, ANSWER_KILL);
    put(filter, LOAD, AT_NUMBER);
    put(filter, IF_ANY_BIT, FOREIGN_BIT)->no = 1;
    put(filter, RETURN, ANSWER_KILL);
}

void call_filter_add(struct filter *filter, const struct filter_row *rows, size_t count) {
    for (size_t i = 0; i < count && rows[i].call >= 0; i++) {
        put_row(filter, &rows[i]);
    }
}

void call_filter_end(struct filter *filter, enum filter_rest rest) {
    put(filter, RETURN, rest == FILTER_REST_KILLS ? ANSWER_KILL : ANSWER_ALLOW);
}

int call_filter_enter(const struct filter *filter) {
    enum { MODE_FILTER = 2 };
    const struct {
        unsigned short len;
        const struct filter_step *steps;
    } program = {filter->len, filter->steps};
    return prctl(PR_SET_SECCOMP, MODE_FILTER, &program);
}
