// SPDX-License-Identifier: BSD-2-Clause
// What a configuration server has given out, in a file, so that no number is given out twice after
// the server was killed. One line a host, its link address and its number:
//
//     02:00:5e:10:00:01 7
//
// Lines are only ever added, each with one write that reaches the disk before the host hears of its
// number. What a crash cut off behind the last newline was promised to nobody, and is removed.
#include "sipp/daemon/sippd.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEASE_LINE_MAX 64

static bool read_lease(struct sippd *sippd, const char *line, struct error *error)
{
    unsigned octets[6];
    uint64_t number;
    int end = 0;
    struct link_address link;
    if (sscanf(line, "%2x:%2x:%2x:%2x:%2x:%2x %" SCNu64 "%n", &octets[0], &octets[1], &octets[2],
               &octets[3], &octets[4], &octets[5], &number, &end) != 7 ||
        line[end] != '\n')
        return error_set(error, ERROR_INPUT, "bad-lease", "not a link address and a number");
    for (unsigned i = 0; i < 6; i++)
        link.octets[i] = (uint8_t)octets[i];
    return node_add_lease(sippd->node, &link, number, error);
}

// Reads all whole lines; `good` is where the last one ends.
static bool read_leases(struct sippd *sippd, FILE *stream, const char *file, long *good,
                        struct error *error)
{
    char line[LEASE_LINE_MAX];
    *good = 0;
    for (unsigned number = 1; fgets(line, sizeof(line), stream) != NULL; number++) {
        if (strchr(line, '\n') == NULL && feof(stream))
            break;
        if (!read_lease(sippd, line, error)) {
            error_prefix(error, "%s:%u", file, number);
            return false;
        }
        *good = ftell(stream);
    }
    return !ferror(stream) ||
           error_set(error, ERROR_SYSTEM, "no-leases", "cannot read %s: %s", file, strerror(errno));
}

bool leases_open(struct sippd *sippd, const char *file, struct error *error)
{
    if (sippd->leases >= 0)
        return error_set(error, ERROR_INPUT, "leases-twice", "a line above has a file of leases");
    int fd =
        open(file, sippd->checking ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    // A file that is only checked need not be there yet.
    if (fd < 0 && sippd->checking && errno == ENOENT)
        return true;
    FILE *stream = fd < 0 ? NULL : fdopen(dup(fd), "r");
    if (stream == NULL) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return error_set(error, ERROR_SYSTEM, "no-leases", "cannot open %s: %s", file,
                         strerror(cause));
    }
    long end;
    bool good = read_leases(sippd, stream, file, &end, error);
    (void)fclose(stream);
    if (good && !sippd->checking && (ftruncate(fd, end) != 0 || lseek(fd, end, SEEK_SET) != end))
        good = error_set(error, ERROR_SYSTEM, "no-leases", "cannot mend %s: %s", file,
                         strerror(errno));
    if (!good || sippd->checking)
        close(fd);
    else
        sippd->leases = fd;
    return good;
}

void leases_event(struct sippd *sippd, const struct node_event *event)
{
    char line[LEASE_LINE_MAX];
    const uint8_t *link = event->link.octets;
    if (sippd->leases < 0)
        return;
    off_t end = lseek(sippd->leases, 0, SEEK_CUR);
    int length = snprintf(line, sizeof(line), "%02x:%02x:%02x:%02x:%02x:%02x %" PRIu64 "\n",
                          link[0], link[1], link[2], link[3], link[4], link[5], event->number);
    if (write(sippd->leases, line, (size_t)length) == length && fdatasync(sippd->leases) == 0)
        return;
    log_error("leases", "number %" PRIu64 " could not be written down: %s", event->number,
              strerror(errno));
    // Half a line would make the file unreadable for the next run.
    if (ftruncate(sippd->leases, end) == 0)
        (void)lseek(sippd->leases, end, SEEK_SET);
}

void leases_close(struct sippd *sippd)
{
    if (sippd->leases >= 0)
        close(sippd->leases);
    sippd->leases = -1;
}
