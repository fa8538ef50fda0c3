/* jobs.c: commands through the daemon, from the request to the news of their end.
 *
 * A connection submits a command, then waits on the run's own stream for run_finished, as a client
 * would, then submits the next. When a command begins is told by the command itself: bench_stamp
 * writes its clock into a file of ours, which is the first thing that it does. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ask.h"
#include "base/memory.h"
#include "load.h"
#include "measure.h"

enum { WARM_UP_MS = 300, RUN_SIZE = 40, STAMPS = 1 << 16 };

struct submitter {
    bool waiting; /* For the end of `run`. */
    char run[RUN_SIZE];
    uint64_t submitted_ns, events;
    int64_t ordinal;
};

struct jobs {
    const struct load *load;
    struct submitter *submitters;
    int64_t begun;
    uint64_t warm_ns, until_ns;               /* until 0: `count` says when it is enough. */
    uint64_t cpu_ns, own_cpu_ns, measured_ns; /* When the measuring began. */
    volatile uint64_t *stamps;                /* NULL: the command tells no time. */
    struct histogram acks, starts, ends;
};

/* --- Questions -------------------------------------------------------------------------------- */

static bool enough(const struct jobs *jobs) {
    return jobs->until_ns == 0 ? jobs->begun >= jobs->load->count : now_ns() >= jobs->until_ns;
}

static void write_job(const struct jobs *jobs, int64_t ordinal, struct question *question) {
    const struct load *load = jobs->load;
    question->method = "POST";
    (void)snprintf(question->path, sizeof question->path, "/api/v1/jobs");
    if (load->program == NULL) {
        (void)snprintf(question->body, sizeof question->body, "{\"argv\":[\"/bin/true\"]}");
    } else {
        (void)snprintf(question->body, sizeof question->body,
                       "{\"argv\":[\"%s\",\"%s\",\"%" PRId64 "\"]}", load->program, load->folder,
                       ordinal % STAMPS);
    }
}

static bool next_question(void *ctx, size_t at, struct question *ret_question) {
    struct jobs *jobs = ctx;
    struct submitter *submitter = &jobs->submitters[at];
    if (submitter->waiting) {
        (void)snprintf(ret_question->path, sizeof ret_question->path,
                       "/api/v1/streams/run:%s/events?after=%" PRIu64 "&wait=30", submitter->run,
                       submitter->events);
        return true;
    }
    if (enough(jobs)) {
        return false;
    }
    submitter->ordinal = jobs->begun;
    jobs->begun++;
    write_job(jobs, submitter->ordinal, ret_question);
    return true;
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void begin_measuring(struct jobs *jobs) {
    pid_t pid = (pid_t)jobs->load->pid;
    jobs->acks = jobs->starts = jobs->ends = (struct histogram){0};
    jobs->cpu_ns = process_cpu_ns(pid);
    jobs->own_cpu_ns = process_cpu_ns(getpid());
    jobs->measured_ns = now_ns();
}

static void take_ack(struct jobs *jobs, struct submitter *submitter, const struct answer *answer) {
    const char *id = strstr(answer->body, "\"id\":\"run_");
    if (answer->status != 201 || id == NULL) {
        die_saying("a job was refused");
    }
    (void)snprintf(submitter->run, sizeof submitter->run, "%.*s", (int)strcspn(id + 6, "\""),
                   id + 6);
    submitter->submitted_ns = answer->asked_ns;
    submitter->waiting = true;
    submitter->events = 1; /* It was queued or started. */
    histogram_add(&jobs->acks, answer->answered_ns - answer->asked_ns);
}

static void take_end(struct jobs *jobs, struct submitter *submitter, const struct answer *answer) {
    if (strstr(answer->body, "\"state\":\"succeeded\"") == NULL) {
        (void)fprintf(stderr, "%s\n", answer->body);
        die_saying("a job did not succeed");
    }
    histogram_add(&jobs->ends, answer->answered_ns - submitter->submitted_ns);
    if (jobs->stamps != NULL) {
        uint64_t stamp = jobs->stamps[submitter->ordinal % STAMPS];
        if (stamp < submitter->submitted_ns) {
            die_saying("a command has ended without its stamp");
        }
        histogram_add(&jobs->starts, stamp - submitter->submitted_ns);
    }
    submitter->waiting = false;
    if (jobs->measured_ns == 0 && now_ns() >= jobs->warm_ns) {
        begin_measuring(jobs);
    }
}

static void take_answer(void *ctx, size_t at, const struct answer *answer) {
    struct jobs *jobs = ctx;
    struct submitter *submitter = &jobs->submitters[at];
    if (!submitter->waiting) {
        take_ack(jobs, submitter, answer);
        return;
    }
    if (answer->status != 200) {
        die_saying("the stream of a run was refused");
    }
    if (strstr(answer->body, "\"run_finished\"") != NULL) {
        take_end(jobs, submitter, answer);
        return;
    }
    for (const char *seq = answer->body; (seq = strstr(seq, "\"seq\":")) != NULL; seq++) {
        submitter->events++;
    }
}

/* --- The run ---------------------------------------------------------------------------------- */

static volatile uint64_t *map_stamps(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, STAMPS * (off_t)sizeof(uint64_t)) < 0) {
        die(path);
    }
    void *stamps = mmap(NULL, STAMPS * sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (stamps == MAP_FAILED) {
        die(path);
    }
    (void)close(fd);
    return stamps;
}

static void tell_times(const char *what, const struct histogram *histogram) {
    char name[64];
    (void)snprintf(name, sizeof name, "%s_p50_us", what);
    tell(name, histogram_us(histogram, 0.5));
    (void)snprintf(name, sizeof name, "%s_p99_us", what);
    tell(name, histogram_us(histogram, 0.99));
}

void load_jobs(const struct load *load) {
    AUTO(mem_release) struct jobs *jobs = mem_new(sizeof *jobs);
    size_t connections = (size_t)load->connections;
    AUTO(mem_release) struct submitter *submitters = mem_new_array(connections, sizeof *submitters);
    uint64_t began_ns = now_ns();
    jobs->load = load;
    jobs->submitters = submitters;
    jobs->warm_ns = began_ns + WARM_UP_MS * 1000000ULL;
    if (load->count > 0) {
        begin_measuring(jobs);
    } else {
        jobs->until_ns = jobs->warm_ns + (uint64_t)load->milliseconds * 1000000ULL;
    }
    if (load->program != NULL) {
        jobs->stamps = map_stamps(load->folder);
    }
    const struct ask ask = {.target = &load->target,
                            .connections = connections,
                            .ctx = jobs,
                            .next = next_question,
                            .answered = take_answer};
    ask_all(&ask);
    double seconds = (double)(now_ns() - jobs->measured_ns) / 1e9;
    double cpu_us = (double)(process_cpu_ns((pid_t)load->pid) - jobs->cpu_ns) / 1e3;
    tell("jobs", (double)jobs->ends.total);
    tell("rate", (double)jobs->ends.total / seconds);
    tell("server_us", cpu_us / (double)jobs->ends.total);
    tell_times("ack", &jobs->acks);
    tell_times("start", &jobs->starts);
    tell_times("end", &jobs->ends);
}
