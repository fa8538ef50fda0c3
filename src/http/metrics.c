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

void metrics_write(struct http_server *server, struct text *text) {
    const struct http_options *options = &server->options;
    struct bytes version = bytes_of(options->version);
    struct http_stats stats;
    http_get_stats(server, &stats);
    /* Values of labels are escaped as in JSON, but for the quotes around them. */
    text_add_str(text, "# HELP drover_build_info The version that runs; always 1.\n"
                       "# TYPE drover_build_info gauge\ndrover_build_info{version=");
    text_add_json(text, version.data, version.len);
    text_add_str(text, "} 1\n");
    const struct metric of_server[] = {
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
    metrics_add(text, of_server, COUNT_OF(of_server));
    text_add_str(text, "# HELP drover_http_responses_total Responses by class of status.\n"
                       "# TYPE drover_http_responses_total counter\n");
    for (int i = 2; i <= 5; i++) {
        text_addf(text, "drover_http_responses_total{class=\"%dxx\"} %" PRIu64 "\n", i,
                  stats.answers[i]);
    }
    if (options->hub != NULL) {
        struct hub_stats hub;
        hub_get_stats(options->hub, &hub);
        const struct metric of_hub[] = {
            {"hub_events_total", "Events delivered to the hub.", hub.events},
            {"hub_pieces_total", "Pieces pulled by subscribers.", hub.pieces_pulled},
            {"hub_pages_total", "Pages read from the store to catch up.", hub.pages_read},
            {"hub_streams", "Streams held in memory.", hub.streams},
            {"hub_subscribers", "Subscribers.", hub.subscribers},
            {"hub_ring_bytes", "Bytes in the rings of all streams.", hub.ring_bytes},
        };
        metrics_add(text, of_hub, COUNT_OF(of_hub));
    }
    if (options->metrics != NULL) {
        options->metrics(options->ctx, text);
    }
}
