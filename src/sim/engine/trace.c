// SPDX-License-Identifier: BSD-2-Clause
#include "sim/engine/trace.h"

#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

void trace_init(struct trace *trace)
{
    trace->lines = memory_new_array(ENGINE_TRACE_LINES, sizeof(struct trace_line));
    trace->count = 0;
}

void trace_release(struct trace *trace)
{
    memory_free(trace->lines);
}

struct trace_line *trace_add(struct trace *trace, struct instant at)
{
    struct trace_line *line = &trace->lines[trace->count++ % ENGINE_TRACE_LINES];
    memset(line, 0, offsetof(struct trace_line, text));
    line->text[0] = '\0';
    line->at = at;
    return line;
}

static void print_line(const struct trace_line *line, FILE *file, engine_describe *describe)
{
    static const char *const fates[] = {"->", "-x lost on the way to", "-x unreachable", ">>",
                                        "-x down:"};
    uint64_t us = line->at.ns / 1000;
    (void)fprintf(file, "%6" PRIu64 ".%06" PRIu64 "  ", us / 1000000, us % 1000000);
    if (line->to == NULL) {
        (void)fprintf(file, "== %s\n", line->text);
        return;
    }
    (void)fprintf(file, "%s %s %s  ", line->from, fates[line->fate], line->to);
    if (line->spoofed) {
        char claimed[ENDPOINT_TEXT_MAX];
        (void)fprintf(file, "(as %s) ", endpoint_print(&line->claimed, claimed));
    }
    if (describe != NULL)
        describe(file, line->bytes, line->length);
    (void)fputc('\n', file);
}

void trace_print(const struct trace *trace, FILE *file, engine_describe *describe)
{
    uint64_t first = trace->count > ENGINE_TRACE_LINES ? trace->count - ENGINE_TRACE_LINES : 0;
    for (uint64_t i = first; i < trace->count; i++)
        print_line(&trace->lines[i % ENGINE_TRACE_LINES], file, describe);
}
