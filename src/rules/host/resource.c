/* resource.c: hosts. Order: that of the answer. */
#include "rules/host/host.h"

#define AT(member) offsetof(struct host_row, member)
#define RUNS                                                                                       \
    "(SELECT count(*) FROM runs WHERE runs.host = hosts.place AND runs.host <> ''"                 \
    " AND kind = 'job' AND gate = '' AND ended_ms IS NULL)"

const char *const host_role_names[] = {[HOST_STANDBY] = "standby", [HOST_LEADER] = "leader", NULL};

static const struct field rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_READ("place", FIELD_TEXT, AT(place)), .required = true, FILTER_SEARCH("name or place"),
     FIELD_HEAD("PLACE", -60)},
    {ROW_READ("name", FIELD_TEXT, AT(name)), .required = true, .filter = FIELD_SEARCH,
     FIELD_HEAD("NAME", FIELD_REST)},
    {FIELD("role", FIELD_NAME, AT(role)), .required = true, .names = host_role_names,
     FIELD_HEAD("ROLE", -7), .filter = FIELD_ANY_OF,
     .filter_about = "Only the leader, or the standbys.",
     .filter_flag = {.name = "role",
                     .kind = FLAG_TEXT,
                     .value = "ROLE",
                     .choices = "leader|standby",
                     .about = "List only the leader, or the standbys."}},
    {ROW_READ("version", FIELD_TEXT, AT(version))},
    {FIELD("here", FIELD_BOOL, AT(here))},
    {FIELD("runs", FIELD_INT, AT(runs)), .column = RUNS, FIELD_HEAD("JOBS", 5)},
    {ROW_READ("made_ms", FIELD_INT, AT(made_ms))},
    {ROW_READ("seen_ms", FIELD_TIME, AT(seen_ms)), .required = true, FILTER_SINCE("seen"),
     FIELD_HEAD("SEEN", -FIELD_TIME_WIDTH)},
};

const struct resource host_resource = {
    .name = "host",
    .plural = "hosts",
    .path = "/api/v1/hosts",
    .table = "hosts",
    .key = "place",
    .fields = {FIELD_ROWS(rows), .use = FIELD_LISTED},
    .size = sizeof(struct host_row),
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_READ,
                                  .summary = "List the hosts that share the database"}},
};
