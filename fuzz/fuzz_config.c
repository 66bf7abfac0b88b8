// SPDX-License-Identifier: BSD-2-Clause
// Any octets as a config file. One that is taken can be written down with all its defaults, and is
// then taken again with the same meaning; one that is refused names its place.
#include "fuzzer.h"

#include "node/config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct config *load(const void *bytes, size_t length, struct error *error)
{
    int file = memfd_create("config", MFD_CLOEXEC);
    char path[40];
    REQUIRE(file >= 0 && write(file, bytes, length) == (ssize_t)length);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    struct config *config = config_load(path, error);
    if (config == NULL)
        REQUIRE(strncmp(error->text, path, strlen(path)) == 0 || error->text[0] == '/');
    (void)close(file);
    return config;
}

// Takes out what stands for "not set" and is no value to write in a file.
static void leave_out_unset(json_t *description)
{
    static const char *const names[] = {"key", "user"};
    (void)json_object_del(description, "v");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (json_string_length(json_object_get(description, names[i])) == 0)
            (void)json_object_del(description, names[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct error error = {0};
    struct config *config = load(bytes, length, &error);
    if (config == NULL)
        return 0;
    json_t *description = config_describe(config);
    config_free(config);
    leave_out_unset(description);
    char *text = json_dumps(description, JSON_COMPACT);
    REQUIRE(text != NULL);
    struct config *again = load(text, strlen(text), &error);
    REQUIRE(again != NULL);
    json_t *second = config_describe(again);
    config_free(again);
    leave_out_unset(second);
    REQUIRE(json_equal(description, second) == 1);
    json_decref(description);
    json_decref(second);
    free(text);
    return 0;
}
