/* main.c: sim [--seed S | --seeds N [--from S]] [--operations N] [--ops LIST] [--trace] [--twice]
 *     [--first] [--here] [--hashes] [--seconds N] [--hosts N] [--world flows|changes] [--judged N]
 * sim --print-program N: the script of the workflow program with that number.
 *
 * Each seed runs in a process of its own, forked from one that has made the migrated database: an
 * assert of the code, a crash or an endless loop is a failure of that seed. A failing seed is run
 * again with fewer operations (shrink.c), and the shortest command that still fails is printed.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/json/json.h"
#include "base/number.h"
#include "program.h"
#include "shrink.h"
#include "warm.h"

enum { OPERATIONS_DEFAULT = 60, SECONDS_DEFAULT = 60, FAILURES_MAX = 5 };

struct arguments {
    const char *program;
    uint64_t from, count;
    unsigned operations;
    unsigned seconds; /* CPU time that a seed may take. */
    unsigned hosts;
    uint64_t judged; /* Fewest flows whose end is judged: the run fails below it. */
    enum sim_mix mix;
    bool trace, twice, here;
    bool first;      /* Ends with the first failure, and does not shrink it. */
    bool hashes;     /* Prints the hash of each trace. */
    const char *ops; /* NULL: all. */
};

/* --- The private folder ----------------------------------------------------------------------- */

static int entry_remove(const char *path, const struct stat *about, int kind, struct FTW *place) {
    (void)about;
    (void)kind;
    (void)place;
    (void)remove(path); /* What stays is in nobody's way. */
    return 0;
}

