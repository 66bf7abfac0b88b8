// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/usage_counters.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_SUFFIX ".sock"

struct usage_counters {
    char *path;
    int file;
    void *bytes; // mapped, of `size`
    size_t size;
    struct usage_memory *memory; // in them
    size_t dropped;
};

// NAME.usage beside NAME.sock.
static char *path_beside(const char *control)
{
    size_t stem = strlen(control);
    size_t suffix = strlen(SOCKET_SUFFIX);
    if (stem > suffix && strcmp(control + stem - suffix, SOCKET_SUFFIX) == 0)
        stem -= suffix;
    size_t size = stem + sizeof(".usage");
    char *path = memory_new(size);
    (void)snprintf(path, size, "%.*s.usage", (int)stem, control);
    return path;
}

static bool fail(const struct usage_counters *counters, const char *what, int reason,
                 struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "counters", "the counters of usage %s cannot be %s: %s",
                     counters->path, what, strerror(reason));
}

// Opens and locks it; `length` is how long it is.
static bool open_file(struct usage_counters *counters, size_t *length, struct error *error)
{
    struct stat status;
    counters->file = open(counters->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (counters->file < 0 || fstat(counters->file, &status) != 0)
        return fail(counters, "opened", errno, error);
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid())
        return error_set(error, ERROR_DENIED, "counters",
                         "%s is no file of the account that the node runs as; remove it",
                         counters->path);
    if (flock(counters->file, LOCK_EX | LOCK_NB) != 0)
        return error_set(error, ERROR_CONFLICT, "counters-in-use",
                         "another process counts usage in %s", counters->path);
    *length = (size_t)status.st_size;
    return true;
}

// Its room is taken now: a store into a mapped page that finds none ends the process.
static bool map_file(struct usage_counters *counters, size_t length, struct error *error)
{
    if (length != counters->size && ftruncate(counters->file, 0) != 0)
        return fail(counters, "made", errno, error);
    int reason = posix_fallocate(counters->file, 0, (off_t)counters->size);
    if (reason != 0)
        return fail(counters, "made", reason, error);
    void *bytes = mmap(NULL, counters->size, PROT_READ | PROT_WRITE, MAP_SHARED, counters->file, 0);
    if (bytes == MAP_FAILED)
        return fail(counters, "mapped", errno, error);
    counters->bytes = bytes;
    return true;
}

struct usage_counters *usage_counters_open(const char *control, size_t limit, uint64_t owner,
                                           uint64_t reported, struct wall_time now,
                                           struct error *error)
{
    struct usage_counters *counters = memory_new(sizeof(*counters));
    counters->path = path_beside(control);
    counters->size = usage_memory_size(limit);
    size_t length = 0;
    if (!open_file(counters, &length, error) || !map_file(counters, length, error)) {
        usage_counters_close(counters);
        return NULL;
    }
    struct error broken;
    counters->memory = usage_memory_resume(counters->bytes, length, limit, owner, reported, now,
                                           &counters->dropped, &broken);
    if (counters->dropped > 0)
        log_error("itr", "%s: %zu damaged counters were dropped; what they had counted is lost",
                  counters->path, counters->dropped);
    if (counters->memory != NULL)
        return counters;
    if (length > 0) {
        log_error("itr", "%s is begun anew, and the counters of usage in it are lost: %s",
                  counters->path, broken.text);
        counters->dropped++;
    }
    counters->memory = usage_memory_begin(counters->bytes, limit, owner, reported, now);
    return counters;
}

void usage_counters_close(struct usage_counters *counters)
{
    if (counters == NULL)
        return;
    if (counters->bytes != NULL)
        (void)munmap(counters->bytes, counters->size);
    if (counters->file >= 0)
        (void)close(counters->file);
    memory_free(counters->path);
    memory_free(counters);
}

struct usage_memory *usage_counters_memory(const struct usage_counters *counters)
{
    return counters->memory;
}

size_t usage_counters_dropped(const struct usage_counters *counters)
{
    return counters->dropped;
}
