#include "process.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "measure.h"

/* The second field of /proc/PID/stat may hold anything, so the others are counted from its end. */
bool process_look(pid_t pid, struct process *ret_process) {
    char path[64], stat[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t len = fread(stat, 1, sizeof stat - 1, file);
    (void)fclose(file);
    stat[len] = '\0';
    const char *name = strchr(stat, '('), *rest = strrchr(stat, ')');
    unsigned long long user, system, users, systems, start_time;
    int parent = 0;
    char state = ' ';
    if (name == NULL || rest == NULL ||
        sscanf(rest,
               ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %*d %*d"
               " %llu",
               &state, &parent, &user, &system, &users, &systems, &start_time) != 7) {
        return false;
    }
    *ret_process = (struct process){.pid = pid,
                                    .parent = (pid_t)parent,
                                    .state = state,
                                    .own_ticks = user + system,
                                    .childrens_ticks = users + systems,
                                    .start_time = start_time};
    (void)snprintf(ret_process->name, sizeof ret_process->name, "%.*s", (int)(rest - name - 1),
                   name + 1);
    return true;
}

void process_each(void (*each)(void *ctx, pid_t pid), void *ctx) {
    DIR *dir = opendir("/proc");
    if (dir == NULL) {
        die("/proc");
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int64_t pid = 0;
        if (number_parse((struct bytes){entry->d_name, strlen(entry->d_name)},
                         (struct number_bounds){1, INT_MAX}, &pid)) {
            each(ctx, (pid_t)pid);
        }
    }
    (void)closedir(dir);
}