static void folder_clear(const char *folder) {
    (void)nftw(folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void folder_make(const char *folder, const char *name) {
    char path[96];
    (void)snprintf(path, sizeof path, "%s%s%s", folder, name[0] == '\0' ? "" : "/", name);
    int rc = mkdir(path, 0700);
    assert(rc == 0 || errno == EEXIST);
}

/* --- One seed --------------------------------------------------------------------------------- */

static void seed_in_this_process(struct sim *sim) {
    folder_make(sim->options.folder, "");
    folder_make(sim->options.folder, "data");
    folder_make(sim->options.folder, "project");
    folder_make(sim->options.folder, "home");
    char data[96], home[96];
    (void)snprintf(data, sizeof data, "%s/data", sim->options.folder);
    (void)snprintf(home, sizeof home, "%s/home", sim->options.folder);
    (void)snprintf(sim->project, sizeof sim->project, "%s/project", sim->options.folder);
    int rc = setenv("HOME", home, 1);
    assert(rc == 0);
    rc = setenv("TZ", "UTC0", 1); /* Midnights of a seed are the same on each machine. */
    assert(rc == 0);
    sim->life.data_dir = data;
    steps_run(sim);
}

static uint64_t *shared_hash(void) {
    static uint64_t *hash;
    if (hash == NULL) {
        hash = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert(hash != MAP_FAILED);
    }
    return hash;
}

static _Noreturn void seed_child(const struct sim_options *options, int error_fd) {
    if (error_fd >= 0) {
        (void)dup2(error_fd, STDERR_FILENO);
    }
    /* Limit of CPU time, which a busy machine gives slowly; SIGPROF ends the seed. Nothing here
     * waits, but broken code might: SIGALRM ends that. */
    const struct itimerval computing = {.it_value.tv_sec = (time_t)options->seconds};
    const struct itimerval waiting = {.it_value.tv_sec = (time_t)options->seconds * 20};
    (void)setitimer(ITIMER_PROF, &computing, NULL /* there is none */);
    (void)setitimer(ITIMER_REAL, &waiting, NULL /* there is none */);
    struct sim *sim = sim_new(sizeof *sim);
    sim->options = *options;
    seed_in_this_process(sim);
    shared_hash()[0] = sim->hash;
    shared_hash()[1] = sim->steps;
    shared_hash()[2] = sim->life.number;
    shared_hash()[3] = sim->judged;
    _exit(0);
}

struct seed_result seed_run(const struct sim_options *options) {
    struct seed_result result = {.failed = true};
    int error_fd = options->trace ? -1 : memfd_create("sim", 0);
    char folder[64];
    (void)snprintf(folder, sizeof folder, "/dev/shm/drover-sim-%07d", (int)getpid() % 10000000);
    struct sim_options own = *options;
    own.folder = folder;
    (void)shared_hash();
    warm_learn();
    pid_t pid = fork();
    assert(pid >= 0);
    if (pid == 0) {
        seed_child(&own, error_fd);
    }
    int status = 0;
    pid_t got = waitpid(pid, &status, 0);
    assert(got == pid);
    folder_clear(folder);
    result.failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    result.hash = shared_hash()[0];
    result.steps = shared_hash()[1];
    result.lives = shared_hash()[2];
    result.judged = shared_hash()[3];
    if (error_fd >= 0 && result.failed) {
        ssize_t len = pread(error_fd, result.text, sizeof result.text - 1, 0);
        result.text[len < 0 ? 0 : len] = '\0';
    }
    if (error_fd >= 0) {
        (void)close(error_fd);
    }
    return result;
}

/* --- Many ------------------------------------------------------------------------------------- */

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void failure_show(uint64_t seed, const struct seed_result *result) {
    (void)printf("FAILED seed %" PRIu64 "%s%s\n%s", seed, result->signal != 0 ? " by signal: " : "",
                 result->signal != 0 ? strsignal(result->signal) : "", result->text);
}

static void report(const char *program, const struct sim_options *options,
                   const struct seed_result *result) {
    struct sim_options least = *options;
    struct seed_result last = shrink(&least, result);
    failure_show(options->seed, &last);
    (void)printf("replay: %s --seed %" PRIu64 " --operations %u ", program, least.seed, least.ops);
    if (least.hosts > 1) {
        (void)printf("--hosts %u ", least.hosts);
    }
    if (least.mix != SIM_MIXED) {
        (void)printf("--world %s ", least.mix == SIM_FLOWS ? "flows" : "changes");
    }
    (void)printf("--ops ");
    shrink_print(&least);
    (void)printf(" --trace\n");
    (void)fflush(stdout);
}

/* "1,4,9": only these. */
static void ops_only(const char *list, struct sim_options *options) {
    for (unsigned i = 1; i <= options->ops; i++) {
        options->without[i] = true;
    }
    for (const char *at = list; *at != '\0';) {
        char *end = NULL;
        unsigned long number = strtoul(at, &end, 10);
        if (number >= 1 && number <= options->ops) {
            options->without[number] = false;
        }
        at = *end == ',' ? end + 1 : end;
        if (end == at && *end != '\0') {
            return;
        }
    }
}

/* What must be the same before and after a change that makes only the simulator faster. */
static void hash_show(const struct arguments *arguments, uint64_t seed,
                      const struct seed_result *result) {
    if (arguments->hashes) {
        (void)printf(
            "seed %" PRIu64 ": hash %016" PRIx64 ", %" PRIu64 " steps, %" PRIu64 " lives%s\n", seed,
            result->hash, result->steps, result->lives, result->failed ? ", failed" : "");
    }
}

static int run_all(const struct arguments *arguments) {
    double began = seconds();
    const uint64_t most = arguments->first ? 1 : FAILURES_MAX;
    uint64_t steps = 0, lives = 0, judged = 0, failures = 0, ran = 0;
    for (uint64_t i = 0; i < arguments->count && failures < most; i++) {
        struct sim_options options = {.seed = arguments->from + i,
                                      .ops = arguments->operations,
                                      .hosts = arguments->hosts,
                                      .mix = arguments->mix,
                                      .seconds = arguments->seconds,
                                      .trace = arguments->trace,
                                      .report = -1};
        if (arguments->ops != NULL) {
            ops_only(arguments->ops, &options);
        }
        struct seed_result result = seed_run(&options);
        ran++;
        if (!result.failed && arguments->twice) {
            struct seed_result again = seed_run(&options);
            if (again.failed || again.hash != result.hash) {
                (void)printf("FAILED seed %" PRIu64 ": it did something else the second time\n",
                             options.seed);
                failures++;
                continue;
            }
        }
        steps += result.steps;
        lives += result.lives;
        judged += result.judged;
        hash_show(arguments, options.seed, &result);
        if (result.failed) {
            failures++;
            if (!arguments->first && arguments->ops == NULL && !arguments->trace) {
                report(arguments->program, &options, &result);
            } else {
                failure_show(options.seed, &result);
            }
        }
    }
    double took = seconds() - began;
    if (arguments->mix == SIM_FLOWS) {
        (void)printf("%" PRIu64 " flows judged\n", judged);
    }
    if (judged < arguments->judged) {
        (void)printf("FAILED: %" PRIu64 " flows were to be judged\n", arguments->judged);
        failures++;
    }
    (void)printf("%" PRIu64 " seeds, %" PRIu64 " failed, %" PRIu64 " lives, %" PRIu64
                 " steps in %.1f s: %.0f seeds/s\n",
                 ran, failures, lives, steps, took, (double)ran / took);
    return failures > 0 ? 1 : 0;
}

static bool number_read(const char *text, uint64_t *ret_number) {
    char *end = NULL;
    *ret_number = strtoull(text, &end, 10);
    return end != text && *end == '\0';
}

static int usage(void) {
    (void)fprintf(stderr, "usage: sim [--seed S] [--seeds N] [--from S] [--operations N]"
                          " [--ops LIST] [--trace] [--twice] [--first] [--here] [--hashes]"
                          " [--seconds N] [--hosts N] [--world flows|changes] [--judged N]\n"
                          "       sim --print-program N\n");
    return 2;
}

static bool flag_read(const char *name, struct arguments *arguments) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--trace", &arguments->trace},
                 {"--twice", &arguments->twice},
                 {"--first", &arguments->first},
                 {"--hashes", &arguments->hashes},
                 {"--here", &arguments->here}};
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

/* --seed and --from are the same, but for their meaning to a person. */
static bool number_set(const char *name, uint64_t number, struct arguments *arguments) {
    const struct {
        const char *name;
        uint64_t least, most;
        uint64_t *large;
        unsigned *small;
    } numbers[] = {{"--seed", 0, UINT64_MAX, &arguments->from, NULL},
                   {"--from", 0, UINT64_MAX, &arguments->from, NULL},
                   {"--seeds", 0, UINT64_MAX, &arguments->count, NULL},
                   {"--judged", 0, UINT64_MAX, &arguments->judged, NULL},
                   {"--operations", 0, SIM_OPS_MAX, NULL, &arguments->operations},
                   {"--hosts", 1, SIM_HOSTS_MAX, NULL, &arguments->hosts},
                   {"--seconds", 1, 3600, NULL, &arguments->seconds}};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (strcmp(name, numbers[i].name) != 0) {
            continue;
        }
        if (numbers[i].large != NULL) {
            *numbers[i].large = number;
        } else {
            *numbers[i].small = (unsigned)number;
        }
        return number >= numbers[i].least && number <= numbers[i].most;
    }
    return false;
}

