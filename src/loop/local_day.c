/* local_day.c: see local_day.h. */
#include "loop/local_day.h"

#include <time.h>

enum { MS = 1000, DAY_S = 24 * 60 * 60, FIRST_HOURS = 3 };

int64_t local_day_end_ms(int64_t now_ms) {
    const time_t now = (time_t)(now_ms / MS);
    struct tm today;
    bool known = localtime_r(&now, &today) != NULL;
    for (int hour = 0; known && hour < FIRST_HOURS; hour++) {
        /* The month has as many days as mktime says. It also decides about summer time. */
        struct tm next = {.tm_year = today.tm_year,
                          .tm_mon = today.tm_mon,
                          .tm_mday = today.tm_mday + 1,
                          .tm_hour = hour,
                          .tm_isdst = -1};
        const time_t at = mktime(&next);
        if (at > now) {
            return (int64_t)at * MS;
        }
    }
    return now_ms + (int64_t)DAY_S * MS;
}

int64_t local_clock_ms(int64_t now_ms) {
    const time_t now = (time_t)(now_ms / MS);
    struct tm parts;
    return localtime_r(&now, &parts) == NULL ? now_ms : now_ms + (int64_t)parts.tm_gmtoff * MS;
}
