/* holder_kit.c: see holder_kit.h. */
#include "holder_kit.h"
#include "scale.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 60000, STEP_MS = 5, ORDER_TIMEOUT_MS_DEFAULT = 50000, HIGH_FD = 100 };

int kit_open(void **state) {
    struct kit *kit = calloc(1, sizeof *kit);
    assert_non_null(kit);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(kit->spool, sizeof kit->spool, "%s/holder.XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(kit->spool));
    *state = kit;
    return 0;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw) {
    (void)stat, (void)kind, (void)ftw;
    return remove(path);
}

int kit_close(void **state) {
    struct kit *kit = *state;
    assert_int_equal(nftw(kit->spool, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(kit);
    return 0;
}

/* --- The order ------------------------------------------------------------------------------- */

static void put(FILE *file, const void *bytes, size_t len) {
    assert_int_equal(fwrite(bytes, 1, len, file), len);
}

static void put_record(FILE *file, uint32_t tag, struct bytes bytes) {
    const uint32_t header[2] = {tag, (uint32_t)bytes.len}; /* Little-endian, as are we. */
    put(file, header, sizeof header);
    put(file, bytes.data, bytes.len);
}

static void put_text(FILE *file, uint32_t tag, const char *text) {
    put_record(file, tag, (struct bytes){text, strlen(text)});
}

static void put_number(FILE *file, uint32_t tag, uint64_t number) {
    if (number > 0) {
        put_record(file, tag, (struct bytes){(const char *)&number, sizeof number});
    }
}

static void put_command(FILE *file, const struct kit_order *order) {
    const char *const shell[] = {"sh", "-c", order->shell, NULL};
    const char *const path[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", NULL};
    for (const char *const *arg = order->shell == NULL ? order->argv : shell; *arg != NULL; arg++) {
        put_text(file, ORDER_ARG, *arg);
    }
    for (const char *const *env = order->env == NULL ? path : order->env; *env != NULL; env++) {
        put_text(file, ORDER_ENV, *env);
    }
}

static void put_order(FILE *file, struct kit *kit, const struct kit_order *order) {
    uint64_t timeout_ms = order->timeout_ms == 0 ? ORDER_TIMEOUT_MS_DEFAULT : order->timeout_ms;
    const char *magic = order->hide == NULL ? PROTOCOL_ORDER_MAGIC : PROTOCOL_ORDER_STRICT;
    put(file, magic, strlen(magic));
    put_text(file, ORDER_SPOOL, order->spool == NULL ? kit->spool : order->spool);
    put_text(file, ORDER_NAME, KIT_NAME);
    put_text(file, ORDER_NONCE, KIT_NONCE);
    put_text(file, ORDER_CWD, order->cwd == NULL ? kit->spool : order->cwd);
    if (order->hide == NULL) {
        put_text(file, 12345, "a record that nobody knows is skipped");
    }
    for (const char *const *at = order->hide; at != NULL && *at != NULL; at++) {
        put_text(file, ORDER_HIDE, *at);
    }
    for (const char *const *at = order->write; at != NULL && *at != NULL; at++) {
        put_text(file, ORDER_WRITE, *at);
    }
    if (order->cgroup != NULL) {
        put_text(file, ORDER_CGROUP, order->cgroup);
    }
    put_command(file, order);
    put_number(file, ORDER_FLAGS, order->flags);
    if (order->input.len > 0) {
        put_record(file, ORDER_STDIN, order->input);
    }
    put_number(file, ORDER_TIMEOUT_MS, timeout_ms);
    put_number(file, ORDER_GRACE_MS, order->grace_ms);
    put_number(file, ORDER_LOG_MAX, order->log_max);
    put_number(file, ORDER_MEMORY_MAX, order->memory_max);
    put_number(file, ORDER_PROCESSES_MAX, order->processes_max);
    put_number(file, ORDER_ROWS, order->rows);
    put_number(file, ORDER_COLUMNS, order->columns);
}

static int make_order(struct kit *kit, const struct kit_order *order) {
    int fd = memfd_create("order", MFD_ALLOW_SEALING);
    FILE *file = fdopen(dup(fd), "w");
    assert_non_null(file);
    if (order->raw.len > 0) {
        put(file, order->raw.data, order->raw.len);
    } else {
        put_order(file, kit, order);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return fd;
}

/* --- The holder ------------------------------------------------------------------------------ */

static void become_holder(int order_fd, int link, const struct kit_order *order) {
    const char *program = getenv("DROVER_HOLDER");
    const struct rlimit limit = {order->file_max, RLIM_INFINITY};
    if (order->file_max > 0 && setrlimit(RLIMIT_FSIZE, &limit) < 0) {
        _exit(125);
    }
    /* What a careless parent leaves behind: a descriptor, ignored signals, a mask. */
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    int high_order = dup2(order_fd, HIGH_FD), high_link = dup2(link, HIGH_FD + 1);
    dup2(high_order, PROTOCOL_ORDER_FD);
    dup2(high_link, PROTOCOL_LINK_FD);
    execl(program, program, (char *)NULL);
    _exit(126);
}

static struct held *new_held(struct kit *kit, pid_t pid, int fd) {
    struct held *held = calloc(1, sizeof *held);
    assert_non_null(held);
    held->kit = kit;
    held->pid = pid;
    held->fd = fd;
    return held;
}

struct held *kit_start(struct kit *kit, const struct kit_order *order) {
    assert_non_null(getenv("DROVER_HOLDER"));
    int order_fd = make_order(kit, order);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        become_holder(order_fd, ends[1], order);
    }
    assert_true(pid > 0);
    close(order_fd);
    close(ends[1]);
    return new_held(kit, pid, ends[0]);
}

struct held *kit_connect(struct kit *kit) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[KIT_PATH_SIZE];
    kit_path(kit, "sock", path);
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return new_held(kit, -1, fd);
}

void kit_let_go(struct held *held) {
    close(held->fd);
    held->fd = -1;
    if (held->pid < 0) {
        free(held);
    }
}

int kit_wait_process(struct held *held) {
    for (int waited = 0; waited < scaled_ms(WAIT_MS); waited += STEP_MS) {
        int status;
        pid_t pid = waitpid(held->pid, &status, WNOHANG);
        assert_true(pid >= 0);
        if (pid > 0) {
            if (held->fd >= 0) {
                close(held->fd);
            }
            free(held);
            return status;
        }
        (void)poll(NULL, 0, STEP_MS);
    }
    fail_msg("the holder does not end");
    return -1;
}

/* --- Words ----------------------------------------------------------------------------------- */

void kit_say_bytes(struct held *held, struct bytes bytes) {
    assert_int_equal(send(held->fd, bytes.data, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

void kit_say(struct held *held, const char *words) {
    kit_say_bytes(held, (struct bytes){words, strlen(words)});
}

/* False: the connection has ended. */
static bool hear(struct held *held) {
    struct pollfd polled = {.fd = held->fd, .events = POLLIN};
    assert_true(held->len < sizeof held->words);
    assert_int_equal(poll(&polled, 1, scaled_ms(WAIT_MS)), 1);
    ssize_t got = recv(held->fd, held->words + held->len, sizeof held->words - held->len, 0);
    held->len += got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* Takes one line into `line`. False: the connection ended without one. */
static bool take_line(struct held *held, char *line, size_t size) {
    char *feed;
    while ((feed = memchr(held->words, '\n', held->len)) == NULL) {
        if (!hear(held)) {
            return false;
        }
    }
    size_t len = (size_t)(feed - held->words);
    assert_true(len < size);
    memcpy(line, held->words, len);
    line[len] = '\0';
    held->len -= len + 1;
    memmove(held->words, feed + 1, held->len);
    return true;
}

const char *kit_wait_line(struct held *held, const char *beginning) {
    static char line[PROTOCOL_LINE_MAX];
    while (take_line(held, line, sizeof line)) {
        if (strncmp(line, beginning, strlen(beginning)) == 0) {
            return line + strlen(beginning);
        }
    }
    fail_msg("the connection ended before: %s", beginning);
    return NULL;
}

void kit_wait_size(struct held *held, const char *stream, long size) {
    char beginning[32];
    (void)snprintf(beginning, sizeof beginning, "grown %s ", stream);
    while (strtol(kit_wait_line(held, beginning), NULL, 10) < size) {
    }
}

bool kit_is_closed(struct held *held) {
    while (hear(held)) {
        held->len = 0;
    }
    return true;
}

/* --- The result ------------------------------------------------------------------------------ */

const char *kit_wait_result(struct held *held) {
    static char json[KIT_JSON_SIZE];
    struct kit *kit = held->kit;
    long len = strtol(kit_wait_line(held, "exited "), NULL, 10);
    assert_int_equal(len, PROTOCOL_EXIT_SIZE);
    while (held->len < (size_t)len) {
        assert_true(hear(held));
    }
    memcpy(json, held->words, (size_t)len);
    json[len] = '\0';
    bool parent = held->pid > 0;
    if (parent) {
        assert_int_equal(kit_wait_process(held), 0);
    }
    size_t file_len;
    char *file = kit_file(kit, "exit.json", &file_len);
    assert_non_null(file);
    assert_int_equal(file_len, PROTOCOL_EXIT_SIZE);
    assert_string_equal(file, json);
    free(file);
    assert_false(kit_has(kit, "exit.json.tmp"));
    kit_assert_text(json, "name", KIT_NAME);
    if (parent) {
        kit_assert_alone(kit);
    }
    return json;
}

const char *kit_run(struct kit *kit, const struct kit_order *order) {
    struct held *held = kit_start(kit, order);
    (void)kit_wait_line(held, "claimed");
    return kit_wait_result(held);
}

static const char *find_value(const char *json, const char *key) {
    char quoted[64];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(json, quoted);
    assert_non_null(at);
    return at + strlen(quoted);
}

long kit_number(const char *json, const char *key) {
    return strtol(find_value(json, key), NULL, 10);
}

void kit_assert_text(const char *json, const char *key, const char *expected) {
    char quoted[128];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", expected);
    if (strncmp(find_value(json, key), quoted, strlen(quoted)) != 0) {
        fail_msg("%s is not %s in %.300s", key, quoted, json);
    }
}

/* --- Files ----------------------------------------------------------------------------------- */

void kit_path(struct kit *kit, const char *name, char *ret_path) {
    (void)snprintf(ret_path, KIT_PATH_SIZE, "%s/%s/%s", kit->spool, KIT_NAME, name);
}

bool kit_has(struct kit *kit, const char *name) {
    char path[KIT_PATH_SIZE];
    kit_path(kit, name, path);
    return access(path, F_OK) == 0;
}

char *kit_file(struct kit *kit, const char *name, size_t *ret_len) {
    char path[KIT_PATH_SIZE];
    kit_path(kit, name, path);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    size_t size = 64 << 20;
    char *content = malloc(size);
    assert_non_null(content);
    size_t len = fread(content, 1, size - 1, file);
    content[len] = '\0';
    if (ret_len != NULL) {
        *ret_len = len;
    }
    (void)fclose(file);
    return content;
}

void kit_assert_file(struct kit *kit, const char *name, const char *expected) {
    char *content = kit_file(kit, name, NULL);
    assert_non_null(content);
    assert_string_equal(content, expected);
    free(content);
}

/* --- Processes ------------------------------------------------------------------------------- */

/* Everything that a test starts stands in its scratch folder; the holder itself stands in "/". */
static bool is_of_kit(struct kit *kit, const char *pid) {
    char path[KIT_PATH_SIZE], target[KIT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%.20s/cwd", pid);
    ssize_t len = readlink(path, target, sizeof target - 1);
    target[len > 0 ? len : 0] = '\0';
    return strcmp(target, kit->spool) == 0;
}

static unsigned count_of_kit(struct kit *kit) {
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        count +=
            entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_of_kit(kit, entry->d_name);
    }
    closedir(proc);
    return count;
}

void kit_assert_alone(struct kit *kit) {
    assert_int_equal(count_of_kit(kit), 0);
}