static bool arguments_read(char **argv, struct arguments *arguments) {
    for (char **at = argv + 1; *at != NULL; at++) {
        uint64_t number = 0;
        if (flag_read(*at, arguments)) {
            continue;
        }
        if (at[1] == NULL) {
            return false;
        }
        const char *name = *at++;
        if (strcmp(name, "--ops") == 0) {
            arguments->ops = *at;
        } else if (strcmp(name, "--world") == 0 && strcmp(*at, "flows") == 0) {
            arguments->mix = SIM_FLOWS;
        } else if (strcmp(name, "--world") == 0 && strcmp(*at, "changes") == 0) {
            arguments->mix = SIM_CHANGES;
        } else if (!number_read(*at, &number) || !number_set(name, number, arguments)) {
            return false;
        }
    }
    return true;
}

static int program_show(uint64_t number) {
    const struct program program = program_make((struct program_id){.number = number});
    AUTO(text_done) struct text script;
    text_init(&script, 1 << 20);
    program_print(&program, &script);
    (void)fputs(script.data, stdout);
    return 0;
}

int main(int argc, char **argv) {
    struct arguments arguments = {.program = argv[0],
                                  .from = 1,
                                  .count = 1,
                                  .operations = OPERATIONS_DEFAULT,
                                  .hosts = 1,
                                  .seconds = SECONDS_DEFAULT};
    uint64_t number = 0;
    if (argc == 3 && strcmp(argv[1], "--print-program") == 0 && number_read(argv[2], &number)) {
        return program_show(number);
    }
    if (!arguments_read(argv, &arguments)) {
        return usage();
    }
    (void)clearenv(); /* No key, no proxy, no provider of the user's. */
    (void)signal(SIGPIPE, SIG_IGN);
    json_object_seed(1); /* Before json_setup, which asks for a random one. */
    json_setup();
    disk_install();
    char folder[64];
    (void)snprintf(folder, sizeof folder, "/dev/shm/drover-sim-%07d", (int)getpid() % 10000000);
    folder_make(folder, "");
    disk_template(folder);
    folder_clear(folder);
    if (arguments.here) { /* For a debugger. */
        struct sim *sim = sim_new(sizeof *sim);
        sim->options = (struct sim_options){.seed = arguments.from,
                                            .ops = arguments.operations,
                                            .hosts = arguments.hosts,
                                            .mix = arguments.mix,
                                            .trace = arguments.trace,
                                            .folder = folder};
        if (arguments.ops != NULL) {
            ops_only(arguments.ops, &sim->options);
        }
        seed_in_this_process(sim);
        folder_clear(folder);
        return 0;
    }
    return run_all(&arguments);
}
