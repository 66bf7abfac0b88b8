// SPDX-License-Identifier: BSD-2-Clause
// Commands of sippd's control socket from any lines: each is answered by one JSON object, at once,
// or later when it is an echo.
#include "fuzzer.h"

#include "base/memory.h"
#include "sipp/daemon/control_internal.h"

#include <assert.h>
#include <string.h>

static size_t answers;

void answer(struct client *client, json_t *object)
{
    assert(client != NULL && json_is_object(object));
    char *text = json_dumps(object, JSON_COMPACT);
    assert(text != NULL);
    free(text);
    json_decref(object);
    answers++;
}

const char *port_name(const struct port *port)
{
    (void)port;
    return "eth0";
}

uint16_t port_find(const struct sippd *sippd, const char *name)
{
    return sippd->port_count > 0 && strcmp(name, "eth0") == 0 ? 0 : NODE_NO_INTERFACE;
}

struct instant sippd_now(void)
{
    return (struct instant){1000000000};
}

// What the node puts out comes back in, so that echoes to itself are answered.
static void settle(struct sippd *sippd)
{
    struct node_output output;
    struct node_event event;
    while (node_next_event(sippd->node, &event)) {
        if (event.kind == EVENT_ECHO_REPLY || event.kind == EVENT_ERROR)
            control_event(sippd, &event);
    }
    while (node_next_output(sippd->node, &output))
        ;
}

static void make_node(struct sippd *sippd)
{
    const struct node_config config = {.router = true};
    const struct interface interface = {.link = {{2, 0, 0, 0, 0, 1}}, .mtu = 1500};
    const struct sequence own = sequence_of((struct sipp_address){UINT64_C(0x0080000000010001)});
    sippd->names = names_new();
    (void)names_read(sippd->names, "P 0080:0000:0000:0000/32\nP.D +1/16\nP.D.r +1/16\n", NULL);
    sippd->node = node_new(&config, random_seed_from_number(1), sippd_now());
    (void)node_add_interface(sippd->node, &interface);
    (void)node_add_own(sippd->node, &own, NULL);
    sippd->port_count = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sippd sippd;
    struct control *control = memory_new(sizeof(*control));
    struct client *client = memory_new(sizeof(*client));
    memset(&sippd, 0, sizeof(sippd));
    make_node(&sippd);
    sippd.settle = settle;
    sippd.control = control;
    control->sippd = &sippd;
    client->control = control;
    answers = 0;
    size_t lines = 0;
    while (size > 0) {
        char line[LINE_MAX_BYTES];
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end == NULL ? size : (size_t)(end - data);
        if (length >= sizeof(line))
            break;
        memcpy(line, data, length);
        line[length] = '\0';
        control_line(client, line);
        lines++;
        data += length;
        size -= length;
        if (end != NULL) {
            data++;
            size--;
        }
    }
    // What waits for an answer is given up.
    for (size_t i = 0; i < ECHOES_MAX; i++)
        control->echoes[i].sent = 0;
    echoes_time_out(control);
    assert(answers == lines);
    node_free(sippd.node);
    names_free(sippd.names);
    memory_free(client);
    memory_free(control);
    return 0;
}
