// SPDX-License-Identifier: BSD-2-Clause
#include "cli/finding.h"

#include "base/memory.h"
#include "base/text.h"
#include "cli/output.h"
#include "node/http/json_error.h"

#include <stdarg.h>
#include <stdio.h>

void finding_add(struct findings *findings, bool good, const char *hint, const char *format, ...)
{
    findings->items =
        memory_resize(findings->items, (findings->count + 1) * sizeof(findings->items[0]));
    struct finding *finding = &findings->items[findings->count++];
    *finding = (struct finding){.good = good};
    (void)snprintf(finding->hint, sizeof(finding->hint), "%s", good ? "" : hint);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    va_end(arguments);
    (void)text_make_printable(finding->text); // it may quote a file or a node
}

static void print_json_findings(const struct findings *findings, bool good)
{
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        (void)json_array_append_new(list, json_pack("{s:b, s:o, s:o}", "good", (int)finding->good,
                                                    "text", json_text(finding->text), "hint",
                                                    json_text(finding->hint)));
    }
    (void)print_json(json_pack("{s:i, s:b, s:o}", "v", 1, "good", (int)good, "findings", list));
}

bool findings_print(const struct findings *findings, bool json)
{
    size_t bad = 0;
    for (size_t i = 0; i < findings->count; i++)
        bad += !findings->items[i].good;
    if (json) {
        print_json_findings(findings, bad == 0);
        return bad == 0;
    }
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        (void)printf("%s%s%s  %s\n", finding->good ? color_good() : color_bad(),
                     finding->good ? " ok" : "bad", color_end(), finding->text);
        if (finding->hint[0] != '\0')
            (void)printf("     -> %s\n", finding->hint);
    }
    if (bad == 0)
        (void)printf("Nothing is wrong here.\n");
    else
        (void)printf("%zu of %zu are bad.\n", bad, findings->count);
    return bad == 0;
}

void findings_release(struct findings *findings)
{
    memory_free(findings->items);
    *findings = (struct findings){0};
}
