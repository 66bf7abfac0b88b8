// SPDX-License-Identifier: BSD-2-Clause
// Echoes on behalf of the tool: each waits for its answer, an error that quotes it, or its time.
#include "sipp/daemon/control_internal.h"

#include <string.h>

#define ECHO_TIMEOUT_MS  2000
#define ECHO_LONGEST_MS  60000
#define ECHO_SIZE_MAX    8000
#define DESTINATIONS_MAX 16 // sequences of one name to choose from

static long long number_of(const json_t *command, const char *key, long long otherwise)
{
    const json_t *value = json_object_get(command, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

// "to" is a sequence, or a list of them of which the best match is taken (overview §5.1).
static bool read_destination(struct sippd *sippd, const json_t *to, struct path *path,
                             struct error *error)
{
    struct path paths[DESTINATIONS_MAX];
    size_t count = 0;
    size_t own_count;
    const struct own_sequence *own = node_own(sippd->node, &own_count);
    if (json_is_string(to))
        return path_parse(sippd->names, json_string_value(to), path, error);
    for (; count < json_array_size(to) && count < DESTINATIONS_MAX; count++) {
        const char *text = json_string_value(json_array_get(to, count));
        if (text == NULL || !path_parse(sippd->names, text, &paths[count], error))
            return text != NULL ? false
                                : error_set(error, ERROR_INPUT, "no-destination",
                                            "\"to\" is a list of sequences");
    }
    if (count == 0)
        return error_set(error, ERROR_INPUT, "no-destination", "say where \"to\"");
    *path = paths[path_choose(paths, count, own, own_count)];
    return true;
}

static bool echo_route(struct control *control, const json_t *command, struct route *route,
                       struct error *error)
{
    struct sippd *sippd = control->sippd;
    struct path to;
    struct path via = {.count = 0};
    const char *whole = text_of(command, "route");
    if (whole != NULL)
        return route_parse(sippd->names, whole, route, error);
    return read_destination(sippd, json_object_get(command, "to"), &to, error) &&
           (text_of(command, "via") == NULL ||
            path_parse(sippd->names, text_of(command, "via"), &via, error)) &&
           node_route_to(sippd->node, sippd_now(), via.count == 0 ? NULL : &via, &to, route, error);
}

static struct echo *echo_new(struct control *control, struct client *client, struct error *error)
{
    for (size_t i = 0; i < ECHOES_MAX; i++) {
        struct echo *echo = &control->echoes[i];
        if (echo->client != NULL)
            continue;
        echo->client = client;
        echo->number = control->next_number++;
        echo->sent = uv_hrtime();
        return echo;
    }
    (void)error_set(error, ERROR_LIMIT, "too-many-echoes", "%d echoes wait for answers",
                    ECHOES_MAX);
    return NULL;
}

bool command_echo(struct control *control, struct client *client, const json_t *command,
                  struct error *error)
{
    static const uint8_t data[ECHO_SIZE_MAX];
    struct sippd *sippd = control->sippd;
    struct route route;
    long long size = number_of(command, "size", 56);
    long long hop_limit = number_of(command, "hop_limit", SIPP_HOP_LIMIT_DEFAULT);
    long long wait = number_of(command, "milliseconds", ECHO_TIMEOUT_MS);
    if (size < 0 || size > ECHO_SIZE_MAX || hop_limit < 1 || hop_limit > 255 || wait < 1 ||
        wait > ECHO_LONGEST_MS)
        return error_set(error, ERROR_INPUT, "bad-number",
                         "size is 0 to %d, hop limit 1 to 255, milliseconds 1 to %d", ECHO_SIZE_MAX,
                         ECHO_LONGEST_MS);
    if (!echo_route(control, command, &route, error))
        return false;
    struct echo *echo = echo_new(control, client, error);
    if (echo == NULL)
        return false;
    echo->route = route;
    echo->wait = (uint64_t)wait * 1000000;
    echo->whole_way = hop_limit >= SIPP_HOP_LIMIT_DEFAULT;
    uint16_t identifier = (uint16_t)(echo - control->echoes);
    if (!node_send_echo(sippd->node, sippd_now(), &route, (uint8_t)hop_limit, identifier,
                        echo->number, data, (size_t)size, error)) {
        echo->client = NULL;
        return false;
    }
    return true;
}

static struct echo *echo_find(struct control *control, uint16_t identifier, uint16_t number)
{
    if (identifier >= ECHOES_MAX)
        return NULL;
    struct echo *echo = &control->echoes[identifier];
    return echo->client != NULL && echo->number == number ? echo : NULL;
}

static void echo_done(struct echo *echo, json_t *object)
{
    struct client *client = echo->client;
    char route[ROUTE_TEXT_MAX];
    (void)json_object_set_new(
        object, "sent",
        json_string(route_print(client->control->sippd->names, &echo->route, route)));
    echo->client = NULL;
    answer(client, object);
}

static void event_reply(struct control *control, const struct node_event *event)
{
    char route[ROUTE_TEXT_MAX];
    struct echo *echo = echo_find(control, event->icmp.echo.identifier, event->icmp.echo.number);
    if (echo == NULL)
        return;
    double milliseconds = (double)(uv_hrtime() - echo->sent) / 1e6;
    echo_done(echo, json_pack("{s:{s:s,s:i,s:f}}", "reply", "route",
                              route_print(control->sippd->names, &event->route, route), "hop_limit",
                              event->hop_limit, "milliseconds", milliseconds));
}

// The echo that an error is about, from what it quotes.
static void event_error(struct control *control, const struct node_event *event)
{
    const struct icmp_error *report = &event->icmp.error;
    struct names *names = control->sippd->names;
    struct packet packet;
    char from[ROUTE_TEXT_MAX];
    char at[ROUTE_TEXT_MAX];
    if (packet_decode_quote(report->quote, report->quote_length, &packet) != PACKET_OK ||
        packet.payload_type != SIPP_PAYLOAD_ICMP)
        return;
    struct reader reader =
        reader_over(report->quote + packet.payload_offset, packet.payload_length);
    bool is_echo = reader_u8(&reader) == ICMP_ECHO;
    (void)reader_take(&reader, 3);
    uint16_t identifier = reader_u16(&reader);
    struct echo *echo = echo_find(control, identifier, reader_u16(&reader));
    if (reader.failed || !is_echo || echo == NULL)
        return;
    if (event->icmp.type == ICMP_TIME_EXCEEDED && echo->whole_way)
        node_doubt(control->sippd->node, &echo->route);
    double milliseconds = (double)(uv_hrtime() - echo->sent) / 1e6;
    echo_done(echo, json_pack("{s:{s:s,s:s,s:i,s:I,s:s,s:f}}", "error", "route",
                              route_print(names, &event->route, from), "type",
                              icmp_type_name(event->icmp.type), "code", event->icmp.code,
                              "parameter", (json_int_t)report->parameter, "at",
                              route_print(names, &packet.route, at), "milliseconds", milliseconds));
}

void control_event(struct sippd *sippd, const struct node_event *event)
{
    if (sippd->control == NULL)
        return;
    if (event->kind == EVENT_ECHO_REPLY)
        event_reply(sippd->control, event);
    else
        event_error(sippd->control, event);
}

void echoes_time_out(struct control *control)
{
    uint64_t now = uv_hrtime();
    for (size_t i = 0; i < ECHOES_MAX; i++) {
        struct echo *echo = &control->echoes[i];
        if (echo->client == NULL || now - echo->sent <= echo->wait)
            continue;
        node_doubt(control->sippd->node, &echo->route);
        echo_done(echo, json_pack("{s:b}", "timeout", 1));
    }
}
