/* folders.c: see folders.h. */
#include "main/rooms/folders.h"

#include <stdlib.h>

void folders_open(struct folders *folders, const struct folders_options *options) {
    folders->host = options->host;
    const struct points_options points = {.room = options->room,
                                          .data_dir = options->data_dir,
                                          .host = folders->host,
                                          .path = getenv("PATH"),
                                          .home = options->home};
    folders->points = points_open(&points);
    const struct rewinds_options rewinds = {.room = options->room,
                                            .points = folders->points,
                                            .host = folders->host,
                                            .umask = options->umask};
    folders->rewinds = rewinds_open(&rewinds);
    const struct trees_options trees = {
        .room = options->room, .dispatch = options->dispatch, .waits = options->waits};
    folders->trees = trees_open(&trees);
    const struct removals_options removals = {.room = options->room,
                                              .dispatch = options->dispatch,
                                              .waits = options->waits,
                                              .points = folders->points,
                                              .host = folders->host,
                                              .keep_ms = options->trees_kept_ms};
    folders->removals = removals_open(&removals);
}

void folders_recover(struct folders *folders) {
    rewinds_recover(folders->rewinds);
    removals_recover(folders->removals);
}

void folders_close(struct folders *folders) {
    removals_close(folders->removals);
    trees_close(folders->trees);
    rewinds_close(folders->rewinds);
    points_close(folders->points);
}

struct changes_api folders_changes_api(const struct folders *folders, struct request_host host) {
    return (struct changes_api){
        .host = host, .points = folders->points, .rewinds = folders->rewinds};
}

struct trees_api folders_trees_api(const struct folders *folders, struct request_host host) {
    return (struct trees_api){.host = host,
                              .rewinds = folders->rewinds,
                              .points = folders->points,
                              .removals = folders->removals,
                              .place = folders->host};
}
