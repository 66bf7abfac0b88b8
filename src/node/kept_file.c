// SPDX-License-Identifier: BSD-2-Clause
#include "node/kept_file.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/whole_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct kept_file {
    struct node *node;
    const char *part;
    const char *what;
    char *path;
    bool writing; // a worker has `content`
    bool waiting; // there is `next`
    bool closing;
    bool failed;
    uv_work_t work;
    struct kept_content content;
    struct kept_content next;
    int problem; // of the worker: errno, or 0
};

struct kept_file *kept_file_open(struct node *node, const char *part, const char *what,
                                 const char *name)
{
    const char *directory = node_config(node)->state;
    size_t size = strlen(directory) + 1 + strlen(name) + 1;
    struct kept_file *file = memory_new(sizeof(*file));
    file->node = node;
    file->part = part;
    file->what = what;
    file->path = memory_new(size);
    file->work.data = file;
    (void)snprintf(file->path, size, "%s/%s", directory, name);
    return file;
}

static void free_file(struct kept_file *file)
{
    memory_free(file->path);
    memory_free(file);
}

void kept_file_close(struct kept_file *file)
{
    if (file == NULL)
        return;
    file->closing = true;
    if (!file->writing)
        free_file(file);
}

const char *kept_file_path(const struct kept_file *file)
{
    return file->path;
}

bool kept_file_failed(const struct kept_file *file)
{
    return file->failed;
}

uint8_t *kept_file_read(const struct kept_file *file, size_t most, size_t *length)
{
    uint8_t *bytes = whole_file_read(file->path, most, length);
    if (bytes == NULL && errno != ENOENT)
        log_warning(file->part, "%s cannot be read: %s", file->path, strerror(errno));
    return bytes;
}

// Writing

static void work(uv_work_t *request)
{
    struct kept_file *file = request->data;
    size_t length = 0;
    uint8_t *bytes = file->content.make(file->content.state, &length);
    file->problem = bytes == NULL ? EFBIG : whole_file_replace(file->path, bytes, length);
    memory_free(bytes);
}

static void on_written(uv_work_t *request, int status);

static void begin(struct kept_file *file, const struct kept_content *content)
{
    file->content = *content;
    file->writing = true;
    int result = uv_queue_work(node_loop(file->node), &file->work, work, on_written);
    assert(result == 0);
    (void)result;
}

static void note_problem(struct kept_file *file)
{
    if (file->problem != 0 && !file->failed)
        log_warning(file->part, "%s cannot be kept in %s: %s", file->what, file->path,
                    strerror(file->problem));
    file->failed = file->problem != 0;
}

static void on_written(uv_work_t *request, int status)
{
    struct kept_file *file = request->data;
    (void)status; // nothing cancels it
    file->content.drop(file->content.state);
    file->writing = false;
    note_problem(file);
    if (file->waiting) {
        file->waiting = false;
        begin(file, &file->next);
    } else if (file->closing) {
        free_file(file);
    }
}

void kept_file_write(struct kept_file *file, const struct kept_content *content)
{
    assert(!file->closing);
    if (!file->writing) {
        begin(file, content);
        return;
    }
    if (file->waiting)
        file->next.drop(file->next.state);
    file->next = *content;
    file->waiting = true;
}

// Octets that are there already

struct octets {
    size_t length;
    uint8_t *bytes; // NULL once they were given away
};

static uint8_t *give_octets(void *state, size_t *length)
{
    struct octets *octets = state;
    uint8_t *bytes = octets->bytes;
    *length = octets->length;
    octets->bytes = NULL;
    return bytes;
}

static void drop_octets(void *state)
{
    struct octets *octets = state;
    memory_free(octets->bytes);
    memory_free(octets);
}

void kept_file_write_bytes(struct kept_file *file, uint8_t *bytes, size_t length)
{
    struct octets *octets = memory_new(sizeof(*octets));
    *octets = (struct octets){length, bytes};
    kept_file_write(file, &(struct kept_content){octets, give_octets, drop_octets});
}
