#include "http/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "http/inside.h"

void metrics_add(struct text *text, const struct metric *metrics, size_t count) {
    static const char total[] = "_total";
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &metrics[i];
        const size_t len = strlen(metric->name), tail = sizeof total - 1;
        const bool counts = len > tail && strcmp(metric->name + len - tail, total) == 0;
        text_addf(text, "# HELP drover_%s %s\n# TYPE drover_%s %s\ndrover_%s %" PRIu64 "\n",
                  metric->name, metric->help, metric->name, counts ? "counter" : "gauge",
                  metric->name, metric->value);
    }
}

/* Values of labels are escaped as in JSON, but for the quotes around them. */
static void write_build(const struct http_server *server, struct text *text) {
    const char *version = server->options.version == NULL ? "" : server->options.version;
    text_add_str(text, "# HELP drover_build_info The version that runs; always 1.\n"
                       "# TYPE drover_build_info gauge\ndrover_build_info{version=");
    text_add_json(text, version, strlen(version));
    text_add_str(text, "} 1\n");
}

static void write_answers(struct text *text, const struct http_stats *stats) {
    text_add_str(text, "# HELP drover_http_responses_total Responses by class of status.\n"
                       "# TYPE drover_http_responses_total counter\n");
    for (int i = 2; i <= 5; i++) {
        text_addf(text, "drover_http_responses_total{class=\"%dxx\"} %" PRIu64 "\n", i,
                  stats->answers[i]);
    }
}

static void write_server(const struct http_server *server, struct text *text) {
    struct http_stats stats;
    http_get_stats(server, &stats);
    const struct metric metrics[] = {
        {"http_connections", "Open connections.", stats.connections},
        {"http_sse_streams", "Open SSE streams.", stats.streams_sse},
        {"http_websockets", "Open WebSockets.", stats.streams_websocket},
        {"http_requests_in_flight", "Requests without an answer yet.", stats.requests_in_flight},
        {"http_unread_bytes", "Bytes of answers that wait for their clients.", stats.unread_bytes},
        {"http_connections_accepted_total", "Connections accepted.", stats.accepted},
        {"http_connections_refused_total", "Connections refused by a limit.", stats.refused},
        {"http_requests_total", "Requests read whole.", stats.requests},
        {"http_protocol_errors_total", "Requests that were not valid HTTP.", stats.protocol_errors},
        {"http_timeouts_total", "Clients that were too slow.", stats.timeouts},
        {"http_received_bytes_total", "Bytes received.", stats.bytes_read},
        {"http_sent_bytes_total", "Bytes sent.", stats.bytes_written},
        {"loop_slow_turns_total", "Turns of the loop over 2 ms of CPU.",
         loop_slow_turns(server->loop)},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
    write_answers(text, &stats);
}

static void write_hub(const struct hub *hub, struct text *text) {
    struct hub_stats stats;
    hub_get_stats(hub, &stats);
    const struct metric metrics[] = {
        {"hub_events_total", "Events delivered to the hub.", stats.events},
        {"hub_pieces_total", "Pieces pulled by subscribers.", stats.pieces_pulled},
        {"hub_pages_total", "Pages read from the store to catch up.", stats.pages_read},
        {"hub_streams", "Streams held in memory.", stats.streams},
        {"hub_subscribers", "Subscribers.", stats.subscribers},
        {"hub_ring_bytes", "Bytes in the rings of all streams.", stats.ring_bytes},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void metrics_write(struct http_server *server, struct text *text) {
    const struct http_options *options = &server->options;
    write_build(server, text);
    write_server(server, text);
    if (options->hub != NULL) {
        write_hub(options->hub, text);
    }
    if (options->metrics != NULL) {
        options->metrics(options->ctx, text);
    }
}
