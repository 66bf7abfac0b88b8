// SPDX-License-Identifier: BSD-2-Clause
// The last things that happened in a run, for people to read when it failed. Datagrams are kept as
// octets and put into words only when printed.
#ifndef IVIP_SIM_ENGINE_TRACE_H
#define IVIP_SIM_ENGINE_TRACE_H

#include "sim/engine/engine.h"

#define TRACE_TEXT_MAX   160
#define TRACE_OCTETS_MAX ENGINE_DATAGRAM_MAX

struct trace_line {
    struct instant at;
    enum engine_fate fate;
    const char *from;
    const char *to; // NULL: a note
    struct endpoint claimed;
    bool spoofed;
    uint16_t length;
    union {
        char text[TRACE_TEXT_MAX];
        uint8_t bytes[TRACE_OCTETS_MAX];
    };
};

struct trace {
    struct trace_line *lines; // ENGINE_TRACE_LINES, a ring
    uint64_t count;           // ever written
};

void trace_init(struct trace *trace);
void trace_release(struct trace *trace);
// The next line, zeroed, to be filled in.
struct trace_line *trace_add(struct trace *trace, struct instant at);
void trace_print(const struct trace *trace, FILE *file, engine_describe *describe);

#endif
