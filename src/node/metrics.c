// SPDX-License-Identifier: BSD-2-Clause
// A page is a list of families, one for each described name, in the order of description; each
// collects its lines until the page is finished.
#include "node/metrics.h"

#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct family {
    const char *name;
    bool histogram;
    char *text;
    size_t length;
    size_t capacity;
};

struct metrics_page {
    struct family *families;
    size_t count;
    size_t capacity;
    size_t last; // the family written to last: most values go where the one before went
};

struct metrics_page *metrics_page_new(void)
{
    return memory_new(sizeof(struct metrics_page));
}

// Room for `more` bytes and a NUL.
static char *family_room(struct family *family, size_t more)
{
    size_t need = family->length + more + 1;
    if (need > family->capacity) {
        family->capacity = need < 512 ? 512 : need * 2;
        family->text = memory_resize(family->text, family->capacity);
    }
    return family->text + family->length;
}

static void family_write(struct family *family, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void family_write(struct family *family, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    char *room = family_room(family, (size_t)length);
    va_start(arguments, format);
    (void)vsnprintf(room, (size_t)length + 1, format, arguments);
    va_end(arguments);
    family->length += (size_t)length;
}

// True when a value of that name belongs to the family.
static bool family_holds(const struct family *family, const char *name)
{
    size_t length = strlen(family->name);
    if (strncmp(family->name, name, length) != 0)
        return false;
    const char *rest = name + length;
    if (*rest == '\0')
        return true;
    return family->histogram && (strcmp(rest, "_bucket") == 0 || strcmp(rest, "_sum") == 0 ||
                                 strcmp(rest, "_count") == 0);
}

static struct family *find_family(struct metrics_page *page, const char *name)
{
    if (page->last < page->count && family_holds(&page->families[page->last], name))
        return &page->families[page->last];
    for (size_t i = 0; i < page->count; i++) {
        if (family_holds(&page->families[i], name)) {
            page->last = i;
            return &page->families[i];
        }
    }
    return NULL;
}

void metrics_describe(struct metrics_page *page, const char *name, const char *type,
                      const char *help)
{
    if (find_family(page, name) != NULL)
        return;
    if (page->count == page->capacity) {
        page->capacity = page->capacity == 0 ? 64 : page->capacity * 2;
        page->families = memory_resize(page->families, page->capacity * sizeof(page->families[0]));
    }
    struct family *family = &page->families[page->count];
    *family = (struct family){.name = name, .histogram = strcmp(type, "histogram") == 0};
    page->last = page->count++;
    family_write(family, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

// The fewest digits that read back as the same number, so that 0.1 is written as 0.1.
static int digits_of(double value)
{
    char text[64];
    for (int digits = 6; digits < 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return digits;
    }
    return 17;
}

void metrics_value(struct metrics_page *page, const char *name, const char *labels, double value)
{
    struct family *family = find_family(page, name);
    assert(family != NULL);
    const char *open = labels[0] == '\0' ? "" : "{";
    const char *close = labels[0] == '\0' ? "" : "}";
    // Counters stay exact and readable as whole numbers as long as a double holds them exactly.
    if (value == floor(value) && fabs(value) < 0x1p53)
        family_write(family, "%s%s%s%s %" PRId64 "\n", name, open, labels, close, (int64_t)value);
    else
        family_write(family, "%s%s%s%s %.*g\n", name, open, labels, close, digits_of(value), value);
}

void metrics_counter(struct metrics_page *page, const char *name, const char *help, uint64_t value)
{
    metrics_describe(page, name, "counter", help);
    metrics_value(page, name, "", (double)value);
}

void metrics_gauge(struct metrics_page *page, const char *name, const char *help, double value)
{
    metrics_describe(page, name, "gauge", help);
    metrics_value(page, name, "", value);
}

char *metrics_page_finish(struct metrics_page *page, size_t *length)
{
    struct family whole = {0};
    (void)family_room(&whole, 0);
    whole.text[0] = '\0';
    for (size_t i = 0; i < page->count; i++) {
        struct family *family = &page->families[i];
        memcpy(family_room(&whole, family->length), family->text, family->length + 1);
        whole.length += family->length;
        memory_free(family->text);
    }
    memory_free(page->families);
    memory_free(page);
    *length = whole.length;
    return whole.text;
}
