/* hosts.c: see the header. */
#include "main/hosts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "http/metrics.h"

enum { HOSTNAME_MAX = 256 };

/* Without control characters: whoever lists hosts prints names on a terminal. */
char *hosts_name(const char *data_dir) {
    char host[HOSTNAME_MAX] = "";
    if (gethostname(host, sizeof host - 1) < 0) {
        host[0] = '\0';
    }
    size_t size = strlen(host) + strlen(data_dir) + 2;
    char *name = mem_new(size);
    (void)snprintf(name, size, "%s:%s", host, data_dir); /* It fits. */
    utf8_make_plain(name, strlen(name));
    return name;
}

void hosts_metrics(const struct dispatch *dispatch, struct text *text) {
    struct dispatch_stats stats;
    dispatch_get_stats(dispatch, &stats);
    const struct metric metrics[] = {
        {"host_reports_total", "Ends of commands that other hosts reported, and that were stored.",
         stats.reports},
        {"host_reports_late_total", "Reported ends that came too late and changed nothing.",
         stats.reports_late},
        {"hosts_other", "Other hosts that share the database.", stats.hosts},
        {"runs_away", "Jobs of other hosts that have not ended.", stats.away},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
