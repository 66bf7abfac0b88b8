// SPDX-License-Identifier: BSD-2-Clause
#include "node/whole_file.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint8_t *whole_file_read(const char *path, size_t most, size_t *length)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NULL;
    int problem = fstat(file, &status) == 0 ? 0 : errno;
    if (problem == 0 && (status.st_size < 0 || (size_t)status.st_size > most))
        problem = EFBIG;
    size_t size = problem == 0 ? (size_t)status.st_size : 0;
    uint8_t *bytes = memory_new(size + 1);
    ssize_t got = 0;
    for (*length = 0; *length < size; *length += (size_t)got)
        if ((got = read(file, bytes + *length, size - *length)) <= 0)
            break;
    if (got < 0)
        problem = errno;
    (void)close(file);
    if (problem == 0)
        return bytes;
    memory_free(bytes);
    errno = problem;
    return NULL;
}

static bool write_all(int file, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        errno = EIO; // where nothing is written and nothing said
        ssize_t written = write(file, bytes, length);
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return fsync(file) == 0;
}

int whole_file_replace(const char *path, const void *bytes, size_t length)
{
    char fresh[PATH_MAX + 8];
    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return errno;
    int problem = write_all(file, bytes, length) ? 0 : errno;
    (void)close(file);
    if (problem == 0 && rename(fresh, path) != 0)
        problem = errno;
    if (problem != 0)
        (void)unlink(fresh);
    return problem;
}

void whole_file_seal(uint8_t *bytes, size_t length)
{
    (void)crypto_generichash(bytes + length, WHOLE_FILE_SEAL_BYTES, bytes, length, NULL, 0);
}

bool whole_file_intact(const uint8_t *bytes, size_t length)
{
    uint8_t seal[WHOLE_FILE_SEAL_BYTES];
    if (length < sizeof(seal))
        return false;
    size_t content = length - sizeof(seal);
    (void)crypto_generichash(seal, sizeof(seal), bytes, content, NULL, 0);
    return memcmp(seal, bytes + content, sizeof(seal)) == 0;
}
